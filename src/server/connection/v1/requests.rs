//! Version 1 on a connection: requests are answered one after the other, in order.

use std::{borrow::Cow, net::IpAddr, time::Instant};

use super::answer::Answer;
use crate::{
    AGENT,
    protocol::{
        client::Request,
        error::{Code, Violation},
        frame::{self, Header, Kind},
        message::{Failure, Welcome},
        server::{Event, Server},
        trust::pin::Pin,
    },
    server::{
        access::token_check::Verdict,
        api::{arch::Arch, snapshot::ConnectionState},
        connection::{
            dialect::{
                refusal::{Denial, Refusal},
                step::Step,
            },
            output::Output,
        },
        limits::{Limits, MAX_ANSWERS, MAX_PARALLEL},
    },
    text::SafeText,
};

/// The state of a connection that speaks version 1.
pub(crate) struct V1 {
    pub(super) machine: Server,
    /// Bytes that were read and not parsed yet: requests that were sent ahead.
    inbox: Vec<u8>,
    looked_at: usize,
    /// The client closed its side.
    ended: bool,
    /// Why the client is refused at once.
    refusal: Option<Refusal>,
    peer: IpAddr,
    /// The certificate that the client was shown, with TLS.
    certificate: Option<Pin>,
    /// Why the client is refused after a delay.
    denial: Option<Denial>,
    /// The number of requests so far.
    requests: u64,
    /// A received request that is not answered yet, and its number.
    next: Option<(u32, Request)>,
    pub(super) answer: Option<Answer>,
    /// When the answer checks again for a permit.
    pub(super) permit_at: Option<Instant>,
}

/// How a client has ended its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The end of its stream was not read.
    NotRead,
    /// It has sent a goodbye and waits for its answers.
    Goodbye,
    /// It has sent no goodbye.
    Silent,
}

impl V1 {
    /// A connection whose first byte is this protocol's.
    pub fn new(refusal: Option<Refusal>, peer: IpAddr, certificate: Option<Pin>) -> V1 {
        V1 {
            machine: Server::new(),
            inbox: Vec::new(),
            looked_at: 0,
            ended: false,
            refusal,
            peer,
            certificate,
            denial: None,
            requests: 0,
            next: None,
            answer: None,
            permit_at: None,
        }
    }

    /// Takes received bytes; none is the end of the stream.
    pub fn received(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        self.ended |= bytes.is_empty();
    }

    /// Whether an answer takes long work before anything of it is sent.
    pub fn is_preparing(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_preparing)
    }

    /// Whether files are being sent.
    pub fn sends_files(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::sends_files)
    }

    /// How the client has ended its side, if that is read already.
    pub fn ending(&self) -> Ending {
        if !self.ended {
            return Ending::NotRead;
        }
        let mut rest = &self.inbox[self.looked_at..];
        while let Some(header) = rest.first_chunk::<{ frame::HEADER }>() {
            match Header::decode(header) {
                Ok(Header { kind: Kind::Goodbye, .. }) => return Ending::Goodbye,
                Ok(header) => rest = rest.get(frame::HEADER + header.length as usize..).unwrap_or_default(),
                Err(_) => break,
            }
        }
        Ending::Silent
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        self.answer.is_none() && self.next.is_none()
    }

    /// Writes why the server closes: an error, or a goodbye.
    pub fn leave(&mut self, code: Option<Code>, reason: &str, output: &mut Output) {
        match code {
            _ if self.denial.is_some() => drop(self.deny(output)),
            Some(code) => self.abort(code, reason.to_owned(), None, output),
            None => self.machine.goodbye(reason, &mut output.out),
        }
    }

    fn abort(&mut self, code: Code, message: String, retry_after: Option<u32>, output: &mut Output) {
        self.machine.abort(&Failure { code, message, path: None, retry_after }, &mut output.out);
    }

    /// What to do next: a task, as long as there is something to answer.
    pub fn advance(&mut self, output: &mut Output, now: Instant) -> Step {
        if let Some(refusal) = self.refusal {
            self.machine.abort(&refusal.failure(), &mut output.out);
            return Step::End(refusal.reason().into());
        }
        if self.denial.is_some() {
            return self.delay_denial(output, now);
        }
        match self.permit_at {
            Some(at) if now < at => return Step::Pause(at),
            _ => self.permit_at = None,
        }
        if self.is_idle() { self.look(output, now) } else { Step::Run }
    }

    /// Answers until the output is half full, or an answer does more than open one file.
    pub fn run(&mut self, output: &mut Output, now: Instant) -> Step {
        for _ in 0..MAX_ANSWERS {
            if let Some((id, request)) = self.next.take() {
                self.begin(id, request, output, now);
            }
            if let Some(answer) = self.answer.take() {
                self.resume(answer, output, now);
            }
            if self.answer.is_some() || output.out.len() >= output.size() / 2 {
                break;
            }
            match self.look(output, now) {
                Step::Run => {}
                step => return step,
            }
        }
        Step::Again
    }

    /// Parses the next request.
    fn look(&mut self, output: &mut Output, now: Instant) -> Step {
        if self.must_stop(output) {
            return self.stop(output);
        }
        loop {
            let (used, event) = match self.machine.receive(&self.inbox[self.looked_at..]) {
                Ok(received) => received,
                Err(violation) => return self.violated(&violation, output),
            };
            self.looked_at += used;
            let asked = matches!(event, Some(Event::Request { .. } | Event::Unsupported { .. }));
            if asked && self.exceeds_max_requests(&output.shared.services.terms.limits) {
                return self.refuse_request(output);
            }
            if asked && !output.take_place() {
                return self.refuse(output);
            }
            match event {
                None if used == 0 => return self.wait(output),
                None => {}
                Some(Event::Hello(hello)) => {
                    match output.shared.services.terms.tokens.verify(self.peer, &hello, self.certificate, now)
                    {
                        Verdict::Open if !self.has_place(output) => return self.refuse(output),
                        Verdict::Open => self.welcome(output),
                        answer => {
                            self.denial = Some(Denial::new(answer, &hello, now));
                            return self.delay_denial(output, now);
                        }
                    }
                }
                Some(Event::Request { id, request }) => {
                    self.next = Some((id, request));
                    return Step::Run;
                }
                Some(Event::Unsupported { id }) => {
                    output.asked = true;
                    let (code, message) = (Code::Unsupported, Code::Unsupported.text().to_owned());
                    let failure = Failure { code, message, path: None, retry_after: None };
                    self.machine.failure(id, &failure, &mut output.out);
                    return Step::Again;
                }
                Some(Event::Goodbye(_)) => return Step::End("done".into()),
            }
        }
    }

    /// Whether there is a place for the client, which may fetch. If there is a token, it takes the place now, otherwise with its first
    /// request.
    fn has_place(&self, output: &Output) -> bool {
        if output.shared.services.terms.tokens.is_locked() { output.take_place() } else { output.has_place() }
    }

    /// There is no place for the client.
    fn refuse(&mut self, output: &mut Output) -> Step {
        output.refuse();
        self.machine.abort(&Refusal::Busy.failure(), &mut output.out);
        Step::End(Refusal::Busy.reason().into())
    }

    /// Counts a request. Returns whether there are too many.
    fn exceeds_max_requests(&mut self, limits: &Limits) -> bool {
        self.requests += 1;
        self.requests > limits.max_requests
    }

    /// Refuses a request: the client has to connect again, so that others get the place.
    fn refuse_request(&mut self, output: &mut Output) -> Step {
        const REASON: &str = "as many requests as one connection may have";
        self.abort(Code::Busy, format!("{REASON}; connect again"), Some(1), output);
        Step::End(REASON.into())
    }

    /// There is no complete request.
    fn wait(&mut self, output: &mut Output) -> Step {
        self.inbox = Vec::new();
        self.looked_at = 0;
        // This sets the state and then reads the phase. A drain sets the phase and then reads the state, so that one of the two notices the
        // other. A connection whose answer is not sent yet is not idle.
        if output.out.is_empty() {
            output.state(if output.asked { ConnectionState::Idle } else { ConnectionState::Handshake });
        }
        if self.must_stop(output) {
            self.stop(output)
        } else if !output.out.is_empty() {
            Step::Again
        } else if self.ended {
            Step::End("closed by the client".into())
        } else {
            Step::Read
        }
    }

    /// Whether the server drains and this connection has no transfer, whose further requests are answered.
    fn must_stop(&self, output: &Output) -> bool {
        !output.shared.lifecycle.accepting() && (self.ended || !output.is_transferring())
    }

    /// Ends the connection because the server drains.
    fn stop(&mut self, output: &mut Output) -> Step {
        const REASON: &str = "the server is stopping";
        self.machine.goodbye(REASON, &mut output.out);
        Step::End(REASON.into())
    }

    /// Refuses a client without the token after a delay.
    fn delay_denial(&mut self, output: &mut Output, now: Instant) -> Step {
        match &self.denial {
            Some(denial) if now < denial.at && output.shared.lifecycle.accepting() => Step::Pause(denial.at),
            _ => Step::End(self.deny(output).into()),
        }
    }

    fn deny(&mut self, output: &mut Output) -> &'static str {
        let Some(Denial { reason, retry_after, .. }) = self.denial.take() else { return "done" };
        output.fail(&SafeText::default(), reason);
        self.abort(Code::Denied, Code::Denied.text().to_owned(), retry_after, output);
        reason
    }

    fn violated(&mut self, violation: &Violation, output: &mut Output) -> Step {
        self.abort(Code::Violation, violation.to_string(), None, output);
        Step::End(match violation {
            Violation::NotOurs(_) | Violation::Preamble => Cow::Borrowed("not an fdsp client"),
            _ => format!("broke the protocol: {violation}").into(),
        })
    }

    fn welcome(&mut self, output: &mut Output) {
        let limits = &output.shared.services.terms.limits;
        let most = limits.max_connections.min(limits.max_per_address);
        let most = u32::try_from(most).unwrap_or(MAX_PARALLEL);
        let parallel =
            if output.shared.services.terms.arch == Arch::Single { 1 } else { most.clamp(1, MAX_PARALLEL) };
        let welcome = Welcome { agent: AGENT.to_owned(), pipeline: limits.pipeline, parallel };
        self.machine.welcome(&welcome, &mut output.out);
    }
}
