//! TLS 1.3 for client and server, without sockets, by `rustls` with the provider `ring`.

#[cfg(test)]
pub(crate) mod any_certificate;
mod session;

use std::{
    io,
    sync::{Arc, LazyLock},
};

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite},
    },
    pki_types::CertificateDer,
    version::TLS13,
};
use sha2::{Digest, Sha256};

use crate::protocol::trust::pin::Pin;

pub(crate) use session::Session;

/// The ALPN name of version 1 of the protocol, with proofs of tokens.
pub(crate) const PROOF_PROTOCOL: &[u8] = b"fdsp/1-proof";

/// The ALPN name of version 1 without proofs: clients send the token itself.
pub(crate) const TOKEN_PROTOCOL: &[u8] = b"fdsp/1";

/// The ALPN names of clients, and the first ones of servers, in the order of preference.
pub(crate) const PROTOCOLS: [&[u8]; 2] = [PROOF_PROTOCOL, TOKEN_PROTOCOL];

/// The ALPN name of HTTP/1.1, which servers speak as well.
pub(crate) const HTTP_PROTOCOL: &[u8] = b"http/1.1";

/// The TLS versions: only 1.3.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

/// The cipher suites, the fastest one on processors with AES instructions first.
const SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The cryptography provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider { cipher_suites: SUITES.to_vec(), ..ring::default_provider() })
    });
    Arc::clone(&PROVIDER)
}

/// The cryptography provider for web servers, many of which support TLS 1.2 only.
pub(crate) fn web_provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// 32 bytes of the cryptographic random generator.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    provider().secure_random.fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(bytes)
}

/// The pin of a certificate.
pub(crate) fn pin(certificate: &CertificateDer<'_>) -> Pin {
    Pin(Sha256::digest(certificate).into())
}

#[cfg(test)]
mod tests {
    use rustls::ProtocolVersion;

    use super::*;

    #[test]
    fn only_tls_1_3_is_accepted() {
        let provider = provider();
        assert_eq!(provider.cipher_suites.len(), 3);
        assert!(
            provider.cipher_suites.iter().all(|suite| suite.version().version == ProtocolVersion::TLSv1_3)
        );
    }
}
