//! Many files of a tree in few answers: asks for them without waiting, and keeps what is proven.

use std::{collections::VecDeque, ops::ControlFlow, time::Duration};

use super::{
    manifest::Manifest,
    survey::State,
    writer::{Batch, Item, Writer},
};
use crate::{
    client::{
        TroubleKind,
        crew::count_corrupt,
        link::Talk,
        memory::Memory,
        retry::{Fault, Verdict},
        worker::Context,
    },
    protocol::{
        client::{Event, Request},
        digest::{BLOCK_SIZE, Hash},
        error::Code,
        message::{FileHead, Files, WantedFile},
    },
    text::SafeText,
};

/// Bytes of a request. Several of them, unread, fit into what lies between two machines, so that a server that answers before it reads
/// on is never waited for by somebody who does not read.
const REQUEST: usize = 16 * 1024;

/// What did not come, and why.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// The first that another try cannot mend, else the first.
    fault: Option<Fault>,
    count: usize,
}

impl Missed {
    pub(super) fn note(&mut self, fault: Fault) {
        self.count += 1;
        let graver = fault.verdict == Verdict::Never
            && self.fault.as_ref().is_some_and(|before| before.verdict != Verdict::Never);
        if graver || self.fault.is_none() {
            self.fault = Some(fault);
        }
    }

    /// A file is not what the tree was said to hold, or not any more.
    pub(super) fn changed(&mut self, path: &str) {
        let fault = Fault::changed(format!("/{path} changed on the server while the tree was fetched"));
        // Each file stands for itself: nothing that is proven has to go.
        self.note(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }

    /// The server said why a file does not come.
    pub(super) fn refused(&mut self, path: &str, fault: Fault) {
        match fault.trouble.kind {
            // It was there a moment ago: another look at the tree tells what is there now.
            TroubleKind::NotFound => self.changed(path),
            _ if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) => self.changed(path),
            _ => self.note(fault),
        }
    }

    /// Everything came.
    pub(super) fn none(self) -> Result<(), Fault> {
        let Some(mut fault) = self.fault else { return Ok(()) };
        if self.count > 1 {
            let others = self.count - 1;
            let text = format!("{} (and {others} more); all others are kept", fault.trouble.message);
            fault.trouble.message = SafeText::new(&text);
        }
        Err(fault)
    }
}

/// A conversation about files.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub(super) context: &'a Context,
    pub(super) memory: &'a mut Memory,
    pub(super) manifest: &'a Manifest,
    pub(super) states: &'a mut [State],
    /// What puts files in their places; absent if nothing is to be written.
    pub(super) writer: Option<&'a mut Writer>,
    pub(super) missed: &'a mut Missed,
    /// What is to be asked for, in order.
    todo: VecDeque<u32>,
    /// Whether content is to come.
    content: bool,
    /// The files of each request that is not answered yet.
    asked: VecDeque<Vec<u32>>,
    batch: Batch,
    /// What comes: what the server says of it, where it begins in the batch, and a block of it that was not intact.
    coming: Option<(FileHead, usize, Option<u64>)>,
}

impl<'a> Asking<'a> {
    /// Asks for the content of these files, as far as they are not proven; or, without `content`, only whether they are what is here.
    pub(super) fn new(
        context: &'a Context,
        memory: &'a mut Memory,
        (manifest, states): (&'a Manifest, &'a mut [State]),
        writer: Option<&'a mut Writer>,
        missed: &'a mut Missed,
        (todo, content): (VecDeque<u32>, bool),
    ) -> Asking<'a> {
        Asking {
            context,
            memory,
            manifest,
            states,
            writer,
            missed,
            todo,
            content,
            asked: VecDeque::new(),
            batch: Batch::default(),
            coming: None,
        }
    }

    fn wanted(&self, index: u32) -> WantedFile {
        let digest = match self.states[index as usize] {
            State::Found(root) => Some(root.to_string()),
            _ => None,
        };
        WantedFile { path: self.manifest.path(index), digest, skip: 0 }
    }

    /// The path of a file from the served folder, for people.
    fn shown(&self, index: u32) -> String {
        super::remote(&self.context.new.address, &self.manifest.path(index))
    }

    fn file(&self, number: usize) -> Result<u32, Fault> {
        // The machine gives no others.
        let index = self.asked.front().and_then(|asked| asked.get(number)).copied();
        index.ok_or_else(|| Fault::never(TroubleKind::Other, "the server answered what was not asked"))
    }

    fn proven(&mut self, index: u32, root: Hash, content: Option<(usize, FileHead)>) -> Result<(), Fault> {
        let state = &mut self.states[index as usize];
        let replaces = !matches!(state, State::Absent);
        *state = State::Proven(root);
        if self.writer.is_none() {
            if let super::manifest::Node::File { size, .. } = self.manifest.entry(index).node {
                self.context.progress.add(size, 1);
            }
            return Ok(());
        }
        self.batch.items.push(Item { index, root, content, replaces });
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    /// A file that was found was compared with the server's in another way.
    pub(super) fn compared(&mut self, index: u32, same: bool) -> Result<(), Fault> {
        match self.states[index as usize] {
            State::Found(root) if same => self.proven(index, root, None)?,
            _ => self.states[index as usize] = State::Other,
        }
        self.flush()
    }

    /// Hands over what came. Blocks.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        match &mut self.writer {
            Some(writer) if !self.batch.items.is_empty() => {
                self.batch = writer.hand_over(std::mem::take(&mut self.batch))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn done(&mut self, number: usize, root: Option<Hash>) -> Result<(), Fault> {
        let index = self.file(number)?;
        let Some((head, start, corrupt)) = self.coming.take() else { return Ok(()) };
        let Some(root) = root else {
            self.batch.bytes.truncate(start);
            count_corrupt(self.context, self.memory, Some(&self.shown(index)), corrupt.unwrap_or(0))?;
            // Alone, and after all that is on its way.
            self.todo.push_back(index);
            return Ok(());
        };
        let length = self.batch.bytes.len() - start;
        self.memory.received += length as u64;
        if !self.manifest.is_as_said(index, &head.identity, head.size) {
            self.missed.changed(&self.shown(index));
        } else if let Some(tree) = &mut self.memory.tree {
            tree.came += 1;
        }
        self.proven(index, root, Some((length, head)))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // Also what came before somebody wanted to pause is kept; why it cannot be, the writer tells.
        let _ = self.flush();
    }
}

impl Talk for Asking<'_> {
    fn next(&mut self) -> Option<Request> {
        let path = self.context.new.address.path.as_str().to_owned();
        let mut files = Files {
            path,
            files: Vec::new(),
            content: self.content,
            largest: self.content.then_some(BLOCK_SIZE),
        };
        let (mut cost, mut indices) = (files.cost(), Vec::new());
        while let Some(&index) = self.todo.front() {
            let wanted = self.wanted(index);
            cost += wanted.cost();
            if cost > REQUEST && !indices.is_empty() {
                break;
            }
            files.files.push(wanted);
            indices.push(index);
            self.todo.pop_front();
        }
        if indices.is_empty() {
            return None;
        }
        self.asked.push_back(indices);
        Some(Request::Files(files))
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::File { head, .. } => {
                if self.batch.is_small_for(head.size) {
                    self.flush()?;
                    if let Some(writer) = &mut self.writer {
                        writer.catch_up()?;
                    }
                }
                self.coming = Some((head, self.batch.bytes.len(), None));
            }
            Event::Data { bytes, .. } => {
                self.batch.bytes.extend_from_slice(bytes);
                self.memory.transferred += bytes.len() as u64;
                self.context.progress.add_crossed(bytes.len() as u64);
            }
            Event::Block { block, .. } => {
                if let Some((_, _, corrupt)) = &mut self.coming
                    && !block.intact
                {
                    *corrupt = Some(block.index);
                }
            }
            Event::Done { index, root, .. } => self.done(index, root)?,
            Event::Same { index, .. } => {
                let index = self.file(index)?;
                if let State::Found(root) = self.states[index as usize] {
                    self.proven(index, root, None)?;
                }
            }
            Event::Differs { index, .. } => {
                let index = self.file(index)?;
                self.states[index as usize] = State::Other;
            }
            Event::Missed { index, failure, .. } => {
                if let Some((_, start, _)) = self.coming.take() {
                    self.batch.bytes.truncate(start);
                }
                let shown = self.shown(self.file(index)?);
                self.missed.refused(&shown, Fault::refused(&shown, &failure));
            }
            Event::FilesEnd { .. } => {
                self.asked.pop_front();
            }
            Event::Failed { failure, .. } => return Err(refused(self.context, &failure)),
            Event::Welcome(welcome) => self.context.welcomed(&welcome),
            _ => {}
        }
        Ok(())
    }
}

/// The server does not answer what is asked of a tree.
pub(super) fn refused(context: &Context, failure: &crate::protocol::message::Failure) -> Fault {
    match failure.code {
        Code::Unsupported => Fault::never(
            TroubleKind::Other,
            "the server cannot send a directory as a tree; fetch it as a zip archive",
        ),
        _ => Fault::refused(context.new.address.path.as_str(), failure),
    }
}

/// What the hashes of a file's blocks, as the server has it, come to; `None` if the server cannot tell.
pub(super) async fn root(
    link: &mut crate::client::link::Link,
    context: &Context,
    path: &str,
) -> Result<Option<Hash>, Fault> {
    let request = Request::Hashes(crate::protocol::message::Get {
        path: super::remote(&context.new.address, path),
        form: crate::protocol::message::Form::File,
        ..Default::default()
    });
    let take = |event: Event<'_>| match event {
        Event::End { root, .. } => Ok(ControlFlow::Break(root)),
        Event::Failed { request: 0, failure } => Err(refused(context, &failure)),
        Event::Failed { failure, .. } if failure.code == Code::Busy => Err(refused(context, &failure)),
        Event::Failed { .. } => Ok(ControlFlow::Break(None)),
        _ => Ok(ControlFlow::Continue(())),
    };
    link.ask(&request, &context.board.limiter, take).await
}
