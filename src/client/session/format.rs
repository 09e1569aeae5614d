//! A session as text: JSON that a person can read and mend, a job in each line. No I/O.
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
//! What is not named is as usual. What is not known is refused, and so is another version: whoever cannot
//! understand all of it must not write it anew without the rest.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        Checksum, Existing, Finished, Form, KeptJob, KeptState, Limits, NewJob, Speak, Trouble, TroubleKind,
    },
    protocol::address::Address,
    text::SafeText,
};

/// The version that is written and read here.
const VERSION: u64 = 1;
/// Most bytes of a session: over 100,000 downloads.
pub(super) const MOST: usize = 64 << 20;

/// What a session holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Limits that are others than configured.
    pub limits: Changed,
    /// The queue.
    pub queue: Vec<KeptJob>,
    /// What was typed into the address line, the last one at the end.
    pub history: Vec<String>,
}

/// Limits that somebody has changed.
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
    #[serde(default)]
    queue: Vec<Line>,
    #[serde(default)]
    history: Vec<String>,
}

/// A job, in a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    address: String,
    folder: FilePath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    save_as: Option<FilePath>,
    #[serde(rename = "as", default, skip_serializing_if = "is_default")]
    form: Form,
    #[serde(default, skip_serializing_if = "is_default")]
    protocol: Speak,
    #[serde(default, skip_serializing_if = "is_default")]
    existing: Existing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    extract: bool,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    received: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum State {
    Queued,
    Paused,
    Cancelled,
    Failed {
        kind: TroubleKind,
        message: String,
    },
    Done {
        path: FilePath,
        bytes: u64,
        transferred: u64,
        resumed: u64,
        blake3: String,
        seconds: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<u64>,
        #[serde(default, skip_serializing_if = "is_default")]
        omitted: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extracted: Option<FilePath>,
    },
}

/// A path of this machine: its text, or its bytes in hex where they are none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FilePath {
    Text(String),
    Bytes { hex: String },
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes a session.
pub(super) fn format(saved: &Saved) -> serde_json::Result<String> {
    let mut text = format!("{{\n  \"fdsp-session\": {VERSION},\n");
    text += &format!("  \"limits\": {},\n", serde_json::to_string(&saved.limits)?);
    text += "  \"queue\": [";
    for (index, job) in saved.queue.iter().enumerate() {
        text += if index == 0 { "\n    " } else { ",\n    " };
        text += &serde_json::to_string(&Line::from(job))?;
    }
    text += if saved.queue.is_empty() { "],\n" } else { "\n  ],\n" };
    text += "  \"history\": [";
    for (index, entry) in saved.history.iter().enumerate() {
        text += if index == 0 { "\n    " } else { ",\n    " };
        text += &serde_json::to_string(entry)?;
    }
    text += if saved.history.is_empty() { "]\n" } else { "\n  ]\n" };
    Ok(text + "}\n")
}

/// Reads a session.
///
/// # Errors
/// See [`FormatError`].
pub fn parse(bytes: &[u8]) -> Result<Saved, FormatError> {
    if bytes.len() > MOST {
        return Err(FormatError::Size);
    }
    let damaged = |error: serde_json::Error| FormatError::Damaged(SafeText::new(&error.to_string()));
    let AnyVersion { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let document: Document = serde_json::from_slice(bytes).map_err(damaged)?;
    let job = |(index, line): (usize, Line)| {
        job(line).map_err(|reason| {
            FormatError::Damaged(SafeText::new(&format!("download {} of the queue: {reason}", index + 1)))
        })
    };
    Ok(Saved {
        limits: document.limits,
        queue: document.queue.into_iter().enumerate().map(job).collect::<Result<_, _>>()?,
        history: document.history,
    })
}

impl From<&KeptJob> for Line {
    fn from(job: &KeptJob) -> Line {
        let KeptJob { new, state, name, size, received, progress, files } = job;
        Line {
            address: new.address.revealed(),
            folder: FilePath::from(new.folder.as_path()),
            save_as: new.save_as.as_deref().map(FilePath::from),
            form: new.form,
            protocol: new.speak,
            existing: new.existing,
            checksum: new.checksum.as_ref().map(Checksum::to_string),
            extract: new.extract,
            state: State::from(state),
            name: name.as_ref().map(SafeText::to_string),
            size: *size,
            received: *received,
            progress: *progress,
            files: *files,
        }
    }
}

impl From<&KeptState> for State {
    fn from(state: &KeptState) -> State {
        match state {
            KeptState::Queued => State::Queued,
            KeptState::Paused => State::Paused,
            KeptState::Cancelled => State::Cancelled,
            KeptState::Failed(Trouble { kind, message, .. }) => {
                State::Failed { kind: *kind, message: message.to_string() }
            }
            KeptState::Done(finished) => State::Done {
                path: FilePath::from(finished.path.as_path()),
                bytes: finished.bytes,
                transferred: finished.transferred,
                resumed: finished.resumed,
                blake3: finished.blake3.clone(),
                seconds: finished.seconds,
                files: finished.files,
                omitted: finished.omitted,
                extracted: finished.extracted.as_deref().map(FilePath::from),
            },
        }
    }
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> FilePath {
        match path.to_str() {
            Some(text) => FilePath::Text(text.to_owned()),
            None => {
                let bytes = path.as_os_str().as_bytes();
                FilePath::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
            }
        }
    }
}

impl FilePath {
    fn read(self) -> Result<PathBuf, String> {
        let hex = match self {
            FilePath::Text(text) if text.contains('\0') => return Err("a path with a NUL".into()),
            FilePath::Text(text) => return Ok(text.into()),
            FilePath::Bytes { hex } => hex,
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| match pair {
            &[high, low] => Some(digit(high)? << 4 | digit(low)?).filter(|byte| *byte != 0),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
        Ok(OsString::from_vec(bytes.ok_or("a path that is no hex")?).into())
    }
}

fn job(line: Line) -> Result<KeptJob, String> {
    let new = NewJob {
        address: Address::parse(&line.address).map_err(|error| error.to_string())?,
        speak: line.protocol,
        form: line.form,
        folder: line.folder.read()?,
        save_as: line.save_as.map(FilePath::read).transpose()?,
        existing: line.existing,
        checksum: match line.checksum {
            Some(text) => {
                Some(text.parse().map_err(|error: crate::client::ChecksumError| error.to_string())?)
            }
            None => None,
        },
        extract: line.extract,
    };
    if !new.folder.is_absolute() {
        return Err("its folder is no absolute path".into());
    }
    Ok(KeptJob {
        new,
        state: state(line.state)?,
        name: line.name.map(|name| SafeText::new(&name)),
        size: line.size,
        received: line.received,
        progress: line.progress,
        files: line.files,
    })
}

fn state(state: State) -> Result<KeptState, String> {
    Ok(match state {
        State::Queued => KeptState::Queued,
        State::Paused => KeptState::Paused,
        State::Cancelled => KeptState::Cancelled,
        State::Failed { kind, message } => KeptState::Failed(Trouble::new(kind, SafeText::new(&message))),
        State::Done { path, bytes, transferred, resumed, blake3, seconds, files, omitted, extracted } => {
            if !blake3.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("its BLAKE3 is no hex".into());
            }
            let path = path.read()?;
            let extracted = extracted.map(FilePath::read).transpose()?;
            KeptState::Done(Finished {
                path,
                bytes,
                transferred,
                resumed,
                blake3,
                seconds,
                files,
                omitted,
                extracted,
            })
        }
    })
}

#[cfg(test)]
mod tests;
