//! What one of several sources of a download has contributed.

use serde::{Deserialize, Serialize};

use crate::text::{SafeText, units};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceShare {
    /// Its address, without secrets.
    pub address: SafeText,
    /// Bytes of the content that it has sent, in this run, and that were kept.
    pub bytes: u64,
    /// Why nothing more is requested of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<SafeText>,
}

impl SourceShare {
    /// What it has contributed, or why it is dropped, in one line.
    pub fn sentence(&self) -> String {
        let SourceShare { address, bytes, dropped } = self;
        match dropped {
            None => format!("{} from {address}", units::bytes(*bytes)),
            Some(why) => format!("{} from {address}, dropped: {why}", units::bytes(*bytes)),
        }
    }
}
