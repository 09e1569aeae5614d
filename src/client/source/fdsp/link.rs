//! One connection to a server of this program: connected, greeted, and sent one request after the other.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::{block_in_place, yield_now},
    time::{sleep, timeout},
};

use crate::{
    AGENT,
    client::{
        api::origin::Origin,
        error::Fault,
        source::{
            limiter::Limiter,
            observer::Observer,
            sink::KEEP_INTERVAL,
            timeouts::{Timeouts, compression_time, hashing_time, reading_time},
            wire::{Readiness, Wire},
        },
        trust::Servers,
    },
    protocol::{
        address::Authority,
        client::{Client, Event, Request},
        digest::BLOCK_SIZE,
        error::{Stranger, Violation},
    },
};

/// Time for sending a goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(100);

/// Time after which the task checks whether it was stopped, while it handles received events: writing the files of one buffer can take a second.
const SLICE: Duration = Duration::from_millis(5);

/// Requests without an answer, at most, in a conversation.
const MAX_PIPELINED: usize = 4;

/// Makes requests, and takes the answers.
pub(crate) trait Talk {
    /// The next request, and how many bytes the server may have to hash before it answers.
    fn next(&mut self) -> Option<(Request, u64)>;
    /// Takes an event.
    fn take(&mut self, event: Event<'_>) -> Result<(), Fault>;
    /// The local bytes that the server skips of what it has just announced, if it skips any.
    fn skipped(&mut self) -> Option<Vec<u8>>;
    /// Nothing was received for a while.
    fn quiet(&mut self) -> Result<(), Fault>;
}

/// How far the received events were handled.
enum Taken<T> {
    /// Up to the event at which the caller stopped with this result.
    Until(T),
    /// Some of them: the task has to check whether it was stopped.
    Some,
    /// All of them.
    All,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    wire: Wire,
    machine: Client,
    timeouts: Timeouts,
    /// For each request without a complete answer, how long the server may still only say that it works on it.
    working: VecDeque<Duration>,
    /// Taken from the pool, and nothing was received since.
    stale: bool,
    /// Requests since then, and for how long the server may only say that it works on each.
    repeatable: Vec<(Request, Duration)>,
    /// The server sent a goodbye, or an error occurred.
    broken: bool,
    /// When the task last checked whether it was stopped.
    looked: Instant,
    observer: Option<Arc<dyn Observer>>,
}

impl Link {
    /// Connects. The greeting is sent with the first request.
    pub(crate) async fn open(
        authority: &Authority,
        timeouts: Timeouts,
        servers: &Arc<Servers>,
    ) -> Result<Link, Fault> {
        let (wire, credential) = Wire::open(authority, timeouts, servers).await?;
        let machine = Client::with_credential(AGENT, credential);
        Ok(Link {
            wire,
            machine,
            timeouts,
            working: VecDeque::new(),
            stale: false,
            repeatable: Vec::new(),
            broken: false,
            looked: Instant::now(),
            observer: None,
        })
    }

    /// Which server it is.
    pub(crate) fn origin(&self) -> Origin {
        self.wire.origin()
    }

    /// Whether this connection was idle and nothing was received since: the server may have closed it long ago.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether another request may follow.
    pub(crate) fn is_usable(&self) -> bool {
        !self.broken && self.machine.pending() == 0 && self.wire.unread().is_empty()
    }

    /// Whether the server has neither sent anything nor closed since the last answer.
    pub(crate) fn is_quiet(&self) -> bool {
        self.wire.is_quiet()
    }

    /// Reports to an observer from now on.
    pub(crate) fn observed_by(mut self, observer: &Arc<dyn Observer>) -> Link {
        self.observer = Some(Arc::clone(observer));
        self
    }

    /// Requests without a complete answer.
    pub(crate) fn pending(&self) -> usize {
        self.machine.pending()
    }

    /// Becomes idle, and frees the buffer.
    pub(crate) fn rest(&mut self) {
        self.observer = None;
        self.wire.rest();
    }

    /// Is no longer idle; `false` if the server has closed meanwhile.
    pub(crate) fn wake(&mut self) -> bool {
        self.stale = true;
        self.is_quiet()
    }

    /// Sends a request, and hands each event to `take` until it breaks. `take` may block.
    pub(crate) async fn ask<T>(
        &mut self,
        request: &Request,
        limiter: &Limiter,
        mut take: impl FnMut(Event<'_>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        self.send(request);
        self.answers(limiter, |event| event.map_or(Ok(ControlFlow::Continue(())), &mut take)).await
    }

    /// Sends a request without waiting for the answer: answers arrive in the order of the requests.
    pub(crate) fn send(&mut self, request: &Request) {
        self.request(request.clone(), reading_time(self.timeouts));
    }

    /// `working`: how long the server may only say that it works on the answer.
    fn request(&mut self, request: Request, working: Duration) {
        self.machine.request(&request);
        self.working.push_back(working);
        if self.stale {
            self.repeatable.push((request, working));
        }
    }

    /// Sends the requests that were sent on a connection which had been idle, and whose answers have not begun.
    pub(crate) fn repeat(&mut self, idle: &mut Link) {
        for (request, working) in idle.repeatable.drain(..) {
            self.request(request, working);
        }
    }

    /// Gives the next of the bytes that the content which was just announced skips.
    pub(crate) fn skipped(&mut self, bytes: &[u8]) {
        self.machine.skipped(bytes);
    }

    /// Hands each event to `take` until it breaks, and `None` while none is received for a while. `take` may block.
    pub(crate) async fn answers<T>(
        &mut self,
        limiter: &Limiter,
        mut take: impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        let result = self.exchange(limiter, &mut take).await;
        self.broken |= result.is_err() && self.machine.pending() > 0;
        result
    }

    /// Sends one request after the other without waiting for the answers, until there are no more and everything is answered. `talk` may
    /// block.
    pub(crate) async fn converse(&mut self, limiter: &Limiter, talk: &mut impl Talk) -> Result<(), Fault> {
        loop {
            while self.machine.pending() < MAX_PIPELINED
                && let Some((request, hashed)) = talk.next()
            {
                self.request(request, hashing_time(hashed));
            }
            if self.machine.pending() == 0 {
                return Ok(());
            }
            let mut answered = |event: Option<Event<'_>>| {
                let Some(event) = event else { return talk.quiet().map(ControlFlow::Continue) };
                let ends = matches!(event, Event::FilesEnd { .. });
                talk.take(event)?;
                Ok(match talk.skipped() {
                    Some(bytes) => ControlFlow::Break(bytes),
                    None if ends => ControlFlow::Break(Vec::new()),
                    None => ControlFlow::Continue(()),
                })
            };
            match self.exchange(limiter, &mut answered).await {
                Ok(skipped) => self.machine.skipped(&skipped),
                Err(fault) => {
                    self.broken |= self.machine.pending() > 0;
                    return Err(fault);
                }
            }
        }
    }

    async fn exchange<T>(
        &mut self,
        limiter: &Limiter,
        take: &mut impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        self.wire.asked();
        loop {
            // A server need not read a request before the answer to an earlier one is sent: what comes is taken meanwhile.
            let (count, pending) = self.wire.try_write(self.machine.outgoing())?;
            self.machine.sent(count);
            // The first time, what came with the answer before.
            match block_in_place(|| self.receive(take))? {
                Taken::Until(result) => return Ok(result),
                Taken::Some => {
                    yield_now().await;
                    self.looked = Instant::now();
                    continue;
                }
                Taken::All => {}
            }
            let turn = {
                let mut turn = pin!(self.wire.wait(limiter, pending));
                loop {
                    tokio::select! {
                        biased;
                        turn = &mut turn => break turn,
                        () = sleep(KEEP_INTERVAL) => drop(block_in_place(|| take(None))?),
                    }
                }
            };
            match turn? {
                Readiness::Writable => {}
                Readiness::Received if self.stale => {
                    self.stale = false;
                    self.repeatable = Vec::new();
                }
                Readiness::Received => {}
                Readiness::Ended => {
                    self.broken = true;
                    let violation = self.machine.end_of_stream().err();
                    return Err(match violation {
                        // A server beyond its limits closes like this, and so does one that is just starting, or what
                        // stands before one that is away.
                        Some(violation @ Violation::NotOurs(Stranger::Silent)) => {
                            self.wire.closed(format!("{}: {violation}", self.wire.peer()))
                        }
                        Some(violation) => Fault::violation(self.wire.peer(), &violation),
                        None => self.wire.closed(format!("{} closed the connection", self.wire.peer())),
                    });
                }
            }
        }
    }

    /// Handles received events, for at most [`SLICE`].
    fn receive<T>(
        &mut self,
        take: &mut impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<Taken<T>, Fault> {
        loop {
            if self.looked.elapsed() >= SLICE {
                return Ok(Taken::Some);
            }
            let (used, event) = self.machine.receive(self.wire.unread()).map_err(|violation| {
                self.broken = true;
                Fault::violation(self.wire.peer(), &violation)
            })?;
            let idle = used == 0 && event.is_none();
            self.broken |= matches!(event, Some(Event::Goodbye(_) | Event::Failed { request: 0, .. }));
            let (mut hashed, mut works, mut prepares) = (Duration::ZERO, false, None);
            match &event {
                Some(Event::Hashes { hashes, .. }) => {
                    hashed = hashing_time(BLOCK_SIZE.saturating_mul(hashes.len() as u64));
                }
                Some(Event::Working { .. }) => works = true,
                Some(Event::Welcome(welcome)) => {
                    if let Some(observer) = &self.observer {
                        observer.announced(usize::try_from(welcome.parallel).unwrap_or(usize::MAX));
                    }
                }
                Some(Event::Content { content, .. }) => prepares = Some(compression_time(content)),
                Some(Event::Data { .. }) => prepares = Some(Duration::ZERO),
                _ => {}
            }
            if let Some(Event::Goodbye(goodbye)) = &event {
                // There will be no answer, also where the server forgets to close.
                let reason = goodbye.reason.trim();
                return Err(Fault::lost(format!("{} closed the connection: {reason}", self.wire.peer())));
            }
            if let Some(observer) = self.observer.as_ref().filter(|_| event.is_some()) {
                observer.preparing(works);
            }
            let (is_event, pending) = (event.is_some(), self.machine.pending());
            let flow = event.map_or(Ok(ControlFlow::Continue(())), |event| take(Some(event)));
            self.wire.used(used);
            self.wire.hashed(&mut hashed);
            if let Some(time) = prepares {
                self.wire.prepares(time);
            }
            match self.working.front_mut() {
                Some(budget) if works => self.wire.works(budget)?,
                _ if is_event => self.wire.answered(),
                _ => {}
            }
            if self.working.len() > pending {
                self.working.pop_front();
            }
            match flow? {
                ControlFlow::Continue(()) if idle => return Ok(Taken::All),
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(result) => return Ok(Taken::Until(result)),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        while !self.machine.outgoing().is_empty() {
            let count = self.wire.write(self.machine.outgoing()).await?;
            self.machine.sent(count);
        }
        Ok(())
    }

    /// Sends a goodbye, and closes.
    pub(crate) async fn close(mut self) {
        self.machine.goodbye("done");
        // It closes either way.
        let _ = timeout(GOODBYE_TIMEOUT, async {
            let _ = self.flush().await;
            self.wire.close().await;
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::poll_fn,
        io::{Read, Write},
        net::{SocketAddr, TcpListener, TcpStream},
        sync::atomic::{AtomicBool, Ordering},
        task::Poll,
    };

    use crate::{
        client::api::config::Trust,
        protocol::{
            address::Security,
            error::Code,
            frame::outgoing::Outgoing,
            message::{Entries, Entry, Failure, Kind, List, Timestamp, Tree, Welcome},
            server::{self, Server},
        },
    };

    use super::*;

    /// Requests of almost 4 KiB each: together more than what lies between the two ends below.
    const REQUESTS: usize = 100;

    /// Reads requests one at a time, and the next one only when the answer to the one before is sent.
    fn serve(mut stream: TcpStream) {
        let entry = |number: usize| Entry {
            name: format!("{number:0250}"),
            kind: Kind::Directory,
            size: None,
            modified: Timestamp { seconds: 0, nanoseconds: 0 },
        };
        let page = Entries { entries: (0..180).map(entry).collect(), more: false };
        let (mut machine, mut out, mut input) = (Server::new(), Outgoing::new(), Vec::new());
        loop {
            let (used, event) = machine.receive(&input).unwrap();
            input.drain(..used);
            match event {
                Some(server::Event::Hello(_)) => {
                    machine.welcome(&Welcome { agent: "test".into(), pipeline: 1, parallel: 1 }, &mut out);
                }
                Some(server::Event::Request { id, .. }) => machine.entries(id, &page, &mut out),
                Some(_) => return,
                None if used > 0 => {}
                None => {
                    let mut buffer = [0; 1024];
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => input.extend_from_slice(&buffer[..count]),
                    }
                }
            }
            let bytes = out.as_slice().to_vec();
            out.sent(bytes.len());
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }

    /// The last that was reported about preparing.
    #[derive(Debug, Default)]
    struct Shown(AtomicBool);

    impl Shown {
        fn is_preparing(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Observer for Shown {
        fn reached(&self) {}

        fn announced(&self, _parallel: usize) {}

        fn preparing(&self, preparing: bool) {
            self.0.store(preparing, Ordering::Relaxed);
        }
    }

    /// A link to a server without TLS.
    async fn connect(at: SocketAddr) -> Link {
        let authority = Authority::new("127.0.0.1", at.port(), Security::Plain);
        let timeouts = Timeouts {
            silence: Duration::from_secs(10),
            speed_limit: 0,
            speed_time: Duration::from_secs(10),
        };
        let servers = Arc::new(Servers::new(Trust::default()));
        Link::open(&authority, timeouts, &servers).await.unwrap()
    }

    /// The answers that are in the buffer may keep the disk busy for longer than a transfer may take to stop.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_that_is_told_to_stop_does_not_take_all_that_came_first() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let mut link = connect(at).await;
        for _ in 0..REQUESTS {
            link.send(&Request::List(List::default()));
        }
        let (limiter, stopped, mut late) = (Limiter::new(None), Cell::new(false), 0);
        let answered = link.answers(&limiter, |event| {
            if event.is_some() {
                late += usize::from(stopped.replace(true));
                std::thread::sleep(SLICE);
            }
            Ok(ControlFlow::<()>::Continue(()))
        });
        tokio::select! {
            biased;
            () = poll_fn(|_| if stopped.get() { Poll::Ready(()) } else { Poll::Pending }) => {}
            answered = answered => answered.unwrap(),
        }
        assert_eq!(late, 0);
        drop(link);
        serving.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_the_server_works_on_the_answer_is_shown_until_it_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (answer, may_answer) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut machine, mut out, mut input) = (Server::new(), Outgoing::new(), Vec::new());
            let id = loop {
                let (used, event) = machine.receive(&input).unwrap();
                input.drain(..used);
                match event {
                    Some(server::Event::Hello(_)) => {
                        machine
                            .welcome(&Welcome { agent: "test".into(), pipeline: 1, parallel: 1 }, &mut out);
                    }
                    Some(server::Event::Request { id, .. }) => break id,
                    _ if used > 0 => {}
                    _ => {
                        let mut buffer = [0; 1024];
                        let count = stream.read(&mut buffer).unwrap();
                        input.extend_from_slice(&buffer[..count]);
                    }
                }
            };
            machine.working(id, &mut out);
            stream.write_all(out.as_slice()).unwrap();
            out.sent(out.as_slice().len());
            may_answer.recv().unwrap();
            let failure =
                Failure { code: Code::NotFound, message: String::new(), path: None, retry_after: None };
            machine.failure(id, &failure, &mut out);
            stream.write_all(out.as_slice()).unwrap();
        });
        let shown = Arc::new(Shown::default());
        let observer: Arc<dyn Observer> = Arc::clone(&shown) as _;
        let mut link = connect(at).await.observed_by(&observer);
        let asking = tokio::spawn(async move {
            let request = Request::Tree(Tree { path: "x".into(), working: true, ..Tree::default() });
            link.ask(&request, &Limiter::new(None), |event| match event {
                Event::Failed { .. } => Ok(ControlFlow::Break(())),
                _ => Ok(ControlFlow::Continue(())),
            })
            .await
        });
        while !shown.is_preparing() && !asking.is_finished() {
            yield_now().await;
        }
        answer.send(()).unwrap();
        asking.await.unwrap().unwrap();
        assert!(!shown.is_preparing());
        serving.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_reads_while_it_writes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // What is accepted inherits it.
        socket2::SockRef::from(&listener).set_recv_buffer_size(1).unwrap();
        socket2::SockRef::from(&listener).set_send_buffer_size(1).unwrap();
        let at = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let mut link = connect(at).await;
        link.wire.set_send_buffer(1);
        for _ in 0..REQUESTS {
            let path = "x/".repeat(2000);
            link.send(&Request::List(List { path, after: None, ..List::default() }));
        }
        let mut left = REQUESTS;
        let limiter = Limiter::new(None);
        let answered = link.answers(&limiter, |event| {
            left -= usize::from(matches!(event, Some(Event::Entries { .. })));
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        answered.await.unwrap();
        drop(link);
        serving.join().unwrap();
    }
}
