//! The hashes of a file's blocks equal those of its content, whether the server has them cached or reads the file.

use std::{
    fs::{File, OpenOptions},
    time::{Duration, SystemTime},
};

use fdsp::{
    protocol::{
        client::Request,
        digest::{BLOCK_SIZE, Hash},
        error::Code,
        message::{Form, Get},
    },
    server::{Arch, Command, ConnectionState},
};

use crate::conformance::{
    harness::{Served, noise, serve},
    peer::{Incoming, Peer, Received, get},
};

const MIB: usize = BLOCK_SIZE as usize;

fn chaining(received: &Received) -> Vec<Hash> {
    received.blocks.iter().map(|block| block.digest.chaining).collect()
}

pub fn of_every_size(arch: Arch) {
    let served = serve(arch);
    let mut peer = Peer::connect(served.address);
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB, 5 * MIB + 100] {
        served.file("file", &noise(size, 1));
        let read = peer.hashes(get("file")).unwrap();
        let known = peer.hashes(get("file")).unwrap();
        let sent = peer.get(get("file")).unwrap();
        let after = peer.hashes(get("file")).unwrap();
        for (content, hashes, end) in [read, known, after] {
            assert_eq!(hashes, chaining(&sent), "{size} bytes");
            assert_eq!((content.size, content.form), (Some(size as u64), Form::File));
            assert_eq!(content.identity, sent.content.identity);
            // The root, too, which a client cannot verify for a single block.
            assert_eq!(end, sent.end);
        }
    }
}

pub fn of_ranges(arch: Arch) {
    let served = serve(arch);
    served.file("file", &noise(5 * MIB + 100, 5));
    let mut peer = Peer::connect(served.address);
    // Some of them are cached from the start.
    peer.get(Get { first_block: 2, blocks: Some(2), ..get("file") }).unwrap();
    let mut all = Vec::new();
    for first in 0..7 {
        for count in [Some(0), Some(1), Some(3), Some(u64::MAX), None] {
            let asked = Get { first_block: first, blocks: count, ..get("file") };
            if first > 5 {
                assert_eq!(peer.hashes(asked).unwrap_err().code, Code::Range);
                continue;
            }
            let (content, hashes, end) = peer.hashes(asked).unwrap();
            if all.is_empty() && count.is_none() {
                all.clone_from(&hashes);
            }
            let last = count.map_or(u64::MAX, |count| first.saturating_add(count)).min(6);
            assert_eq!((content.first_block, hashes.len() as u64), (first, last - first));
            if !all.is_empty() {
                assert_eq!(hashes, all[first as usize..last as usize]);
            }
            assert_eq!(end.size.is_some(), last == 6);
            assert_eq!(end.root.is_some(), first == 0 && last == 6);
        }
    }
    assert_eq!(all, chaining(&peer.get(get("file")).unwrap()));
}

pub fn of_a_replaced_file(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/file", b"one");
    let mut peer = Peer::connect(served.address);
    let identity = peer.hashes(get("tree/file")).unwrap().2.identity;
    let same = Get { identity: Some(identity), ..get("tree/file") };
    peer.hashes(same.clone()).unwrap();
    served.file("tree/file", b"another");
    for (asked, code) in [
        (get("tree"), Code::WrongKind),
        (Get { form: Form::Zip, ..get("tree") }, Code::WrongKind),
        (Get { form: Form::File, ..get("tree") }, Code::WrongKind),
        (Get { form: Form::Zip, ..get("tree/file") }, Code::WrongKind),
        (get("absent"), Code::NotFound),
        (get("tree/../tree/file"), Code::NotFound),
        (Get { first_block: u64::MAX, ..get("tree/file") }, Code::Range),
        (same, Code::Changed),
    ] {
        assert_eq!(peer.hashes(asked.clone()).unwrap_err().code, code, "{asked:?}");
    }
    assert_eq!(peer.hashes(get("tree/file")).unwrap().1.len(), 1, "the connection is as good as before");
}

/// A file that would take minutes to hash, without data on the disk.
fn endless(served: &Served) -> File {
    served.file("endless", b"");
    let file = OpenOptions::new().write(true).open(served.path("endless")).unwrap();
    file.set_len(1 << 40).unwrap();
    file
}

/// Requests the hashes of that file and waits for the first ones.
fn begin(served: &Served) -> Peer {
    let mut peer = Peer::connect(served.address);
    peer.request(&Request::Hashes(get("endless")));
    assert!(matches!(peer.next(), Incoming::Content(_)));
    assert!(matches!(peer.next(), Incoming::Hashes(_)));
    peer
}

/// The change is reported at once, and earlier hashes are not used for the new content.
pub fn changed(arch: Arch) {
    type Change = fn(&Served, &File);
    let changes: [Change; 4] = [
        |_, file| file.set_len(1 << 39).unwrap(),
        |_, file| file.set_len(1 << 41).unwrap(),
        |_, file| file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap(),
        |served, _| std::fs::remove_file(served.path("endless")).unwrap(),
    ];
    for change in changes {
        let served = serve(arch);
        served.file("other", b"other");
        let file = endless(&served);
        let mut peer = begin(&served);
        change(&served, &file);
        let failure = loop {
            match peer.next() {
                Incoming::Hashes(_) => {}
                Incoming::Failed(_, failure) => break failure,
                other => panic!("{other:?} for a file that has changed"),
            }
        };
        assert_eq!((failure.code, failure.path.as_deref()), (Code::Changed, Some("endless")));
        served.wait_for_failure("changed");
        assert_eq!(peer.get(get("other")).unwrap().bytes, b"other");
    }
}

/// The work does not delay other clients, except of a server of one client at a time.
pub fn beside_others(arch: Arch) {
    let served = serve(arch);
    served.file("other", &noise(3 * MIB, 3));
    endless(&served);
    let _hashing = begin(&served);
    let snapshot = served.snapshot();
    assert_eq!(snapshot.rows[0].state, ConnectionState::Hashing);
    assert!(snapshot.rows[0].progress.is_some_and(|(position, total)| position > 0 && total == 1 << 40));
    if arch != Arch::Single {
        let mut peer = Peer::connect(served.address);
        for _ in 0..5 {
            assert!(peer.get(get("other")).unwrap().bytes == noise(3 * MIB, 3));
        }
    }
}

/// A server cancels the work when the client disconnects, or when the server is stopped.
pub fn cancelled(arch: Arch) {
    let served = serve(arch);
    endless(&served);
    drop(begin(&served));
    served.wait_for_ends(1);
    let _hashing = begin(&served);
    served.server().command(Command::Stop);
    served.wait_for_end("stopped");
}
