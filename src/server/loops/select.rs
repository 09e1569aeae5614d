//! One thread for all sockets, readiness from the kernel; a few more threads for what may wait for the disk.
//!
//! ```text
//! ┌─▶ poll: which sockets became ready, whose deadline passed, which tasks are done?
//! │      listener ─▶ accept new clients
//! │      socket   ─▶ into the queue of ready connections
//! │      task     ─▶ into the same queue    ◀── waker ─── workers ◀─┐
//! └── one turn for each in the queue; it stays there while it is ready  │
//!        a task ────────────────────────────────────────────────────────┘
//! ```
//!
//! No socket ever blocks, so one thread serves all of them, a turn each, and no connection can take more than that
//! of the time. A file has no readiness:  reading it blocks until the disk has it. So content that is in memory is read here,
//! and everything else is a task for the [`Workers`], whose outcome wakes the loop. Readiness is edge-triggered: the kernel reports once that a socket became ready, and
//! the loop notes that until the socket itself says that it would block.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind::WouldBlock, Read, Write},
    net::TcpListener as StdListener,
    os::fd::AsRawFd,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
    unix::SourceFd,
};
use slab::Slab;

use super::{
    fair_queue::FairQueue,
    nonblocking::{Step, step},
    workers::Workers,
};
use crate::server::{
    accept::{Accepted, Acceptor},
    api::event::ConnectionId,
    connection::{Connection, Outcome, Task},
    shared::Shared,
    sync::lock,
};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;

/// Clients accepted before connections get their turns again: few, since accepting is no origin's turn.
const ACCEPTED: usize = 8;

/// A connection and what is known of its socket.
struct Client {
    connection: Connection,
    stream: Arc<TcpStream>,
    readable: bool,
    writable: bool,
    /// Whether it is in the queue.
    queued: bool,
    /// Its deadline in `Loop::deadlines`.
    deadline: Option<Instant>,
}

/// A task or its outcome, the key of its client, and the number of the connection, since another client may have the key by then.
type OfClient<T> = (usize, ConnectionId, T);

/// Outcomes that the loop has not taken yet, and what wakes it.
struct Done {
    outcomes: Mutex<Vec<OfClient<Outcome>>>,
    waker: Waker,
}

impl Done {
    /// Runs a task. Called by the workers.
    fn run(&self, (key, id, task): OfClient<Task>) {
        let outcome = task.run();
        lock(&self.outcomes).push((key, id, outcome));
        // It fails only if the poller is gone, and then no loop needs the outcome.
        let _ = self.waker.wake();
    }
}

struct Loop {
    acceptor: Acceptor,
    workers: Workers<OfClient<Task>>,
    done: Arc<Done>,
    poll: Poll,
    listener: TcpListener,
    /// When to accept again without an event: after a failure, and when more clients wait.
    retry: Option<Instant>,
    clients: Slab<Client>,
    /// Connections that can continue; origins take turns.
    queue: FairQueue<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
}

/// Makes the loop.
pub(crate) fn prepare(
    shared: Arc<Shared>,
    listener: StdListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let done = Arc::new(Done { outcomes: Mutex::default(), waker: Waker::new(poll.registry(), WAKER)? });
    let mut this = Loop {
        acceptor: Acceptor::new(shared),
        workers: Workers::start({
            let done = Arc::clone(&done);
            move |task| done.run(task)
        })?,
        done,
        poll,
        listener,
        retry: None,
        clients: Slab::new(),
        queue: FairQueue::new(),
        deadlines: BTreeSet::new(),
    };
    Ok(move || this.run())
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.acceptor.is_open() || !self.clients.is_empty() {
            let now = Instant::now();
            let next = self.deadlines.first().map(|&(at, _)| at).into_iter().chain(self.retry).min();
            let timeout = match next {
                _ if !self.queue.is_empty() => Some(Duration::ZERO),
                next => next.map(|at| at.saturating_duration_since(now)),
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => self.take_outcomes(),
                    Token(key) => {
                        if let Some(client) = self.clients.get_mut(key) {
                            client.readable |=
                                event.is_readable() || event.is_read_closed() || event.is_error();
                            client.writable |=
                                event.is_writable() || event.is_write_closed() || event.is_error();
                            self.enqueue(key);
                        }
                    }
                }
            }
            self.expire(Instant::now());
            for _ in 0..self.queue.len() {
                if let Some((_, key)) = self.queue.take(|_| true) {
                    self.turn(key);
                }
            }
        }
        Ok(())
    }

    /// Accepts clients that wait. There will be no second event for those that are left over, so they are remembered.
    fn accept(&mut self) {
        self.retry = Some(Instant::now());
        for _ in 0..ACCEPTED {
            let key = self.clients.vacant_key();
            let accepted =
                self.acceptor.accept(self.listener.accept(), |connection, stream: Arc<TcpStream>| {
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(
                        &mut SourceFd(&stream.as_raw_fd()),
                        Token(key),
                        interest,
                    )?;
                    Ok(Client::new(connection, stream))
                });
            match accepted {
                Accepted::Started(client) => {
                    self.clients.insert(client);
                    self.enqueue(key);
                }
                Accepted::Skipped => {}
                Accepted::Nothing => return self.retry = None,
                // Further ones would fail as well.
                Accepted::Failed(delay) => return self.retry = Some(Instant::now() + delay),
            }
        }
    }

    fn enqueue(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key)
            && !std::mem::replace(&mut client.queued, true)
        {
            self.queue.push(client.connection.origin(), key);
        }
    }

    /// Passes finished tasks to their connections. The outcome for a connection that was closed meanwhile is dropped.
    fn take_outcomes(&mut self) {
        let outcomes = std::mem::take(&mut *lock(&self.done.outcomes));
        for (key, id, outcome) in outcomes {
            let client = self.clients.get_mut(key).filter(|client| client.connection.id() == id);
            if let Some(client) = client {
                client.connection.done(outcome, Instant::now());
                self.enqueue(key);
            }
        }
    }

    /// Queues the connections whose deadline has passed. Most of them end.
    fn expire(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, key));
            if let Some(client) = self.clients.get_mut(key) {
                client.deadline = None;
            }
            self.enqueue(key);
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.accept();
        }
    }

    /// One turn for one connection.
    fn turn(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.queued = false;
        let step = client.step();
        let deadline = client.connection.deadline();
        if client.deadline != deadline {
            self.deadlines.extend(deadline.map(|at| (at, key)));
            let old = std::mem::replace(&mut client.deadline, deadline);
            old.map(|at| self.deadlines.remove(&(at, key)));
        }
        match step {
            Step::Done => self.enqueue(key),
            Step::WaitToRead | Step::WaitToWrite | Step::Pause => {}
            Step::Run(task) => {
                let connection = &client.connection;
                self.workers.run(connection.origin(), (key, connection.id(), task));
            }
            Step::Over => {
                if let Some(client) = self.clients.try_remove(key) {
                    client.deadline.map(|at| self.deadlines.remove(&(at, key)));
                }
            }
        }
    }
}

impl Client {
    fn new(connection: Connection, stream: Arc<TcpStream>) -> Client {
        Client { connection, stream, readable: false, writable: false, queued: false, deadline: None }
    }

    /// Does what the connection wants next, if its socket is ready for that.
    fn step(&mut self) -> Step {
        let (readable, writable) = (self.readable, self.writable);
        let read =
            |buffer: &mut [u8]| if readable { (&*self.stream).read(buffer) } else { Err(WouldBlock.into()) };
        let write =
            |bytes: &[u8]| if writable { (&*self.stream).write(bytes) } else { Err(WouldBlock.into()) };
        let step = step(&mut self.connection, Instant::now(), read, write);
        match step {
            Step::WaitToRead => self.readable = false,
            Step::WaitToWrite => self.writable = false,
            _ => {}
        }
        step
    }
}
