//! Many files of a tree in few answers.

use crate::{
    client::{
        error::Fault,
        source::fdsp::{connection::Connection, link::Talk, tree::refused},
    },
    protocol::{
        client::{Event, Request},
        digest::Hash,
        message::{Failure, FileHead, Files},
    },
};

/// What is received of requested files. `number`: which file of the oldest request without a complete answer.
pub(crate) enum FileEvent<'a> {
    Begins {
        number: usize,
        head: FileHead,
    },
    Data(&'a [u8]),
    /// A block of the file is not what the server announced.
    Corrupt {
        index: u64,
    },
    /// `root`: the digest of the file; `None` if a block was corrupt.
    Complete {
        number: usize,
        root: Option<Hash>,
    },
    /// The file is the same as the local one.
    Same {
        number: usize,
    },
    /// The file differs from the local one, and no content was wanted.
    Differs {
        number: usize,
    },
    /// The server cannot send the file, or not all of it.
    Missed {
        number: usize,
        failure: Failure,
    },
    /// The oldest request is answered.
    RequestEnds,
}

/// What takes files. All but `next` may block.
pub(crate) trait FilesSink {
    /// The next files to request, and how many bytes the server may have to hash before it answers.
    fn next(&mut self) -> Option<(Files, u64)>;
    fn take(&mut self, event: FileEvent<'_>) -> Result<(), Fault>;
    /// The local bytes that the server skips of the file that has just begun, if it skips any.
    fn skipped(&mut self) -> Option<Vec<u8>>;
    /// Nothing was received for a while.
    fn quiet(&mut self) -> Result<(), Fault>;
}

impl Connection {
    /// Receives the files that the sink wants, until it wants nothing more.
    pub(crate) async fn files(&mut self, sink: &mut impl FilesSink) -> Result<(), Fault> {
        let path = self.fdsp.path().to_owned();
        self.converse(&mut Conversation { path, sink }).await
    }
}

struct Conversation<'a, S> {
    path: String,
    sink: &'a mut S,
}

impl<S: FilesSink> Talk for Conversation<'_, S> {
    fn next(&mut self) -> Option<(Request, u64)> {
        self.sink.next().map(|(files, hashed)| (Request::Files(files), hashed))
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        self.sink.take(match event {
            Event::Data { bytes, .. } => FileEvent::Data(bytes),
            Event::File { index, head, .. } => FileEvent::Begins { number: index, head },
            Event::Block { block, .. } if block.is_intact() => return Ok(()),
            Event::Block { block, .. } => FileEvent::Corrupt { index: block.index },
            Event::Done { index, root, .. } => FileEvent::Complete { number: index, root },
            Event::Same { index, .. } => FileEvent::Same { number: index },
            Event::Differs { index, .. } => FileEvent::Differs { number: index },
            Event::Missed { index, failure, .. } => FileEvent::Missed { number: index, failure },
            Event::FilesEnd { .. } => FileEvent::RequestEnds,
            Event::Failed { failure, .. } => return Err(refused(&self.path, &failure)),
            _ => return Ok(()),
        })
    }

    fn skipped(&mut self) -> Option<Vec<u8>> {
        self.sink.skipped()
    }

    fn quiet(&mut self) -> Result<(), Fault> {
        self.sink.quiet()
    }
}
