//! What a client speaks once its first byte has come, and what that asks of the connection.

use std::{borrow::Cow, time::Instant};

use super::{
    classic::Classic,
    turn::Turn,
    v1::{Ending, V1},
};
use crate::protocol::error::Code;

/// What a client speaks.
pub(super) enum Dialect {
    /// Version 1 of this protocol.
    V1(Box<V1>),
    /// A dialect of the original programs.
    Classic(Box<Classic>),
}

/// What a dialect asks of its connection.
pub(super) enum Step {
    /// Write what is in the turn, then ask again.
    Again,
    /// Read.
    Read,
    /// Ask again at this time.
    Pause(Instant),
    /// Call [`Dialect::run`], as a task.
    Run,
    /// End the connection as soon as the output is written, for this reason.
    End(Cow<'static, str>),
    /// Close the connection now, so that the client notices a failure for which the dialect has no word.
    Abort(Cow<'static, str>),
}

impl Dialect {
    /// Takes what one read gave; no bytes are the end of the stream.
    ///
    /// # Errors
    /// The client broke the dialect, or there is no place for it: why the connection ends.
    pub fn received(&mut self, bytes: &[u8], turn: &mut Turn, now: Instant) -> Result<(), String> {
        match self {
            Dialect::V1(v1) => {
                v1.received(bytes);
                Ok(())
            }
            Dialect::Classic(classic) => classic.received(bytes, turn, now),
        }
    }

    /// What to do next. Reads no file.
    pub fn advance(&mut self, turn: &mut Turn, now: Instant) -> Step {
        match self {
            Dialect::V1(v1) => v1.advance(turn, now),
            Dialect::Classic(classic) => classic.advance(turn),
        }
    }

    /// Opens, reads, hashes or compresses, and puts what comes of it into the turn: one turn at most, some milliseconds of work.
    pub fn run(&mut self, turn: &mut Turn, now: Instant) -> Step {
        match self {
            Dialect::V1(v1) => v1.run(turn, now),
            Dialect::Classic(classic) => classic.run(turn),
        }
    }

    /// Does the part of [`Dialect::run`] that neither waits for the disk nor takes long. Returns whether there is something in the turn.
    pub fn run_cached(&mut self, turn: &mut Turn) -> bool {
        match self {
            Dialect::V1(v1) => v1.fill_cached(turn),
            Dialect::Classic(_) => false,
        }
    }

    /// Whether [`Dialect::run`] continues to send files.
    pub fn sends_files(&self) -> bool {
        match self {
            Dialect::V1(v1) => v1.sends_files(),
            Dialect::Classic(classic) => classic.sends_file(),
        }
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        matches!(self, Dialect::V1(v1) if v1.is_idle())
    }

    /// How the client has ended its side, while an answer is prepared of which nothing is sent for long; `None` at other times.
    pub fn ending_of_preparation(&self) -> Option<Ending> {
        match self {
            Dialect::V1(v1) => v1.is_preparing().then(|| v1.ending()),
            Dialect::Classic(_) => None,
        }
    }

    /// Writes why the server closes: an error, or a goodbye without a code. Returns whether the dialect has a word for it.
    pub fn leave(&mut self, code: Option<Code>, reason: &str, turn: &mut Turn) -> bool {
        match self {
            Dialect::V1(v1) => {
                v1.leave(code, reason, turn);
                true
            }
            Dialect::Classic(_) => false,
        }
    }
}
