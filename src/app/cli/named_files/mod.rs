//! Files that arguments and options name: lists of addresses, metalinks, and those with passwords, cookies and checksums.

pub(super) mod input_file;
pub(super) mod metalinks;
mod web_files;
