//! Many files of a tree on one connection: small ones together in few answers, each larger one in an answer of its own. All are
//! requested ahead, so that no round trip is waited for between them.

use std::collections::VecDeque;

use crate::{
    client::{
        content::Content,
        error::Fault,
        source::{
            fdsp::{Fdsp, connection::Connection, link::Talk, read, tree::refused},
            sink::{Block, Wanted},
        },
    },
    protocol::{
        client::{Event, Request},
        digest::Hash,
        message::{Failure, FileHead, Files, Form},
    },
};

/// What is requested next.
pub(crate) enum Wish {
    /// Small files in one answer, and how many bytes the server may have to hash before it answers.
    Files(Files, u64),
    /// The whole content of this file.
    Content(Fdsp),
}

/// What is received of requested files. `number`: which file of the oldest request without a complete answer.
pub(crate) enum FileEvent<'a> {
    Begins {
        number: usize,
        head: FileHead,
    },
    Data(&'a [u8]),
    /// Zeros that were not sent.
    Hole {
        length: u64,
    },
    /// A block of the file ends.
    Block(Block),
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
    /// The content that the oldest request is for.
    ContentBegins(Content),
    /// All of it is received. `root`: its digest; `None` if a block was corrupt.
    ContentEnds {
        root: Option<Hash>,
    },
    /// The server does not send it, or not all of it.
    ContentFails(Failure),
}

/// What takes files. All but `next` may block.
pub(crate) trait FilesSink {
    /// The next files to request; `None` if nothing is to be requested now.
    fn next(&mut self) -> Option<Wish>;
    fn take(&mut self, event: FileEvent<'_>) -> Result<(), Fault>;
    /// The local bytes that the server skips of the file that has just begun, if it skips any.
    fn skipped(&mut self) -> Option<Vec<u8>>;
    /// Nothing was received for a while.
    fn quiet(&mut self) -> Result<(), Fault>;
}

impl Connection {
    /// Receives the files that the sink wants, until it wants nothing more.
    pub(crate) async fn files(&mut self, sink: &mut impl FilesSink) -> Result<(), Fault> {
        let (fdsp, origin) = (self.fdsp.clone(), self.origin());
        let described =
            move |fdsp: &Fdsp, content: &crate::protocol::message::Content| fdsp.described(content, origin);
        self.converse(&mut Conversation { fdsp, described, sink, asked: VecDeque::new() }).await
    }
}

struct Conversation<'a, S, D> {
    /// The directory.
    fdsp: Fdsp,
    described: D,
    sink: &'a mut S,
    /// The requests without a complete answer: the file of each that is for one content.
    asked: VecDeque<Option<Fdsp>>,
}

impl<S: FilesSink, D: Fn(&Fdsp, &crate::protocol::message::Content) -> Content> Talk
    for Conversation<'_, S, D>
{
    fn next(&mut self) -> Option<(Request, u64)> {
        match self.sink.next()? {
            Wish::Files(files, hashed) => {
                self.asked.push_back(None);
                Some((Request::Files(files), hashed))
            }
            Wish::Content(file) => {
                let blocks = 0..u64::MAX;
                let wanted = Wanted { form: Form::File, identity: None, blocks, skip: 0, digest: true };
                let request = read::get(file.path(), wanted);
                self.asked.push_back(Some(file));
                Some((request, 0))
            }
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<bool, Fault> {
        // Whether something else may be requested.
        let mut more = matches!(event, Event::FilesEnd { .. } | Event::End { .. } | Event::Failed { .. });
        let content = self.asked.front().and_then(Option::as_ref);
        let event = match event {
            Event::Data { bytes, .. } => FileEvent::Data(bytes),
            Event::Hole { length, .. } => FileEvent::Hole { length },
            Event::File { index, head, .. } => FileEvent::Begins { number: index, head },
            Event::Block { block, .. } => {
                more |= content.is_some();
                FileEvent::Block(read::block(&block))
            }
            Event::Done { index, root, .. } => FileEvent::Complete { number: index, root },
            Event::Same { index, .. } => FileEvent::Same { number: index },
            Event::Differs { index, .. } => FileEvent::Differs { number: index },
            Event::Missed { index, failure, .. } => FileEvent::Missed { number: index, failure },
            Event::FilesEnd { .. } => FileEvent::RequestEnds,
            Event::Content { content: announced, .. } => match content {
                Some(file) => FileEvent::ContentBegins((self.described)(file, &announced)),
                None => return Ok(more),
            },
            Event::End { root, .. } => FileEvent::ContentEnds { root },
            Event::Failed { failure, request } if request != 0 && content.is_some() => {
                FileEvent::ContentFails(failure)
            }
            Event::Failed { failure, .. } => return Err(refused(self.fdsp.path(), &failure)),
            _ => return Ok(more),
        };
        if matches!(
            event,
            FileEvent::RequestEnds | FileEvent::ContentEnds { .. } | FileEvent::ContentFails(_)
        ) {
            self.asked.pop_front();
        }
        self.sink.take(event).map(|()| more)
    }

    fn skipped(&mut self) -> Option<Vec<u8>> {
        self.sink.skipped()
    }

    fn quiet(&mut self) -> Result<(), Fault> {
        self.sink.quiet()
    }
}
