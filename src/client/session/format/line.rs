//! A job of a session, as one line of JSON.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        checksum::Checksum,
        kept::{KeptJob, KeptState},
        new_job::{Existing, Form, NewJob, Speak},
        origin::Origin,
        view::{Finished, Trouble, TroubleKind},
    },
    protocol::{address::Address, message::Missing},
    text::SafeText,
};

/// A job, in a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
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
        #[serde(default, skip_serializing_if = "is_default")]
        origin: Origin,
        seconds: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<u64>,
        #[serde(default, skip_serializing_if = "is_default")]
        omitted: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        deleted: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        missing: Missing,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extracted: Option<FilePath>,
    },
}

/// A path of this machine: its text, or its bytes in hex where they are none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum FilePath {
    Text(String),
    Bytes { hex: String },
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
                origin: finished.origin,
                seconds: finished.seconds,
                files: finished.files,
                omitted: finished.omitted,
                deleted: finished.deleted,
                missing: finished.missing.clone(),
                extracted: finished.extracted.as_deref().map(FilePath::from),
            },
        }
    }
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> FilePath {
        match path.to_str() {
            Some(text) => FilePath::Text(text.to_owned()),
            None => FilePath::Bytes { hex: hex::encode(path.as_os_str().as_bytes()) },
        }
    }
}

impl FilePath {
    pub(super) fn read(self) -> Result<PathBuf, String> {
        let bytes = match self {
            FilePath::Text(text) => text.into_bytes(),
            FilePath::Bytes { hex } => hex::decode(hex).map_err(|_| "a path that is not hex")?,
        };
        if bytes.contains(&0) {
            return Err("a path with a NUL".into());
        }
        Ok(OsString::from_vec(bytes).into())
    }
}

impl Line {
    /// Takes it for a job; the error is a part of a sentence.
    pub(super) fn read(self) -> Result<KeptJob, String> {
        let new = NewJob {
            address: Address::parse(&self.address).map_err(|error| error.to_string())?,
            speak: self.protocol,
            form: self.form,
            folder: self.folder.read()?,
            save_as: self.save_as.map(FilePath::read).transpose()?,
            existing: self.existing,
            checksum: match self.checksum {
                Some(text) => Some(
                    text.parse()
                        .map_err(|error: crate::client::api::checksum::ChecksumError| error.to_string())?,
                ),
                None => None,
            },
            extract: self.extract,
        };
        if !new.folder.is_absolute() {
            return Err("its folder is not an absolute path".into());
        }
        Ok(KeptJob {
            new,
            state: state(self.state)?,
            name: self.name.map(|name| SafeText::new(&name)),
            size: self.size,
            received: self.received,
            progress: self.progress,
            files: self.files,
        })
    }
}

fn state(state: State) -> Result<KeptState, String> {
    Ok(match state {
        State::Queued => KeptState::Queued,
        State::Paused => KeptState::Paused,
        State::Cancelled => KeptState::Cancelled,
        State::Failed { kind, message } => KeptState::Failed(Trouble::new(kind, SafeText::new(&message))),
        State::Done {
            path,
            bytes,
            transferred,
            resumed,
            blake3,
            origin,
            seconds,
            files,
            omitted,
            deleted,
            missing: named,
            extracted,
        } => {
            let mut missing = Missing::default();
            missing.merge(&named);
            if !blake3.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("its BLAKE3 is not hex".into());
            }
            let path = path.read()?;
            let extracted = extracted.map(FilePath::read).transpose()?;
            KeptState::Done(Finished {
                path,
                bytes,
                transferred,
                resumed,
                blake3,
                origin,
                seconds,
                files,
                omitted,
                deleted,
                missing,
                extracted,
            })
        }
    })
}
