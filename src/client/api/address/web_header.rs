//! A header field that the user adds to requests to web servers.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue, REFERER, USER_AGENT};
use serde::{Deserialize, Serialize};

/// Fields that the client sets itself: with other values, what is received could be a mix, or not the file.
const OWN_FIELDS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "te",
    "transfer-encoding",
];

/// See the module. `Debug` does not show its value, which may be a secret. Serde carries it with the value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebHeader {
    name: HeaderName,
    value: HeaderValue,
}

/// Why a text is not a header field. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebHeaderError {
    /// It has no name, or no value.
    #[error("a header field is written 'NAME: VALUE'")]
    Form,
    /// The client sets it itself.
    #[error("{0} is set by this program: leave it out")]
    Own(String),
}

impl WebHeader {
    /// Reads `NAME: VALUE`.
    ///
    /// # Errors
    /// See [`WebHeaderError`].
    pub fn parse(text: &str) -> Result<WebHeader, WebHeaderError> {
        let (name, value) = text.split_once(':').ok_or(WebHeaderError::Form)?;
        let name: HeaderName = name.trim().parse().map_err(|_| WebHeaderError::Form)?;
        if OWN_FIELDS.contains(&name.as_str()) {
            return Err(WebHeaderError::Own(name.to_string()));
        }
        // As curl does: other characters than ASCII are sent as they are.
        let mut value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| WebHeaderError::Form)?;
        value.set_sensitive(true);
        Ok(WebHeader { name, value })
    }

    /// Whether a request has it once: another one replaces it.
    pub fn is_single(&self) -> bool {
        self.name == USER_AGENT || self.name == REFERER
    }

    /// Whether both have the same name.
    pub(crate) fn has_name_of(&self, other: &WebHeader) -> bool {
        self.name == other.name
    }

    /// Its name.
    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// The field with its value: to be saved as a secret.
    pub(crate) fn revealed(&self) -> String {
        format!("{}: {}", self.name, String::from_utf8_lossy(self.value.as_bytes()))
    }
}

impl TryFrom<String> for WebHeader {
    type Error = WebHeaderError;

    fn try_from(text: String) -> Result<WebHeader, WebHeaderError> {
        WebHeader::parse(&text)
    }
}

impl From<WebHeader> for String {
    fn from(header: WebHeader) -> String {
        header.revealed()
    }
}

impl fmt::Debug for WebHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebHeader({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_a_name_and_a_value() {
        let field = WebHeader::parse("Authorization:  Bearer s3cret ").unwrap();
        assert_eq!(
            (field.name().as_str(), field.value().to_str().unwrap()),
            ("authorization", "Bearer s3cret")
        );
        assert!(!format!("{field:?}").contains("s3cret"));
        for wrong in ["", "Name", "a b: c", ": c", "a: b\r\nc: d"] {
            assert_eq!(WebHeader::parse(wrong), Err(WebHeaderError::Form), "{wrong:?}");
        }
        assert_eq!(WebHeader::parse("Range: bytes=0-1"), Err(WebHeaderError::Own("range".to_owned())));
    }
}
