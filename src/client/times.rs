//! Modification times of files as their server says them.

use std::os::fd::AsFd;

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

use crate::protocol::message::Timestamp;

/// The times to set for a modification time.
pub(super) fn times(modified: Timestamp) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modified = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    Timestamps { last_access: omit, last_modification: modified }
}

/// Sets the modification time. A file without its time is still the file: failing is no error.
pub(super) fn set_modified(file: impl AsFd, modified: Timestamp) {
    if let Err(error) = rustix::fs::futimens(file, &times(modified)) {
        tracing::debug!("a modification time was not set: {error}");
    }
}
