//! The SHA-256 digests of files that were asked for lately.

use std::sync::Mutex;

use super::lru::Lru;
use crate::server::sync::lock;

/// What a digest costs with its place in the map.
const COST: usize = 160;
/// Bytes that all of them may cost.
const BUDGET: usize = 1024 * 1024;

/// What is known of whole files, by their identities.
#[derive(Debug)]
pub(crate) struct ContentDigests {
    sha256: Mutex<Lru<String, [u8; 32]>>,
}

impl ContentDigests {
    pub fn new() -> ContentDigests {
        ContentDigests { sha256: Mutex::new(Lru::new(BUDGET)) }
    }

    /// The SHA-256 digest of a file, if it is known.
    pub fn sha256(&self, identity: &str) -> Option<[u8; 32]> {
        lock(&self.sha256).get(identity).copied()
    }

    /// Remembers it.
    pub fn put_sha256(&self, identity: &str, digest: [u8; 32]) {
        lock(&self.sha256).insert(identity.to_owned(), digest, COST);
    }
}
