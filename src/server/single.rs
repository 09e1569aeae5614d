//! One connection at a time.
//!
//! ```text
//! main thread:  accept ─▶ wait until one has sent something ─▶ serve to the end ─▶ accept ─▶ …
//!                                    ▲                             │
//!                                    └── has not authenticated ◀───┘
//! ```
//!
//! The simplest server there is: no second thread, and no readiness beyond one `poll` between clients. While one
//! client is served, the others wait in the kernel's accept queue. What keeps that bearable are the
//! deadlines that every connection has, and two more rules: a client that only keeps its
//! connection open without asking for anything makes room as soon as another one waits; and a client that has not authenticated
//! is not waited for.

use std::{
    io::{self, ErrorKind},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    accept::Backoff,
    blocking::{Step, step},
    connection::{Connection, Task},
    shared::{Phase, Shared},
};
use crate::platform;

/// How long an idle client may hold up another one.
const COURTESY: Duration = Duration::from_secs(1);

/// How long a client that has not authenticated may hold up another one; it is served again when it has sent more.
const MOMENT: Duration = Duration::from_millis(1);

/// A connection and its socket.
type Client = (Connection, Arc<TcpStream>);

/// Makes the loop.
pub(super) fn prepare(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    listener.set_nonblocking(true)?;
    let mut this = Loop { shared, listener, new: Vec::new() };
    Ok(move || {
        let mut backoff = Backoff::default();
        while this.shared.accepting() {
            match this.turn() {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    let delay = backoff.after(&this.shared, &error);
                    this.shared.wait_for(Phase::Draining, delay);
                }
            }
        }
        Ok(())
    })
}

struct Loop {
    shared: Arc<Shared>,
    listener: TcpListener,
    /// Clients that have not authenticated, the least recently served first.
    new: Vec<Client>,
}

impl Loop {
    /// Waits until a client connects, a client has sent something, or a deadline has passed. Accepts or serves that client.
    fn turn(&mut self) -> io::Result<()> {
        let deadline = self.new.iter().filter_map(|(connection, _)| connection.deadline()).min();
        let (connects, has_sent) = self.poll(deadline)?;
        let accepted = if connects { self.accept() } else { Ok(()) };
        let now = Instant::now();
        let is_due = |(connection, _): &Client| connection.deadline().is_some_and(|at| at <= now);
        if let Some(index) = has_sent.or_else(|| self.new.iter().position(is_due)) {
            let client = self.new.remove(index);
            let unfinished = self.serve(client);
            self.new.extend(unfinished);
        }
        accepted
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, peer) = match self.listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?,
        };
        let stream = Arc::new(stream);
        let connection = self.shared.admit(&stream, peer);
        self.new.extend(connection.map(|connection| (connection, stream)));
        Ok(())
    }

    /// Serves a client to its end. Returns it if it has not authenticated yet and must send more.
    fn serve(&self, (mut connection, stream): Client) -> Option<Client> {
        loop {
            let is_new = !connection.is_authenticated();
            match step(&mut connection, &stream, if is_new { MOMENT } else { COURTESY }, Task::run) {
                Step::Over => return None,
                Step::Waited if is_new => return Some((connection, stream)),
                Step::Waited if connection.is_idle() && self.is_awaited() => {
                    connection.make_room(Instant::now());
                }
                Step::Waited | Step::Done => {}
            }
        }
    }

    /// Whether another client waits to be served.
    fn is_awaited(&self) -> bool {
        let queued = platform::waiting_peers(self.shared.local).is_ok_and(|peers| !peers.is_empty());
        queued || self.poll(Some(Instant::now())).is_ok_and(|(_, has_sent)| has_sent.is_some())
    }

    /// Waits until a client connects, one of `new` has sent something, or `deadline` has passed. Returns whether a client connects, and
    /// the index of one that has sent something.
    fn poll(&self, deadline: Option<Instant>) -> io::Result<(bool, Option<usize>)> {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let sockets: Vec<&TcpStream> = self.new.iter().map(|(_, stream)| &**stream).collect();
        let ready = platform::readable(&self.listener, &sockets, left)?;
        let (connects, sent) =
            ready.split_first().map_or((false, &[][..]), |(connects, sent)| (*connects, sent));
        Ok((connects, sent.iter().position(|has_sent| *has_sent)))
    }
}
