//! Many clients at once.

use std::{sync::Barrier, thread};

use fdsp::server::{Arch, Event, Limits};

use crate::conformance::{
    harness::{noise, serve, serve_with},
    peer::{Peer, get},
};

pub fn two_hundred_clients(arch: Arch) {
    const CLIENTS: u64 = 200;
    let limits = Limits { max_per_address: CLIENTS as usize, ..Limits::default() };
    let served = serve_with(arch, None, limits);
    for n in 0..10 {
        served.file(n.to_string(), &noise(300_000 + n as usize, n));
    }
    let start = Barrier::new(CLIENTS as usize);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (served, start) = (&served, &start);
            scope.spawn(move || {
                start.wait();
                let mut peer = Peer::connect(served.address);
                let received = peer.get(get(&(n % 10).to_string())).unwrap();
                assert!(received.bytes == noise(300_000 + (n % 10) as usize, n % 10));
                peer.leave();
            });
        }
    });
    served.wait_for_ends(CLIENTS as usize);
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), CLIENTS as usize);
    let snapshot = served.snapshot();
    assert_eq!((snapshot.served, snapshot.live, snapshot.refused), (CLIENTS, 0, 0));
}

/// A client that does not read its answer must not delay the others; the single-threaded
/// server serves them when that client has closed.
pub fn one_slow_client_among_fast_ones(arch: Arch) {
    let served = serve(arch);
    served.file("large", &noise(32 << 20, 1));
    served.file("small", b"small");
    let mut slow = Peer::connect(served.address);
    slow.begin(get("large"));
    let mut slow = Some(slow);
    if arch == Arch::Single {
        slow = None;
    }
    for _ in 0..5 {
        let mut fast = Peer::connect(served.address);
        assert_eq!(fast.get(get("small")).unwrap().bytes, b"small");
        fast.leave();
    }
    if let Some(mut slow) = slow {
        let received = slow.receive_into(&mut |_| {}).unwrap();
        assert_eq!(received.blocks.len(), 32);
    }
}
