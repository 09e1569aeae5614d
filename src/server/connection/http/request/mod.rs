//! Requests: what a client asks for, and with which conditions.

pub(super) mod conditions;
pub(super) mod credential;
pub(super) mod digests;
mod fields;
pub(super) mod head;
pub(super) mod target;

use super::response::Status;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: Status,
    /// For the client and for the log.
    pub reason: &'static str,
}

impl Refused {
    /// It is malformed.
    pub fn bad(reason: &'static str) -> Refused {
        Refused { status: Status::BadRequest, reason }
    }
}
