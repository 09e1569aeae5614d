//! A link that breaks: it forwards connections to a server, closes all of them once, refuses new ones for a while, and then works.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinSet,
};

/// Bytes that are forwarded at a time.
const BUFFER_LEN: usize = 16 * 1024;

/// A running link. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    /// The loopback port that it listens on.
    pub(super) port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// When a link breaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Break {
    /// After this many bytes from the server.
    pub(super) after: u64,
    /// For how long it then refuses connections.
    pub(super) time: Duration,
}

impl Link {
    /// Starts a link to a server on this machine.
    ///
    /// # Errors
    /// There is no free port, or the system has no threads.
    pub(super) fn start(server: u16, breaks: Break) -> io::Result<Link> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("demo-link".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    ended = run(listener, server, breaks) => {
                        if let Err(error) = ended {
                            tracing::debug!("the link of the demo ended: {error}");
                        }
                    }
                }
            });
        })?;
        Ok(Link { port, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once: all that it waits for is dropped with the channel.
            let _ = thread.join();
        }
    }
}

async fn run(listener: TcpListener, server: u16, breaks: Break) -> io::Result<()> {
    let address = listener.local_addr()?;
    let count = Arc::new(Count { bytes: AtomicU64::new(0), limit: breaks.after, reached: Notify::new() });
    tokio::select! {
        ended = serve(listener, server, &count) => return ended,
        () = count.reached.notified() => {}
    }
    // Its listener and all connections are closed.
    tokio::time::sleep(breaks.time).await;
    serve(TcpListener::bind(address).await?, server, &count).await
}

/// Forwards all connections, until this is dropped.
async fn serve(listener: TcpListener, server: u16, count: &Arc<Count>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted?;
                connections.spawn(forward(client, server, count.clone()));
            }
            // Results are of no interest: each end learns of the other's end.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Bytes from the server, and when there are enough.
#[derive(Debug)]
struct Count {
    bytes: AtomicU64,
    limit: u64,
    reached: Notify,
}

async fn forward(mut client: TcpStream, server: u16, count: Arc<Count>) -> io::Result<()> {
    let mut server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server))).await?;
    let (mut from_server, mut to_server) = server.split();
    let (mut from_client, mut to_client) = client.split();
    let down = async {
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let len = from_server.read(&mut buffer).await?;
            if len == 0 {
                return to_client.shutdown().await;
            }
            let before = count.bytes.fetch_add(len as u64, Ordering::Relaxed);
            if before < count.limit && before + len as u64 >= count.limit {
                count.reached.notify_one();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            to_client.write_all(&buffer[..len]).await?;
        }
    };
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    tokio::try_join!(down, up).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn it_breaks_once_and_then_works() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = server.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            for mut client in server.incoming().flatten() {
                let _ = client.write_all(&[7; 100_000]);
            }
        });
        let link =
            Link::start(port, Break { after: 50_000, time: Duration::from_millis(1) }).expect("a link");
        let receive = || -> io::Result<usize> {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port))?;
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).map(|_| bytes.len())
        };
        let first = receive();
        assert!(!matches!(first, Ok(100_000)), "{first:?}");
        // Until it works again.
        while receive().ok() != Some(100_000) {}
        drop(link);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(), "the server is another matter");
    }
}
