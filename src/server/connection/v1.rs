//! Version 1 on a connection: requests are taken in order, each is answered before the next is looked at.

use std::{borrow::Cow, time::Instant};

use super::{
    Step,
    body::Body,
    hashing::Hashing,
    reply::{Archive, Reply, busy, describe, failure, reply},
    sending::Sending,
    turn::Turn,
};
use crate::{
    AGENT,
    protocol::{
        client::Request,
        error::{Code, Violation},
        message::{Content, Failure, Welcome},
        server::{Event, Server},
    },
    server::{
        Arch, ConnectionState, Limits,
        limits::{ANSWERS, PARALLEL, RETRY_AFTER},
    },
    text::SafeText,
};

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
    /// Requests so far.
    requests: u64,
    answer: Option<Answer>,
}

/// A `get` or `hashes` in work.
struct Answer {
    id: u32,
    path: SafeText,
    started: Instant,
    stage: Stage,
}

enum Stage {
    /// The archive is being planned.
    Planning(Box<Archive>),
    /// The hashes of a file's blocks are being sent.
    Hashing(Box<Hashing>),
    /// Content is being sent, or an archive made up to where its range begins.
    Sending(Box<Sending>),
}

impl V1 {
    /// A connection whose first byte is this protocol's.
    pub fn new(refused: bool) -> V1 {
        V1 {
            machine: Server::new(),
            inbox: Vec::new(),
            looked_at: 0,
            ended: false,
            refused,
            requests: 0,
            answer: None,
        }
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
            Some(code) => self.abort(code, reason.to_owned(), None, turn),
            None => self.machine.goodbye(reason, &mut turn.out),
        }
    }

    fn abort(&mut self, code: Code, message: String, retry_after: Option<u32>, turn: &mut Turn) {
        self.machine.abort(&Failure { code, message, path: None, retry_after }, &mut turn.out);
    }

    /// Goes on answering until the turn is full or something is missing.
    pub fn advance(&mut self, turn: &mut Turn, now: Instant) -> Step {
        if self.refused {
            let message = format!("{}; try again in {RETRY_AFTER} seconds", Code::Busy);
            self.abort(Code::Busy, message, Some(RETRY_AFTER), turn);
            return Step::End("busy".into());
        }
        for _ in 0..ANSWERS {
            let step = match self.answer.take() {
                None => self.look(turn, now),
                Some(answer) => self.go_on(answer, turn),
            };
            match step {
                Some(step) => return step,
                None if turn.out.len() >= turn.size() / 2 => break,
                None => {}
            }
        }
        Step::Again
    }

    /// Looks at the next request. `None` if it is being answered now.
    fn look(&mut self, turn: &mut Turn, now: Instant) -> Option<Step> {
        if !turn.shared.accepting() {
            return Some(self.stop(turn));
        }
        loop {
            let (used, event) = match self.machine.receive(&self.inbox[self.looked_at..]) {
                Ok(received) => received,
                Err(violation) => return Some(self.violated(&violation, turn)),
            };
            self.looked_at += used;
            let asked = matches!(event, Some(Event::Request { .. } | Event::Unsupported { .. }));
            if asked && self.is_spent(&turn.shared.limits) {
                return Some(self.send_away(turn));
            }
            match event {
                None if used == 0 => return Some(self.wait(turn)),
                None => {}
                Some(Event::Hello(_)) => self.welcome(turn),
                Some(Event::Request { id, request }) => {
                    self.begin(id, request, turn, now);
                    return None;
                }
                Some(Event::Unsupported { id }) => {
                    turn.asked = true;
                    let (code, message) = (Code::Unsupported, Code::Unsupported.text().to_owned());
                    let failure = Failure { code, message, path: None, retry_after: None };
                    self.machine.failure(id, &failure, &mut turn.out);
                    return None;
                }
                Some(Event::Goodbye(_)) => return Some(Step::End("done".into())),
            }
        }
    }

    /// Counts a request; whether that is one too many.
    fn is_spent(&mut self, limits: &Limits) -> bool {
        self.requests += 1;
        self.requests > limits.max_requests
    }

    /// The client has to connect again, so that others may have the place.
    fn send_away(&mut self, turn: &mut Turn) -> Step {
        const REASON: &str = "as many requests as one connection may have";
        self.abort(Code::Busy, format!("{REASON}; connect again"), Some(1), turn);
        Step::End(REASON.into())
    }

    /// There is no complete request.
    fn wait(&mut self, turn: &mut Turn) -> Step {
        self.inbox = Vec::new();
        self.looked_at = 0;
        // The state first, then the phase: a drain does it the other way round, so that one of the two
        // sees the other.
        turn.state(if turn.asked { ConnectionState::Idle } else { ConnectionState::Handshake });
        if !turn.shared.accepting() {
            self.stop(turn)
        } else if !turn.out.is_empty() {
            Step::Again
        } else if self.ended {
            Step::End("closed by the client".into())
        } else {
            Step::Read
        }
    }

    /// The server is being drained, and nothing is being answered here.
    fn stop(&mut self, turn: &mut Turn) -> Step {
        const REASON: &str = "the server is stopping";
        self.machine.goodbye(REASON, &mut turn.out);
        Step::End(REASON.into())
    }

    fn violated(&mut self, violation: &Violation, turn: &mut Turn) -> Step {
        self.abort(Code::Violation, violation.to_string(), None, turn);
        Step::End(match violation {
            Violation::NotOurs(_) | Violation::Preamble => Cow::Borrowed("not an fdsp client"),
            _ => format!("broke the protocol: {violation}").into(),
        })
    }

    fn welcome(&mut self, turn: &mut Turn) {
        let limits = &turn.shared.limits;
        let most = limits.max_connections.min(limits.max_per_address);
        let most = u32::try_from(most).unwrap_or(PARALLEL);
        let parallel = if turn.shared.arch == Arch::Single { 1 } else { most.clamp(1, PARALLEL) };
        let welcome = Welcome { agent: AGENT.to_owned(), pipeline: limits.pipeline, parallel };
        self.machine.welcome(&welcome, &mut turn.out);
    }

    fn begin(&mut self, id: u32, request: Request, turn: &mut Turn, now: Instant) {
        let (what, path) = describe(&request);
        let path = SafeText::new(path);
        turn.request(what, &path);
        let reply = reply(&turn.shared, request, &path);
        match &reply {
            Ok(Reply::Content(_)) => turn.show(&path),
            Ok(Reply::Hashes(_)) => {
                turn.show(&path);
                turn.state(ConnectionState::Hashing);
            }
            Ok(Reply::Archive(_)) => {
                turn.show(&SafeText::new(&format!("{path} (zip)")));
                turn.state(ConnectionState::Planning);
            }
            _ => {}
        }
        self.answer(id, path, now, reply, turn);
    }

    /// Answers, or begins to.
    fn answer(
        &mut self,
        id: u32,
        path: SafeText,
        started: Instant,
        reply: Result<Reply, Failure>,
        turn: &mut Turn,
    ) {
        let stage = match reply {
            Ok(Reply::Meta(meta)) => return self.machine.meta(id, &meta, &mut turn.out),
            Ok(Reply::Entries(entries)) => return self.machine.entries(id, &entries, &mut turn.out),
            Ok(Reply::Content(content)) => {
                let (content, body) = *content;
                turn.begin(path.clone(), started, body.left());
                Stage::Sending(self.announce(id, content, body, turn))
            }
            Ok(Reply::Hashes(hashes)) => {
                let (content, blocks) = *hashes;
                let writer = self.machine.hashes(id, &content, &mut turn.out);
                Stage::Hashing(Box::new(Hashing::new(writer, blocks)))
            }
            Ok(Reply::Archive(archive)) => Stage::Planning(archive),
            Err(failure) => return self.fail(id, &path, &failure, turn),
        };
        self.answer = Some(Answer { id, path, started, stage });
    }

    fn announce(&mut self, id: u32, content: Content, body: Body, turn: &mut Turn) -> Box<Sending> {
        let writer = self.machine.content(id, &content, &mut turn.out);
        Box::new(Sending { writer, body, identity: content.identity })
    }

    /// Goes on with an answer. `None` if it has ended.
    fn go_on(&mut self, answer: Answer, turn: &mut Turn) -> Option<Step> {
        let Answer { id, path, started, stage } = answer;
        let stage = match stage {
            Stage::Sending(mut sending) if !sending.body.must_skip() => match sending.fill(turn) {
                Ok(true) => {
                    sending.end(turn);
                    return None;
                }
                Ok(false) => Stage::Sending(sending),
                Err(error) => {
                    self.fail(id, &path, &error.failure(), turn);
                    return None;
                }
            },
            Stage::Hashing(mut hashing) => match hashing.fill(turn) {
                Ok(true) => {
                    hashing.end(turn);
                    return None;
                }
                Ok(false) if !hashing.take_place(&turn.shared) => {
                    self.fail(id, &path, &busy("hashes as many files", &path), turn);
                    return None;
                }
                Ok(false) => Stage::Hashing(hashing),
                Err(error) => {
                    self.fail(id, &path, &error.failure(), turn);
                    return None;
                }
            },
            stage => stage,
        };
        self.answer = Some(Answer { id, path, started, stage });
        Some(if turn.out.is_empty() { Step::Work } else { Step::Again })
    }

    /// A slice of planning, of hashing, or of making an archive up to where its range begins. Where it is the content
    /// itself that takes work, the next [`V1::advance`] is the slice.
    pub fn work(&mut self, turn: &mut Turn) {
        let Some(Answer { id, path, started, stage }) = self.answer.take() else { return };
        match stage {
            Stage::Planning(archive) => {
                let reply = archive.step(&path, &turn.shared);
                self.answer(id, path, started, reply, turn);
            }
            Stage::Hashing(mut hashing) => match hashing.work(turn) {
                Ok(()) => self.answer = Some(Answer { id, path, started, stage: Stage::Hashing(hashing) }),
                Err(error) => self.fail(id, &path, &error.failure(), turn),
            },
            Stage::Sending(mut sending) => {
                let skipped = if sending.body.must_skip() { sending.body.skip() } else { Ok(true) };
                match skipped {
                    Ok(true) => {
                        self.answer = Some(Answer { id, path, started, stage: Stage::Sending(sending) });
                    }
                    Ok(false) => self.fail(id, &path, &failure(Code::Range, Code::Range, &path), turn),
                    Err(error) => self.fail(id, &path, &error.failure(), turn),
                }
            }
        }
    }

    fn fail(&mut self, id: u32, path: &SafeText, failure: &Failure, turn: &mut Turn) {
        turn.fail(path, &failure.message);
        self.machine.failure(id, failure, &mut turn.out);
    }
}
