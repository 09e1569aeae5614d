//! Answers about trees beside other clients and requests, and how they end.

use std::fs::File;

use fdsp::{
    protocol::{
        client::Request,
        error::Code,
        message::{Files, Form, Get},
    },
    server::{Arch, Command, ConnectionState, Event, Limits},
};

use super::{MIB, begin, missed, paths, served_large, whole, with_digest};
use crate::conformance::{
    harness::{noise, serve},
    peer::{Incoming, Peer, files, get, stat},
};

/// Answers are sent in the order of the requests, of any kind.
pub fn requests_ahead(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/a", &noise(100_000, 1));
    let mut peer = Peer::connect(served.address);
    for _ in 0..10 {
        peer.machine.request(&stat("tree/a"));
        peer.machine.request(&Request::Tree(fdsp::protocol::message::Tree {
            path: "tree".into(),
            ..Default::default()
        }));
        peer.machine.request(&Request::Files(files("tree", &["a", "b", "a"])));
        peer.machine.request(&Request::Get(get("tree/a")));
    }
    peer.flush();
    for _ in 0..10 {
        assert!(matches!(peer.next(), Incoming::Meta(_)));
        assert_eq!(paths(&peer.receive_tree().unwrap().0), ["", "a"]);
        let answers = peer.receive_files().unwrap();
        assert!(whole(&answers[0]) == noise(100_000, 1) && whole(&answers[2]) == noise(100_000, 1));
        assert_eq!(missed(&answers[1]), Code::NotFound);
        assert!(peer.receive().unwrap().bytes == noise(100_000, 1));
    }
}

/// A comparison that never ends does not delay other clients, except of a server of one client at a time.
pub fn beside_others(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/other", &noise(3 * MIB, 3));
    File::create(served.path("tree/endless")).unwrap().set_len(1 << 40).unwrap();
    let mut comparing = Peer::connect(served.address);
    let wanted = vec![with_digest("endless", b"")];
    let files = Files { path: "tree".into(), files: wanted, content: false, largest: None };
    comparing.request(&Request::Files(files));
    let is_hashing = |now: &fdsp::server::Snapshot| now.rows[0].state == ConnectionState::Hashing;
    let mut ends = 1;
    let row = served.wait_until("comparing", |now| !now.rows.is_empty() && is_hashing(now)).rows.remove(0);
    assert_eq!(row.path.as_str(), "tree (tree)");
    if arch != Arch::Single {
        let mut peer = Peer::connect(served.address);
        for _ in 0..5 {
            let answers = peer.files(crate::conformance::peer::files("tree", &["other"])).unwrap();
            assert!(whole(&answers[0]) == noise(3 * MIB, 3));
        }
        ends += 1;
    }
    // It is cancelled when its client disconnects.
    drop(comparing);
    served.wait_for_ends(ends);
}

/// The number of permits for reading a whole folder, and for comparing, is limited.
pub fn busy(arch: Arch) {
    let limits = Limits { max_archives: 0, max_hashing: 0, ..Limits::default() };
    let served = served_large(arch, limits);
    let mut peer = Peer::connect(served.address);
    let failure = peer.tree("tree").unwrap_err();
    assert!(failure.code == Code::Busy && failure.retry_after.is_some(), "{failure:?}");
    let files = vec![with_digest("large", b""), with_digest("z", b"")];
    let answers = peer.files(Files { path: "tree".into(), files, content: true, largest: None }).unwrap();
    assert_eq!(missed(&answers[0]), Code::Busy);
    assert_eq!(whole(&answers[1]), b"the last one", "a small one is read anyway");
}

/// A running answer is finished.
pub fn drained(arch: Arch) {
    let served = served_large(arch, Limits::default());
    let mut peer = Peer::connect(served.address);
    begin(&mut peer);
    let row = served.snapshot().rows.remove(0);
    assert_eq!((row.state, row.path.as_str()), (ConnectionState::Sending, "tree (tree)"));
    served.server().command(Command::Drain);
    let mut ends = 0;
    loop {
        match peer.next() {
            Incoming::Data | Incoming::Block(_) | Incoming::File(_) => {}
            Incoming::Done(root) => {
                assert!(root.is_some());
                ends += 1;
            }
            Incoming::FilesEnd => break,
            other => panic!("{other:?} among files"),
        }
    }
    assert_eq!(ends, 2);
    peer.leave();
}

/// A disconnected transfer has no end, and is reported as such.
pub fn disconnected(arch: Arch) {
    let served = served_large(arch, Limits::default());
    let mut peer = Peer::connect(served.address);
    begin(&mut peer);
    let id = served.snapshot().rows[0].id.unwrap();
    served.server().command(Command::Disconnect(id));
    served.wait_for_failure("disconnected by the operator");
    assert!(!peer.rest().iter().any(|incoming| matches!(incoming, Incoming::FilesEnd | Incoming::Missed(_))));
    let mut another = Peer::connect(served.address);
    begin(&mut another);
    drop(another);
    served.wait_for_failure("closed by the client after");
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), 0);
}

/// The server notices that a client disconnects during a long answer, with or without frames in between.
pub fn client_leaves_during_work(arch: Arch) {
    let files = vec![with_digest("endless", b"")];
    let compared = Request::Files(Files { path: "tree".into(), files, content: false, largest: None });
    let path = "tree".into();
    let archived = Request::Get(Get { path, form: Form::Zip, first_block: 1 << 19, ..Get::default() });
    for request in [compared, archived] {
        let served = serve(arch);
        served.directory("tree");
        File::create(served.path("tree/endless")).unwrap().set_len(1 << 40).unwrap();
        let mut peer = Peer::connect(served.address);
        peer.request(&request);
        peer.flush();
        served.wait("request", |event| matches!(event, Event::Request { .. }).then_some(()));
        drop(peer);
        served.wait_for_end("closed by the client");
        Peer::connect(served.address).stat("tree").unwrap();
    }
}
