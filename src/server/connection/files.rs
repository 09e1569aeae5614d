//! An answer to a `files` request: many small files in a turn, large ones in pieces.

use super::{
    hashing::{hash, remember},
    reply::failure,
    turn::Turn,
};
use crate::{
    protocol::{
        digest::{BLOCK_SIZE, BlockHasher, Hash, RootHasher},
        error::Code,
        message::{self, Failure, FileHead, WantedFile},
        path::RemotePath,
        server::{Filled, FilesWriter},
    },
    server::limits::{TURN, WORK},
    storage::{self, StorageError, root::FileSource},
    text::SafeText,
};

/// Files up to this size are read at once, and hashed, before anything is said of them.
const SMALL: u64 = (TURN / 8) as u64;
/// Files that are opened in one turn.
const OPENED: usize = 64;
/// What it costs to open a file, as bytes of work.
const OPENING: u64 = WORK / OPENED as u64;
/// Bytes that are read ahead of a large file's reader.
const AHEAD: u64 = 4 * BLOCK_SIZE;
/// What a small file costs in a turn beside its content.
const FRAMES: usize = 512;

/// Files that are asked for, and what opens them.
pub(super) struct Wanted {
    files: std::vec::IntoIter<WantedFile>,
    opener: storage::tree::Files,
    content: bool,
    largest: u64,
}

impl Wanted {
    pub fn new(request: message::Files, opener: storage::tree::Files) -> Wanted {
        let message::Files { files, content, largest, .. } = request;
        Wanted { files: files.into_iter(), opener, content, largest: largest.unwrap_or(u64::MAX) }
    }

    /// Whether content is wanted, and not only whether it is the same.
    pub fn content(&self) -> bool {
        self.content
    }
}

/// Many files being sent.
pub(super) struct Files {
    writer: FilesWriter,
    wanted: Wanted,
    /// The file that is in work, if it is a large one.
    large: Option<Large>,
    /// Holds one small file after the other.
    buffer: Vec<u8>,
}

/// A file that is not answered in one go.
struct Large {
    source: FileSource,
    stage: Stage,
}

enum Stage {
    /// It is being hashed, to be compared with what the client has.
    Hashing { expected: Hash, next: u64, root: RootHasher },
    /// It is being sent; up to where the kernel was told to read.
    Sending { ahead: u64 },
}

/// How a file, or a piece of it, ended.
enum Went {
    /// There is more of it.
    On(Large),
    /// It was answered.
    Answered,
    /// It is to be answered in the next turn.
    Later(FileSource, WantedFile),
}

impl Files {
    pub fn new(writer: FilesWriter, wanted: Wanted) -> Files {
        Files { writer, wanted, large: None, buffer: Vec::new() }
    }

    /// Puts answers into the turn until that is full or has cost enough work. True at the end of all of them.
    pub fn fill(&mut self, turn: &mut Turn) -> bool {
        let mut work = 0;
        while work < WORK && turn.out.len() < turn.size() {
            let result = match self.large.take() {
                Some(large) => self.go_on(large, turn, &mut work),
                None => match self.wanted.files.next() {
                    Some(file) => self.begin(&file, turn, &mut work),
                    None => return true,
                },
            };
            match result {
                Ok(large) => self.large = large,
                Err(failure) => {
                    turn.missed(&failure);
                    self.writer.missed(&failure, &mut turn.out);
                }
            }
        }
        false
    }

    /// Makes the end of the answer, after [`Files::fill`] has said that it is there.
    pub fn end(self, turn: &mut Turn) {
        self.writer.end(&mut turn.out);
        turn.end();
        turn.idle();
    }

    /// Answers a small file, begins with a large one.
    fn begin(
        &mut self,
        file: &WantedFile,
        turn: &mut Turn,
        work: &mut u64,
    ) -> Result<Option<Large>, Failure> {
        *work += OPENING;
        let path = |path| SafeText::new(path);
        let remote = RemotePath::parse(&file.path)
            .map_err(|error| failure(Code::NotFound, error, &path(&file.path)))?;
        let source = self.wanted.opener.open(&remote).map_err(|error| error.failure())?;
        if source.size() > self.wanted.largest {
            return Err(failure(Code::Changed, "is larger than was expected", source.path()));
        }
        let expected = file.digest.as_deref().and_then(Hash::from_hex);
        match expected {
            None if !self.wanted.content => {
                self.writer.differs(&mut turn.out);
                Ok(None)
            }
            _ if source.size() <= SMALL => {
                *work += source.size();
                self.small(&source, expected, turn).map_err(|error| error.failure())?;
                Ok(None)
            }
            Some(expected) => {
                let stage = Stage::Hashing { expected, next: 0, root: RootHasher::default() };
                Ok(Some(Large { source, stage }))
            }
            None => Ok(Some(self.announce(source, turn))),
        }
    }
}
