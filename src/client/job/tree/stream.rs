//! A file of a tree that is larger than a block, and of which nothing is local: it is requested together with other files, and written to its
//! own `.part` and journal as it is received. If it is interrupted, it is resumed like a single file.

use std::{sync::Arc, time::Instant};

use super::{disk::work_dir::TreeWorkDir, large};
use crate::{
    client::{
        content::{
            Content,
            blocks::{Blocks, LocalBytes},
        },
        disk::part::{Part, Writer},
        error::Fault,
        job::file::{
            resume::FileResume,
            state::{Known, Place, ResumeState, Version},
        },
        source::sink::{Block, KEEP_INTERVAL},
        transfer::progress::Progress,
    },
    protocol::digest::{BLOCK_SIZE, Hash},
};

/// See the module.
#[derive(Debug)]
pub(super) struct StreamedFile {
    pub(super) index: u32,
    resume: FileResume,
    writer: Writer,
    progress: Progress,
    /// Where the next byte belongs.
    offset: u64,
    /// Bytes of the current block that are written.
    written: u32,
    /// How many of them are recorded in the journal, and since when.
    noted: (u32, Instant),
    /// Blocks that were received corrupt.
    pub(super) corrupt: u32,
}

impl StreamedFile {
    /// The server begins to send a file. Its `.part` is created.
    pub(super) fn begin(
        work_dir: &TreeWorkDir,
        whole: &Arc<Progress>,
        (index, path): (u32, &str),
        content: Content,
    ) -> Result<StreamedFile, Fault> {
        let target = large::target(work_dir, path)?;
        let mut part = Part::create(&target.folder, &target.name)?;
        // Recorded before its first byte: nothing else shows that this program has created it.
        part.record(&content, &Blocks::default());
        let claimed = content.size.map_or(Ok(()), |size| part.claim(size, content.data_bytes));
        let writer = part.writer()?.clone();
        let mut resume = FileResume::of(Known::new(content, Place { target, part }));
        if let Err(fault) = claimed {
            resume.close();
            return Err(fault);
        }
        // Its bytes count for the tree, too.
        let progress = Progress::part_of(whole, LocalBytes::default());
        progress.segment_begins();
        Ok(StreamedFile {
            index,
            resume,
            writer,
            progress,
            offset: 0,
            written: 0,
            noted: (0, Instant::now()),
            corrupt: 0,
        })
    }

    /// Writes bytes of the content.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.writer.write(bytes, self.offset)?;
        self.progress.add_crossed(bytes.len() as u64);
        self.wrote(bytes.len() as u64);
        Ok(())
    }

    /// Writes zeros that were not sent.
    pub(super) fn hole(&mut self, length: u64) -> Result<(), Fault> {
        self.writer.hole(self.offset, length)?;
        self.wrote(length);
        Ok(())
    }

    fn wrote(&mut self, count: u64) {
        self.offset += count;
        self.written = self.written.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.progress.advance(count, true);
        self.note();
    }

    /// Bytes of the current block that need not be received again. The last one must: a block of which nothing is missing cannot be
    /// requested.
    fn kept(&self) -> u32 {
        self.written.saturating_sub(1)
    }

    /// Records in the journal from time to time how much of the current block is written.
    pub(super) fn note(&mut self) {
        if self.kept() > self.noted.0 && self.noted.1.elapsed() >= KEEP_INTERVAL {
            self.writer.begun(self.offset.saturating_sub(1) / BLOCK_SIZE, self.kept());
            self.noted = (self.kept(), Instant::now());
        }
    }

    /// A block ends. Returns how many bytes of it are kept.
    pub(super) fn block(&mut self, block: &Block) -> u64 {
        let ResumeState::Known(known) = &mut self.resume.state else { return 0 };
        let kept = match &block.verified {
            Some(verified) => {
                self.writer.verified(verified);
                known.blocks.insert(verified);
                block.length
            }
            None => {
                known.blocks.forget(block.index);
                self.progress.retreat(self.written.into(), true);
                self.writer.begun(block.index, 0);
                0
            }
        };
        self.progress.set_verified(known.blocks.bytes());
        (self.written, self.noted) = (0, (0, Instant::now()));
        kept.into()
    }

    /// All of it is received, and the server has confirmed it after the last block. Returns it as complete if it has the digest `root`.
    pub(super) fn complete(&mut self, root: Option<Hash>) -> Option<FileResume> {
        let ResumeState::Known(known) = &mut self.resume.state else { return None };
        let root = root.filter(|root| known.blocks.root() == Some(*root))?;
        known.version = Version::Proven;
        known.claimed = Some(root);
        self.resume.complete(root);
        Some(std::mem::take(&mut self.resume))
    }

    /// The server does not send the rest of it.
    pub(super) fn failed(&mut self, fault: &Fault) -> Result<(), Fault> {
        large::forget(&mut self.resume, fault)
    }

    /// It is interrupted: closes its `.part`, keeping what was received. Returns how many bytes are local, and how many of them were kept
    /// of an incomplete block.
    pub(super) fn close(mut self) -> (LocalBytes, u64) {
        let kept = self.kept();
        if kept > 0
            && let ResumeState::Known(known) = &mut self.resume.state
        {
            let index = self.offset.saturating_sub(1) / BLOCK_SIZE;
            known.blocks.begin(index, kept);
            self.writer.begun(index, kept);
        }
        self.resume.close();
        (self.counted(), kept.into())
    }

    /// What the progress of the tree counts of it.
    pub(super) fn counted(&self) -> LocalBytes {
        LocalBytes { received: self.progress.received(), verified: self.progress.verified() }
    }

    /// Bytes that the next attempt finds of it.
    pub(super) fn local(&self) -> u64 {
        self.resume.state.local().received + u64::from(self.kept())
    }
}

impl Drop for StreamedFile {
    fn drop(&mut self) {
        self.progress.segment_ends();
    }
}
