//! Decides whether a server is trusted with the certificate that it has shown.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use rustls::client::WebPkiServerVerifier;

use crate::{
    client::{
        api::{address::locator::Host, settings::config::Trust},
        trust::{
            known::{AcceptedBy, Known, lookup, remember},
            system::authorities,
        },
    },
    protocol::{
        address::{Authority, Security},
        trust::pin::Pin,
    },
};

/// Why a server is not trusted with its certificate.
#[derive(Debug)]
pub(crate) enum Untrusted {
    /// The certificate does not match the pin of the address.
    WrongPin { expected: Pin, found: Pin },
    /// Another certificate was accepted before.
    Changed { known: Pin, found: Pin },
    /// No certificate was accepted before.
    Unknown { found: Pin },
    /// It was accepted on its first use only, or would be, and secrets are to be sent.
    Unchecked { found: Pin },
    /// The file of known servers cannot be used.
    File(io::Error),
}

/// Why a server is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// Its certificate has the pin of the address, was accepted by the user, or is valid by the system's authorities.
    Verified,
    /// Its certificate was accepted on its first use, without being compared.
    FirstUse,
    /// This is its first use. The caller accepts it once it has proven that it has the certificate's key.
    New,
}

/// What is known of servers.
#[derive(Debug)]
pub(crate) struct KnownServers {
    trust: Trust,
    /// Servers that were accepted in this run, where no file can keep them.
    accepted: Mutex<HashMap<String, Known>>,
    /// Certificates that the system's authorities have verified in this run.
    by_system: Mutex<HashMap<String, Pin>>,
    /// The certificate authorities, read when they are first needed.
    authorities: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl KnownServers {
    pub(crate) fn new(trust: Trust) -> KnownServers {
        KnownServers {
            trust,
            accepted: Mutex::default(),
            by_system: Mutex::default(),
            authorities: OnceLock::new(),
        }
    }

    /// Whether a token may be sent to a server.
    pub(crate) fn may_have_token(&self, authority: &Authority) -> bool {
        authority.security != Security::Plain || self.trust.plain_tokens
    }

    /// The certificate authorities that are trusted, if there are any.
    pub(super) fn authorities(&self) -> Option<&WebPkiServerVerifier> {
        self.authorities.get_or_init(|| authorities(self.trust.authorities.as_deref())).as_deref()
    }

    /// The file of known servers.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.trust.known.as_deref()
    }

    /// Verifies the certificate. `by_system` asks the system's authorities, which takes a while.
    pub(super) fn verify(
        &self,
        authority: &Authority,
        found: Pin,
        by_system: impl FnOnce() -> bool,
    ) -> Result<Trusted, Untrusted> {
        if let Security::Tls { pin: Some(expected) } = authority.security {
            let right = expected == found;
            return if right { Ok(Trusted::Verified) } else { Err(Untrusted::WrongPin { expected, found }) };
        }
        let known = self.known(authority).map_err(Untrusted::File)?;
        match known {
            // Even if it is valid by the system's authorities: the user accepted that certificate and no other.
            Some(known) if known.pin != found => Err(Untrusted::Changed { known: known.pin, found }),
            Some(Known { by: AcceptedBy::User, .. }) => Ok(Trusted::Verified),
            _ if by_system() => {
                lock_map(&self.by_system).insert(authority.to_string(), found);
                Ok(Trusted::Verified)
            }
            Some(_) => Ok(Trusted::FirstUse),
            None if self.trust.accept_new => Ok(Trusted::New),
            None => Err(Untrusted::Unknown { found }),
        }
    }

    /// Whether a certificate that was accepted before is still trusted: the user may have removed its line.
    pub(crate) fn is_still_trusted(&self, authority: &Authority, found: Pin) -> bool {
        let by_system = || lock_map(&self.by_system).get(&authority.to_string()) == Some(&found);
        matches!(self.verify(authority, found, by_system), Ok(Trusted::Verified | Trusted::FirstUse))
    }

    fn known(&self, authority: &Authority) -> io::Result<Option<Known>> {
        let name = authority.to_string();
        let accepted = self.accepted().get(&name).copied();
        match (accepted, &self.trust.known) {
            (Some(known), _) => Ok(Some(known)),
            (None, Some(path)) => lookup(path, &name),
            (None, None) => Ok(None),
        }
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        lock_map(&self.accepted)
    }

    /// Trusts a server from now on.
    ///
    /// # Errors
    /// Another certificate was accepted meanwhile: that one counts. Or the server is trusted, but only in this run, since the file
    /// cannot be written.
    pub(crate) fn accept(&self, host: &Host, found: Pin, by: AcceptedBy) -> Result<(), Untrusted> {
        let (name, new) = (host.to_string(), Known { pin: found, by });
        let remembered = self.trust.known.as_deref().map(|path| remember(path, &name, new));
        let (known, result) = match remembered {
            Some(Ok(known)) => (known, Ok(())),
            other => {
                let known =
                    *self.accepted().entry(name).and_modify(|known| *known = known.and(new)).or_insert(new);
                (known, other.map_or(Ok(()), |failed| failed.map(drop).map_err(Untrusted::File)))
            }
        };
        if known.pin != found {
            return Err(Untrusted::Changed { known: known.pin, found });
        }
        result
    }
}

fn lock_map<T>(map: &Mutex<HashMap<String, T>>) -> MutexGuard<'_, HashMap<String, T>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::client::trust::known::HEAD;

    const OLD: Pin = Pin([1; 32]);
    const NEW: Pin = Pin([2; 32]);

    fn server(pin: Option<Pin>) -> Authority {
        Authority::new("nas", 7878, Security::Tls { pin })
    }

    fn nas() -> Host {
        (&server(None)).into()
    }

    /// Why a server is not trusted, or an empty text. A new server is accepted as after its handshake.
    fn verify(servers: &KnownServers, authority: &Authority, found: Pin, by_system: bool) -> String {
        let verified = servers.verify(authority, found, || by_system).and_then(|trusted| match trusted {
            Trusted::New => servers.accept(&authority.into(), found, AcceptedBy::FirstUse),
            Trusted::Verified | Trusted::FirstUse => Ok(()),
        });
        verified.map_or_else(|untrusted| format!("{untrusted:?}"), |()| String::new())
    }

    fn unknown(found: Pin) -> String {
        format!("{:?}", Untrusted::Unknown { found })
    }

    fn changed(known: Pin, found: Pin) -> String {
        format!("{:?}", Untrusted::Changed { known, found })
    }

    #[test]
    fn a_pin_decides_alone() {
        let servers = KnownServers::new(Trust { accept_new: true, ..Trust::default() });
        servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
        assert_eq!(verify(&servers, &server(Some(NEW)), NEW, false), "");
        let wrong = format!("{:?}", Untrusted::WrongPin { expected: NEW, found: OLD });
        assert_eq!(verify(&servers, &server(Some(NEW)), OLD, true), wrong);
    }

    #[test]
    fn of_two_certificates_the_one_that_was_accepted_first_counts() {
        let place = tempfile::tempdir().unwrap();
        let known = Some(place.path().join("known_servers"));
        for trust in [Trust::default(), Trust { known, ..Trust::default() }] {
            let servers = KnownServers::new(trust.clone());
            servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
            for servers in [&servers, &KnownServers::new(trust.clone())]
                .into_iter()
                .take(1 + usize::from(trust.known.is_some()))
            {
                let refused = format!("{:?}", servers.accept(&nas(), NEW, AcceptedBy::User).unwrap_err());
                assert_eq!(refused, changed(OLD, NEW));
                assert_eq!(verify(servers, &server(None), OLD, false), "");
                servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
            }
        }
    }

    #[test]
    fn a_new_server_is_unknown_until_it_is_accepted() {
        let place = tempfile::tempdir().unwrap();
        let known = Some(place.path().join("state/known_servers"));
        let trust = Trust { known, ..Trust::default() };
        let servers = KnownServers::new(trust.clone());
        assert_eq!(verify(&servers, &server(None), OLD, false), unknown(OLD));
        assert_eq!(verify(&servers, &server(None), OLD, true), "", "it is valid by the system's authorities");
        assert!(
            servers.is_still_trusted(&server(None), OLD) && !servers.is_still_trusted(&server(None), NEW)
        );
        servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
        for servers in [servers, KnownServers::new(trust)] {
            assert_eq!(verify(&servers, &server(None), OLD, false), "");
            assert_eq!(verify(&servers, &server(None), NEW, false), changed(OLD, NEW));
            assert_eq!(
                verify(&servers, &server(None), NEW, true),
                changed(OLD, NEW),
                "also if it is valid by the system's authorities"
            );
            let other = Authority { port: 1, ..server(None) };
            assert_eq!(verify(&servers, &other, OLD, false), unknown(OLD));
        }
    }

    #[test]
    fn a_server_is_unknown_as_soon_as_its_line_is_deleted() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        let servers = KnownServers::new(Trust { known: Some(path.clone()), ..Trust::default() });
        servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
        assert_eq!(verify(&servers, &server(None), OLD, false), "");
        assert!(
            servers.is_still_trusted(&server(None), OLD) && !servers.is_still_trusted(&server(None), NEW)
        );
        fs::write(&path, HEAD).unwrap();
        assert!(!servers.is_still_trusted(&server(None), OLD), "idle connections are not used either");
        assert!(servers.is_still_trusted(&server(Some(OLD)), OLD), "a pin needs no line");
        assert_eq!(verify(&servers, &server(None), OLD, false), unknown(OLD));
        assert_eq!(verify(&servers, &server(None), NEW, false), unknown(NEW));
    }

    #[test]
    fn a_new_server_may_be_accepted_without_a_question_and_a_changed_one_never() {
        let trust = Trust { accept_new: true, ..Trust::default() };
        let servers = KnownServers::new(trust);
        assert_eq!(verify(&servers, &server(None), OLD, false), "");
        assert_eq!(verify(&servers, &server(None), NEW, false), changed(OLD, NEW));
    }

    #[test]
    fn a_server_stays_first_use_until_the_user_accepts_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        for file in [None, Some(path.clone())] {
            let has_file = file.is_some();
            let servers = KnownServers::new(Trust { known: file, accept_new: true, ..Trust::default() });
            let trusted = |found, by_system| servers.verify(&server(None), found, || by_system).ok();
            assert_eq!(trusted(OLD, false), Some(Trusted::New));
            assert_eq!(
                trusted(NEW, false),
                Some(Trusted::New),
                "it is not accepted before the handshake's end"
            );
            servers.accept(&nas(), OLD, AcceptedBy::FirstUse).unwrap();
            assert_eq!(trusted(OLD, false), Some(Trusted::FirstUse));
            assert!(servers.is_still_trusted(&server(None), OLD));
            assert_eq!(
                trusted(OLD, true),
                Some(Trusted::Verified),
                "it is valid by the system's authorities"
            );
            assert_eq!(trusted(NEW, true), None);
            if has_file {
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEAD}nas:7878 {OLD} first-use\n"));
            }
            servers.accept(&nas(), OLD, AcceptedBy::User).unwrap();
            servers.accept(&nas(), OLD, AcceptedBy::FirstUse).unwrap();
            assert_eq!(trusted(OLD, false), Some(Trusted::Verified));
            if has_file {
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEAD}nas:7878 {OLD}\n"));
            }
        }
    }

    #[test]
    fn nothing_is_trusted_if_the_file_cannot_be_read() {
        let place = tempfile::tempdir().unwrap();
        let trust = Trust { known: Some(place.path().to_owned()), accept_new: true, ..Trust::default() };
        assert!(KnownServers::new(trust).verify(&server(None), OLD, || true).is_err());
    }
}
