//! A session as text: JSON that a person can read and edit, a job in each line. No I/O.
//!
//! ```text
//! {
//!   "fdsp-session": 1,
//!   "limits": {"jobs":5,"rate":2000000},
//!   "queue": [
//!     {"address":"fdsp+plain://nas:7878/a.iso","folder":"/home/u","state":"queued","size":2097152,"received":1048576},
//!     {"address":"fdsp+plain://nas:7878/b.iso","folder":"/home/u","existing":"update","state":"paused"}
//!   ],
//!   "history": [
//!     "a.iso"
//!   ]
//! }
//! ```
//!
//! A member that is absent has its default. A member that is not known is refused, and so is another version: a program that
//! does not understand all of it would lose the rest when it writes the file.

mod jobs;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        saved::{Limits, SavedJob},
        serial,
    },
    text::SafeText,
};

/// The version of the format.
const VERSION: u64 = 1;
/// Bytes of a session, at most: over 100,000 downloads.
pub(super) const MAX_LEN: usize = 64 << 20;

/// What a session holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Limits that are others than configured.
    pub limits: Changed,
    /// The queue.
    pub queue: Vec<SavedJob>,
    /// What was typed into the address line, the last one at the end.
    pub history: Vec<String>,
    /// Work folders that are marked as deleted, and are still to be deleted.
    pub deleting: Vec<PathBuf>,
    /// Jobs that were cancelled or removed, and whose partial files are still to be deleted.
    pub discarded: Vec<SavedJob>,
}

/// Limits that the user has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Jobs at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
    /// Connections for one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<usize>,
    /// Bytes a second for all jobs together; 0 is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

impl Changed {
    /// These, and those of `other` where nothing was said.
    pub fn or(self, other: Changed) -> Changed {
        Changed {
            jobs: self.jobs.or(other.jobs),
            segments: self.segments.or(other.segments),
            rate: self.rate.or(other.rate),
        }
    }

    /// These limits with the changes.
    pub fn over(self, limits: Limits) -> Limits {
        Limits {
            jobs: self.jobs.unwrap_or(limits.jobs).max(1),
            segments: self.segments.unwrap_or(limits.segments).max(1),
            rate: self.rate.map_or(limits.rate, |rate| Some(rate).filter(|rate| *rate > 0)),
        }
    }
}

/// Why a text is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Of another version of this program.
    #[error("it is of format {0}, and this version of the program knows only {VERSION}")]
    Version(u64),
    /// Larger than any session.
    #[error("it is larger than any session")]
    Size,
    /// Not what it should be.
    #[error("it is damaged: {0}")]
    Damaged(SafeText),
}

#[derive(Deserialize)]
struct AnyVersion {
    #[serde(rename = "fdsp-session")]
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "fdsp-session")]
    _version: u64,
    #[serde(default)]
    limits: Changed,
    #[serde(default, deserialize_with = "jobs::queue")]
    queue: Vec<SavedJob>,
    #[serde(default)]
    history: Vec<String>,
    #[serde(default, with = "serial::paths")]
    deleting: Vec<PathBuf>,
    #[serde(default, deserialize_with = "jobs::discarded")]
    discarded: Vec<SavedJob>,
}

/// Writes a session.
pub(super) fn format(saved: &Saved) -> serde_json::Result<String> {
    let mut text = format!("{{\n  \"fdsp-session\": {VERSION},\n");
    text += &format!("  \"limits\": {},\n", serde_json::to_string(&saved.limits)?);
    add_jobs(&mut text, "queue", &saved.queue)?;
    if !saved.deleting.is_empty() {
        text += "  \"deleting\": ";
        text += &serial::paths::serialize(&saved.deleting, serde_json::value::Serializer)?.to_string();
        text += ",\n";
    }
    if !saved.discarded.is_empty() {
        add_jobs(&mut text, "discarded", &saved.discarded)?;
    }
    text += "  \"history\": [";
    for (index, entry) in saved.history.iter().enumerate() {
        text += if index == 0 { "\n    " } else { ",\n    " };
        text += &serde_json::to_string(entry)?;
    }
    text += if saved.history.is_empty() { "]\n" } else { "\n  ]\n" };
    Ok(text + "}\n")
}

fn add_jobs(text: &mut String, member: &str, jobs: &[SavedJob]) -> serde_json::Result<()> {
    *text += &format!("  \"{member}\": [");
    for (index, job) in jobs.iter().enumerate() {
        *text += if index == 0 { "\n    " } else { ",\n    " };
        *text += &serde_json::to_string(job)?;
    }
    *text += if jobs.is_empty() { "],\n" } else { "\n  ],\n" };
    Ok(())
}

/// Reads a session.
///
/// # Errors
/// See [`FormatError`].
pub fn parse(bytes: &[u8]) -> Result<Saved, FormatError> {
    if bytes.len() > MAX_LEN {
        return Err(FormatError::Size);
    }
    let damaged = |error: serde_json::Error| FormatError::Damaged(SafeText::new(&error.to_string()));
    let AnyVersion { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let document: Document = serde_json::from_slice(bytes).map_err(damaged)?;
    let Document { limits, queue, history, deleting, discarded, .. } = document;
    Ok(Saved { limits, queue, history, deleting, discarded })
}

#[cfg(test)]
mod tests;
