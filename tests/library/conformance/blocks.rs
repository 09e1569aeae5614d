//! Addresses that the operator blocks for a time.

use std::time::Duration;

use fdsp::{
    protocol::{classic::Dialect, error::Code},
    server::{Arch, Command, Event, Limits},
};

use crate::conformance::{
    harness::{Served, noise, serve, serve_with},
    peer::{Incoming, Peer, get},
};

const BLOCKED: [u8; 4] = [127, 0, 0, 2];
const OTHER: [u8; 4] = [127, 0, 0, 3];
const LONG: Duration = Duration::from_secs(600);
/// Content that does not fit into the buffers of the kernel.
const SIZE: usize = 20_000_000;

fn block(served: &Served, time: Duration) {
    served.server().command(Command::Block(BLOCKED.into(), time));
}

/// All connections of the address are closed, further ones are answered with "busy" and the time that is left, and clients at
/// other addresses notice nothing.
pub fn of_one_address(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    served.file("small", b"small");
    let mut victim = Peer::connect_from(BLOCKED, served.address);
    victim.begin(get("large"));
    block(&served, LONG);
    served.wait_for_end("disconnected by the operator");
    let mut again = Peer::connect_from(BLOCKED, served.address);
    again.flush();
    match again.next() {
        Incoming::Failed(0, failure) => {
            assert_eq!(failure.code, Code::Busy);
            assert!(failure.retry_after.is_some_and(|seconds| (500..=600).contains(&seconds)), "{failure:?}");
        }
        other => panic!("{other:?} instead of busy"),
    }
    assert!(matches!(again.next(), Incoming::Closed(Ok(()))));
    served.wait_for_end("its address is blocked");
    let snapshot = served.snapshot();
    assert_eq!((snapshot.blocks.len(), snapshot.refused), (1, 1));
    let blocked = &snapshot.blocks[0];
    assert_eq!((blocked.network.as_str(), blocked.refused), ("127.0.0.2", 1));
    assert!(blocked.left <= LONG);
    let mut other = Peer::connect_from(OTHER, served.address);
    assert_eq!(other.get(get("small")).unwrap().bytes, b"small");
}

/// After its time a block is over.
pub fn ends_by_itself(arch: Arch) {
    let served = serve(arch);
    served.file("small", b"small");
    block(&served, Duration::from_millis(20));
    served.wait_until("end of the block", |now| now.blocks.is_empty());
    let mut peer = Peer::connect_from(BLOCKED, served.address);
    assert_eq!(peer.get(get("small")).unwrap().bytes, b"small");
}

/// The operator lifts a block before its end.
pub fn lifted(arch: Arch) {
    let served = serve(arch);
    served.file("small", b"small");
    block(&served, LONG);
    let mut refused = Peer::connect_from(BLOCKED, served.address);
    refused.flush();
    assert!(matches!(refused.next(), Incoming::Failed(0, _)));
    served.server().command(Command::Unblock(BLOCKED.into()));
    let mut peer = Peer::connect_from(BLOCKED, served.address);
    assert_eq!(peer.get(get("small")).unwrap().bytes, b"small");
    let lifted =
        |event: &Event| matches!(event, Event::Unblocked { network } if network.as_str() == "127.0.0.2");
    assert_eq!(served.count(lifted), 1);
    served.server().command(Command::Unblock(BLOCKED.into()));
    assert_eq!(served.count(lifted), 1, "there was no block any more");
}

/// Disconnecting an address closes all of its connections, and the client may come again.
pub fn disconnected_without_one(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(SIZE, 1));
    served.file("small", b"small");
    let mut victims: Vec<Peer> = (0..if arch == Arch::Single { 1 } else { 3 })
        .map(|_| {
            let mut peer = Peer::connect_from(BLOCKED, served.address);
            peer.begin(get("large"));
            peer
        })
        .collect();
    served.server().command(Command::DisconnectAddress(BLOCKED.into()));
    served.wait_for_ends(victims.len());
    victims.clear();
    let mut peer = Peer::connect_from(BLOCKED, served.address);
    assert_eq!(peer.get(get("small")).unwrap().bytes, b"small");
}

/// The classic dialects have no message for it: the connection is closed.
pub fn of_a_classic_client(arch: Arch) {
    let served = serve_with(arch, Some(Dialect::Classic), Limits::default());
    served.file("small", b"small");
    block(&served, LONG);
    let mut socket = Peer::connect_from(BLOCKED, served.address).line;
    std::io::Write::write_all(&mut socket, b"small").unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut socket, &mut answer).unwrap();
    assert_eq!(answer, b"");
    served.wait_for_end("its address is blocked");
}
