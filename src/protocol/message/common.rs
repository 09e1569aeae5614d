//! What members of several messages have in common.

use serde::{Deserialize, Deserializer, Serialize};

use crate::protocol::error::Violation;

/// How the names of an answer may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameForm {
    /// As UTF-8. A name that is not UTF-8 is listed, but not served.
    #[default]
    Utf8,
    /// The bytes of names that are not UTF-8 are written as escapes, see [`odd_name`](crate::protocol::path::odd_name).
    Bytes,
}

/// A point in time, as file systems keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    #[serde(rename = "s")]
    pub seconds: i64,
    /// Nanoseconds within that second, below 1,000,000,000.
    #[serde(rename = "ns")]
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Whether its nanoseconds are within a second.
    pub(crate) fn check(self) -> Result<(), Violation> {
        match self.nanoseconds {
            ..1_000_000_000 => Ok(()),
            _ => Err(Violation::Content("a point in time with too many nanoseconds")),
        }
    }
}

/// Whether leaving a member out says the same.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// An optional member that is `null` is as absent.
pub(super) fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}
