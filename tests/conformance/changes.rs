//! A source that changes while it is sent is reported as changed, and never spliced.

use std::fs::{self, File, OpenOptions};

use fdsp::{protocol::error::Code, server::Arch};

use crate::{
    harness::{Served, noise, serve},
    peer::{Peer, get},
};

/// More than all buffers on the way hold.
const SIZE: usize = 48 << 20;

/// Fetches `path`, does `change` when content has begun to come, and expects to be told.
fn changed_by(arch: Arch, path: &str, change: impl FnOnce(&Served)) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/file", &noise(SIZE, 1));
    served.file("tree/zz", b"the last one");
    served.file("other", b"other");
    let mut peer = Peer::connect(served.address);
    peer.begin(get(path));
    change(&served);
    let failure = peer.receive().err();
    let failure = failure.unwrap_or_else(|| panic!("a changed source passed for a whole one"));
    assert_eq!(failure.code, Code::Changed, "{failure:?}");
    assert!(failure.path.unwrap().contains("tree/"), "it says what has changed");
    served.wait_for_failure("changed");
    assert_eq!(peer.get(get("other")).unwrap().bytes, b"other", "the connection is as good as before");
}

pub fn truncated(arch: Arch) {
    changed_by(arch, "tree/file", |served| {
        OpenOptions::new()
            .write(true)
            .open(served.path("tree/file"))
            .unwrap()
            .set_len(SIZE as u64 / 2)
            .unwrap();
    });
}

pub fn grown(arch: Arch) {
    changed_by(arch, "tree/file", |served| {
        let file = OpenOptions::new().append(true).open(served.path("tree/file")).unwrap();
        std::io::Write::write_all(&mut &file, b"more").unwrap();
    });
}

pub fn deleted(arch: Arch) {
    changed_by(arch, "tree/file", |served| fs::remove_file(served.path("tree/file")).unwrap());
}

pub fn replaced(arch: Arch) {
    changed_by(arch, "tree/file", |served| {
        served.file("new", &noise(SIZE, 2));
        let time = File::open(served.path("tree/file")).unwrap().metadata().unwrap().modified().unwrap();
        let new = OpenOptions::new().write(true).open(served.path("new")).unwrap();
        new.set_modified(time).unwrap();
        fs::rename(served.path("new"), served.path("tree/file")).unwrap();
    });
}

pub fn in_an_archive(arch: Arch) {
    changed_by(arch, "tree", |served| served.file("tree/zz", b"another one"));
    changed_by(arch, "tree", |served| fs::remove_file(served.path("tree/zz")).unwrap());
}
