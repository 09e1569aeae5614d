//! Draining, stopping and disconnecting, and their effect on clients.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use fdsp::{
    protocol::message::Get,
    server::{Arch, Command, ConnectionState, Event, Limits},
};

use crate::conformance::{
    harness::{MAX_WAIT, Served, noise, serve, serve_with},
    peer::{Incoming, Peer, files, get},
};

const SIZE: usize = 48 << 20;

/// The server ends, and accepts no connection then.
fn ends(mut served: Served) {
    let address = served.address;
    let server = served.server.take().unwrap();
    let handle = server.handle();
    server.join().unwrap();
    let snapshot = handle.snapshot(0..10);
    assert!(snapshot.stopped && snapshot.draining && snapshot.live == 0, "{snapshot:?}");
    assert!(TcpStream::connect(address).is_err());
}

pub fn drain_when_idle(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let mut idle = Peer::connect(served.address);
    idle.stat("file").unwrap();
    served.wait_until("idle", |now| now.rows.iter().any(|row| row.state == ConnectionState::Idle));
    served.server().command(Command::Drain);
    served.wait("draining", |event| matches!(event, Event::Draining).then_some(()));
    assert!(matches!(idle.next(), Incoming::Goodbye));
    assert!(matches!(idle.next(), Incoming::Closed(Ok(()))));
    served.wait_for_end("the server is stopping");
    ends(served);
}

pub fn drain_finishes_running_answers(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    let mut peer = Peer::connect(served.address);
    peer.begin(get("large"));
    served.server().command(Command::Drain);
    served.server().command(Command::Drain);
    assert!(served.snapshot().draining);
    let received = peer.receive_into(&mut |_| {}).unwrap();
    assert_eq!(received.end.size, Some(SIZE as u64));
    peer.leave();
    ends(served);
}

/// A transfer takes more than one request.
pub fn drain_lets_transfers_finish(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(30 << 20, 1));
    served.directory("tree");
    (0..3).for_each(|number| served.file(format!("tree/{number}"), b"x"));
    let mut peer = Peer::connect(served.address);
    let part = |first_block| Get { first_block, blocks: Some(8), ..get("large") };
    assert_eq!(peer.get(part(0)).unwrap().bytes.len(), 8 << 20);
    // Another client has sent a request and waits; a server of one client at a time has no other.
    let mut idle = (arch != Arch::Single).then(|| Peer::connect(served.address));
    if let Some(idle) = &mut idle {
        idle.stat("large").unwrap();
    }
    served.server().command(Command::Drain);
    served.wait("draining", |event| matches!(event, Event::Draining).then_some(()));
    if let Some(idle) = &mut idle {
        assert!(matches!(idle.next(), Incoming::Goodbye));
    }
    assert!(TcpStream::connect(served.address).is_err());
    for first_block in [8, 16, 24] {
        let length = peer.get(part(first_block)).unwrap().bytes.len();
        assert_eq!(length, if first_block == 24 { 6 << 20 } else { 8 << 20 });
    }
    assert_eq!(peer.tree("tree").unwrap().0.len(), 4);
    assert_eq!(peer.hashes(Get { blocks: Some(1), ..get("large") }).unwrap().1.len(), 1);
    for number in ["0", "1", "2"] {
        assert_eq!(peer.files(files("tree", &[number])).unwrap().len(), 1);
    }
    // The server ends as soon as the client has closed.
    peer.leave();
    drop(idle);
    ends(served);
}

/// A client with several connections leaves one idle while another one receives, and then sends a request on it. The server cannot
/// know when: its output may be unread in the kernel of the client.
pub fn drain_waits_for_all_connections_of_a_transfer(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    let mut idle = Peer::connect(served.address);
    let part = |first_block| Get { first_block, blocks: Some(1), ..get("large") };
    let last = (SIZE >> 20) as u64 - 1;
    assert_eq!(idle.get(part(last)).unwrap().end.size, Some(SIZE as u64));
    // A server of one client at a time has no other.
    let mut busy = (arch != Arch::Single).then(|| Peer::connect(served.address));
    if let Some(busy) = &mut busy {
        busy.begin(get("large"));
    }
    served.server().command(Command::Drain);
    served.wait("draining", |event| matches!(event, Event::Draining).then_some(()));
    // The other one is complete, and closed, before the idle one is used again.
    if let Some(mut busy) = busy {
        busy.receive_into(&mut |_| {}).unwrap();
        busy.leave();
    }
    assert_eq!(idle.get(part(0)).unwrap().bytes.len(), 1 << 20);
    idle.leave();
    ends(served);
}

pub fn drain_has_a_deadline(arch: Arch) {
    let served = serve_with(arch, None, Limits { drain: Duration::from_millis(300), ..Limits::default() });
    served.file("large", &noise(SIZE, 1));
    let mut stuck = Peer::connect(served.address);
    stuck.begin(get("large"));
    let start = Instant::now();
    served.server().command(Command::Drain);
    served.wait_for_end("the server was stopped");
    assert!(start.elapsed() >= Duration::from_millis(300));
    ends(served);
    assert!(!stuck.rest().iter().any(|incoming| matches!(incoming, Incoming::End(..))));
}

pub fn stop(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    let mut running = Peer::connect(served.address);
    running.begin(get("large"));
    let mut silent = Peer::connect(served.address);
    served.server().command(Command::Stop);
    served.server().command(Command::Drain);
    served.wait_for_failure("the server was stopped");
    ends(served);
    assert!(!running.rest().iter().any(|incoming| matches!(incoming, Incoming::End(..))));
    assert!(matches!(silent.next(), Incoming::Closed(Err(_))));
}

pub fn disconnect(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    let mut victim = Peer::connect(served.address);
    victim.begin(get("large"));
    let id = served.snapshot().rows[0].id.unwrap();
    served.server().command(Command::Disconnect(id));
    served.wait_for_end("disconnected by the operator");
    served.server().command(Command::Disconnect(id));
    // The same for a connection that waits for its next request.
    served.file("small", b"small");
    let mut idle = Peer::connect(served.address);
    idle.get(get("small")).unwrap();
    let rows = served.wait_until("one", |now| now.live == 1).rows;
    assert_ne!(rows[0].id, Some(id), "numbers are not used again");
    served.server().command(Command::Disconnect(rows[0].id.unwrap()));
    assert!(matches!(idle.next(), Incoming::Closed(_)));
    let mut next = Peer::connect(served.address);
    assert_eq!(next.get(get("small")).unwrap().bytes, b"small");
}

/// Dropping a server stops it.
pub fn dropped(arch: Arch) {
    let mut served = serve(arch);
    let mut peer = Peer::connect(served.address);
    peer.flush();
    assert!(matches!(peer.next_into(&mut |_| {}), Incoming::Welcome));
    let handle = served.server().handle();
    drop(served.server.take());
    assert!(matches!(peer.next(), Incoming::Closed(_)));
    let start = Instant::now();
    while !handle.snapshot(0..0).stopped {
        assert!(start.elapsed() < MAX_WAIT);
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn snapshots(arch: Arch) {
    let served = serve(arch);
    let port = served.wait("address", |event| match event {
        Event::Listening { address, port, .. } => Some((address.clone(), *port)),
        _ => None,
    });
    assert_eq!(port, (served.server().address().clone(), served.address.port()));
    served.file("large", &noise(SIZE, 1));
    let mut peer = Peer::connect(served.address);
    peer.begin(get("large"));
    let row = served.wait_until("sending", |now| now.sent > 0).rows.remove(0);
    assert_eq!((row.state, row.dialect), (ConnectionState::Sending, Some("v1")));
    assert_eq!((row.path.as_str(), row.peer), ("large", peer.line.socket().local_addr().unwrap()));
    let (position, total) = row.progress.unwrap();
    assert!(row.sent > 0 && position <= total && total == SIZE as u64);
    peer.receive_into(&mut |_| {}).unwrap();
    // It reads the next request as soon as the answer is complete, and counts the answer when that is written.
    let idle = |now: &fdsp::server::Snapshot| now.served == 1 && now.rows[0].state == ConnectionState::Idle;
    let row = served.wait_until("idle", idle).rows.remove(0);
    assert_eq!((row.progress, row.sent), (None, SIZE as u64));
    let none = served.server().snapshot(1..10);
    assert_eq!((none.rows.len(), none.live, none.served), (0, 1, 1));
    assert_eq!(served.server().snapshot(0..0).rows.len(), 0);
}
