//! A proxy that breaks what the server sends, at a chosen byte.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// What happens to one connection, counted in bytes from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each piece comes late.
    Delay(Duration),
    /// Bytes a second.
    Rate(usize),
    /// Reset, both ways.
    ResetAfter(usize),
    /// Closed in order, both ways.
    CutAfter(usize),
    /// The server's side is closed, the other stays open.
    HalfCloseAfter(usize),
    /// Nothing more comes, and nobody closes.
    StallAfter(usize),
    /// This byte is changed.
    Flip(usize),
}

/// Listens, and connects each client to the server. The first connection suffers the first fault and so on; when
/// there is none left, none.
pub struct Proxy {
    at: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Dropped with the proxy: stalled connections end.
    _end: mpsc::Sender<()>,
}

impl Proxy {
    pub fn start(server: SocketAddr, faults: Vec<Fault>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (end, ended) = mpsc::channel();
        let ended = Arc::new(Mutex::new(ended));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let fault =
                    faults.get(counter.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(Fault::None);
                // A server that is gone is one more fault.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let ended = Arc::clone(&ended);
                thread::spawn(move || connect(client, server, fault, &ended));
            }
        });
        Proxy { at, connections, _end: end }
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn connect(client: TcpStream, server: TcpStream, fault: Fault, ended: &Mutex<mpsc::Receiver<()>>) {
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut &from, &mut &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let ending = forward(&client, &server, fault);
    match ending {
        Fault::ResetAfter(_) => {
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            // The other thread holds the socket too: it has to let go before the reset can happen.
            let _ = server.shutdown(Shutdown::Both);
            let _ = socket2::SockRef::from(&client).shutdown(Shutdown::Read);
        }
        Fault::HalfCloseAfter(_) => {
            let _ = client.shutdown(Shutdown::Write);
            // The client's side stays open until the client closes it.
            let _ = client.set_read_timeout(Some(Duration::from_secs(30)));
            return;
        }
        Fault::StallAfter(_) => {
            // Until the proxy is dropped; the error says so.
            let _ = ended.lock().unwrap().recv();
        }
        _ => {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// Forwards until the end or the fault; which of them.
fn forward(mut client: &TcpStream, mut server: &TcpStream, fault: Fault) -> Fault {
    let mut buffer = vec![0; 64 * 1024];
    let mut sent = 0;
    loop {
        let most = match fault {
            Fault::ResetAfter(at)
            | Fault::CutAfter(at)
            | Fault::HalfCloseAfter(at)
            | Fault::StallAfter(at) => at - sent,
            Fault::Rate(rate) => rate.div_ceil(50),
            _ => buffer.len(),
        };
        if most == 0 {
            return fault;
        }
        let most = most.min(buffer.len());
        let count = match server.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => return Fault::None,
            Ok(count) => count,
        };
        match fault {
            Fault::Delay(delay) => thread::sleep(delay),
            Fault::Rate(rate) => thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64)),
            Fault::Flip(at) if (sent..sent + count).contains(&at) => buffer[at - sent] ^= 0x20,
            _ => {}
        }
        if client.write_all(&buffer[..count]).is_err() {
            return Fault::None;
        }
        sent += count;
    }
}
