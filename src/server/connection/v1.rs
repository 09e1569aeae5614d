//! Version 1 on a connection: requests are taken in order, each is answered before the next is looked at.

use std::time::Instant;

use super::{Step, answer::Turn, body::Body, sending::Sending};
use crate::{
    protocol::{
        client::Request,
        error::{Code, Violation},
        message::{Content, Failure, Form, Get, Hello, List, Meta, Stat, Welcome},
        path::RemotePath,
        server::{Event, Server},
    },
    server::{
        Arch, ConnectionState,
        limits::{ANSWERS, PARALLEL, PIPELINE, RETRY_AFTER, TURN},
        shared::Phase,
    },
    storage::{
        archive::{Planner, Planning},
        root::{Directory, Node},
    },
    text::SafeText,
};

/// Most entries of a page; a frame holds about as many.
const PAGE: usize = 1000;

/// The state of a connection that speaks version 1.
pub(super) struct V1 {
    machine: Server,
    /// What was read and not yet looked at: requests that were sent ahead.
    inbox: Vec<u8>,
    looked_at: usize,
    /// The peer closed its side.
    ended: bool,
    /// It is only here to be told "busy".
    refused: bool,
    answer: Option<Answer>,
}

/// The request being answered.
struct Answer {
    id: u32,
    path: SafeText,
    started: Instant,
    step: AnswerStep,
}

enum AnswerStep {
    /// The archive is being planned.
    Plan { get: Get, name: String, meta: Meta, planner: Planner },
    /// Content is being sent, or an archive made up to where its range begins.
    Send(Box<Sending>),
}

/// Begins an archive.
fn plan(id: u32, path: SafeText, started: Instant, get: Get, directory: Directory) -> Answer {
    let meta = directory.meta().clone();
    let planner = directory.archive(&meta.name);
    let step = AnswerStep::Plan { get, name: format!("{}.zip", meta.name), meta, planner };
    Answer { id, path, started, step }
}

/// The client may have named the content that it expects.
fn expect(get: &Get, identity: &str, path: &SafeText) -> Result<(), Failure> {
    match &get.identity {
        Some(expected) if expected != identity => {
            Err(failure(Code::Changed, format!("{path}: {}", Code::Changed), path))
        }
        _ => Ok(()),
    }
}

/// Why a request cannot be answered: for the peer.
fn failure(code: Code, message: impl Into<String>, path: &SafeText) -> Failure {
    Failure { code, message: message.into(), path: Some(path.to_string()), retry_after: None }
}

impl V1 {
    /// A connection whose first byte is this protocol's.
    pub fn new(refused: bool) -> V1 {
        V1 { machine: Server::new(), inbox: Vec::new(), looked_at: 0, ended: false, refused, answer: None }
    }

    /// Takes received bytes; none is the end of the stream.
    pub fn received(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        self.ended |= bytes.is_empty();
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        self.answer.is_none()
    }

    /// Says why the server closes: as an error, or as a goodbye if it is none.
    pub fn leave(&mut self, code: Option<Code>, reason: &str, turn: &mut Turn) {
        match code {
            Some(code) => {
                let failure = Failure { code, message: reason.to_owned(), path: None, retry_after: None };
                self.machine.abort(&failure, &mut turn.out);
            }
            None => self.machine.goodbye(reason, &mut turn.out),
        }
    }

    /// Goes on answering until the turn is full or something is missing.
    pub fn advance(&mut self, turn: &mut Turn, now: Instant) -> Step {
        if self.refused {
            let message = format!("{}; try again in {RETRY_AFTER} seconds", Code::Busy);
            let busy = Failure { code: Code::Busy, message, path: None, retry_after: Some(RETRY_AFTER) };
            self.machine.abort(&busy, &mut turn.out);
            return Step::End("busy".into());
        }
        for _ in 0..ANSWERS {
            let step = match self.answer.take() {
                None => self.read_request(turn, now),
                Some(answer) => self.go_on(answer, turn),
            };
            match step {
                Some(Step::Work) if !turn.out.is_empty() => return Step::Again,
                Some(step) => return step,
                None if turn.out.len() >= TURN / 2 => return Step::Again,
                None => {}
            }
        }
        Step::Again
    }

    /// Looks at the next request. `None` if it was dealt with.
    fn read_request(&mut self, turn: &mut Turn, now: Instant) -> Option<Step> {
        loop {
            match self.machine.receive(&self.inbox[self.looked_at..]) {
                Ok((0, None)) => return Some(self.wait(turn)),
                Ok((used, event)) => {
                    self.looked_at += used;
                    match event {
                        None => {}
                        Some(Event::Hello(Hello { .. })) => self.welcome(turn),
                        Some(Event::Request { id, request }) => {
                            self.begin(id, request, turn, now);
                            return None;
                        }
                        Some(Event::Unsupported { id }) => {
                            turn.asked = true;
                            let text = "this server does not know that kind of request";
                            let failure = failure(Code::Unsupported, text, &SafeText::default());
                            self.machine.failure(id, &failure, &mut turn.out);
                            return None;
                        }
                        Some(Event::Goodbye(_)) => return Some(Step::End("done".into())),
                    }
                }
                Err(violation) => return Some(self.violated(&violation, turn)),
            }
        }
    }

    /// There is no complete request.
    fn wait(&mut self, turn: &mut Turn) -> Step {
        self.inbox = Vec::new();
        self.looked_at = 0;
        // The state first, then the phase: a drain does it the other way round, so that one of the two
        // sees the other.
        turn.state(if turn.asked { ConnectionState::Idle } else { ConnectionState::Handshake });
        if turn.shared.phase() != Phase::Running {
            self.machine.goodbye("the server is stopping", &mut turn.out);
            Step::End("the server is stopping".into())
        } else if !turn.out.is_empty() {
            Step::Again
        } else if self.ended {
            Step::End("closed by the client".into())
        } else {
            Step::Read
        }
    }

    fn violated(&mut self, violation: &Violation, turn: &mut Turn) -> Step {
        match violation {
            Violation::NotOurs(_) | Violation::Preamble => Step::End("not an fdsp client".into()),
            _ => {
                self.leave(Some(Code::Violation), &violation.to_string(), turn);
                Step::End(format!("broke the protocol: {violation}").into())
            }
        }
    }

    fn welcome(&mut self, turn: &mut Turn) {
        let parallel = match turn.shared.arch {
            Arch::Single => 1,
            _ => PARALLEL.min(u32::try_from(turn.shared.limits.max_connections).unwrap_or(PARALLEL)).max(1),
        };
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned();
        self.machine.welcome(&Welcome { agent, pipeline: PIPELINE, parallel }, &mut turn.out);
    }

    fn begin(&mut self, id: u32, request: Request, turn: &mut Turn, now: Instant) {
        let (what, path) = match &request {
            Request::Stat(Stat { path }) => ("stat", path),
            Request::List(List { path, .. }) => ("list", path),
            Request::Get(Get { path, .. }) => ("get", path),
        };
        let shown = SafeText::new(path);
        turn.request(what, &shown);
        if let Err(failure) = self.try_begin(id, path, &shown, &request, turn, now) {
            self.fail(id, &shown, &failure, turn);
        }
    }

    fn try_begin(
        &mut self,
        id: u32,
        path: &str,
        shown: &SafeText,
        request: &Request,
        turn: &mut Turn,
        now: Instant,
    ) -> Result<(), Failure> {
        let path =
            RemotePath::parse(path).map_err(|error| failure(Code::NotFound, error.to_string(), shown))?;
        let node = turn.shared.root.open_node(&path).map_err(|error| error.failure())?;
        match (request, node) {
            (Request::Stat(_), node) => self.machine.meta(id, &node.meta(), &mut turn.out),
            (Request::List(list), Node::Directory(directory)) => {
                let limit = list.limit.map_or(PAGE, |limit| PAGE.min(limit as usize).max(1));
                let page = directory.list(list.after.as_deref(), limit).map_err(|error| error.failure())?;
                self.machine.entries(id, &page, &mut turn.out);
            }
            (Request::List(_), Node::File(_)) => {
                return Err(failure(Code::WrongKind, format!("{shown}: is a file"), shown));
            }
            (Request::Get(get), Node::File(_)) if get.form == Form::Zip => {
                return Err(failure(Code::WrongKind, format!("{shown}: is a file"), shown));
            }
            (Request::Get(get), Node::Directory(_)) if get.form == Form::File => {
                return Err(failure(Code::WrongKind, format!("{shown}: is a directory"), shown));
            }
            (Request::Get(get), Node::File(source)) => {
                turn.show(shown);
                let meta = source.meta().clone();
                let identity = source.identity().to_owned();
                expect(get, &identity, shown)?;
                let size = Some(source.size());
                let body = Body::file(source, get)
                    .ok_or_else(|| failure(Code::Range, format!("{shown}: {}", Code::Range), shown))?;
                let content = Content {
                    form: Form::File,
                    name: meta.name,
                    size,
                    sources: None,
                    modified: meta.modified,
                    mode: meta.mode,
                    identity,
                    first_block: get.first_block,
                };
                self.send(id, shown.clone(), now, &content, body, turn);
            }
            (Request::Get(get), Node::Directory(directory)) => {
                turn.show(&SafeText::new(&format!("{shown} (zip)")));
                turn.state(ConnectionState::Planning);
                self.answer = Some(plan(id, shown.clone(), now, get.clone(), directory));
            }
        }
        Ok(())
    }

    /// Announces content; the rest of the answer follows from [`V1::go_on`].
    fn send(
        &mut self,
        id: u32,
        path: SafeText,
        started: Instant,
        content: &Content,
        body: Body,
        turn: &mut Turn,
    ) {
        turn.begin(path.clone(), started, body.left());
        let writer = self.machine.content(id, content, &mut turn.out);
        let sending = Box::new(Sending { writer, body, identity: content.identity.clone() });
        self.answer = Some(Answer { id, path, started, step: AnswerStep::Send(sending) });
    }

    /// Goes on with an answer. `None` if it has ended.
    fn go_on(&mut self, answer: Answer, turn: &mut Turn) -> Option<Step> {
        let Answer { id, path, started, step } = answer;
        match step {
            AnswerStep::Send(mut sending) if !sending.body.must_skip() => match sending.fill(turn) {
                Ok(true) => {
                    sending.end(turn);
                    None
                }
                Ok(false) => {
                    self.answer = Some(Answer { id, path, started, step: AnswerStep::Send(sending) });
                    Some(if turn.out.is_empty() { Step::Work } else { Step::Again })
                }
                Err(error) => {
                    self.fail(id, &path, &error.failure(), turn);
                    None
                }
            },
            step => {
                self.answer = Some(Answer { id, path, started, step });
                Some(Step::Work)
            }
        }
    }

    /// A slice of planning, of making an archive up to where its range begins, or of making
    /// what follows there.
    pub fn work(&mut self, turn: &mut Turn) {
        let Some(Answer { id, path, started, step }) = self.answer.take() else { return };
        let result = match step {
            AnswerStep::Plan { get, name, meta, planner } => match planner.step() {
                Ok(Planning::More(planner)) => {
                    let step = AnswerStep::Plan { get, name, meta, planner };
                    self.answer = Some(Answer { id, path: path.clone(), started, step });
                    Ok(())
                }
                Ok(Planning::Done(plan)) => {
                    let content = Content {
                        form: Form::Zip,
                        name,
                        size: plan.size(),
                        sources: Some(plan.sources()),
                        modified: meta.modified,
                        mode: meta.mode,
                        identity: plan.identity().to_owned(),
                        first_block: get.first_block,
                    };
                    expect(&get, &content.identity, &path).and_then(|()| {
                        let bytes = plan.sources().bytes;
                        let body = Body::archive(plan.stream(), bytes, &get)
                            .ok_or_else(|| failure(Code::Range, format!("{path}: {}", Code::Range), &path))?;
                        self.send(id, path.clone(), started, &content, body, turn);
                        Ok(())
                    })
                }
                Err(error) => Err(error.failure()),
            },
            AnswerStep::Send(mut sending) if sending.body.must_skip() => match sending.body.skip() {
                Ok(true) => {
                    self.answer =
                        Some(Answer { id, path: path.clone(), started, step: AnswerStep::Send(sending) });
                    Ok(())
                }
                Ok(false) => Err(failure(Code::Range, format!("{path}: {}", Code::Range), &path)),
                Err(error) => Err(error.failure()),
            },
            // Its next turn is the work.
            step => {
                self.answer = Some(Answer { id, path: path.clone(), started, step });
                Ok(())
            }
        };
        if let Err(failure) = result {
            self.fail(id, &path, &failure, turn);
        }
    }

    fn fail(&mut self, id: u32, path: &SafeText, failure: &Failure, turn: &mut Turn) {
        turn.fail(path, &failure.message);
        self.machine.failure(id, failure, &mut turn.out);
    }
}
