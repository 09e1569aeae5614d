//! Which servers are believed: those with the right pin, those that the system vouches for, those that the user has
//! accepted before.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use rustix::fs::OFlags;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::verify_tls13_signature,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{
    client::{api::config::Trust, disk::lock},
    protocol::{
        address::{Authority, Security},
        pin::Pin,
    },
    state, tls,
};

/// Above the lines of the file.
const HEAD: &str = "\
# The servers whose certificates were accepted: HOST:PORT, and the pin of the certificate.
# Delete a line to be asked again. first-use: accepted by --accept-new, without comparing the pin.
";

/// In the line of a server that was accepted without asking the user.
const FIRST_USE: &str = "first-use";

/// How long another program may write the file.
const LOCKED: Duration = Duration::from_secs(10);

/// Why a server is not believed that has shown its certificate.
#[derive(Debug)]
pub(crate) enum Distrust {
    /// It has not the pin of its address.
    WrongPin { expected: Pin, found: Pin },
    /// It is not the one that was accepted before.
    Changed { known: Pin, found: Pin },
    /// Nobody knows.
    Unknown { found: Pin },
    /// The file of those that are known cannot be used.
    File(io::Error),
}

/// Why a server is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Its certificate has the pin of the address, was accepted by the user, or is valid by the system's authorities.
    Verified,
    /// Its certificate was accepted on its first use, without being compared.
    FirstUse,
    /// This is its first use. The caller accepts it once it has proven that it has the certificate's key.
    New,
}

/// Who has accepted a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptedBy {
    /// The user, who was shown it.
    User,
    /// [`Trust::accept_new`].
    FirstUse,
}

/// A certificate that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    pin: Pin,
    by: AcceptedBy,
}

impl Known {
    /// Returns what is known after `new` is accepted as well: the first certificate stays, and the user's acceptance replaces a first use.
    fn and(self, new: Known) -> Known {
        if self.pin == new.pin && new.by == AcceptedBy::User { new } else { self }
    }
}

/// What an engine knows of servers.
#[derive(Debug)]
pub(crate) struct Servers {
    trust: Trust,
    /// Those that were accepted while this engine runs and are in no file: where there is none, or it cannot be written.
    met: Mutex<HashMap<String, Known>>,
    /// Certificates that the system's authorities have verified in this run.
    vouched: Mutex<HashMap<String, Pin>>,
}

impl Servers {
    pub(crate) fn new(trust: Trust) -> Servers {
        Servers { trust, met: Mutex::default(), vouched: Mutex::default() }
    }

    /// Whether a token may be sent to a server.
    pub(crate) fn may_have_token(&self, authority: &Authority) -> bool {
        authority.security != Security::Plain || self.trust.plain_tokens
    }

    /// The file that remembers.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.trust.known.as_deref()
    }

    /// Judges a server by its certificate; `vouched` asks the system, which takes a while.
    fn judge(
        &self,
        authority: &Authority,
        found: Pin,
        vouched: impl FnOnce() -> bool,
    ) -> Result<Belief, Distrust> {
        if let Security::Tls { pin: Some(expected) } = authority.security {
            let right = expected == found;
            return if right { Ok(Belief::Verified) } else { Err(Distrust::WrongPin { expected, found }) };
        }
        let known = self.known(authority).map_err(Distrust::File)?;
        match known {
            // Also if the system vouches for it: who accepted a certificate meant that one.
            Some(known) if known.pin != found => Err(Distrust::Changed { known: known.pin, found }),
            Some(Known { by: AcceptedBy::User, .. }) => Ok(Belief::Verified),
            _ if vouched() => {
                lock_map(&self.vouched).insert(authority.to_string(), found);
                Ok(Belief::Verified)
            }
            Some(_) => Ok(Belief::FirstUse),
            None if self.trust.accept_new => Ok(Belief::New),
            None => Err(Distrust::Unknown { found }),
        }
    }

    /// Whether a certificate that was accepted before is still trusted: the user may have removed its line.
    pub(crate) fn is_still_trusted(&self, authority: &Authority, found: Pin) -> bool {
        let vouched = || lock_map(&self.vouched).get(&authority.to_string()) == Some(&found);
        matches!(self.judge(authority, found, vouched), Ok(Belief::Verified | Belief::FirstUse))
    }

    fn known(&self, authority: &Authority) -> io::Result<Option<Known>> {
        let name = authority.to_string();
        let met = self.met().get(&name).copied();
        match (met, &self.trust.known) {
            (Some(known), _) => Ok(Some(known)),
            // Each time: a line that was taken out counts at once.
            (None, Some(path)) => Ok(find(&read(path)?, &name)),
            (None, None) => Ok(None),
        }
    }

    fn met(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        lock_map(&self.met)
    }

    /// Believes a server from now on.
    ///
    /// # Errors
    /// It was accepted with another certificate meanwhile: that one counts. Or it is believed, but could not be remembered
    /// beyond this run.
    pub(crate) fn accept(&self, authority: &Authority, found: Pin, by: AcceptedBy) -> Result<(), Distrust> {
        let (name, new) = (authority.to_string(), Known { pin: found, by });
        let remembered = self.trust.known.as_deref().map(|path| remember(path, &name, new));
        let (known, result) = match remembered {
            Some(Ok(known)) => (known, Ok(())),
            other => {
                let known =
                    *self.met().entry(name).and_modify(|known| *known = known.and(new)).or_insert(new);
                (known, other.map_or(Ok(()), |failed| failed.map(drop).map_err(Distrust::File)))
            }
        };
        if known.pin != found {
            return Err(Distrust::Changed { known: known.pin, found });
        }
        result
    }
}

fn lock_map<T>(map: &Mutex<HashMap<String, T>>) -> MutexGuard<'_, HashMap<String, T>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text of the file; none is as good as an empty one.
fn read(path: &Path) -> io::Result<String> {
    match state::read_own(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The server of a line, and its certificate; `None` for a comment or a malformed line.
fn entry(line: &str) -> Option<(&str, Known)> {
    let mut words = line.split_whitespace();
    let (name, pin) = (words.next()?, words.next()?);
    let by = if words.next() == Some(FIRST_USE) { AcceptedBy::FirstUse } else { AcceptedBy::User };
    if name.starts_with('#') { None } else { Some((name, Known { pin: Pin::parse(pin).ok()?, by })) }
}

/// The last one counts.
fn find(text: &str, name: &str) -> Option<Known> {
    text.lines().rev().filter_map(entry).find(|(known, _)| *known == name).map(|(_, known)| known)
}

/// Adds a server to the file, or updates its line as [`Known::and`] says, and returns what is known then. All other lines stay.
fn remember(path: &Path, name: &str, new: Known) -> io::Result<Known> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    state::private_folder(folder)?;
    // Another program may be at it, too.
    let _lock = lock(&path.with_extension("lock"), LOCKED)?;
    let text = read(path)?;
    let before = find(&text, name);
    let known = before.map_or(new, |before| before.and(new));
    if before == Some(known) {
        return Ok(known);
    }
    let others = text.lines().filter(|line| entry(line).is_none_or(|(other, _)| other != name));
    let by = match known.by {
        AcceptedBy::User => String::new(),
        AcceptedBy::FirstUse => format!(" {FIRST_USE}"),
    };
    let line = format!("{name} {}{by}", known.pin);
    let lines: Vec<_> = others.chain([&line[..]]).collect();
    let head = if text.is_empty() { HEAD } else { "" };
    state::replace(path, format!("{head}{}\n", lines.join("\n")).as_bytes())?;
    Ok(known)
}

/// The lock of the file, for which nobody waits for long: a certificate is being looked at.
fn lock(path: &Path, patience: Duration) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().create(true).append(true).mode(0o600).custom_flags(flags).open(path)?;
    match lock::lock(&file, patience) {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another program keeps it locked")),
    }
}

/// Looks at the certificate of one server.
#[derive(Debug)]
pub(crate) struct Verifier {
    servers: Arc<Servers>,
    authority: Authority,
    verdict: Mutex<Option<Result<(Pin, Belief), Distrust>>>,
}

impl Verifier {
    pub(crate) fn new(servers: Arc<Servers>, authority: Authority) -> Verifier {
        Verifier { servers, authority, verdict: Mutex::default() }
    }

    /// Why it was not believed, if that was so.
    pub(crate) fn distrust(&self) -> Option<Distrust> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take_if(|verdict| verdict.is_err())?.err()
    }

    /// The certificate that is trusted, and why.
    pub(crate) fn found(&self) -> Option<(Pin, Belief)> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.as_ref().ok().copied()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let vouched = || {
            system().is_some_and(|system| {
                system.verify_server_cert(end_entity, intermediates, server_name, ocsp, now).is_ok()
            })
        };
        let pin = tls::pin(end_entity);
        let verdict = self.servers.judge(&self.authority, pin, vouched).map(|belief| (pin, belief));
        let verified = match verdict {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        };
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        verified
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    /// That the server has the key of its certificate.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &tls::provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The system's authorities, read when they are first asked; `None` if there are none.
fn system() -> Option<&'static WebPkiServerVerifier> {
    static SYSTEM: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();
    let load = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!("authorities of the system: {error}");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().ok()
    };
    SYSTEM.get_or_init(load).as_deref()
}

#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OLD: Pin = Pin([1; 32]);
    const NEW: Pin = Pin([2; 32]);

    fn server(pin: Option<Pin>) -> Authority {
        Authority::new("nas", 7878, Security::Tls { pin })
    }

    /// Why a server is not trusted, or an empty text. A new server is accepted as after its handshake.
    fn judge(servers: &Servers, authority: &Authority, found: Pin, vouched: bool) -> String {
        let judged = servers.judge(authority, found, || vouched).and_then(|belief| match belief {
            Belief::New => servers.accept(authority, found, AcceptedBy::FirstUse),
            Belief::Verified | Belief::FirstUse => Ok(()),
        });
        judged.map_or_else(|distrust| format!("{distrust:?}"), |()| String::new())
    }

    fn known(pin: Pin, by: AcceptedBy) -> Known {
        Known { pin, by }
    }

    fn unknown(found: Pin) -> String {
        format!("{:?}", Distrust::Unknown { found })
    }

    fn changed(known: Pin, found: Pin) -> String {
        format!("{:?}", Distrust::Changed { known, found })
    }

    #[test]
    fn a_pin_decides_alone() {
        let servers = Servers::new(Trust { accept_new: true, ..Trust::default() });
        servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
        assert_eq!(judge(&servers, &server(Some(NEW)), NEW, false), "");
        let wrong = format!("{:?}", Distrust::WrongPin { expected: NEW, found: OLD });
        assert_eq!(judge(&servers, &server(Some(NEW)), OLD, true), wrong);
    }

    #[test]
    fn of_two_certificates_the_one_that_was_accepted_first_counts() {
        let place = tempfile::tempdir().unwrap();
        let known = Some(place.path().join("known_servers"));
        for trust in [Trust::default(), Trust { known, ..Trust::default() }] {
            let servers = Servers::new(trust.clone());
            servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
            for servers in [&servers, &Servers::new(trust.clone())]
                .into_iter()
                .take(1 + usize::from(trust.known.is_some()))
            {
                let refused =
                    format!("{:?}", servers.accept(&server(None), NEW, AcceptedBy::User).unwrap_err());
                assert_eq!(refused, changed(OLD, NEW));
                assert_eq!(judge(servers, &server(None), OLD, false), "");
                servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
            }
        }
    }

    #[test]
    fn a_new_server_is_unknown_until_it_is_accepted() {
        let place = tempfile::tempdir().unwrap();
        let known = Some(place.path().join("state/known_servers"));
        let trust = Trust { known, ..Trust::default() };
        let servers = Servers::new(trust.clone());
        assert_eq!(judge(&servers, &server(None), OLD, false), unknown(OLD));
        assert_eq!(judge(&servers, &server(None), OLD, true), "", "the system vouches for it");
        assert!(
            servers.is_still_trusted(&server(None), OLD) && !servers.is_still_trusted(&server(None), NEW)
        );
        servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
        for servers in [servers, Servers::new(trust)] {
            assert_eq!(judge(&servers, &server(None), OLD, false), "");
            assert_eq!(judge(&servers, &server(None), NEW, false), changed(OLD, NEW));
            assert_eq!(
                judge(&servers, &server(None), NEW, true),
                changed(OLD, NEW),
                "whoever vouches for it"
            );
            let other = Authority { port: 1, ..server(None) };
            assert_eq!(judge(&servers, &other, OLD, false), unknown(OLD));
        }
    }

    #[test]
    fn a_line_that_is_taken_out_is_forgotten_at_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        let servers = Servers::new(Trust { known: Some(path.clone()), ..Trust::default() });
        servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
        assert_eq!(judge(&servers, &server(None), OLD, false), "");
        assert!(
            servers.is_still_trusted(&server(None), OLD) && !servers.is_still_trusted(&server(None), NEW)
        );
        fs::write(&path, HEAD).unwrap();
        assert!(!servers.is_still_trusted(&server(None), OLD), "idle connections are not used either");
        assert!(servers.is_still_trusted(&server(Some(OLD)), OLD), "a pin needs no line");
        assert_eq!(judge(&servers, &server(None), OLD, false), unknown(OLD));
        assert_eq!(judge(&servers, &server(None), NEW, false), unknown(NEW));
    }

    #[test]
    fn a_new_server_may_be_accepted_unasked_and_a_changed_one_never() {
        let trust = Trust { accept_new: true, ..Trust::default() };
        let servers = Servers::new(trust);
        assert_eq!(judge(&servers, &server(None), OLD, false), "");
        assert_eq!(judge(&servers, &server(None), NEW, false), changed(OLD, NEW));
    }

    #[test]
    fn the_file_is_for_people_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        remember(&path, "nas:1", known(OLD, AcceptedBy::User)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEAD}nas:1 {OLD}\n"));
        fs::write(&path, format!("# mine\n\nnonsense\nnas:2 sha256:00\n{text}[::1]:3  {NEW}  # the loft\n"))
            .unwrap();
        let first = known(OLD, AcceptedBy::User);
        for by in [AcceptedBy::User, AcceptedBy::FirstUse] {
            assert_eq!(
                remember(&path, "nas:1", known(NEW, by)).unwrap(),
                first,
                "what was accepted first counts"
            );
            assert_eq!(remember(&path, "nas:1", known(OLD, by)).unwrap(), first);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n\nnonsense\nnas:2 sha256:00\n"), "{text}");
        assert_eq!(text.matches("nas:1 ").count(), 1);
        for (name, pin) in [("nas:1", Some(OLD)), ("[::1]:3", Some(NEW)), ("nas:2", None), ("#", None)] {
            assert_eq!(find(&text, name), pin.map(|pin| known(pin, AcceptedBy::User)), "{name}");
        }
    }

    #[test]
    fn a_server_stays_first_use_until_the_user_accepts_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        for file in [None, Some(path.clone())] {
            let has_file = file.is_some();
            let servers = Servers::new(Trust { known: file, accept_new: true, ..Trust::default() });
            let belief = |found, vouched| servers.judge(&server(None), found, || vouched).ok();
            assert_eq!(belief(OLD, false), Some(Belief::New));
            assert_eq!(
                belief(NEW, false),
                Some(Belief::New),
                "it is not accepted before the handshake's end"
            );
            servers.accept(&server(None), OLD, AcceptedBy::FirstUse).unwrap();
            assert_eq!(belief(OLD, false), Some(Belief::FirstUse));
            assert!(servers.is_still_trusted(&server(None), OLD));
            assert_eq!(belief(OLD, true), Some(Belief::Verified), "the system vouches for it");
            assert_eq!(belief(NEW, true), None);
            if has_file {
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEAD}nas:7878 {OLD} first-use\n"));
            }
            servers.accept(&server(None), OLD, AcceptedBy::User).unwrap();
            servers.accept(&server(None), OLD, AcceptedBy::FirstUse).unwrap();
            assert_eq!(belief(OLD, false), Some(Belief::Verified));
            if has_file {
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEAD}nas:7878 {OLD}\n"));
            }
        }
    }

    #[test]
    fn two_who_remember_at_once_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    remember(path, &format!("nas:{number}"), known(OLD, AcceptedBy::User)).unwrap()
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter_map(entry).count(), 8, "{text}");
    }

    #[test]
    fn nobody_waits_for_ever_for_the_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers.lock");
        let held = lock(&path, LOCKED).unwrap();
        let error = lock(&path, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
        drop(held);
        lock(&path, LOCKED).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_read_believes_nobody() {
        let place = tempfile::tempdir().unwrap();
        let trust = Trust { known: Some(place.path().to_owned()), accept_new: true, ..Trust::default() };
        assert!(Servers::new(trust).judge(&server(None), OLD, || true).is_err());
    }
}
