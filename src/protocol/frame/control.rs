//! Control messages into frames and back.

use serde::{Serialize, de::DeserializeOwned};

use super::{Header, Kind, MAX_CONTROL, outgoing::Outgoing};
use crate::protocol::{
    error::Violation,
    message::{Entries, Entry, Failure},
};

/// The maximum length of a text about a program in its own messages.
const MAX_AGENT: usize = 256;
/// The maximum length of a sentence in bytes.
const MAX_SENTENCE: usize = 4096;

/// Writes a control frame. The message must be within [`MAX_CONTROL`], which the bounds of paths, names and
/// sentences give.
pub(crate) fn write(kind: Kind, request: u32, message: &impl Serialize, out: &mut Outgoing) {
    let json = serde_json::to_vec(message).expect("the messages have no map that JSON could not express");
    write_json(kind, request, &json, out);
}

pub(crate) fn write_json(kind: Kind, request: u32, json: &[u8], out: &mut Outgoing) {
    debug_assert!(json.len() <= MAX_CONTROL as usize, "{} message of {} bytes", kind.name(), json.len());
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    out.push(&Header { kind, length, request }.encode());
    out.push(json);
}

/// Writes as many entries as a frame holds; says `more` if some are left.
pub(crate) fn write_entries(request: u32, page: &Entries, out: &mut Outgoing) {
    let mut json = br#"{"entries":["#.to_vec();
    let end = |more: bool| if more { &br#"],"more":true}"#[..] } else { &br#"],"more":false}"#[..] };
    let room = MAX_CONTROL as usize - end(false).len();
    let mut more = page.more;
    for (index, entry) in page.entries.iter().enumerate() {
        let entry = entry_json(entry);
        if json.len() + 1 + entry.len() > room {
            more = true;
            break;
        }
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(&entry);
    }
    json.extend_from_slice(end(more));
    write_json(Kind::Entries, request, &json, out);
}

fn entry_json(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).expect("an entry has no map that JSON could not express")
}

/// Writes an `error` or `missed`, shortened where its texts would not fit.
pub(crate) fn write_failure(kind: Kind, request: u32, failure: &Failure, out: &mut Outgoing) {
    let mut failure = failure.clone();
    clip(&mut failure.message, MAX_SENTENCE);
    failure.path = failure.path.filter(|path| path.len() <= MAX_SENTENCE);
    write(kind, request, &failure, out);
}

/// The name of a program, short enough for a message.
pub(crate) fn agent(text: &str) -> String {
    let mut text = text.to_owned();
    clip(&mut text, MAX_AGENT);
    text
}

/// A sentence, short enough for a message.
pub(crate) fn sentence(text: &str) -> String {
    let mut text = text.to_owned();
    clip(&mut text, MAX_SENTENCE);
    text
}

fn clip(text: &mut String, limit: usize) {
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
    }
}

/// Reads a control message.
pub(crate) fn read<T: DeserializeOwned>(kind: Kind, json: &[u8]) -> Result<T, Violation> {
    let malformed = |reason: String| Violation::Json { kind: kind.name(), reason };
    // The parser would take a list of the members in order, too.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("it is no JSON object".to_owned()));
    }
    // The parser would not look at the text of members that it ignores.
    let json = str::from_utf8(json).map_err(|error| malformed(error.to_string()))?;
    serde_json::from_str(json).map_err(|error| malformed(error.to_string()))
}
