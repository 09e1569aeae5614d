//! Converts metadata of the system to messages.

use rustix::fs::{FileType, Stat};

use crate::{protocol::message::Timestamp, text::SafeText};

/// The two kinds that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    File,
    Directory,
}

impl Served {
    pub(crate) fn of(stat: &Stat) -> Option<Served> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Served::File),
            FileType::Directory => Some(Served::Directory),
            _ => None,
        }
    }
}

/// Bytes of a file that are on the disk; fewer than its size where it has holes.
pub(crate) fn data_bytes(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512).min(size(stat))
}

/// A path of the served folder in messages.
pub(crate) fn shown(path: &[u8]) -> SafeText {
    SafeText::from_bytes(if path.is_empty() { b"/" } else { path })
}

pub(crate) fn modified(stat: &Stat) -> Timestamp {
    Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}

pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Permission bits: read, write, execute.
pub(crate) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o777
}
