//! The requests of a connection that speaks HTTP, one after the other.

use std::{borrow::Cow, net::IpAddr, time::Instant};

use super::{
    answer::{self, Context, Stage, Trouble},
    request::{
        Refused,
        credential::{cookie_name, has_cookie, token},
        head::{Method, Request, find_end},
    },
    response::{Exchange, Response, Status},
};
use crate::{
    protocol::{address::encoded, error::Code},
    server::{
        access::token_check::Verdict,
        api::{arch::Arch, snapshot::ConnectionState},
        connection::{
            dialect::{refusal::BLOCKED, step::Step},
            output::Output,
            v1::requests::Ending,
        },
        limits::{DENIAL_DELAY, MAX_ANSWERS, RETRY_AFTER},
    },
    text::SafeText,
};

/// Why a connection ends after its last answer.
const DONE: &str = "done";
/// What browsers and programs are to ask their users for.
const CHALLENGE: &str = "Basic realm=\"fdsp: any user, the token as the password\", charset=\"UTF-8\"";

/// The state of a connection that speaks HTTP.
pub(crate) struct Http {
    /// Bytes that were read.
    inbox: Vec<u8>,
    /// How many of them were parsed.
    parsed: usize,
    /// How many of the others were searched for the end of a head.
    searched: usize,
    /// The client closed its side.
    ended: bool,
    peer: IpAddr,
    /// Whether the connection has TLS.
    is_secure: bool,
    /// Seconds for which the operator has blocked the address of the client.
    blocked: Option<u32>,
    /// The number of requests so far.
    requests: u64,
    /// A request that was received and not begun.
    next: Option<(Request, Exchange, Instant)>,
    answer: Option<Answer>,
    denial: Option<Denial>,
    /// Why the connection ends after what is in the output.
    ending: Option<Cow<'static, str>>,
}

/// A running answer that takes more than one task.
struct Answer {
    path: SafeText,
    exchange: Exchange,
    started: Instant,
    stage: Stage,
}

/// A request without a valid token.
struct Denial {
    /// When it is answered: the delay slows down guessing.
    at: Instant,
    exchange: Exchange,
    verdict: Verdict,
}

impl Http {
    /// A connection whose first bytes are a request.
    pub fn new(peer: IpAddr, is_secure: bool, blocked: Option<u32>) -> Http {
        Http {
            inbox: Vec::new(),
            parsed: 0,
            searched: 0,
            ended: false,
            peer,
            is_secure,
            blocked,
            requests: 0,
            next: None,
            answer: None,
            denial: None,
            ending: None,
        }
    }

    /// Takes received bytes; none is the end of the stream.
    pub fn received(&mut self, bytes: &[u8]) {
        self.inbox.drain(..self.parsed);
        self.parsed = 0;
        self.inbox.extend_from_slice(bytes);
        self.ended |= bytes.is_empty();
    }

    /// Whether a file is being sent.
    pub fn sends_file(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.stage.sends_file())
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        self.answer.is_none() && self.next.is_none() && self.denial.is_none() && self.ending.is_none()
    }

    /// How the client has ended its side, while an answer is prepared; a client may end it after its last request.
    pub fn ending_of_preparation(&self) -> Option<Ending> {
        let is_preparing = self.answer.as_ref().is_some_and(|answer| answer.stage.is_preparing());
        is_preparing.then_some(if self.ended { Ending::Silent } else { Ending::NotRead })
    }

    /// Writes why the server closes. Returns whether the connection ends in order: what is cut must not look whole.
    pub fn leave(&mut self, code: Option<Code>, output: &mut Output) -> bool {
        if let Some(denial) = self.denial.take() {
            self.deny(&denial, output);
            return true;
        }
        if !self.is_idle() || !output.out.is_empty() {
            return false;
        }
        if code == Some(Code::TimedOut) && self.parsed < self.inbox.len() {
            let sentence = "the request was not complete in time";
            output.record("HTTP/1.1", |record| record);
            Response::new(Status::RequestTimeout).text(Exchange::UNKNOWN, sentence, output);
        }
        true
    }

    /// What to do next: a task, as long as there is something to answer.
    pub fn advance(&mut self, output: &mut Output, now: Instant) -> Step {
        if let Some(Denial { at, .. }) = self.denial
            && now < at
            && output.shared.lifecycle.accepting()
        {
            return Step::Pause(at);
        }
        if let Some(denial) = self.denial.take() {
            let reason = self.deny(&denial, output);
            return Step::End(reason.into());
        }
        if self.answer.is_some() || self.next.is_some() {
            return Step::Run;
        }
        self.look(output, now)
    }

    /// Answers until the output is half full, or an answer does more than open one file.
    pub fn run(&mut self, output: &mut Output, now: Instant) -> Step {
        for _ in 0..MAX_ANSWERS {
            let result = if let Some((request, exchange, started)) = self.next.take() {
                self.begin(request, exchange, started, output)
            } else if let Some(answer) = self.answer.take() {
                self.resume(answer, output)
            } else {
                Ok(())
            };
            if let Err(reason) = result {
                return Step::Abort(reason.into());
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

    /// Puts content that is in memory into the output. Returns whether there is something in the output.
    pub fn run_cached(&mut self, output: &mut Output) -> bool {
        let Some(Answer { path, exchange, started, stage }) = &mut self.answer else { return false };
        let (exchange, started, is_secure) = (*exchange, *started, self.is_secure);
        let mut context = Context { path, exchange, started, is_secure, output };
        stage.fill_cached(&mut context);
        !output.out.is_empty()
    }

    /// Parses the next request.
    fn look(&mut self, output: &mut Output, now: Instant) -> Step {
        if let Some(reason) = self.ending.take() {
            return Step::End(reason);
        }
        // An empty line before a request is ignored (RFC 9112, section 2.2).
        while self.searched == 0 && self.inbox[self.parsed..].starts_with(b"\r\n") {
            self.parsed += 2;
        }
        let rest = &self.inbox[self.parsed..];
        let parsed = match find_end(rest, &mut self.searched) {
            Ok(None) => return self.wait(output),
            Ok(Some(end)) => {
                let request = Request::parse(&rest[..end]);
                self.searched = 0;
                self.parsed += end;
                request
            }
            Err(refused) => Err(refused),
        };
        match parsed {
            Ok(request) => self.accept(request, output, now),
            Err(Refused { status, reason }) => {
                output.record("HTTP/1.1", |record| record);
                Response::new(status).text(Exchange::UNKNOWN, reason, output);
                output.answered();
                Step::End(format!("a request of HTTP that is refused: {reason}").into())
            }
        }
    }

    /// There is no complete request.
    fn wait(&mut self, output: &mut Output) -> Step {
        // See the same of version 1.
        if output.out.is_empty() {
            output.state(if output.asked { ConnectionState::Idle } else { ConnectionState::Handshake });
        }
        if !output.out.is_empty() {
            Step::Again
        } else if !output.shared.lifecycle.accepting() {
            Step::End("the server is stopping".into())
        } else if self.ended {
            Step::End("closed by the client".into())
        } else {
            if self.parsed == self.inbox.len() {
                (self.inbox, self.parsed) = (Vec::new(), 0);
            }
            Step::Read
        }
    }

    /// A request was received: answers it at once if it is refused.
    fn accept(&mut self, request: Request, output: &mut Output, now: Instant) -> Step {
        self.requests += 1;
        let protocol = if request.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" };
        output.record(protocol, |record| {
            let fields = &request.fields;
            let record = record.of(&request.method_name, request.target.raw());
            record.with_page(fields.get("referer"), fields.get("user-agent"))
        });
        let services = &output.shared.services;
        let is_last = self.requests >= services.terms.limits.max_requests;
        let can_continue = services.terms.arch != Arch::Single && output.shared.lifecycle.accepting();
        let exchange = Exchange {
            head_only: request.method == Method::Head,
            is_old: request.minor == 0,
            must_close: !request.keep_alive || request.has_body || is_last || !can_continue,
        };
        if let Some(seconds) = self.blocked {
            let response = Response::new(Status::Unavailable).field("Retry-After", seconds);
            let sentence = format!("this address is not served for {seconds} seconds");
            response.text(Exchange { must_close: true, ..exchange }, &sentence, output);
            output.answered();
            return Step::End(BLOCKED.into());
        }
        if services.terms.tls.is_some() && !self.is_secure {
            return self.redirect_to_tls(&request, exchange, output);
        }
        if request.method == Method::Other {
            let response = Response::new(Status::MethodNotAllowed).field("Allow", "GET, HEAD");
            return self.reply(response, exchange, "only GET and HEAD are supported", output);
        }
        if request.fields.get("expect").is_some_and(|expected| !expected.eq_ignore_ascii_case("100-continue"))
        {
            let response = Response::new(Status::ExpectationFailed);
            return self.reply(response, exchange, "only 100-continue can be expected", output);
        }
        let (tokens, port) = (&services.terms.tokens, services.terms.local.port());
        if tokens.is_locked() {
            let shown = token(&request);
            let has_cookie = tokens.cookie().is_some_and(|value| has_cookie(&request, value, port));
            if shown.is_some() || !has_cookie {
                match tokens.verify_text(self.peer, shown.as_ref().map(|shown| shown.as_str()), now) {
                    Verdict::Open => {}
                    verdict => {
                        // A client that has shown no token does not guess.
                        let at = if shown.is_some() { now + DENIAL_DELAY } else { now };
                        let exchange = Exchange { must_close: true, ..exchange };
                        self.denial = Some(Denial { at, exchange, verdict });
                        return self.advance(output, now);
                    }
                }
            }
        } else if let Some(host) = request.host.as_deref().filter(|host| !services.terms.hosts.accepts(host))
        {
            let name = SafeText::new(host.split(':').next().unwrap_or_default());
            let sentence = format!(
                "this server does not know that '{name}' is its name: use its address, or start it with --host-name {name}"
            );
            return self.reply(Response::new(Status::MisdirectedRequest), exchange, &sentence, output);
        }
        if !output.take_place() {
            output.refuse();
            let response = Response::new(Status::Unavailable).field("Retry-After", RETRY_AFTER);
            let sentence = "too many connections: try again later";
            response.text(Exchange { must_close: true, ..exchange }, sentence, output);
            output.answered();
            return Step::End("busy".into());
        }
        if request.target.token.is_some() {
            return self.redirect_without_token(&request, exchange, output);
        }
        let path = SafeText::new(request.target.path.as_str());
        output.request(if exchange.head_only { "HEAD" } else { "GET" }, &path);
        self.next = Some((request, exchange, now));
        Step::Run
    }

    /// Answers with a sentence.
    fn reply(&mut self, response: Response, exchange: Exchange, sentence: &str, output: &mut Output) -> Step {
        response.text(exchange, sentence, output);
        output.answered();
        self.end_if_last(exchange);
        Step::Again
    }

    fn end_if_last(&mut self, exchange: Exchange) {
        if exchange.must_close {
            self.ending = Some(DONE.into());
        }
    }

    /// The same server answers with TLS at the same port.
    fn redirect_to_tls(&mut self, request: &Request, exchange: Exchange, output: &mut Output) -> Step {
        let exchange = Exchange { must_close: true, ..exchange };
        let local = output.shared.services.terms.local;
        let host = match &request.host {
            // Without a port it would be another one with TLS.
            Some(host) if host.ends_with(']') || !host.contains(':') => format!("{host}:80"),
            Some(host) => host.clone(),
            None => local.to_string(),
        };
        let response = Response::new(Status::PermanentRedirect);
        let response = response.field("Location", format!("https://{host}{}", request.target.raw()));
        self.reply(response, exchange, "this server requires https://", output)
    }

    /// The token of a link is exchanged for a cookie, so that it stands in no other link.
    fn redirect_without_token(&mut self, request: &Request, exchange: Exchange, output: &mut Output) -> Step {
        let target = &request.target;
        let name = target.path.name().filter(|_| !target.is_folder).map(encoded).unwrap_or_default();
        let location = format!("./{name}{}", target.query());
        // A browser sends the cookie only with what a page of this server leads to, and a redirect continues what another site began.
        let is_browser = request.fields.get("upgrade-insecure-requests").is_some()
            || request.fields.get("sec-fetch-mode") == Some("navigate");
        let mut response = match is_browser {
            true => Response::new(Status::Ok),
            false => Response::new(Status::SeeOther).field("Location", &location),
        };
        let terms = &output.shared.services.terms;
        if let Some(value) = terms.tokens.cookie() {
            let name = cookie_name(terms.local.port());
            let secure = if self.is_secure { "; Secure" } else { "" };
            response = response
                .field("Set-Cookie", format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"));
        }
        if is_browser {
            let response =
                response.field("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
            let page = answer::entrance(&location);
            response.content(exchange, "text/html; charset=utf-8", page.as_bytes(), output);
            output.answered();
            self.end_if_last(exchange);
            return Step::Again;
        }
        self.reply(response, exchange, "the address without the token", output)
    }

    /// Answers a request without a valid token. Returns why the connection ends.
    fn deny(&mut self, denial: &Denial, output: &mut Output) -> &'static str {
        let Denial { exchange, verdict, .. } = *denial;
        let (response, sentence, reason) = match verdict {
            Verdict::RateLimited(left) => {
                let seconds = left.as_secs().saturating_add(1);
                let response = Response::new(Status::TooManyRequests).field("Retry-After", seconds);
                (
                    response,
                    "too many wrong tokens: try again later",
                    "turned away after too many wrong tokens",
                )
            }
            Verdict::Denied | Verdict::Open => {
                let response = Response::new(Status::Unauthorized);
                let response =
                    response.field("WWW-Authenticate", CHALLENGE).field("WWW-Authenticate", "Bearer");
                let sentence =
                    "this server needs its token: as a password for any user, or as a bearer token";
                (response, sentence, "denied: no token, or a wrong one")
            }
        };
        output.fail(&SafeText::default(), reason);
        response.text(exchange, sentence, output);
        output.answered();
        reason
    }

    /// Begins to answer a request.
    ///
    /// # Errors
    /// The connection is to be cut, for this reason.
    fn begin(
        &mut self,
        request: Request,
        exchange: Exchange,
        started: Instant,
        output: &mut Output,
    ) -> Result<(), String> {
        let path = SafeText::new(request.target.path.as_str());
        let mut context = Context { path: &path, exchange, started, is_secure: self.is_secure, output };
        let result = answer::begin(request, &mut context);
        self.after(path, exchange, started, result, output)
    }

    /// Puts more of an answer into the output, or does a part of the work before that.
    fn resume(&mut self, answer: Answer, output: &mut Output) -> Result<(), String> {
        let Answer { path, exchange, started, stage } = answer;
        let mut context = Context { path: &path, exchange, started, is_secure: self.is_secure, output };
        let result = stage.step(&mut context);
        self.after(path, exchange, started, result, output)
    }

    fn after(
        &mut self,
        path: SafeText,
        exchange: Exchange,
        started: Instant,
        result: Result<Option<Stage>, Trouble>,
        output: &mut Output,
    ) -> Result<(), String> {
        match result {
            Ok(Some(stage)) => self.answer = Some(Answer { path, exchange, started, stage }),
            Ok(None) => {
                output.answered();
                self.end_if_last(exchange);
            }
            Err(Trouble::Cut(reason)) => {
                output.fail(&path, &reason);
                return Err(reason);
            }
            Err(refused @ Trouble::Refused { .. }) => {
                output.fail(&path, refused.message());
                refused.respond(exchange, output);
                output.answered();
                self.end_if_last(exchange);
            }
        }
        Ok(())
    }
}
