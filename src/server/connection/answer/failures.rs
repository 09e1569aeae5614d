//! Failures of requests, for the client.

use std::fmt;

use crate::{
    protocol::{error::Code, message::Failure},
    server::limits::RETRY_AFTER,
    text::SafeText,
};

/// Why a request cannot be answered, for the client.
pub(crate) fn failure(code: Code, why: impl fmt::Display, path: &SafeText) -> Failure {
    // The served folder itself has no name.
    let message = if path.as_str().is_empty() { why.to_string() } else { format!("{path}: {why}") };
    Failure { code, message, path: Some(path.to_string()), retry_after: None }
}

/// The plan of a folder takes more memory than its budget has.
pub(crate) fn out_of_memory(path: &SafeText) -> Failure {
    let why = "the server is out of memory for all that is in it; try again later, or fetch parts of it";
    Failure { retry_after: Some(RETRY_AFTER), ..failure(Code::Busy, why, path) }
}

/// There is no permit for expensive work.
pub(crate) fn busy(doing: &str, path: &SafeText) -> Failure {
    let why = format!("the server {doing} as it may at the same time; try again in {RETRY_AFTER} seconds");
    Failure { retry_after: Some(RETRY_AFTER), ..failure(Code::Busy, why, path) }
}
