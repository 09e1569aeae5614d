//! The seal of a control file: who has no secret of this user's cannot have written it. Control files lie where anything
//! may be put that is fetched or unpacked, and tell what need not be fetched any more.

use std::{fmt, io, path::Path};

use crate::{protocol::digest::Hash, state, tls};

/// Seals texts with a secret of the user's; without one it seals nothing, and believes everything.
#[derive(Clone, Default)]
pub(super) struct Seal(Option<[u8; 32]>);

impl Seal {
    /// With the secret in a file, 64 hexadecimal digits, which is made where there is none.
    pub(super) fn with(path: &Path) -> io::Result<Seal> {
        let bytes = state::read_or_make(path, || {
            let mut random = [0; 32];
            let filled = tls::provider().secure_random.fill(&mut random);
            filled.map_err(|_| io::Error::other("no random numbers"))?;
            Ok(format!("{}\n", Hash(random)).into_bytes())
        })?;
        let secret = str::from_utf8(&bytes).ok().and_then(|text| Hash::from_hex(text.trim_end()));
        let wrong =
            || io::Error::new(io::ErrorKind::InvalidData, "it has not 64 hexadecimal digits; delete it");
        Ok(Seal(Some(secret.ok_or_else(wrong)?.0)))
    }

    /// The seal of a text: BLAKE3, keyed with the secret.
    pub(super) fn of(&self, text: &str) -> Option<String> {
        self.0.map(|secret| blake3::keyed_hash(&secret, text.as_bytes()).to_string())
    }

    /// Whether a text has its seal.
    pub(super) fn is_on(&self, text: &str, seal: Option<&str>) -> bool {
        self.of(text).is_none_or(|own| seal == Some(&own))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Seal(secret)" } else { "Seal(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_makes_the_same_seal() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str| Seal::with(&place.path().join(name)).unwrap();
        let (own, other) = (make("own"), make("other"));
        let seal = own.of("text");
        assert!(make("own").is_on("text", seal.as_deref()), "it is kept");
        assert!(!own.is_on("texts", seal.as_deref()) && !other.is_on("text", seal.as_deref()));
        assert!(!own.is_on("text", None));
        assert!(Seal::default().is_on("text", None) && Seal::default().is_on("text", Some("whatever")));
        assert!(!format!("{own:?}").contains(char::is_numeric));
    }

    #[test]
    fn a_secret_that_is_none_is_said_so() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret");
        std::fs::write(&path, "short").unwrap();
        assert!(Seal::with(&path).unwrap_err().to_string().contains("64 hexadecimal digits"));
    }
}
