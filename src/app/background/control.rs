//! Requests to the background process of a session, over a socket beside the session's files.
//!
//! A request is one line of JSON, and so is the reply. Only processes of the same user are answered.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::client::{JobView, SessionName, Totals};

/// How long a process may take to send a request, or to read a reply.
const TALK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the background process may take to stop: it writes what it has received to the disk first.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request, at most.
const MAX_REQUEST_LEN: u64 = 1 << 10;
/// Bytes of a reply, at most.
const MAX_REPLY_LEN: u64 = 1 << 20;

/// What the background process is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Report the state of the queue.
    Status,
    /// Stop, save the queue and release the session. The reply comes after that.
    Stop,
}

/// What it replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The state of the queue.
    Status(Box<Status>),
    /// It has stopped.
    Stopped(Stopped),
}

/// The state of a background process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Status {
    /// Its process id.
    pub(super) process: u32,
    /// The sums of its queue.
    pub(super) totals: Totals,
    /// Downloads that run.
    pub(super) running: Vec<JobView>,
}

/// A background process that has stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stopped {
    /// Its process id.
    pub(super) process: u32,
    /// Downloads that are not finished.
    pub(super) unfinished: usize,
    /// Why the queue could not be saved, if it could not.
    pub(super) error: Option<String>,
}

/// Asks the background process of a session; `None` without one.
///
/// # Errors
/// The process does not reply in time, or another user listens there.
fn ask(folder: &Path, name: &SessionName, request: Request, patience: Duration) -> io::Result<Option<Reply>> {
    let Some(address) = Address::of(folder, name)? else { return Ok(None) };
    let stream = match UnixStream::connect(address.path()) {
        Ok(stream) => stream,
        // The socket of a killed process has no listener.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    check_user(&stream)?;
    stream.set_write_timeout(Some(TALK_TIMEOUT))?;
    stream.set_read_timeout(Some(patience))?;
    write_line(&stream, &request)?;
    read_line(&stream, MAX_REPLY_LEN).map(Some)
}

/// The state of the background process of a session; `None` without one.
///
/// # Errors
/// The process does not reply in time.
pub(super) fn status(folder: &Path, name: &SessionName) -> io::Result<Option<Status>> {
    match ask(folder, name, Request::Status, TALK_TIMEOUT)? {
        Some(Reply::Status(status)) => Ok(Some(*status)),
        Some(Reply::Stopped(_)) => Err(wrong_reply()),
        None => Ok(None),
    }
}

/// Stops the background process of a session, which releases the session; `None` without one.
///
/// # Errors
/// The process does not reply in time.
pub(super) fn stop(folder: &Path, name: &SessionName) -> io::Result<Option<Stopped>> {
    match ask(folder, name, Request::Stop, STOP_TIMEOUT)? {
        Some(Reply::Stopped(stopped)) => Ok(Some(stopped)),
        Some(Reply::Status(_)) => Err(wrong_reply()),
        None => Ok(None),
    }
}

fn wrong_reply() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the background process sent the reply to another request")
}

/// The socket of a session's background process, by the open folder: a path may be longer than a socket's address.
struct Address {
    folder: OwnedFd,
    file: String,
}

impl Address {
    /// `None` if there is no folder of sessions.
    fn of(folder: &Path, name: &SessionName) -> io::Result<Option<Address>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(folder, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(Address { folder, file: format!("{name}.socket") })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/{}", self.folder.as_raw_fd(), self.file).into()
    }

    fn remove(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, self.file.as_str(), AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes requests to this process, which holds the session. Dropping it removes the socket.
pub(super) struct Listener {
    requests: mpsc::UnboundedReceiver<Asked>,
    accepting: JoinHandle<()>,
    address: Address,
}

impl Listener {
    /// Must be called inside a tokio runtime, while this process holds the session: the socket of an earlier holder is replaced.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn bind(folder: &Path, name: &SessionName) -> io::Result<Listener> {
        let address = Address::of(folder, name)?.ok_or(io::ErrorKind::NotFound)?;
        address.remove()?;
        let listener = UnixListener::bind(address.path())?;
        // The folder is the user's own; this holds if its mode is changed, too.
        rustix::fs::chmodat(
            &address.folder,
            address.file.as_str(),
            Mode::RUSR | Mode::WUSR,
            AtFlags::empty(),
        )?;
        listener.set_nonblocking(true)?;
        let (sender, requests) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(tokio::net::UnixListener::from_std(listener)?, sender));
        Ok(Listener { requests, accepting, address })
    }

    /// The next request. Loses nothing when dropped.
    pub(super) async fn next(&mut self) -> Asked {
        match self.requests.recv().await {
            Some(asked) => asked,
            // Nothing can be accepted any more, and that was logged.
            None => std::future::pending().await,
        }
    }
}

/// Reads one request after the other.
async fn accept(listener: tokio::net::UnixListener, requests: mpsc::UnboundedSender<Asked>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("requests to the background process cannot be accepted: {error}");
                tokio::time::sleep(TALK_TIMEOUT).await;
                continue;
            }
        };
        let read = move || {
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            check_user(&stream)?;
            stream.set_read_timeout(Some(TALK_TIMEOUT))?;
            stream.set_write_timeout(Some(TALK_TIMEOUT))?;
            Ok(Asked { request: read_line(&stream, MAX_REQUEST_LEN)?, stream })
        };
        match tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(asked) => {
                if requests.send(asked).is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!("a request to the background process was ignored: {error}"),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        // A socket that is left is replaced by the next holder.
        let _ = self.address.remove();
    }
}

/// A request that waits for its reply.
#[derive(Debug)]
pub(super) struct Asked {
    /// What is asked for.
    pub(super) request: Request,
    stream: UnixStream,
}

impl Asked {
    /// Sends the reply. It blocks for a short time if the other process does not read.
    ///
    /// # Errors
    /// The other process has ended.
    pub(super) fn reply(self, reply: &Reply) -> io::Result<()> {
        write_line(&self.stream, reply)
    }
}

/// Refuses a process of another user.
fn check_user(stream: impl AsFd) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    if peer.uid == rustix::process::geteuid() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"))
    }
}

fn write_line(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn read_line<T: serde::de::DeserializeOwned>(stream: &UnixStream, limit: u64) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(limit)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn a_request_is_answered() {
        let place = tempfile::tempdir().unwrap();
        // Longer than the address of a socket can be.
        let folder = place.path().join("f".repeat(200));
        std::fs::create_dir(&folder).unwrap();
        let (runtime, name) = (runtime(), SessionName::default());
        let mut listener = runtime.block_on(async { Listener::bind(&folder, &name) }).unwrap();
        let asking = {
            let folder = folder.clone();
            std::thread::spawn(move || stop(&folder, &SessionName::default()))
        };
        let stopped = Stopped { process: 7, unfinished: 2, error: None };
        runtime.block_on(async {
            let asked = listener.next().await;
            assert_eq!(asked.request, Request::Stop);
            asked.reply(&Reply::Stopped(stopped.clone())).unwrap();
        });
        assert_eq!(asking.join().unwrap().unwrap(), Some(stopped));
        drop(listener);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        assert_eq!(status(&folder, &name).unwrap(), None);
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (runtime, name) = (runtime(), SessionName::default());
        drop(UnixListener::bind(place.path().join("default.socket")).unwrap());
        assert_eq!(status(place.path(), &name).unwrap(), None);
        let _listener = runtime.block_on(async { Listener::bind(place.path(), &name) }).unwrap();
        let mode = std::fs::metadata(place.path().join("default.socket")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_a_request_is_ignored() {
        let place = tempfile::tempdir().unwrap();
        let (runtime, name) = (runtime(), SessionName::default());
        let mut listener = runtime.block_on(async { Listener::bind(place.path(), &name) }).unwrap();
        for request in
            ["\"fly\"\n".to_owned(), "\n".to_owned(), "x".repeat(2 << 10), "\"status\"\n".to_owned()]
        {
            let mut stream = UnixStream::connect(place.path().join("default.socket")).unwrap();
            // What is too long may be refused before all of it is written.
            let _ = stream.write_all(request.as_bytes());
        }
        assert_eq!(runtime.block_on(listener.next()).request, Request::Status);
    }
}
