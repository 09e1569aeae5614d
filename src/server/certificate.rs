//! The certificate of a server and its key, generated on the first start or given.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::NoServerSessionStorage,
};
use sha2::{Digest, Sha256};

use crate::{net::tls, platform::state, protocol::trust::pin::Pin, text::SafeText};

/// The name of the file with key and certificate: one file, so that they always belong together.
const FILE: &str = "identity.pem";

/// Tickets for each connection: a client uses each once.
const TICKETS: usize = 2;

/// The words in a key that needs a passphrase.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The source of certificate and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Generated on the first start, and stored in this folder.
    Stored(PathBuf),
    /// Given: PEM files.
    Given {
        /// The certificate, followed by those that signed it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Generated for this run.
    Temporary,
}

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot use '{path}': {error}")]
    File {
        /// The file.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// The key cannot be stored.
    #[error("cannot store the server's key in '{path}': {error}")]
    State {
        /// The file.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// A file has invalid content.
    #[error("'{path}' has no valid {what}: {reason}")]
    Content {
        /// The file.
        path: SafeText,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The generated file has invalid content.
    #[error(
        "'{path}' is damaged: delete it and a new one is created, which all clients have to accept again"
    )]
    Damaged {
        /// The file.
        path: SafeText,
    },
    /// Other users can read the key.
    #[error(
        "other users can read the key in '{path}': run chmod 600 on it, or delete it and a new one is created"
    )]
    Open {
        /// The file.
        path: SafeText,
    },
    /// Key and certificate do not fit, or cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(SafeText),
}

/// The TLS configuration of a server, and the pin of the certificate that it presents.
#[derive(Clone)]
pub(super) struct TlsSetup {
    pub config: Arc<ServerConfig>,
    pub pin: Pin,
    /// The SHA-256 digest of the public key in base64, as curl pins it; `None` if the key does not give it.
    pub public_key: Option<String>,
}

impl Certificate {
    /// Loads it, or generates it.
    pub(super) fn load(&self) -> Result<TlsSetup, CertificateError> {
        match self {
            Certificate::Stored(folder) => {
                let path = folder.join(FILE);
                let file = |error| CertificateError::State { path: SafeText::from_path(&path), error };
                let bytes = state::read_or_make(&path, generate).map_err(file)?;
                if !state::is_private(&path).map_err(file)? {
                    return Err(CertificateError::Open { path: SafeText::from_path(&path) });
                }
                let setup = certificates(&bytes, &path)
                    .and_then(|chain| tls_setup(chain, private_key(&bytes, &path)?));
                setup.map_err(|error| {
                    tracing::debug!("{error}");
                    CertificateError::Damaged { path: SafeText::from_path(&path) }
                })
            }
            Certificate::Given { certificate, key } => {
                tls_setup(certificates(&read(certificate)?, certificate)?, private_key(&read(key)?, key)?)
            }
            Certificate::Temporary => {
                let path = Path::new(FILE);
                let bytes = generate()
                    .map_err(|error| CertificateError::File { path: SafeText::from_path(path), error })?;
                tls_setup(certificates(&bytes, path)?, private_key(&bytes, path)?)
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    state::read(path).map_err(|error| CertificateError::File { path: SafeText::from_path(path), error })
}

/// A new key, and a certificate that it has signed itself. The names in the certificate have no
/// meaning: clients know it by its digest.
fn generate() -> io::Result<Vec<u8>> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "fdsp server");
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok((certificate.pem() + &key.serialize_pem()).into_bytes())
}

fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let all = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let all = all.and_then(|all| if all.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(all) });
    all.map_err(|error| content(path, "certificate", &error))
}

fn private_key(bytes: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        // In the type of PKCS #8, or in a header of the older form (RFC 1421, section 4.6.1.1).
        if bytes.windows(ENCRYPTED.len()).any(|word| word == ENCRYPTED) {
            let reason = "it is encrypted; remove the passphrase, for example with openssl pkey";
            return CertificateError::Content {
                path: SafeText::from_path(path),
                what: "private key",
                reason,
            };
        }
        content(path, "private key", &error)
    })
}

fn content(path: &Path, what: &'static str, error: &pem::Error) -> CertificateError {
    let reason = match error {
        pem::Error::NoItemsFound => "it must be PEM, with BEGIN and END lines",
        _ => "its PEM is damaged or incomplete",
    };
    CertificateError::Content { path: SafeText::from_path(path), what, reason }
}

/// Why a certificate and a key cannot be used.
fn unfit(error: &rustls::Error) -> CertificateError {
    let reason = match error {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        rustls::Error::InvalidCertificate(_) => {
            "the certificate is damaged, or not of version 3 of X.509".to_owned()
        }
        // The only error for a key that the provider does not accept.
        rustls::Error::General(_) => {
            "the key has an unsupported type; supported are RSA from 2048 bits, ECDSA on P-256 or P-384, Ed25519"
                .to_owned()
        }
        error => error.to_string(),
    };
    CertificateError::Unfit(SafeText::new(&reason))
}

fn tls_setup(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsSetup, CertificateError> {
    let unfit = |error| unfit(&error);
    let pin = chain.first().map(tls::pin).ok_or_else(|| unfit(rustls::Error::NoCertificatesPresented))?;
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key.clone_key())
        .map_err(unfit)?;
    let signer = tls::provider().key_provider.load_private_key(key).map_err(unfit)?;
    let public_key = signer.public_key().map(|key| STANDARD.encode(Sha256::digest(key)));
    config.alpn_protocols =
        tls::PROTOCOLS.into_iter().chain([tls::HTTP_PROTOCOL]).map(<[u8]>::to_vec).collect();
    // Sessions are resumed by tickets alone. Their keys are in memory only, and are replaced every six hours.
    config.send_tls13_tickets = TICKETS;
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unfit)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(TlsSetup { config: Arc::new(config), pin, public_key })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn pin(identity: &Certificate) -> Pin {
        identity.load().map(|setup| setup.pin).unwrap_or_else(|error| panic!("{identity:?}: {error}"))
    }

    #[test]
    fn a_saved_certificate_stays_the_same_and_private() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (place.path().join("one"), place.path().join("other"));
        let first = pin(&Certificate::Stored(one.clone()));
        assert_eq!(pin(&Certificate::Stored(one.clone())), first);
        assert_ne!(pin(&Certificate::Stored(other)), first);
        let mode = fs::metadata(one.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(one.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Certificate::Stored(one).load(), Err(CertificateError::Open { .. })));
    }

    #[test]
    fn the_error_for_a_damaged_certificate_says_to_delete_it() {
        let place = tempfile::tempdir().unwrap();
        let kept = Certificate::Stored(place.path().to_owned());
        let first = pin(&kept);
        let whole = fs::read(place.path().join(FILE)).unwrap();
        for bytes in [&b""[..], b"no PEM", &whole[..whole.len() / 2], &whole[..whole.len() - 100]] {
            fs::write(place.path().join(FILE), bytes).unwrap();
            let error = kept.load().err().unwrap().to_string();
            assert!(error.contains("identity.pem' is damaged: delete it"), "{error}");
        }
        fs::remove_file(place.path().join(FILE)).unwrap();
        assert_ne!(pin(&kept), first);
    }

    #[test]
    fn servers_that_start_at_the_same_time_have_one_certificate() {
        let place = tempfile::tempdir().unwrap();
        let identity = Certificate::Stored(place.path().join("state"));
        let pins: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| pin(&identity))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(pins.iter().all(|pin| *pin == pins[0]), "{pins:?}");
    }

    #[test]
    fn certificate_files_are_used_and_named_in_errors() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let given =
            |certificate: &str, key: &str| Certificate::Given { certificate: at(certificate), key: at(key) };
        let kept = pin(&Certificate::Stored(place.path().to_owned()));
        assert_eq!(pin(&given(FILE, FILE)), kept);
        fs::write(at("empty"), "no PEM").unwrap();
        fs::write(at("other"), generate().unwrap()).unwrap();
        let key = |kind: &str, rest: &str| {
            format!("-----BEGIN {kind}PRIVATE KEY-----\n{rest}-----END {kind}PRIVATE KEY-----\n")
        };
        fs::write(at("encrypted"), key("ENCRYPTED ", "MAA=\n")).unwrap();
        let header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAA=\n";
        fs::write(at("encrypted before"), key("RSA ", header)).unwrap();
        fs::write(at("strange"), key("", "MAA=\n")).unwrap();
        fs::write(at("cut"), &generate().unwrap()[..200]).unwrap();
        for (identity, words) in [
            (given("absent", FILE), ["absent", "No such file"]),
            (given("empty", FILE), ["empty", "no valid certificate"]),
            (given("cut", FILE), ["cut", "damaged or incomplete"]),
            (given(FILE, "empty"), ["empty", "no valid private key"]),
            (given(FILE, "encrypted"), ["encrypted'", "remove the passphrase"]),
            (given(FILE, "encrypted before"), ["encrypted before'", "remove the passphrase"]),
            (given(FILE, "strange"), ["certificate and key cannot be used", "unsupported type"]),
            (given(FILE, "other"), ["certificate and key cannot be used", "not that of the certificate"]),
        ] {
            let error = identity.load().err().unwrap().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
