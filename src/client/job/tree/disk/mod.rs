//! A tree on the disk: its directories, what of it is local, and what is written.
//!
//! ```text
//! tree_dir, work_dir the directories that a tree is in, and is made in
//! survey, journal    what of it is local: proven by an earlier run, or to be compared
//! surplus            what only the local tree has, and would be deleted with it
//! writer             writes small files while the next ones are received
//! partial_files      the first bytes of small files that were interrupted
//! ```

pub(super) mod journal;
pub(super) mod partial_files;
pub(super) mod surplus;
pub(super) mod survey;
pub(super) mod tree_dir;
pub(super) mod work_dir;
pub(super) mod writer;
