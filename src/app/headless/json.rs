//! The events of `--json`, see docs/scripting.md: paths as text, and no secrets.

use std::{borrow::Cow, path::Path};

use serde::Serialize;

use crate::{
    client::{Event, Finished, JobId, Origin, Proof, SourceShare, Trouble, TroubleKind},
    protocol::message::Missing,
    text::SafeText,
};

/// One line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Done {
        id: JobId,
        name: &'a SafeText,
        path: Cow<'a, str>,
        bytes: u64,
        transferred: u64,
        resumed: u64,
        blake3: &'a str,
        /// The server that verified the content, if recorded.
        origins: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        sources: &'a [SourceShare],
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<u64>,
        omitted: u64,
        #[serde(skip_serializing_if = "is_zero")]
        deleted: u64,
        #[serde(skip_serializing_if = "Missing::is_none")]
        missing: &'a Missing,
        #[serde(skip_serializing_if = "Option::is_none")]
        extracted: Option<Cow<'a, str>>,
    },
    Failed {
        id: JobId,
        name: &'a SafeText,
        kind: TroubleKind,
        message: &'a SafeText,
    },
    #[serde(untagged)]
    Other(&'a Event),
}

impl<'a> From<&'a Event> for Line<'a> {
    fn from(event: &'a Event) -> Line<'a> {
        match event {
            Event::Done { id, name, finished } => {
                let Finished { bytes, transferred, resumed, seconds, files, omitted, deleted, .. } =
                    *finished;
                Line::Done {
                    id: *id,
                    name,
                    path: text(&finished.path),
                    bytes,
                    transferred,
                    resumed,
                    blake3: &finished.blake3,
                    origins: match finished.origin {
                        Origin::Unknown => Vec::new(),
                        origin => vec![origin.to_string()],
                    },
                    proof: finished.proof,
                    sources: &finished.sources,
                    seconds,
                    files,
                    omitted,
                    deleted,
                    missing: &finished.missing,
                    extracted: finished.extracted.as_deref().map(text),
                }
            }
            Event::Failed { id, name, trouble: Trouble { kind, message, .. } } => {
                Line::Failed { id: *id, name, kind: *kind, message }
            }
            event => Line::Other(event),
        }
    }
}

/// A path as text; bytes that are not UTF-8 are escaped, because JSON has only text.
fn text(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) => text.into(),
        None => SafeText::from_path(path).to_string().into(),
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
