//! Requests and answers on one connection to a server of a few lines.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use crate::{
    client::api::settings::config::Trust,
    protocol::{
        address::Security,
        error::Code,
        frame::outgoing::Outgoing,
        message::{Entries, Entry, Failure, Kind, List, Timestamp, Tree, Welcome},
        server::{self, Server},
    },
};

use tokio::task::yield_now;

use super::{exchange::SLICE, *};

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
    fn preparing(&self, preparing: bool) {
        self.0.store(preparing, Ordering::Relaxed);
    }
}

/// A link to a server without TLS.
async fn connect(at: SocketAddr) -> Link {
    let authority = Authority::new("127.0.0.1", at.port(), Security::Plain);
    let timeouts =
        Timeouts { silence: Duration::from_secs(10), speed_limit: 0, speed_time: Duration::from_secs(10) };
    let handshakes = Handshakes::new(Trust::default());
    Link::open(&authority, timeouts, &handshakes).await.unwrap()
}

/// The answers that are in the buffer may keep the disk busy for longer than a transfer may take to stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_stopped_does_not_handle_all_received_events_first() {
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
                    machine.welcome(&Welcome { agent: "test".into(), pipeline: 1, parallel: 1 }, &mut out);
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
        let failure = Failure { code: Code::NotFound, message: String::new(), path: None, retry_after: None };
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
