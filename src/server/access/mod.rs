//! Who may fetch, and the token that a server makes and keeps.

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

/// Who may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Who has this token.
    Token(Token),
    /// On a loopback address everybody, if other users of the machine can read the served folder anyway; otherwise who has the
    /// token that was made on the first start and is kept in this folder.
    Kept(PathBuf),
    /// Who has a token that is made for this run.
    Temporary,
}

impl Access {
    /// The file in which the server keeps a token that it has made itself.
    pub fn token_file(&self) -> Option<PathBuf> {
        match self {
            Access::Kept(folder) => Some(folder.join(FILE)),
            Access::Public | Access::Token(_) | Access::Temporary => None,
        }
    }

    /// The token to ask for. `asks`: whether [`Access::Kept`] asks for one at the address where the server listens.
    ///
    /// # Errors
    /// The file that it is kept in, and why that cannot be used.
    pub(crate) fn token(&self, asks: bool) -> Result<Option<Token>, (SafeText, io::Error)> {
        match self {
            Access::Public => Ok(None),
            Access::Token(token) => Ok(Some(token.clone())),
            Access::Kept(_) if !asks => Ok(None),
            Access::Temporary => random().map(Some).map_err(|error| (SafeText::default(), error)),
            Access::Kept(folder) => {
                let path = folder.join(FILE);
                kept(&path).map(Some).map_err(|error| (SafeText::from_path(&path), error))
            }
        }
    }
}

/// The token of a file, which is made if it is not there.
fn kept(path: &Path) -> io::Result<Token> {
    let bytes = state::read_or_make(path, || Ok([random()?.reveal().as_bytes(), b"\n"].concat()))?;
    let bytes = Zeroizing::new(bytes);
    if !state::is_private(path)? {
        return Err(io::Error::other(
            "others may read it; take that away with chmod 600, or delete it and a new one is made",
        ));
    }
    let text = String::from_utf8_lossy(&bytes);
    Token::parse(text.trim())
        .map_err(|error| io::Error::other(format!("{error}; delete it and a new one is made")))
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
        let access = Access::Kept(place.path().join("state"));
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
        assert!(error.contains("others may read it"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "short").unwrap();
        let error = access.token(true).unwrap_err().1.to_string();
        assert!(error.contains("delete it") && !error.contains("short\n"), "{error}");
    }
}
