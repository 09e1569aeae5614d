//! What is known of a content: name, digest, proof and the server that verified it.

pub(crate) mod announced;
pub(crate) mod checksum;
pub(crate) mod described;
pub(crate) mod origin;
pub(crate) mod proof;
pub(crate) mod share;
pub(crate) mod sums;
