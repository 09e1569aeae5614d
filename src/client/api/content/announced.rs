//! What a server's answer says of a job: from the attempt to the queue.

use crate::text::SafeText;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pub(crate) name: SafeText,
    pub(crate) target: SafeText,
    /// Bytes of the content, where known.
    pub(crate) size: Option<u64>,
    /// What the position rises to: bytes of the content, or (archives) of their sources.
    pub(crate) total: Option<u64>,
    /// Bytes that are already local.
    pub(crate) here: u64,
    /// Files of a tree.
    pub(crate) files: Option<u64>,
}
