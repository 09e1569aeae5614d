//! A directory as a zip archive: a deterministic stream, planned from a sorted snapshot, never staged in
//! memory or on disk.
//!
//! ```text
//! Directory ─Planner::new─▶ Planner ─step()…─▶ Plan ─Stream::new─▶ Stream ─read()…─▶ bytes
//! ```
//!
//! A stream that ends early leaves an [`Index`], from which another stream of the same plan resumes near the place where this one ended.
//!
//! # What the archive is
//!
//! - One entry for each directory and each regular file, sorted by the bytes of the names; the first one is
//!   the archived directory. Links to regular files inside the served folder are files; everything else is
//!   left out and counted.
//! - Names are UTF-8; a byte that is not becomes `%XX`. Of two entries of one name the second is missing.
//! - Entries that cannot be read while planning are missing: counted and named, and the rest is archived.
//! - Times are in UTC in the DOS fields and exact to the second in the extended timestamp; permission bits
//!   are in the external attributes.
//! - A file of at most 128 KiB is deflated if that makes it smaller, and its header has its checksum and
//!   sizes. A larger one has a data descriptor, and its content is stored blocks of deflate if its name or its first 64 KiB
//!   show that it does not compress: of a stored entry, only the descriptor would show a reader of the stream where
//!   it ends.
//! - Zip64 records are used only if a size, an offset or a count needs them.
//!
//! A [`TarStream`] makes a tar of the same plan, whose size is always known.
//!
//! # Changes of sources
//!
//! The plan remembers the identity of each file. It is compared when the file is opened and again after its
//! last byte was read; a difference ends the stream with an error before the central directory, without
//! which no program accepts the bytes as an archive. The bytes are a function of the plan, so that
//! [`Plan::identity`] identifies them.

mod compress;
mod content;
mod format;
mod index;
mod pending;
mod plan;
mod planner;
mod source;
mod stream;
mod tar;

pub use index::Index;
pub use plan::Plan;
pub use planner::{Planner, Planning};
pub use stream::Stream;
pub use tar::TarStream;
