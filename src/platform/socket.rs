//! Sockets: shutdown, and waiting until they are readable.

use std::{io, net::Shutdown, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    io::Errno,
};

/// Shuts a socket down, also while a thread waits in it; a listener stops accepting. A socket that is not connected is
/// shut down already.
pub(crate) fn shutdown(socket: impl AsFd, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => rustix::net::Shutdown::Read,
        Shutdown::Write => rustix::net::Shutdown::Write,
        Shutdown::Both => rustix::net::Shutdown::Both,
    };
    match rustix::net::shutdown(socket, how) {
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a listener or one of these sockets is readable, or `timeout` has passed. Returns which are readable, the listener first.
pub(crate) fn readable(
    listener: impl AsFd,
    sockets: &[impl AsFd],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut all = vec![PollFd::new(&listener, PollFlags::IN)];
    all.extend(sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut all, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(all.iter().map(|one| !one.revents().is_empty()).collect()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the peer of a socket has shut its sending side down, or the connection is over.
pub(crate) fn has_peer_ended(socket: impl AsFd) -> bool {
    let mut sockets = [PollFd::new(&socket, PollFlags::RDHUP)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut sockets, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_that_is_shut_down_stops_a_waiting_accept() {
        let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let waiting = std::thread::spawn({
            let listener = listener.clone();
            move || listener.accept().map(drop)
        });
        shutdown(&*listener, Shutdown::Both).unwrap();
        assert!(waiting.join().unwrap().is_err());
    }
}
