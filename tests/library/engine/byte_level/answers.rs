//! Tricks in the answer to one kind of request, for exchanges of several: each frame of the right answer is corrupted in
//! turn, by a server whose other answers are right.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use fdsp::text::is_unsafe;
use serde_json::{Value, json};

use super::tricks::{ERROR, GOODBYE, welcomed};
use crate::engine::{
    frames::{self, frame},
    scripted::listen,
};

/// A wrong answer to a request of the kind `to`.
pub struct Trick {
    pub name: String,
    pub to: u8,
    pub says: Vec<u8>,
    /// The client may succeed, because everything that matters is right.
    pub harmless: bool,
}

/// One frame of a right answer.
pub struct Step {
    pub name: &'static str,
    pub kind: u8,
    pub payload: Vec<u8>,
    /// The most bytes that its payload may have.
    pub most: u32,
}

impl Step {
    /// A control frame.
    pub fn json(name: &'static str, kind: u8, message: &Value) -> Step {
        Step { name, kind, payload: message.to_string().into_bytes(), most: 64 * 1024 }
    }

    fn frame(&self, request: u32) -> Vec<u8> {
        frame(self.kind, request, &self.payload)
    }
}

/// The right answer to the request with this number.
pub fn right(steps: &[Step], request: u32) -> Vec<u8> {
    steps.iter().flat_map(|step| step.frame(request)).collect()
}

/// Tricks with the answer to a kind of request.
pub struct Tricks<'a> {
    /// That kind.
    pub to: u8,
    /// The number of the request.
    pub request: u32,
    /// The right answer.
    pub right: &'a [Step],
    /// The tricks so far.
    pub tricks: Vec<Trick>,
}

impl Tricks<'_> {
    /// The right answer with other frames in place of the step `at`.
    pub fn instead(&mut self, name: impl Into<String>, at: usize, bytes: &[u8]) {
        let (before, after) =
            (right(&self.right[..at], self.request), right(&self.right[at + 1..], self.request));
        self.say(name, [&before[..], bytes, &after].concat());
    }

    /// The same with another payload.
    pub fn payload(&mut self, name: impl Into<String>, at: usize, payload: &[u8]) {
        self.instead(name, at, &frame(self.right[at].kind, self.request, payload));
    }

    /// The same with another message.
    pub fn message(&mut self, name: impl Into<String>, at: usize, message: &Value) {
        self.payload(name, at, message.to_string().as_bytes());
    }

    /// An answer of these frames.
    pub fn frames(&mut self, name: impl Into<String>, frames: &[(u8, &[u8])]) {
        let frame = |(kind, payload): &(u8, &[u8])| frame(*kind, self.request, payload);
        self.say(name, frames.iter().flat_map(frame).collect());
    }

    fn say(&mut self, name: impl Into<String>, says: Vec<u8>) {
        self.tricks.push(Trick { name: name.into(), to: self.to, says, harmless: false });
    }

    /// Marks the last trick as harmless.
    pub fn harmless(&mut self) {
        self.tricks.last_mut().expect("a trick").harmless = true;
    }

    /// Every field of every frame invalid; each frame left out, doubled, exchanged with the next; no answer at all.
    pub fn spoil(&mut self) {
        for (at, Step { name, kind, payload, most }) in self.right.iter().enumerate() {
            for (what, spoilt) in frames::spoilt(*kind, self.request, payload, *most) {
                self.instead(format!("{name} {what}"), at, &spoilt);
            }
            for (other, what) in [(self.request ^ 1, "another"), (u32::MAX, "the last"), (0, "no")] {
                self.instead(format!("{name} for {what} request"), at, &frame(*kind, other, payload));
            }
            if let Some((_, shorter)) = payload.split_last() {
                self.payload(format!("{name} without a payload"), at, b"");
                self.payload(format!("{name} without its last byte"), at, shorter);
            } else {
                self.payload(format!("{name} with a payload"), at, b"x");
            }
            let own = frame(*kind, self.request, payload);
            self.instead(format!("{name} left out"), at, b"");
            self.instead(format!("{name} twice"), at, &[&own[..], &own].concat());
            if let Some(next) = self.right.get(at + 1) {
                let [before, after] =
                    [&self.right[..at], &self.right[at + 2..]].map(|steps| right(steps, self.request));
                let swapped = [&before[..], &next.frame(self.request), &own, &after].concat();
                self.say(format!("{} before {name}", next.name), swapped);
            }
            let goodbye = frames::json(GOODBYE, 0, &json!({"reason": "r"}));
            self.instead(format!("goodbye instead of {name}"), at, &goodbye);
            let error = frames::json(
                ERROR,
                self.request,
                &json!({"code": "internal", "message": "\u{1b}[2J\r\u{9b}"}),
            );
            self.instead(format!("an error instead of {name}"), at, &error);
        }
        self.say("nothing", Vec::new());
        self.say("a second welcome", welcomed(&[]));
        self.say("HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nthe right content".to_vec());
        self.say("escapes", b"\x1b]0;x\x07\x1b[2J\xc2\x9b1m".to_vec());
    }

    /// Every member of the message at step `at` invalid.
    pub fn malform(&mut self, at: usize, message: &Value) {
        let name = self.right[at].name;
        for (what, bytes) in frames::malformed(message) {
            self.payload(format!("{name}: {what}"), at, &bytes);
        }
    }

    /// Every member of an entry of the page at step `at` invalid.
    pub fn malform_entry(&mut self, at: usize, page: &Value, entry: usize) {
        let kind = page["entries"][entry]["kind"].as_str().expect("a kind").to_owned();
        for (what, bytes) in frames::malformed(&page["entries"][entry]) {
            // JSON has no invalid text: this text is replaced by it.
            const HERE: &str = "here";
            let mut page = page.clone();
            page["entries"][entry] = json!(HERE);
            let text = page.to_string();
            let (before, after) = text.split_once(&format!("\"{HERE}\"")).expect("it is there");
            let payload = [before.as_bytes(), &bytes, after.as_bytes()].concat();
            self.payload(format!("{kind} entry: {what}"), at, &payload);
        }
    }
}

/// What the server plays now: the trick with this number, or only right answers.
pub type Present = Arc<Mutex<Option<usize>>>;

/// A server that answers every request correctly except those of one kind. `tricks` and `right` depend on the request's number.
pub fn serve(
    present: &Present,
    tricks: impl Fn(u32) -> Vec<Trick> + Send + Sync + 'static,
    right: impl Fn(u8, u32) -> Vec<u8> + Send + Sync + 'static,
) -> SocketAddr {
    let present = Arc::clone(present);
    // The tricks for each number are made once: there are many hundred.
    let made: Mutex<HashMap<u32, Vec<Trick>>> = Mutex::default();
    listen(move |_, mut stream| {
        let (mut said, mut buffer, mut answered) = (Vec::new(), [0; 4096], 0);
        if stream.write_all(&welcomed(&[])).is_err() {
            return;
        }
        while let Some(count) = stream.read(&mut buffer).ok().filter(|count| *count > 0) {
            said.extend_from_slice(&buffer[..count]);
            let all = frames::frames(said.get(frames::PREAMBLE.len()..).unwrap_or_default());
            // The first one is the client's greeting.
            for (kind, request, _) in all.iter().skip(answered + 1) {
                answered += 1;
                if *kind == GOODBYE {
                    return;
                }
                let wrong = present.lock().unwrap().and_then(|number| {
                    let mut made = made.lock().unwrap();
                    let trick = &made.entry(*request).or_insert_with(|| tricks(*request))[number];
                    (trick.to == *kind).then(|| trick.says.clone())
                });
                match wrong {
                    Some(says) => return end(stream, &says),
                    None => drop(stream.write_all(&right(*kind, *request))),
                }
            }
        }
    })
}

/// Sends these bytes, and nothing more.
fn end(mut stream: TcpStream, says: &[u8]) {
    let _ = stream.write_all(says);
    let _ = stream.shutdown(Shutdown::Write);
    // Until the client closes.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The error of a client after a trick.
pub fn is_safe(name: &str, said: &str) {
    assert!(!said.is_empty() && !said.contains(is_unsafe), "{name}: {said:?}");
}
