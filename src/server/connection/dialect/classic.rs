//! A classic dialect on a connection: one path, its content, the end.

use std::time::Instant;

use super::step::Step;
use crate::{
    protocol::{
        classic::{
            Dialect, Header,
            server::{Event, Server},
        },
        message::{Get, Sources},
        path::{RemotePath, odd_name},
    },
    server::{
        api::snapshot::ConnectionState,
        connection::{
            answer::body::{ArchiveBody, Body},
            output::Output,
            status_of,
        },
        limits::{MAX_WORK, budget::Reservation, permits::Permit},
    },
    storage::{
        StorageError,
        archive::{Planner, Planning},
        root::{Directory, Node},
    },
    text::SafeText,
};

/// The length of a read of the original clients, who count each read as that.
const CLIENT_READ_LEN: usize = 1024;
/// The length of one read while an archive is measured.
const MEASURE_LEN: usize = 64 * 1024;

/// The state of a connection that speaks a classic dialect.
pub(crate) struct Classic {
    machine: Server,
    dialect: Dialect,
    stage: Stage,
    path: SafeText,
    started: Option<Instant>,
    ended: bool,
}

enum Stage {
    /// No path was received.
    Asking,
    /// The path is known, and not opened yet.
    Opening { path: String },
    /// An archive is being planned.
    Planning { name: String, planner: Box<Planner>, permit: Permit, memory: Reservation },
    /// The archive is created once only to find its size, which the dialect sends first.
    Measuring { name: String, sources: Sources, archive: Box<ArchiveBody>, size: u64 },
    /// The size was sent; the client has not started the transfer.
    Offered { body: Body, size: u64 },
    /// Content is being sent; `left` of it.
    Sending { body: Body, left: u64 },
    /// The exchange is over.
    Over,
}

impl Classic {
    /// A connection whose first byte is not that of version 1.
    pub fn new(dialect: Dialect) -> Classic {
        Classic {
            machine: Server::new(dialect),
            dialect,
            stage: Stage::Asking,
            path: SafeText::default(),
            started: None,
            ended: false,
        }
    }

    /// Whether a file is being sent.
    pub fn sends_file(&self) -> bool {
        matches!(&self.stage, Stage::Sending { body, .. } if body.source().is_some())
    }

    /// Its name for the dashboard.
    pub fn name(&self) -> &'static str {
        match self.dialect {
            Dialect::Classic => "classic",
            Dialect::ClassicSelect => "classic-select",
        }
    }

    /// Takes the bytes of one read; no bytes are the end of the stream. Returns an error if the peer broke the dialect.
    pub fn received(&mut self, bytes: &[u8], output: &mut Output, now: Instant) -> Result<(), String> {
        if bytes.is_empty() {
            self.ended = true;
            return Ok(());
        }
        match self.machine.receive(bytes) {
            Ok(None) => Ok(()),
            Ok(Some(Event::Path(_))) if !output.take_place() => {
                output.refuse();
                Err("busy".to_owned())
            }
            Ok(Some(Event::Path(path))) => {
                self.path = SafeText::new(&path);
                self.started = Some(now);
                output.request("classic", &self.path);
                output.show(&self.path);
                self.stage = Stage::Opening { path };
                Ok(())
            }
            Ok(Some(Event::Start)) => {
                if let Stage::Offered { body, size } = std::mem::replace(&mut self.stage, Stage::Over) {
                    output.begin(self.path.clone(), self.started.unwrap_or(now), Some(size));
                    output.cork();
                    self.stage = Stage::Sending { body, left: size };
                }
                Ok(())
            }
            Err(violation) => Err(format!("broke the {} protocol: {violation}", self.name())),
        }
    }

    fn open(&mut self, text: &str, output: &mut Output) -> Result<(), StorageError> {
        let absent = || StorageError::NotFound(SafeText::new(text));
        // These dialects have no escapes.
        let path = RemotePath::parse(text).ok().filter(|_| !odd_name::is_escaped(text)).ok_or_else(absent)?;
        match output.shared.services.open(&path)? {
            Node::File(source) => {
                let size = source.size();
                let name = source.meta().name.clone();
                // A range that begins at 0 is never after the end.
                let body = Body::file(source, &whole()).ok_or_else(absent)?;
                self.offer(&name, size, body, output);
            }
            Node::Directory(directory) => match output.shared.services.archives.take(output.peer()) {
                Some(permit) => self.plan(&path, directory, permit, output),
                // These dialects have no error for it.
                None => {
                    output.fail(&self.path, "the server makes as many archives as it may at the same time");
                    self.machine.not_found();
                    self.stage = Stage::Over;
                }
            },
        }
        Ok(())
    }

    fn plan(&mut self, path: &RemotePath, directory: Directory, permit: Permit, output: &Output) {
        output.show(&SafeText::new(&format!("{} (zip)", self.path)));
        output.state(ConnectionState::Planning);
        let name = directory.meta().name.clone();
        // The original names the entries by the requested path.
        let planner = Box::new(Planner::new(directory, if path.is_root() { &name } else { path.as_str() }));
        let memory = output.shared.services.plans.reserve(output.peer());
        self.stage = Stage::Planning { name: format!("{name}.zip"), planner, permit, memory };
    }

    fn offer(&mut self, name: &str, size: u64, body: Body, output: &Output) {
        output.state(ConnectionState::Sending);
        self.machine.found(Header::new(name, size));
        self.stage = Stage::Offered { body, size };
    }

    /// The only error of these dialects.
    fn refuse(&mut self, error: &StorageError, output: &mut Output) {
        output.fail(&self.path, &error.to_string());
        output.status(status_of(error.failure().code));
        self.machine.not_found();
        self.stage = Stage::Over;
    }

    /// What to do next.
    pub fn advance(&mut self, output: &mut Output) -> Step {
        let said = self.machine.outgoing();
        if !said.is_empty() {
            output.out.push(said);
            let count = said.len();
            self.machine.sent(count);
            return Step::Again;
        }
        match &mut self.stage {
            Stage::Asking | Stage::Offered { .. } if self.ended => {
                Step::End(if output.shared.lifecycle.accepting() {
                    "closed by the client".into()
                } else {
                    "the server is stopping".into()
                })
            }
            Stage::Asking | Stage::Offered { .. } => Step::Read,
            Stage::Opening { .. }
            | Stage::Planning { .. }
            | Stage::Measuring { .. }
            | Stage::Sending { .. } => Step::Run,
            Stage::Over => Step::End("done".into()),
        }
    }

    /// Opens the requested path, does a slice of planning or of measuring, or puts content into the output.
    pub fn run(&mut self, output: &mut Output) -> Step {
        let result = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Opening { path } => self.open(&path, output),
            Stage::Sending { body, left } => return self.send(body, left, output),
            Stage::Planning { name, planner, permit, mut memory } => {
                planner.step().map(|planning| match planning {
                    Planning::More(planner) if memory.resize(planner.cost()) => {
                        self.stage = Stage::Planning { name, planner: Box::new(planner), permit, memory };
                    }
                    Planning::Done(plan) if memory.resize(plan.cost()) => {
                        let (sources, size) = (plan.sources(), plan.size());
                        let archive = ArchiveBody::new(plan, permit, memory, &output.shared);
                        match size {
                            Some(size) => self.offer_archive(name, sources, size, archive, output),
                            None => {
                                let archive = Box::new(archive);
                                self.stage = Stage::Measuring { name, sources, archive, size: 0 };
                            }
                        }
                    }
                    Planning::More(_) | Planning::Done(_) => {
                        output.fail(&self.path, "the plans of all archives take as much memory as they may");
                        self.machine.not_found();
                    }
                })
            }
            Stage::Measuring { name, sources, mut archive, size } => {
                archive.stream.read(&mut vec![0; MEASURE_LEN]).map(|bytes| {
                    let size = size + bytes as u64;
                    if archive.stream.finished() {
                        archive.stream.rewind();
                        self.offer_archive(name, sources, size, *archive, output);
                    } else {
                        self.stage = Stage::Measuring { name, sources, archive, size };
                    }
                })
            }
            stage => {
                self.stage = stage;
                Ok(())
            }
        };
        if let Err(error) = result {
            self.refuse(&error, output);
        }
        Step::Again
    }

    fn send(&mut self, mut body: Body, mut left: u64, output: &mut Output) -> Step {
        match fill(&mut body, &mut left, &self.path, output) {
            Ok(()) if left == 0 => {
                output.end(true);
                output.answered();
            }
            Ok(()) => self.stage = Stage::Sending { body, left },
            // These dialects have no error: the client notices the missing bytes.
            Err(error) => {
                let reason = error.to_string();
                output.fail(&self.path, &reason);
                return Step::Abort(reason.into());
            }
        }
        Step::Again
    }

    fn offer_archive(
        &mut self,
        name: String,
        sources: Sources,
        size: u64,
        archive: ArchiveBody,
        output: &Output,
    ) {
        match Body::archive(archive, &sources, &whole()) {
            Ok(Some(mut body)) => {
                if let Some(permit) = body.permit() {
                    permit.release();
                }
                self.offer(&name, size, body, output);
            }
            // A whole archive has no range.
            Ok(None) | Err(_) => self.stage = Stage::Over,
        }
    }
}

/// Puts content into the output, whole and without small pieces between: the original clients count every
/// read as 1024 bytes. The last bytes are sent after the source was checked again, so that
/// content that changed is short and the client notices it.
fn fill(body: &mut Body, left: &mut u64, path: &SafeText, output: &mut Output) -> Result<(), StorageError> {
    if *left == 0 {
        return body.check();
    }
    let before = body.position();
    let most = output.size() / CLIENT_READ_LEN * CLIENT_READ_LEN;
    while *left > 0 && output.out.len() < most && body.position() - before < MAX_WORK {
        let room = (most - output.out.len()).min(usize::try_from(*left).unwrap_or(most));
        let bytes = output.out.fill(room, |buffer| {
            let bytes = body.read(buffer)?.bytes;
            if body.is_over() && (bytes as u64) < *left {
                return Err(StorageError::Changed { path: path.clone() });
            }
            if bytes as u64 == *left {
                body.check()?;
            }
            Ok(bytes)
        })?;
        output.content(bytes, Some(body.progress()));
        *left -= bytes as u64;
        if bytes == 0 {
            break;
        }
    }
    Ok(())
}

/// A `get` of everything.
fn whole() -> Get {
    Get::default()
}
