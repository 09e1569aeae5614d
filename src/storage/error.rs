//! Why the storage refused, for the peer and for the log.

use std::io;

use rustix::io::Errno;

use crate::{
    protocol::{error::Code, message::Failure},
    text::SafeText,
};

/// Why the storage refused; made for the peer and for the log.
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
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no folder any more at the path that is served.
    #[error("the served folder is gone: it was deleted or moved")]
    Gone,
    /// A source is not what it was when the answer began.
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
            // It may be there again in a moment, created again.
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

    /// A path that was asked for could not be opened.
    pub(super) fn opening(path: SafeText, error: io::Error) -> StorageError {
        if is_absent(&error) {
            StorageError::NotFound(path)
        } else {
            StorageError::Unreadable { path, error }
        }
    }
}

/// Whether the system has run out of something for now: descriptors, memory.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN))
}

/// Whether an error says that there is nothing there for the peer: absent, not permitted, leading outside.
/// Everything else (no descriptors left, a broken disk) must not pass for that.
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
    fn what_the_system_has_too_little_of_is_no_fault_of_the_file() {
        let failure = |errno: Errno| StorageError::opening("a".into(), errno.into()).failure();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!((failure(errno).code, failure(errno).retry_after), (Code::Busy, Some(1)), "{errno}");
        }
        assert_eq!((failure(Errno::IO).code, failure(Errno::IO).retry_after), (Code::Unreadable, None));
        assert_eq!(failure(Errno::NOENT).code, Code::NotFound);
    }
}
