//! Requests can be pipelined; the answers are sent in their order.

use std::io::{Read, Write};

use fdsp::{
    protocol::{client::Request, error::Code},
    server::Arch,
};

use crate::conformance::{
    harness::{noise, serve},
    peer::{Incoming, Peer, get, stat},
};
use crate::shared::effort;

pub fn fifty_requests(arch: Arch) {
    let served = serve(arch);
    for n in 0..50 {
        served.file(format!("{n}"), &noise(n * 10_000, n as u64));
    }
    let mut peer = Peer::connect(served.address);
    for n in 0..50 {
        peer.machine.request(&Request::Get(get(&n.to_string())));
    }
    peer.flush();
    for n in 0..50 {
        assert!(peer.receive().unwrap().bytes == noise(n * 10_000, n as u64), "file {n}");
    }
    assert_eq!(peer.machine.pending(), 0);
    peer.leave();
}

/// A client that sends more requests than announced is only delayed.
pub fn more_than_the_server_reads_ahead(arch: Arch) {
    let many = effort::at_most(5_000, 20_000);
    let served = serve(arch);
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    for _ in 0..many {
        peer.machine.request(&stat("file"));
    }
    let mut sender = peer.line.try_clone().unwrap();
    let requests = peer.machine.outgoing().to_vec();
    peer.machine.sent(requests.len());
    std::thread::scope(|scope| {
        scope.spawn(move || sender.write_all(&requests).unwrap());
        for _ in 0..many {
            assert!(matches!(peer.next(), Incoming::Meta(_)));
        }
    });
}

pub fn errors_between_answers(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    for path in ["file", "absent", "file", "../up"] {
        peer.machine.request(&Request::Get(get(path)));
    }
    peer.flush();
    assert_eq!(peer.receive().unwrap().bytes, b"x");
    assert_eq!(peer.receive().unwrap_err().code, Code::NotFound);
    assert_eq!(peer.receive().unwrap().bytes, b"x");
    assert_eq!(peer.receive().unwrap_err().code, Code::NotFound);
}

pub fn one_byte_at_a_time(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"content");
    let mut peer = Peer::connect(served.address);
    peer.machine.request(&Request::Get(get("file")));
    peer.machine.request(&stat("file"));
    while let Some(&byte) = peer.machine.outgoing().first() {
        peer.line.write_all(&[byte]).unwrap();
        peer.machine.sent(1);
    }
    assert_eq!(peer.receive().unwrap().bytes, b"content");
    assert!(matches!(peer.next(), Incoming::Meta(_)));
    // Nothing follows the answers.
    peer.line.socket().set_nonblocking(true).unwrap();
    let error = peer.line.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}
