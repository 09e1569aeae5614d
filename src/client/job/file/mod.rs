//! One content that is received as a file or an archive: what is local, what is missing, and the finished file.

pub(crate) mod classic;
pub(crate) mod compare;
pub(crate) mod fetch;
pub(crate) mod finish;
mod local_hashes;
pub(crate) mod mirrors;
pub(crate) mod overlap;
pub(crate) mod recall;
pub(crate) mod resume;
pub(crate) mod state;
