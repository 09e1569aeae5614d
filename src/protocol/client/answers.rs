//! The client's check of the order of the server's frames.

use std::collections::VecDeque;

use super::{
    batch::Batch,
    event::Event,
    manifest::Manifest,
    receiving::{Receiving, is_identity},
};
use crate::protocol::{
    digest::Hash,
    error::Violation,
    frame::{self, BlockMark, Header, Kind, control},
    message::{self, NameForm, request::Request},
    path::{self, MAX_SEGMENT, odd_name},
};

/// The requests without a complete answer, and the state of the first answer.
#[derive(Debug, Default)]
pub(super) struct Answers {
    phase: Phase,
    requests: VecDeque<(u32, Request)>,
    /// The received part of the first answer, if it has more than one frame.
    partial: Option<Partial>,
}

#[derive(Debug)]
enum Partial {
    /// Of a `get` or `hashes`, after `content`.
    Content(Box<Receiving>),
    /// Of a `tree`, after a page that is not the last.
    Tree(Manifest),
    /// Of a `files`, after the first frame.
    Files(Box<Batch>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Before `welcome`.
    #[default]
    Greeting,
    Open,
    /// After a goodbye or an error for the connection.
    Closed,
}

impl Answers {
    pub(super) fn expect(&mut self, id: u32, request: Request) {
        self.requests.push_back((id, request));
    }

    pub(super) fn pending(&self) -> usize {
        self.requests.len()
    }

    /// Whether the stream may end here.
    pub(super) fn may_end(&self) -> bool {
        match self.phase {
            Phase::Greeting => false,
            Phase::Open => self.requests.is_empty(),
            Phase::Closed => true,
        }
    }

    /// A frame begins: it must be allowed here.
    pub(super) fn header(&mut self, header: Header) -> Result<(), Violation> {
        if !self.is_allowed(header) {
            return Err(Violation::Unexpected(header.kind.name()));
        }
        match (self.content(), header.kind) {
            (Some(content), Kind::Data) => content.data_begins(header.length),
            _ => Ok(()),
        }
    }

    fn is_allowed(&self, header: Header) -> bool {
        let Header { kind, request, .. } = header;
        let connection = request == 0;
        let first = self.requests.front().filter(|(id, _)| *id == request).map(|(_, request)| request);
        match (self.phase, kind, first) {
            (Phase::Closed, ..) => false,
            (_, Kind::Error, _) if connection => true,
            (_, Kind::Goodbye, _) => connection && self.partial.is_none(),
            (Phase::Greeting, ..) => kind == Kind::Welcome && connection,
            (Phase::Open, _, None) => false,
            (Phase::Open, Kind::Error, _) => true,
            (Phase::Open, _, Some(first)) => match (first, &self.partial) {
                (Request::Stat(_), _) => kind == Kind::Meta,
                (Request::List(list), _) => kind == Kind::Entries || kind == Kind::Working && list.working,
                (Request::Tree(tree), _) => kind == Kind::TreeAnswer || kind == Kind::Working && tree.working,
                (Request::Files(files), Some(Partial::Files(batch))) => batch.is_allowed(files, kind),
                (Request::Files(files), _) => Batch::default().is_allowed(files, kind),
                (Request::Get(get), None) => kind == Kind::Content || kind == Kind::Working && get.working,
                (Request::Hashes(_), None) => kind == Kind::Content,
                (Request::Get(get), Some(_)) => match kind {
                    Kind::Hole => get.holes,
                    _ => matches!(kind, Kind::Data | Kind::Block | Kind::End),
                },
                (Request::Hashes(_), Some(_)) => matches!(kind, Kind::HashesAnswer | Kind::End),
            },
        }
    }

    /// The content that is being received.
    fn content(&mut self) -> Option<&mut Receiving> {
        match &mut self.partial {
            Some(Partial::Content(content)) => Some(content),
            Some(Partial::Files(batch)) => batch.file(),
            _ => None,
        }
    }

    /// Takes the next of the bytes that the content being received skips.
    pub(super) fn skipped(&mut self, bytes: &[u8]) {
        if let Some(content) = self.content() {
            content.skipped(bytes);
        }
    }

    /// Content of an allowed frame was received.
    pub(super) fn data<'a>(&mut self, bytes: &'a [u8]) -> Result<Event<'a>, Violation> {
        let request = self.requests.front().map(|(id, _)| *id);
        let (Some(request), Some(content)) = (request, self.content()) else {
            return Err(Violation::Unexpected(Kind::Data.name()));
        };
        content.data(bytes);
        Ok(Event::Data { request, bytes })
    }

    /// The payload of an allowed frame is complete.
    pub(super) fn message(&mut self, header: Header, payload: &[u8]) -> Result<Event<'static>, Violation> {
        let Header { kind, request, .. } = header;
        match kind {
            Kind::Working => {
                if let Some((_, Request::Files(_))) = self.requests.front() {
                    self.batch(kind)?;
                }
                Ok(Event::Working { request })
            }
            Kind::Welcome => {
                let welcome = control::read(kind, payload)?;
                self.phase = Phase::Open;
                Ok(Event::Welcome(welcome))
            }
            Kind::Goodbye => {
                let goodbye = control::read(kind, payload)?;
                self.phase = Phase::Closed;
                Ok(Event::Goodbye(goodbye))
            }
            Kind::Error => {
                let failure = control::read(kind, payload)?;
                if request == 0 {
                    self.phase = Phase::Closed;
                } else {
                    self.answered();
                }
                Ok(Event::Failed { request, failure })
            }
            Kind::Meta => {
                let meta = control::read(kind, payload)?;
                check_meta(&meta)?;
                self.answered();
                Ok(Event::Meta { request, meta })
            }
            Kind::Entries => {
                let entries = control::read(kind, payload)?;
                if let Some((_, Request::List(list))) = self.requests.front() {
                    check_entries(list, &entries)?;
                }
                self.answered();
                Ok(Event::Entries { request, entries })
            }
            Kind::Content => {
                let content = control::read(kind, payload)?;
                match self.requests.front() {
                    Some((_, Request::Get(get))) => {
                        self.partial = Some(Partial::Content(Box::new(Receiving::announced(get, &content)?)));
                    }
                    Some((_, Request::Hashes(get))) => {
                        let get = message::Get { form: message::Form::File, skip: 0, ..get.clone() };
                        self.partial =
                            Some(Partial::Content(Box::new(Receiving::announced(&get, &content)?)));
                    }
                    _ => {}
                }
                Ok(Event::Content { request, content })
            }
            Kind::Block => {
                let (Some(content), Some(mark)) = (self.content(), payload.first_chunk()) else {
                    return Err(Violation::Unexpected(kind.name()));
                };
                Ok(Event::Block { request, block: content.block(&BlockMark::decode(mark))? })
            }
            Kind::Hole => {
                let Some(content) = self.content() else {
                    return Err(Violation::Unexpected(kind.name()));
                };
                Ok(Event::Hole { request, length: content.hole()? })
            }
            Kind::HashesAnswer => {
                let Some(content) = self.content() else {
                    return Err(Violation::Unexpected(kind.name()));
                };
                let (first_block, hashes) = frame::decode_hashes(payload);
                content.hashes(first_block, &hashes)?;
                Ok(Event::Hashes { request, first_block, hashes })
            }
            Kind::End => match self.partial.take() {
                Some(Partial::Content(content)) => {
                    let end = control::read(kind, payload)?;
                    let root = content.end(&end)?;
                    self.answered();
                    Ok(Event::End { request, end, root })
                }
                _ => {
                    control::read::<message::FilesEnd>(kind, payload)?;
                    self.answered();
                    Ok(Event::FilesEnd { request })
                }
            },
            Kind::TreeAnswer => {
                let page = control::read(kind, payload)?;
                let mut manifest = match self.partial.take() {
                    Some(Partial::Tree(manifest)) => manifest,
                    _ => match self.requests.front() {
                        Some((_, Request::Tree(tree))) => Manifest::asked(tree),
                        _ => Manifest::default(),
                    },
                };
                match manifest.page(&page)? {
                    true => self.answered(),
                    false => self.partial = Some(Partial::Tree(manifest)),
                }
                Ok(Event::Tree { request, page })
            }
            Kind::File | Kind::Done | Kind::Same | Kind::Differs | Kind::Missed => {
                self.of_files(header, payload)
            }
            _ => Err(Violation::Unexpected(kind.name())),
        }
    }

    /// A frame about one of many files.
    fn of_files(&mut self, header: Header, payload: &[u8]) -> Result<Event<'static>, Violation> {
        let Header { kind, request, .. } = header;
        let (files, batch) = self.batch(kind)?;
        Ok(match kind {
            Kind::File => {
                let head = control::read(kind, payload)?;
                Event::File { request, index: batch.begins(files, &head)?, head }
            }
            Kind::Done => {
                let said = payload.first_chunk().copied().map(Hash);
                let (index, root) = batch.done(said.ok_or(Violation::Unexpected(kind.name()))?)?;
                Event::Done { request, index, root }
            }
            Kind::Same => Event::Same { request, index: batch.answered() },
            Kind::Differs => Event::Differs { request, index: batch.answered() },
            _ => {
                let failure = control::read(kind, payload)?;
                Event::Missed { request, index: batch.answered(), failure }
            }
        })
    }

    /// The state of the answer to a `files`, which may begin with this frame.
    fn batch(&mut self, kind: Kind) -> Result<(&message::Files, &mut Batch), Violation> {
        let partial = self.partial.get_or_insert_with(|| Partial::Files(Box::default()));
        match (self.requests.front(), partial) {
            (Some((_, Request::Files(files))), Partial::Files(batch)) => Ok((files, batch)),
            _ => Err(Violation::Unexpected(kind.name())),
        }
    }

    fn answered(&mut self) {
        self.partial = None;
        self.requests.pop_front();
    }
}

fn check_meta(meta: &message::Meta) -> Result<(), Violation> {
    meta.modified.check()?;
    if meta.mode > 0o777 {
        return Err(Violation::Content("a mode of more than 0o777"));
    }
    if meta.kind == message::Kind::File && meta.size.is_none() {
        return Err(Violation::Content("a file without a size"));
    }
    match &meta.identity {
        None if meta.kind == message::Kind::File => Err(Violation::Content("a file without an identity")),
        Some(identity) if !is_identity(identity) => {
            Err(Violation::Content("an identity has 1 to 128 characters"))
        }
        _ => Ok(()),
    }
}

/// The minimum length of the name of an entry in bytes. In the name of an entry that is not served, `%XX` may be one byte.
fn name_len(entry: &message::Entry) -> usize {
    let name = entry.name.as_bytes();
    if entry.kind != message::Kind::Other || odd_name::is_escaped(&entry.name) {
        return path::length(&entry.name);
    }
    let is_escape = |escape: &&[u8]| escape[0] == b'%' && escape[1..].iter().all(u8::is_ascii_hexdigit);
    // No two escapes overlap.
    name.len() - 2 * name.windows(3).filter(is_escape).count()
}

fn check_entries(list: &message::List, page: &message::Entries) -> Result<(), Violation> {
    let mut before = None;
    for entry in &page.entries {
        let name = entry.name.as_str();
        let is_name = odd_name::to_bytes(name).is_some();
        if !is_name || matches!(name, "" | "." | "..") || name.contains('/') {
            return Err(Violation::Content("an entry whose name is no segment of a path"));
        }
        if list.names == NameForm::Utf8 && odd_name::is_escaped(name) {
            return Err(Violation::Content("a name in a form that was not asked for"));
        }
        if name_len(entry) > MAX_SEGMENT {
            return Err(Violation::Content("an entry whose name is too long"));
        }
        if before.is_some_and(|before| path::compare(before, name).is_ge()) {
            return Err(Violation::Content("entries out of order"));
        }
        // Without this check a listing might never end.
        if list.after.as_deref().is_some_and(|after| path::compare(after, name).is_ge()) {
            return Err(Violation::Content("entries that were not asked for"));
        }
        before = Some(name);
        entry.modified.check()?;
    }
    if page.more && page.entries.is_empty() {
        return Err(Violation::Content("an empty page before the last"));
    }
    if list.limit.is_some_and(|limit| page.entries.len() > limit.max(1) as usize) {
        return Err(Violation::Content("more entries than asked for"));
    }
    Ok(())
}
