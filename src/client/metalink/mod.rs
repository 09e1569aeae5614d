//! Metalinks (RFC 5854): which files there are, where each of them is, and which digests it has.
//!
//! ```text
//! read       reads a metalink
//! jobs       makes downloads of it
//! ```

mod jobs;
mod read;

pub use jobs::jobs;
pub use read::{MetalinkError, read};

use crate::client::api::{address::locator::Locator, content::described::Described};

/// The media type of a metalink.
pub(crate) const MEDIA_TYPE: &str = "application/metalink4+xml";
/// The ending of the name of a metalink.
const ENDING: &str = ".meta4";
/// The largest metalink, in bytes.
pub(crate) const MAX_LEN: u64 = 16 << 20;

/// A file of a metalink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetalinkFile {
    /// Its name, as it is written: it is made safe before it is used.
    pub(crate) name: String,
    /// Where it is, the best first. At least one.
    pub(crate) addresses: Vec<Locator>,
    pub(crate) described: Described,
}

impl MetalinkFile {
    /// Its best address.
    pub fn first(&self) -> Option<&Locator> {
        self.addresses.first()
    }
}

/// Whether a name is that of a metalink.
pub fn is_named_so(name: &str) -> bool {
    name.len() > ENDING.len()
        && name.is_char_boundary(name.len() - ENDING.len())
        && name[name.len() - ENDING.len()..].eq_ignore_ascii_case(ENDING)
}
