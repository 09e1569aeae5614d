//! The address of the metrics: `/metrics` for Prometheus and `/healthz` for whatever starts and stops servers, on threads of their own,
//! so that they answer while everything else is busy.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::metrics::Present;
use crate::{
    platform,
    server::{
        connection::{MAX_HEAD_LEN, MonitorRequest, parse_monitor_request},
        shared::{Shared, lifecycle::Phase},
    },
};

/// How long a client may take to ask, and to receive.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Clients at the same time. Further ones are closed.
const MAX_CLIENTS: usize = 8;
/// Time between two attempts to accept a client, after one has failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The stack of a thread in bytes.
const STACK_LEN: usize = 256 * 1024;

/// Its listener, until it is closed.
pub(crate) struct Monitor {
    listener: TcpListener,
    pub local: SocketAddr,
}

impl Monitor {
    /// Answers on this listener until this is closed.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(listener: TcpListener, shared: &Arc<Shared>) -> io::Result<Monitor> {
        let (local, own) = (listener.local_addr()?, listener.try_clone()?);
        let shared = Arc::downgrade(shared);
        thread::Builder::new().name("metrics".into()).stack_size(STACK_LEN).spawn(move || {
            let clients = Arc::new(AtomicUsize::new(0));
            while shared.upgrade().is_some_and(|shared| shared.lifecycle.phase() != Phase::Stopped) {
                match listener.accept() {
                    Ok((stream, _)) => answer_apart(stream, &clients, &shared),
                    // The end of the listener, or no descriptors: then it is tried again.
                    Err(_) => thread::sleep(RETRY_INTERVAL),
                }
            }
        })?;
        Ok(Monitor { listener: own, local })
    }

    /// Accepts no more clients.
    pub fn close(&self) {
        let _ = platform::shutdown(&self.listener, Shutdown::Both);
    }
}

/// A permit to answer a client.
struct ClientPermit(Arc<AtomicUsize>);

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer_apart(stream: TcpStream, clients: &Arc<AtomicUsize>, shared: &Weak<Shared>) {
    let before = clients.fetch_add(1, Ordering::Relaxed);
    let permit = ClientPermit(Arc::clone(clients));
    if before >= MAX_CLIENTS {
        return;
    }
    let shared = Weak::clone(shared);
    // Without a thread the client is closed.
    let _ = thread::Builder::new().name("metrics client".into()).stack_size(STACK_LEN).spawn(move || {
        let _permit = permit;
        let _ = answer(stream, &shared);
    });
}

fn answer(mut stream: TcpStream, shared: &Weak<Shared>) -> io::Result<()> {
    let until = Instant::now() + TIMEOUT;
    let (mut head, mut searched) = (Vec::new(), 0);
    let request = loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > MAX_HEAD_LEN {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        head.extend_from_slice(&buffer[..count]);
        if let Some(request) = parse_monitor_request(&head, &mut searched) {
            break request;
        }
        if count == 0 {
            return Ok(());
        }
    };
    let Some(shared) = shared.upgrade() else { return Ok(()) };
    let (status, media_type, content) = response(&request, &shared);
    drop(shared);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(head.as_bytes())?;
    if !matches!(request, MonitorRequest::Path { head_only: true, .. }) {
        stream.write_all(content.as_bytes())?;
    }
    stream.shutdown(Shutdown::Write)?;
    // So that unread bytes of the client do not reset what it has not read.
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.read(&mut [0; 4096]).map(drop)
}

fn present(shared: &Shared) -> Present {
    let (services, mut connections) = (&shared.services, Vec::new());
    shared.registry.for_each(|entry| connections.push(entry.dialect()));
    Present {
        connections,
        permits: [("hashing", services.hashing.usage()), ("archives", services.archives.usage())],
        refused: services.counts().refused,
        is_draining: shared.lifecycle.phase() != Phase::Running,
        uptime: shared.lifecycle.started.elapsed(),
    }
}

/// The status line's rest, the media type, and the content.
fn response(request: &MonitorRequest, shared: &Shared) -> (&'static str, &'static str, String) {
    const TEXT: &str = "text/plain; charset=utf-8";
    let MonitorRequest::Path { path, host, .. } = request else {
        return ("400 Bad Request", TEXT, "only GET and HEAD of HTTP/1.1 are supported\n".to_owned());
    };
    if !host.as_deref().is_none_or(|host| shared.services.terms.hosts.accepts(host)) {
        let sentence = "this server does not know that name: use its address\n";
        return ("421 Misdirected Request", TEXT, sentence.to_owned());
    }
    match path.as_str() {
        "healthz" if shared.lifecycle.accepting() => ("200 OK", TEXT, "ok\n".to_owned()),
        "healthz" => ("503 Service Unavailable", TEXT, "draining\n".to_owned()),
        "metrics" => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ("200 OK", media_type, shared.services.metrics.text(&present(shared)))
        }
        _ => ("404 Not Found", TEXT, "there are /metrics and /healthz\n".to_owned()),
    }
}
