//! Which clients may fetch, and the token that a server generates and stores.

pub(super) mod host_names;
pub(super) mod local_users;
pub(super) mod token_check;

use std::{
    io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{net::tls, platform::state, protocol::trust::token::Token, text::SafeText};

/// The name of the file with the token.
const FILE: &str = "token";

/// Which clients may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// All clients.
    Public,
    /// Clients with this token.
    Token(Token),
    /// On a loopback address all clients, if other users of the machine can read the served folder anyway; otherwise clients with the
    /// token that was generated on the first start and is stored in this folder.
    Stored(PathBuf),
    /// Clients with a token that is generated for this run.
    Temporary,
}

impl Access {
    /// The file in which the server stores a token that it has generated.
    pub fn token_file(&self) -> Option<PathBuf> {
        match self {
            Access::Stored(folder) => Some(folder.join(FILE)),
            Access::Public | Access::Token(_) | Access::Temporary => None,
        }
    }

    /// The token that clients need. `asks`: whether [`Access::Stored`] needs one at the address where the server listens.
    ///
    /// # Errors
    /// The file of the token, and why that cannot be used.
    pub(crate) fn token(&self, asks: bool) -> Result<Option<Token>, (SafeText, io::Error)> {
        match self {
            Access::Public => Ok(None),
            Access::Token(token) => Ok(Some(token.clone())),
            Access::Stored(_) if !asks => Ok(None),
            Access::Temporary => random().map(Some).map_err(|error| (SafeText::default(), error)),
            Access::Stored(folder) => {
                let path = folder.join(FILE);
                stored(&path).map(Some).map_err(|error| (SafeText::from_path(&path), error))
            }
        }
    }
}

/// The token of a file, which is created if it does not exist.
fn stored(path: &Path) -> io::Result<Token> {
    let bytes = state::read_or_make(path, || Ok([random()?.reveal().as_bytes(), b"\n"].concat()))?;
    let bytes = Zeroizing::new(bytes);
    if !state::is_private(path)? {
        return Err(io::Error::other(
            "other users can read it; run chmod 600 on it, or delete it and a new one is created",
        ));
    }
    let text = String::from_utf8_lossy(&bytes);
    Token::parse(text.trim())
        .map_err(|error| io::Error::other(format!("{error}; delete it and a new one is created")))
}

fn random() -> io::Result<Token> {
    Ok(Token::of(&Zeroizing::new(tls::random()?)))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_token_is_created_once_and_only_if_it_is_needed() {
        let place = tempfile::tempdir().unwrap();
        let access = Access::Stored(place.path().join("state"));
        assert_eq!(access.token(false).unwrap(), None);
        assert!(!place.path().join("state").exists());
        let first = access.token(true).unwrap();
        assert!(first.is_some());
        assert_eq!(access.token(true).unwrap(), first);
        assert_eq!(Access::Public.token(true).unwrap(), None);
        assert_ne!(Access::Temporary.token(false).unwrap(), Access::Temporary.token(true).unwrap());
        let file = place.path().join("state/token");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = access.token(true).unwrap_err().1.to_string();
        assert!(error.contains("other users can read it"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "short").unwrap();
        let error = access.token(true).unwrap_err().1.to_string();
        assert!(error.contains("delete it") && !error.contains("short\n"), "{error}");
    }
}
