//! One connection at a time.
//!
//! ```text
//! main thread:  accept ─▶ wait until one has sent something ─▶ serve to the end ─▶ accept ─▶ …
//!                                    ▲                             │
//!                                    └── has not authenticated ◀───┘
//! ```
//!
//! The simplest server: no second thread, and no readiness beyond one `poll` between clients. While one
//! client is served, the others wait in the kernel's accept queue. Their wait is limited by the
//! deadlines that every connection has, and two more rules: a client that only keeps its
//! connection open without a request is closed as soon as another one waits; and a client that has not authenticated
//! delays no other one.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use super::blocking::{Step, step};
use crate::{
    platform,
    server::{
        accept::{Accepted, Acceptor},
        connection::{Connection, Task},
        shared::{Shared, lifecycle::Phase},
    },
};

/// How long an idle client may hold up another one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client that has not authenticated may hold up another one; it is served again when it has sent more.
const UNAUTHENTICATED_TIMEOUT: Duration = Duration::from_millis(1);

/// A connection and its socket.
type Client = (Connection, Arc<TcpStream>);

/// Makes the loop.
pub(crate) fn prepare(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    listener.set_nonblocking(true)?;
    let mut this = Loop { acceptor: Acceptor::new(Arc::clone(&shared)), listener, new: Vec::new() };
    Ok(move || {
        while this.acceptor.is_open() {
            let delay = this.turn();
            if !delay.is_zero() {
                shared.lifecycle.wait_for(Phase::Draining, delay);
            }
        }
        Ok(())
    })
}

struct Loop {
    acceptor: Acceptor,
    listener: TcpListener,
    /// Clients that have not authenticated, the least recently served first.
    new: Vec<Client>,
}

impl Loop {
    /// Waits until a client connects, a client has sent something, or a deadline has passed. Accepts or serves that client. Returns how
    /// long to wait after a failure.
    fn turn(&mut self) -> Duration {
        let deadline = self.new.iter().filter_map(|(connection, _)| connection.deadline()).min();
        let (connects, has_sent) = match self.poll(deadline) {
            Ok(polled) => polled,
            Err(error) => return self.acceptor.failed(&error),
        };
        let delay = if connects { self.accept() } else { Duration::ZERO };
        let now = Instant::now();
        let is_due = |(connection, _): &Client| connection.deadline().is_some_and(|at| at <= now);
        if let Some(index) = has_sent.or_else(|| self.new.iter().position(is_due)) {
            let client = self.new.remove(index);
            let unfinished = self.serve(client);
            self.new.extend(unfinished);
        }
        delay
    }

    fn accept(&mut self) -> Duration {
        match self.acceptor.accept(self.listener.accept(), |connection, stream| Ok((connection, stream))) {
            Accepted::Started(client) => self.new.push(client),
            Accepted::Skipped | Accepted::Nothing => {}
            Accepted::Failed(delay) => return delay,
        }
        Duration::ZERO
    }

    /// Serves a client to its end. Returns it if it has not authenticated yet and must send more.
    fn serve(&self, (mut connection, stream): Client) -> Option<Client> {
        loop {
            let is_new = !connection.is_authenticated();
            let timeout = if is_new { UNAUTHENTICATED_TIMEOUT } else { IDLE_TIMEOUT };
            match step(&mut connection, &stream, timeout, Task::run) {
                Step::Over => return None,
                Step::Waited if is_new => return Some((connection, stream)),
                Step::Waited if connection.is_idle() && self.is_awaited() => {
                    connection.make_room(Instant::now());
                }
                Step::Waited | Step::Done => {}
            }
        }
    }

    /// Whether another client waits to be accepted or served. While the server drains, none does: a listener that was shut down
    /// counts as readable.
    fn is_awaited(&self) -> bool {
        let has_client = |(connects, has_sent): (bool, Option<usize>)| connects || has_sent.is_some();
        self.acceptor.is_open() && self.poll(Some(Instant::now())).is_ok_and(has_client)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::connection::tests::bench::bench;

    /// An idle connection may belong to a transfer, which the drain waits for.
    #[test]
    fn no_client_is_awaited_while_the_server_drains() {
        let bench = bench(None);
        let listener = bench.listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let this = Loop { acceptor: Acceptor::new(Arc::clone(&bench.shared)), listener, new: Vec::new() };
        assert!(!this.is_awaited());
        let _waits = TcpStream::connect(address).unwrap();
        assert!(this.is_awaited());
        bench.shared.lifecycle.drain();
        bench.shared.lifecycle.close_listener();
        assert!(!this.is_awaited());
    }
}
