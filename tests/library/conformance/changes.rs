//! A source that changes while it is sent is reported as changed, and never spliced.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, MetadataExt, symlink},
};

use fdsp::{
    protocol::{
        error::Code,
        message::{Form, Get},
    },
    server::{Arch, Event},
};

use crate::conformance::{
    harness::{Served, noise, serve},
    peer::{Peer, get},
};

/// More than all buffers of a connection hold.
const SIZE: usize = 48 << 20;

/// Fetches `path`, runs `change` while content is received, and expects an error.
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

/// A deployment deletes the served folder and creates it again.
pub fn the_served_folder(arch: Arch) {
    let served = serve(arch);
    served.file("old", b"old");
    let mut peer = Peer::connect(served.address);
    assert_eq!(peer.get(get("old")).unwrap().bytes, b"old");
    let folder = served.path("");
    fs::remove_dir_all(&folder).unwrap();
    for _ in 0..2 {
        let failure = peer.tree("").unwrap_err();
        assert_eq!(failure.code, Code::Internal);
        assert!(failure.message.contains("the served folder is gone"), "{failure:?}");
    }
    peer.list("", None, None).unwrap_err();
    peer.get(get("")).unwrap_err();
    fs::create_dir(&folder).unwrap();
    served.file("new", b"new");
    assert_eq!(peer.get(get("new")).unwrap().bytes, b"new");
    assert_eq!(peer.get(get("old")).unwrap_err().code, Code::NotFound);
    // It is replaced at once.
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::create_dir(&folder).unwrap();
    served.file("newest", b"newest");
    assert_eq!(peer.get(get("newest")).unwrap().bytes, b"newest");
    fs::remove_dir_all(aside).unwrap();
    let warnings = |part: &str| {
        served.count(|event| matches!(event, Event::Warning { message } if message.as_str().contains(part)))
    };
    let said =
        ["cannot be served: it was deleted", "exists again, and is served", "was replaced by another folder"]
            .map(warnings);
    assert_eq!(said, [1, 1, 1], "each change is said once");
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

/// Waits until a change of a file gets a later time than its last one; the clocks of older systems are coarse.
fn let_the_clock_tick(served: &Served, name: &str) {
    let changed = |name: &str| {
        let metadata = fs::metadata(served.path(name)).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    loop {
        served.file("tick", b"x");
        if changed("tick") > changed(name) {
            return;
        }
        std::thread::yield_now();
    }
}

/// A change of a file, the form that is requested then, and the answer.
type Change<'a> = (&'a dyn Fn(&Served), Form, Code);

/// A request with an identity fails if the file has another one, for any range, and so does a request of its
/// hashes.
pub fn between_ranges(arch: Arch) {
    const MIB: usize = 1 << 20;
    let size = 3 * MIB + 9;
    let open = |served: &Served| OpenOptions::new().write(true).open(served.path("file")).unwrap();
    let edit = |served: &Served| {
        // Same size, and the modification time restored.
        let file = open(served);
        let time = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"!", 5).unwrap();
        file.set_modified(time).unwrap();
    };
    let replace = |served: &Served| {
        served.file("new", &noise(size, 2));
        fs::rename(served.path("new"), served.path("file")).unwrap();
    };
    let turn_into_folder = |served: &Served| {
        fs::remove_file(served.path("file")).unwrap();
        served.directory("file");
    };
    let turn_into_link = |served: &Served| {
        fs::remove_file(served.path("file")).unwrap();
        symlink("/etc/passwd", served.path("file")).unwrap();
    };
    let changes: [Change<'_>; 8] = [
        (&|served| open(served).set_len(MIB as u64 / 2).unwrap(), Form::Auto, Code::Changed),
        (&|served| open(served).set_len(4 * MIB as u64).unwrap(), Form::Auto, Code::Changed),
        (&edit, Form::Auto, Code::Changed),
        (&replace, Form::Auto, Code::Changed),
        (&|served| served.file("file", &noise(size, 1)), Form::File, Code::Changed),
        (&|served| fs::remove_file(served.path("file")).unwrap(), Form::Auto, Code::NotFound),
        (&turn_into_folder, Form::File, Code::WrongKind),
        (&turn_into_link, Form::Auto, Code::NotFound),
    ];
    for (number, (change, form, code)) in changes.into_iter().enumerate() {
        let served = serve(arch);
        served.file("file", &noise(size, 1));
        let mut peer = Peer::connect(served.address);
        let first = peer.get(Get { blocks: Some(1), ..get("file") }).unwrap();
        let same = Get { identity: Some(first.end.identity.clone()), form, ..get("file") };
        peer.get(Get { first_block: 3, ..same.clone() }).unwrap();
        let_the_clock_tick(&served, "file");
        change(&served);
        for first_block in [0, 1, 3] {
            let asked = Get { first_block, ..same.clone() };
            assert_eq!(
                peer.get(asked.clone()).unwrap_err().code,
                code,
                "change {number}, block {first_block}"
            );
            assert_eq!(peer.hashes(asked).unwrap_err().code, code, "change {number}, block {first_block}");
        }
        if code == Code::Changed {
            let now = fs::read(served.path("file")).unwrap();
            assert!(peer.get(get("file")).unwrap().bytes == now, "the new one is there to be fetched");
            let hashes = peer.hashes(get("file")).unwrap();
            assert_eq!(hashes.2.root.unwrap(), blake3::hash(&now).to_string());
        }
    }
}

/// A range names its content: a change anywhere else in that content counts.
pub fn after_the_range(arch: Arch) {
    let served = serve(arch);
    served.file("tree", &noise(SIZE, 1));
    let mut peer = Peer::connect(served.address);
    peer.begin(Get { blocks: Some(40), ..get("tree") });
    let_the_clock_tick(&served, "tree");
    let file = OpenOptions::new().write(true).open(served.path("tree")).unwrap();
    file.write_all_at(b"!", SIZE as u64 - 1).unwrap();
    assert_eq!(peer.receive().unwrap_err().code, Code::Changed);
    assert!(peer.get(Get { first_block: 40, ..get("tree") }).unwrap().bytes.ends_with(b"!"));
}
