//! Clients that disconnect at any step: the server notices, frees their resources, and serves the next client.

use std::{fs::File, io::Write};

use fdsp::{
    protocol::{client::Request, message::Get},
    server::{Arch, Event},
};

use crate::conformance::{
    harness::{Served, noise, serve},
    peer::{Incoming, Peer, get},
};

/// The next client is served, and no connection is left.
fn next_one(served: &Served) {
    served.file("next", b"next");
    let mut peer = Peer::connect(served.address);
    assert_eq!(peer.get(get("next")).unwrap().bytes, b"next");
    peer.leave();
    served.wait_for_end("done");
    served.wait_until("empty", |now| now.live == 0 && now.rows.is_empty());
}

pub fn after_connecting(arch: Arch) {
    let served = serve(arch);
    drop(Peer::connect(served.address));
    served.wait_for_end("closed by the client");
    next_one(&served);
}

pub fn during_the_preamble(arch: Arch) {
    let served = serve(arch);
    let mut peer = Peer::connect(served.address);
    peer.line.write_all(&[0, b'F', b'D']).unwrap();
    drop(peer);
    served.wait_for_end("closed by the client");
    next_one(&served);
}

pub fn after_hello(arch: Arch) {
    let served = serve(arch);
    let mut peer = Peer::connect(served.address);
    peer.flush();
    drop(peer);
    served.wait_for_end("closed by the client");
    next_one(&served);
}

pub fn during_content(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(48 << 20, 1));
    let mut peer = Peer::connect(served.address);
    peer.begin(get("large"));
    drop(peer);
    served.wait_for_end("closed by the client after");
    served.wait_for_failure("of 50331648 bytes");
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), 0);
    next_one(&served);
}

/// A client that closes only its sending side gets its answers first.
pub fn half_closed(arch: Arch) {
    let served = serve(arch);
    let bytes = noise(8 << 20, 1);
    served.file("file", &bytes);
    let mut peer = Peer::connect(served.address);
    peer.machine.request(&Request::Get(get("file")));
    peer.request(&Request::Get(get("absent")));
    peer.line.end().unwrap();
    assert!(peer.receive().unwrap().bytes == bytes);
    peer.receive().unwrap_err();
    assert!(matches!(peer.next(), Incoming::Closed(Ok(()))));
    served.wait_for_end("closed by the client");
    next_one(&served);
}

/// An archive is created up to the requested range, which takes longer than this test; nothing is sent before.
pub fn while_planning(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    File::create(served.path("tree/sparse.png")).unwrap().set_len(1 << 40).unwrap();
    let mut peer = Peer::connect(served.address);
    peer.request(&Request::Get(Get { first_block: 1 << 19, ..get("tree") }));
    served.wait("request", |event| matches!(event, Event::Request { .. }).then_some(()));
    drop(peer);
    served.wait_for_end("closed by the client");
    next_one(&served);
    // A client that has sent a goodbye waits for the answer.
    File::create(served.path("tree/sparse.png")).unwrap().set_len(66 << 20).unwrap();
    let mut polite = Peer::connect(served.address);
    polite.machine.request(&Request::Get(Get { first_block: 64, ..get("tree") }));
    polite.machine.goodbye("done");
    polite.flush();
    polite.line.end().unwrap();
    assert_eq!(polite.receive_into(&mut |_| {}).unwrap().blocks.len(), 3);
}

pub fn repeatedly_at_once(arch: Arch) {
    const TIMES: usize = 100;
    let served = serve(arch);
    served.file("large", &noise(4 << 20, 1));
    for n in 0..TIMES {
        let mut peer = Peer::connect(served.address);
        match n % 4 {
            0 => {}
            1 => peer.flush(),
            2 => drop(peer.request(&Request::Get(get("large")))),
            _ => peer.begin(get("large")),
        }
    }
    served.wait_for_ends(TIMES);
    next_one(&served);
}
