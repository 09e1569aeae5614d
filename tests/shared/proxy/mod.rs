//! A proxy between a client and a server: it breaks connections at chosen bytes in chosen ways, counts the bytes to
//! clients, and can hold them back. Faults are reproducible.

mod dice;

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub use dice::Dice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes that are forwarded at a time.
const PIECE: usize = 64 * 1024;

/// A fault in one direction, at an offset from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each piece is delayed.
    Delay(Duration),
    /// At this rate in bytes per second.
    Rate(usize),
    /// In pieces of uneven sizes, from this seed.
    Pieces(u64),
    /// One bit of this byte is changed.
    Flip(usize),
    /// Both directions are reset.
    ResetAfter(usize),
    /// Both directions are closed properly.
    CutAfter(usize),
    /// This direction is closed, the other stays open.
    HalfCloseAfter(usize),
    /// Nothing more is forwarded, and both sides stay open.
    StallAfter(usize),
}

impl Fault {
    /// The offset at which it ends the connection, if it does.
    fn end(self) -> Option<usize> {
        match self {
            Fault::ResetAfter(at)
            | Fault::CutAfter(at)
            | Fault::HalfCloseAfter(at)
            | Fault::StallAfter(at) => Some(at),
            _ => None,
        }
    }
}

/// The faults of one connection.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// To bytes from the server.
    pub to_client: Vec<Fault>,
    /// To bytes from the client.
    pub to_server: Vec<Fault>,
}

impl From<Fault> for Script {
    fn from(fault: Fault) -> Script {
        vec![fault].into()
    }
}

impl From<Vec<Fault>> for Script {
    fn from(to_client: Vec<Fault>) -> Script {
        Script { to_client, to_server: Vec::new() }
    }
}

/// Listens, and connects each client to the server. All connections end with the proxy.
///
/// Faults belong either to connections or to the link. With [`Proxy::start`] the first connection has the faults of the first script and so on;
/// connections after the last script have none. That fits where any connection may transfer any part. A client opens another connection
/// if one was idle for half a second, so that on a slow machine the second connection may belong to the first request: the faults
/// of a certain download are set by [`Proxy::link`] and [`Proxy::suffer`].
pub struct Proxy {
    at: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: Mutex<SocketAddr>,
    scripts: Vec<Script>,
    link: Mutex<Link>,
    /// The number of bytes that are forwarded to clients, over all connections; the rest is held back.
    pass: AtomicUsize,
    passed: Mutex<usize>,
    /// The same for each connection.
    received: Mutex<Vec<usize>>,
    grown: Condvar,
    connections: AtomicUsize,
    flipped: AtomicUsize,
    open: Mutex<Vec<Weak<Pair>>>,
    closing: AtomicBool,
}

/// The faults of bytes to clients, over all connections.
#[derive(Default)]
struct Link {
    faults: Vec<Fault>,
    /// Bytes forwarded since these faults were set.
    sent: usize,
}

/// The two sides of one connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    pub fn start<S: Into<Script>>(server: SocketAddr, scripts: Vec<S>) -> Proxy {
        Proxy::new(server, scripts.into_iter().map(Into::into).collect(), usize::MAX)
    }

    /// These faults apply to bytes to clients, counted from the first byte of the first connection and over all connections. After
    /// a cut or a reset all further connections end at once.
    pub fn link(server: SocketAddr, faults: Vec<Fault>) -> Proxy {
        let proxy = Proxy::start(server, Vec::<Script>::new());
        proxy.suffer(faults);
        proxy
    }

    /// As [`Proxy::link`], counted from now on; they replace the earlier faults of the link.
    pub fn suffer(&self, faults: Vec<Fault>) {
        *lock(&self.state.link) = Link { faults, sent: 0 };
    }

    /// Forwards this number of bytes to clients, and holds the rest back.
    pub fn gate(server: SocketAddr, pass: usize) -> Proxy {
        Proxy::new(server, Vec::new(), pass)
    }

    fn new(server: SocketAddr, scripts: Vec<Script>, pass: usize) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let state = Arc::new(State {
            server: Mutex::new(server),
            scripts,
            link: Mutex::default(),
            pass: AtomicUsize::new(pass),
            passed: Mutex::new(0),
            received: Mutex::default(),
            grown: Condvar::new(),
            connections: AtomicUsize::new(0),
            flipped: AtomicUsize::new(0),
            open: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.closing.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                lock(&shared.received).push(0);
                // An unreachable server is a fault, too.
                let Ok(server) = TcpStream::connect(*lock(&shared.server)) else { continue };
                let script = shared.scripts.get(number).cloned().unwrap_or_default();
                let pair = Arc::new(Pair { client, server });
                lock(&shared.open).push(Arc::downgrade(&pair));
                let shared = Arc::clone(&shared);
                thread::spawn(move || connect(&shared, pair, script, number));
            }
        });
        Proxy { at, state }
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Sets the server of the next connections.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.state.server) = server;
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The number of changed bits, in both directions.
    pub fn flipped(&self) -> usize {
        self.state.flipped.load(Ordering::SeqCst)
    }

    /// Connections with a script, and those that received more than a few KiB. A client may request a digest on one more: if the one
    /// before was idle for half a second, it is closed.
    pub fn carrying(&self) -> usize {
        // The bytes before a content are fewer, with the handshake of TLS.
        const HEAD: usize = 8192;
        let carries =
            |(number, bytes): &(usize, &usize)| *number < self.state.scripts.len() || **bytes > HEAD;
        lock(&self.state.received).iter().enumerate().filter(carries).count()
    }

    /// Bytes forwarded to clients.
    pub fn passed(&self) -> usize {
        *lock(&self.state.passed)
    }

    /// The same for each connection.
    pub fn received(&self) -> Vec<usize> {
        lock(&self.state.received).clone()
    }

    /// Waits until this number of bytes was forwarded, or until a timeout. Returns whether they were.
    pub fn wait(&self, bytes: usize, time: Duration) -> bool {
        let passed = lock(&self.state.passed);
        let waited = self.state.grown.wait_timeout_while(passed, time, |passed| *passed < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= bytes
    }

    /// Forwards this number of further bytes.
    pub fn let_pass(&self, bytes: usize) {
        self.state.pass.store(self.passed().saturating_add(bytes), Ordering::SeqCst);
    }

    /// Closes all present connections properly.
    pub fn cut(&self) {
        lock(&self.state.open).drain(..).filter_map(|pair| pair.upgrade()).for_each(|pair| pair.close());
    }

    /// Forwarded bytes that no client has read from its socket yet.
    pub fn unread(&self) -> usize {
        let number = |text: &str| usize::from_str_radix(text, 16).ok();
        let port = |text: &str| number(text.rsplit_once(':')?.1);
        let ours = usize::from(self.at.port());
        let queued = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (sent, received) = words.get(4)?.split_once(':')?;
            match (port(words.get(1)?)?, port(words.get(2)?)?) {
                (local, _) if local == ours => number(sent),
                (_, remote) if remote == ours => number(received),
                _ => None,
            }
        };
        fs::read_to_string("/proc/net/tcp").unwrap_or_default().lines().filter_map(queued).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // It wakes up the thread that waits for the next one.
        let _ = TcpStream::connect(self.at);
        self.cut();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(state: &Arc<State>, pair: Arc<Pair>, script: Script, number: usize) {
    let upward = {
        let (state, pair) = (Arc::clone(state), Arc::clone(&pair));
        thread::spawn(move || match forward(&pair.client, &pair.server, &script.to_server, &state, None) {
            // Nothing more is forwarded, but either side may close.
            Some(Fault::StallAfter(_)) => {
                let _ = std::io::copy(&mut &pair.client, &mut std::io::sink());
            }
            Some(Fault::ResetAfter(_) | Fault::CutAfter(_)) => pair.close(),
            _ => {
                let _ = pair.server.shutdown(Shutdown::Write);
            }
        })
    };
    match forward(&pair.server, &pair.client, &script.to_client, state, Some(number)) {
        Some(Fault::ResetAfter(_)) => {
            let _ = socket2::SockRef::from(&pair.client).set_linger(Some(Duration::ZERO));
            // The thread that reads from the client has to release its handle before the reset can happen.
            let _ = pair.server.shutdown(Shutdown::Both);
            let _ = pair.client.shutdown(Shutdown::Read);
        }
        ending @ Some(Fault::HalfCloseAfter(_) | Fault::StallAfter(_)) => {
            if matches!(ending, Some(Fault::HalfCloseAfter(_))) {
                let _ = pair.client.shutdown(Shutdown::Write);
            }
            // Until the client or the proxy closes.
            let _ = upward.join();
            pair.close();
        }
        _ => pair.close(),
    }
}

/// Forwards until the end or a fault, and returns which. `to_client`: the number of the connection, in the direction to the client.
fn forward(
    mut from: &TcpStream,
    mut to: &TcpStream,
    faults: &[Fault],
    state: &State,
    to_client: Option<usize>,
) -> Option<Fault> {
    let mut buffer = vec![0; PIECE];
    let mut sent = 0;
    let seed =
        faults.iter().find_map(|fault| if let Fault::Pieces(seed) = fault { Some(*seed) } else { None });
    let mut pieces = seed.map(Dice::new);
    loop {
        let here: Vec<_> = faults.iter().map(|fault| (*fault, sent)).collect();
        // Each fault, and the number of earlier bytes from which its offset is counted.
        let all = |bytes: usize| match to_client {
            None => here.clone(),
            Some(_) => {
                let mut link = lock(&state.link);
                let before = link.sent;
                link.sent += bytes;
                here.iter().copied().chain(link.faults.iter().map(|fault| (*fault, before))).collect()
            }
        };
        let expected = all(0);
        let ends =
            expected.iter().filter_map(|(fault, sent)| Some((fault.end()?.saturating_sub(*sent), *fault)));
        let ending = ends.min_by_key(|(left, _)| *left);
        let mut most = ending.map_or(PIECE, |(left, _)| left.min(PIECE));
        if most == 0 {
            return ending.map(|(_, fault)| fault);
        }
        if to_client.is_some() {
            most = most.min(state.room(from, to)?);
        }
        if let Some(dice) = &mut pieces {
            most = most.min(1 + dice.below(9000));
        }
        for (fault, _) in expected {
            if let Fault::Rate(rate) = fault {
                most = most.min(rate.div_ceil(50));
            }
        }
        let count = match from.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => return None,
            Ok(count) => count,
        };
        for (fault, sent) in all(count) {
            match fault {
                Fault::Delay(delay) => thread::sleep(delay),
                Fault::Rate(rate) => thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64)),
                Fault::Flip(at) if (sent..sent + count).contains(&at) => {
                    buffer[at - sent] ^= 0x20;
                    state.flipped.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            return None;
        }
        sent += count;
        if let Some(number) = to_client {
            lock(&state.received)[number] += count;
            *lock(&state.passed) += count;
            state.grown.notify_all();
        }
    }
}

impl State {
    /// Waits until bytes may be forwarded to a client, and returns how many. `None`: one of the ends or the proxy has closed.
    fn room(&self, server: &TcpStream, client: &TcpStream) -> Option<usize> {
        loop {
            let room = self.pass.load(Ordering::SeqCst).saturating_sub(*lock(&self.passed));
            if room > 0 {
                return Some(room);
            }
            let ends = [server, client];
            let mut fds = ends.map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::RDHUP));
            let time = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
            if poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0) || self.closing.load(Ordering::SeqCst)
            {
                return None;
            }
        }
    }
}
