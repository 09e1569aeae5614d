//! Errors of the storage, for the peer and for the log.

use std::io;

use rustix::io::Errno;

use crate::{
    protocol::{error::Code, message::Failure},
    text::SafeText,
};

/// An error of the storage, for the peer and for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Absent, not permitted, outside, or of no served kind; never distinguished.
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
        /// The error of the system.
        error: std::io::Error,
    },
    /// The served folder does not exist any more.
    #[error("the served folder is gone: it was deleted or moved")]
    Gone,
    /// A source has changed since the start of the answer.
    #[error("{path}: changed while it was read")]
    Changed {
        /// The path of the source.
        path: SafeText,
    },
}

impl StorageError {
    /// The answer to the peer.
    pub fn failure(&self) -> Failure {
        let (code, path) = match self {
            // The folder may be created again soon.
            StorageError::Gone => (Code::Internal, &SafeText::new("/")),
            StorageError::NotFound(path) => (Code::NotFound, path),
            StorageError::WrongKind { path, .. } => (Code::WrongKind, path),
            StorageError::Unreadable { path, error } if is_shortage(error) => (Code::Busy, path),
            StorageError::Unreadable { path, .. } => (Code::Unreadable, path),
            StorageError::Changed { path } => (Code::Changed, path),
        };
        let retry_after = (code == Code::Busy).then_some(1);
        Failure { code, message: self.to_string(), path: Some(path.to_string()), retry_after }
    }

    /// The same error once more.
    pub(super) fn again(&self) -> StorageError {
        match self {
            StorageError::Gone => StorageError::Gone,
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

    /// The error of a requested path that could not be opened.
    pub(super) fn opening(path: SafeText, error: io::Error) -> StorageError {
        if is_absent(&error) {
            StorageError::NotFound(path)
        } else {
            StorageError::Unreadable { path, error }
        }
    }
}

/// Whether the system is temporarily out of descriptors or memory.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN))
}

/// Whether an error means "not found" for the peer: absent, not permitted, leading outside.
/// Other errors (no free descriptors, a broken disk) must not be reported as that.
pub(super) fn is_absent(error: &io::Error) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_resources_are_not_a_missing_file() {
        let failure = |errno: Errno| StorageError::opening("a".into(), errno.into()).failure();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!((failure(errno).code, failure(errno).retry_after), (Code::Busy, Some(1)), "{errno}");
        }
        assert_eq!((failure(Errno::IO).code, failure(Errno::IO).retry_after), (Code::Unreadable, None));
        assert_eq!(failure(Errno::NOENT).code, Code::NotFound);
    }
}
