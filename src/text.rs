//! Text that came from somebody else, made safe to show.

use serde::Serialize;

/// Text without control, bidirectional or zero-width characters: each is replaced by a visible form
/// where text comes in, so that no escape sequence of a peer or a file name reaches a terminal, a log or
/// a line of output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SafeText(String);

impl SafeText {
    /// Makes text safe.
    pub fn new(text: &str) -> SafeText {
        let _ = text;
        todo!()
    }
    /// From bytes that may be no UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> SafeText {
        let _ = bytes;
        todo!()
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SafeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
