//! The content of one answer of version 1.

use std::{convert::Infallible, time::Instant};

use super::{body::Body, hashing::remember};
use crate::{
    protocol::{
        digest::BLOCK_SIZE,
        message::Missing,
        server::{ContentWriter, Ending},
    },
    server::{
        connection::output::Output,
        limits::{MAX_WORK, OUTPUT_TIMEOUT},
    },
    storage::{StorageError, root::FileSource},
};

/// The number of bytes by which an output may exceed its size, so that a frame is not split.
pub(crate) const MAX_EXCESS: usize = 4 * 1024;

/// Content being sent.
pub(crate) struct Sending {
    pub writer: ContentWriter,
    pub body: Body,
    pub identity: String,
    /// The missing entries of an archive, if requested.
    pub missing: Option<Missing>,
    /// The end is to have the root of a file, if all of its blocks are known.
    pub root: bool,
}

impl Sending {
    /// Passes over some of the bytes before those that are sent. False if the content has ended there.
    pub fn skip(&mut self) -> Result<bool, StorageError> {
        let Sending { writer, body, .. } = self;
        body.skip(|bytes| writer.skipped(bytes))
    }

    /// Puts content into the output until that is full or has cost enough work. True at the end of the
    /// range, if the content is still what it was when the answer began.
    pub fn fill(&mut self, output: &mut Output) -> Result<bool, StorageError> {
        let (before, until) = (self.body.position(), Instant::now() + OUTPUT_TIMEOUT);
        loop {
            if self.body.is_over() {
                self.writer.finish_block(self.body.position(), &mut output.out);
                self.remember(output)?;
                self.body.check()?;
                return Ok(true);
            }
            let most = output.size();
            if self.writer.is_between_blocks()
                && let Some(length) = self.body.hole()
            {
                self.body.pass(length);
                self.writer.hole(length, self.body.position(), &mut output.out);
                output.content(0, Some(self.body.progress()));
                self.remember(output)?;
                // Zeros take as much work as any other bytes, and almost no space.
                if output.out.len() >= most || self.body.position() - before >= MAX_WORK {
                    return Ok(false);
                }
                continue;
            }
            let next = self.body.next_read(self.writer.room().min(most));
            if !output.out.is_empty() && output.out.len() + next > most + MAX_EXCESS {
                return Ok(false);
            }
            let bytes = self.writer.data_within(most, &mut output.out, |buffer| self.body.read(buffer))?;
            output.content(bytes, Some(self.body.progress()));
            self.remember(output)?;
            let is_full = output.out.len() >= most || self.body.position() - before >= MAX_WORK;
            if bytes == 0 || is_full || Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    /// Puts content of a file that is in memory into the output. Returns whether there is something in the output.
    ///
    /// # Errors
    /// The file is no longer what it was when the answer began. A file system that reports cached bytes reports this without
    /// waiting for the disk.
    pub fn fill_cached(&mut self, output: &mut Output) -> Result<bool, StorageError> {
        let most = output.size();
        while output.out.len() < most && !self.body.must_skip() && !self.body.is_over() {
            let next = self.body.next_read(self.writer.room().min(most));
            if !output.out.is_empty() && output.out.len() + next > most + MAX_EXCESS {
                break;
            }
            let read = |buffer: &mut [u8]| Ok::<_, Infallible>(self.body.read_cached(&mut buffer[..next]));
            let Ok(bytes) = self.writer.data_within(next, &mut output.out, read);
            if bytes == 0 {
                break;
            }
            output.content(bytes, Some(self.body.progress()));
            self.remember(output)?;
        }
        Ok(!output.out.is_empty())
    }

    /// Caches the hash of a file's block that was just completed.
    fn remember(&mut self, output: &Output) -> Result<(), StorageError> {
        match (self.writer.completed(), self.body.source()) {
            (Some((index, digest)), Some(source)) => remember(&output.shared, source, index, &digest),
            _ => Ok(()),
        }
    }

    /// Writes the end of the answer, after [`Sending::fill`] has returned true.
    pub fn end(self, output: &mut Output) {
        let complete = self.body.is_complete();
        let file = self.body.source().filter(|_| self.root);
        let blocks = |file: &FileSource| file.size().div_ceil(BLOCK_SIZE);
        let root = file.and_then(|file| output.shared.services.hashes.root(file.identity(), blocks(file)));
        let ending = Ending { missing: self.missing, root };
        self.writer.end_with(&self.identity, self.body.position(), complete, ending, &mut output.out);
        output.end(complete);
    }
}
