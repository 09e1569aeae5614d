//! The served folder: the one way to its files, listings and archives.
//!
//! Every call here is bounded: it reads at most one buffer, one page or one slice of a plan, so that a
//! single-threaded event loop may make it.

pub mod archive;
mod file;
mod folder;
mod found;
mod identity;
mod listing;
mod name;
pub mod page;
pub mod root;
pub mod slice;
mod top;
pub mod tree;
mod walk;

use std::io;

use rustix::io::Errno;

use crate::protocol::{error::Code, message::Failure};
use crate::text::SafeText;

/// Why the storage refused; made for the peer and for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Absent, not permitted, outside, or of no served kind; never told apart.
    #[error("{0}: not found")]
    NotFound(SafeText),
    /// A directory where a file was needed, or the reverse.
    #[error("{path}: is {what}")]
    WrongKind {
        /// The path.
        path: SafeText,
        /// `a file` or `a directory`.
        what: &'static str,
    },
    /// A source could not be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The path of the source.
        path: SafeText,
        /// What the system said.
        error: std::io::Error,
    },
    /// A source is not what it was when the answer began.
    #[error("{path}: changed while it was read")]
    Changed {
        /// The path of the source.
        path: SafeText,
    },
}

impl StorageError {
    /// What the peer is told.
    pub fn failure(&self) -> Failure {
        let (code, path) = match self {
            StorageError::NotFound(path) => (Code::NotFound, path),
            StorageError::WrongKind { path, .. } => (Code::WrongKind, path),
            StorageError::Unreadable { path, .. } => (Code::Unreadable, path),
            StorageError::Changed { path } => (Code::Changed, path),
        };
        Failure { code, message: self.to_string(), path: Some(path.to_string()), retry_after: None }
    }

    /// The same error once more.
    fn again(&self) -> StorageError {
        match self {
            StorageError::NotFound(path) => StorageError::NotFound(path.clone()),
            StorageError::WrongKind { path, what } => StorageError::WrongKind { path: path.clone(), what },
            StorageError::Changed { path } => StorageError::Changed { path: path.clone() },
            StorageError::Unreadable { path, error } => {
                let error = match error.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(error.kind(), error.to_string()),
                };
                StorageError::Unreadable { path: path.clone(), error }
            }
        }
    }

    /// A path that was asked for could not be opened.
    fn opening(path: SafeText, error: io::Error) -> StorageError {
        if is_absent(&error) {
            StorageError::NotFound(path)
        } else {
            StorageError::Unreadable { path, error }
        }
    }
}

/// Whether an error says that there is nothing there for the peer: absent, not permitted, leading outside.
/// Everything else (no descriptors left, a broken disk) must not pass for that.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::XDEV
                | Errno::ACCESS
                | Errno::PERM
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::NODEV
        )
    )
}
