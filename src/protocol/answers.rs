//! The client's check of the order of the server's frames: which may stand where, and for whom.

use std::collections::VecDeque;

use super::{
    client::{Event, Request},
    control,
    error::Violation,
    frame::{self, BlockMark, Header, Kind},
    message,
    receiving::{Receiving, is_identity},
};

/// The requests without a complete answer, and how far the first one's answer has come.
#[derive(Debug, Default)]
pub(super) struct Answers {
    phase: Phase,
    requests: VecDeque<(u32, Request)>,
    /// The content that is being received, for the first of the requests.
    content: Option<Box<Receiving>>,
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

    /// A frame begins: it must be one that may stand here.
    pub(super) fn header(&mut self, header: Header) -> Result<(), Violation> {
        if !self.may_stand(header) {
            return Err(Violation::Unexpected(header.kind.name()));
        }
        match (&mut self.content, header.kind) {
            (Some(content), Kind::Data) => content.data_begins(header.length),
            _ => Ok(()),
        }
    }

    fn may_stand(&self, header: Header) -> bool {
        let connection = header.request == 0;
        let first = self.requests.front().filter(|(id, _)| *id == header.request).map(|(_, request)| request);
        match (self.phase, header.kind) {
            (Phase::Closed, _) => false,
            (_, Kind::Error) if connection => true,
            (_, Kind::Goodbye) => connection && self.content.is_none(),
            (Phase::Greeting, kind) => kind == Kind::Welcome && connection,
            (Phase::Open, Kind::Error) => first.is_some(),
            (Phase::Open, Kind::Meta) => matches!(first, Some(Request::Stat(_))),
            (Phase::Open, Kind::Entries) => matches!(first, Some(Request::List(_))),
            (Phase::Open, Kind::Content) => {
                matches!(first, Some(Request::Get(_) | Request::Hashes(_))) && self.content.is_none()
            }
            (Phase::Open, Kind::Data | Kind::Block) => {
                matches!(first, Some(Request::Get(_))) && self.content.is_some()
            }
            (Phase::Open, Kind::HashesAnswer) => {
                matches!(first, Some(Request::Hashes(_))) && self.content.is_some()
            }
            (Phase::Open, Kind::End) => first.is_some() && self.content.is_some(),
            (Phase::Open, _) => false,
        }
    }

    /// Content came, in a frame that was found right.
    pub(super) fn data<'a>(&mut self, bytes: &'a [u8]) -> Result<Event<'a>, Violation> {
        let (Some((request, _)), Some(content)) = (self.requests.front(), &mut self.content) else {
            return Err(Violation::Unexpected(Kind::Data.name()));
        };
        content.data(bytes);
        Ok(Event::Data { request: *request, bytes })
    }

    /// The payload of a frame that was found right is complete.
    pub(super) fn message(&mut self, header: Header, payload: &[u8]) -> Result<Event<'static>, Violation> {
        let Header { kind, request, .. } = header;
        match kind {
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
                        self.content = Some(Box::new(Receiving::announced(get, &content)?));
                    }
                    Some((_, Request::Hashes(get))) => {
                        let get = message::Get { form: message::Form::File, ..get.clone() };
                        self.content = Some(Box::new(Receiving::announced(&get, &content)?));
                    }
                    _ => {}
                }
                Ok(Event::Content { request, content })
            }
            Kind::Block => {
                let (Some(content), Some(mark)) = (&mut self.content, payload.first_chunk()) else {
                    return Err(Violation::Unexpected(kind.name()));
                };
                Ok(Event::Block { request, block: content.block(&BlockMark::decode(mark))? })
            }
            Kind::HashesAnswer => {
                let Some(content) = &mut self.content else {
                    return Err(Violation::Unexpected(kind.name()));
                };
                let (first_block, hashes) = frame::decode_hashes(payload);
                content.hashes(first_block, &hashes)?;
                Ok(Event::Hashes { request, first_block, hashes })
            }
            Kind::End => {
                let end = control::read(kind, payload)?;
                let content = self.content.take().ok_or(Violation::Unexpected(kind.name()))?;
                let root = content.end(&end)?;
                self.answered();
                Ok(Event::End { request, end, root })
            }
            _ => Err(Violation::Unexpected(kind.name())),
        }
    }

    fn answered(&mut self) {
        self.content = None;
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

fn check_entries(list: &message::List, page: &message::Entries) -> Result<(), Violation> {
    let mut before = None;
    for entry in &page.entries {
        let name = entry.name.as_str();
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Violation::Content("an entry whose name is no segment of a path"));
        }
        if before.is_some_and(|before| before > name) {
            return Err(Violation::Content("entries out of order"));
        }
        // Without this a listing might go in circles.
        if list.after.as_deref().is_some_and(|after| after >= name) {
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
