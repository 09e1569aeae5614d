//! The name of a session.

use std::{fmt, str::FromStr};

/// The name of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(String);

/// A text is not the name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session's name has 1 to 64 letters, digits, '-', '_' or '.', and does not begin with a '.'")]
pub struct NameError;

impl SessionName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionName {
    fn default() -> SessionName {
        SessionName("default".into())
    }
}

impl FromStr for SessionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<SessionName, NameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = (1..=64).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('.');
        is_name.then(|| SessionName(text.to_owned())).ok_or(NameError)
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
