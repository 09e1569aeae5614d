//! The protocol of a client, which its first byte selects, and what it needs of the connection.

pub(super) mod classic;
pub(super) mod detection;
pub(super) mod refusal;
pub(super) mod step;
pub(super) mod unknown_protocol;

use std::time::Instant;

use super::{
    dialect::{classic::Classic, step::Step},
    http::exchange::Http,
    output::Output,
    v1::requests::{Ending, V1},
};
use crate::protocol::error::Code;

/// The protocol of a client.
pub(crate) enum Dialect {
    /// Version 1 of this protocol.
    V1(Box<V1>),
    /// A dialect of the original programs.
    Classic(Box<Classic>),
    /// HTTP/1.1, for all other clients.
    Http(Box<Http>),
}

impl Dialect {
    /// Takes the bytes of one read; no bytes are the end of the stream.
    ///
    /// # Errors
    /// The client broke the dialect, or there is no place for it: why the connection ends.
    pub fn received(&mut self, bytes: &[u8], output: &mut Output, now: Instant) -> Result<(), String> {
        match self {
            Dialect::V1(v1) => {
                v1.received(bytes);
                Ok(())
            }
            Dialect::Http(http) => {
                http.received(bytes);
                Ok(())
            }
            Dialect::Classic(classic) => classic.received(bytes, output, now),
        }
    }

    /// What to do next. Reads no file.
    pub fn advance(&mut self, output: &mut Output, now: Instant) -> Step {
        match self {
            Dialect::V1(v1) => v1.advance(output, now),
            Dialect::Classic(classic) => classic.advance(output),
            Dialect::Http(http) => http.advance(output, now),
        }
    }

    /// Opens, reads, hashes or compresses, and puts the result into the output: at most one output, some milliseconds of work.
    pub fn run(&mut self, output: &mut Output, now: Instant) -> Step {
        match self {
            Dialect::V1(v1) => v1.run(output, now),
            Dialect::Classic(classic) => classic.run(output),
            Dialect::Http(http) => http.run(output, now),
        }
    }

    /// Does the part of [`Dialect::run`] that neither waits for the disk nor takes long. Returns whether there is something in the output.
    pub fn run_cached(&mut self, output: &mut Output) -> bool {
        match self {
            Dialect::V1(v1) => v1.fill_cached(output),
            Dialect::Classic(_) => false,
            Dialect::Http(http) => http.run_cached(output),
        }
    }

    /// Whether [`Dialect::run`] continues to send files.
    pub fn sends_files(&self) -> bool {
        match self {
            Dialect::V1(v1) => v1.sends_files(),
            Dialect::Classic(classic) => classic.sends_file(),
            Dialect::Http(http) => http.sends_file(),
        }
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        match self {
            Dialect::V1(v1) => v1.is_idle(),
            Dialect::Classic(_) => false,
            Dialect::Http(http) => http.is_idle(),
        }
    }

    /// Whether clients end an idle connection without an end of TLS, as most of those of HTTP do.
    pub fn ends_without_notice(&self) -> bool {
        matches!(self, Dialect::Http(http) if http.is_idle())
    }

    /// How the client has ended its side, while an answer is prepared of which nothing is sent for long; `None` at other times.
    pub fn ending_of_preparation(&self) -> Option<Ending> {
        match self {
            Dialect::V1(v1) => v1.is_preparing().then(|| v1.ending()),
            Dialect::Classic(_) => None,
            Dialect::Http(http) => http.ending_of_preparation(),
        }
    }

    /// Writes why the server closes: an error, or a goodbye without a code. Returns whether the connection ends in order: the dialect has
    /// a message for it, or nothing is being answered.
    pub fn leave(&mut self, code: Option<Code>, reason: &str, output: &mut Output) -> bool {
        match self {
            Dialect::V1(v1) => {
                v1.leave(code, reason, output);
                true
            }
            Dialect::Classic(_) => false,
            Dialect::Http(http) => http.leave(code, output),
        }
    }
}
