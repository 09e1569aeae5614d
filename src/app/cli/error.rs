//! Wrong usage of the command line.

use std::ffi::OsStr;

use crate::{
    app::exit::{Exit, Problem},
    text::SafeText,
};

/// Wrong usage: one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Problem {
        Problem { exit: Exit::Usage, sentence: error.0 }
    }
}

pub(super) fn wrong<T>(sentence: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(sentence.into()))
}

/// An argument or a path in a sentence.
pub(super) fn shown(text: &OsStr) -> SafeText {
    SafeText::from_bytes(text.as_encoded_bytes())
}
