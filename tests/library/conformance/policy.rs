//! Paths that the policy excludes do not exist for any request.

use std::os::unix::fs::symlink;

use fdsp::{
    protocol::{
        error::Code,
        message::{Failure, Kind},
    },
    server::{Arch, Limits},
    storage::root::{Links, Policy},
};

use crate::conformance::{
    harness::{Served, serve_under},
    peer::{Peer, get},
};

fn served(arch: Arch, policy: Policy) -> Served {
    let served = serve_under(policy, arch, None, Limits::default());
    served.directory("tree/.hidden");
    served.file("tree/.hidden/file", b"hidden");
    served.file("tree/file", b"seen");
    symlink("tree/file", served.path("link")).unwrap();
    served
}

/// The answer of each kind of request for a path.
fn refusals(peer: &mut Peer, path: &str) -> [Failure; 4] {
    let all = [
        peer.stat(path).unwrap_err(),
        peer.list(path, None, None).unwrap_err(),
        peer.get(get(path)).unwrap_err(),
        peer.hashes(get(path)).unwrap_err(),
    ];
    all.map(|failure| {
        assert_eq!(failure.code, Code::NotFound);
        Failure { message: failure.message.replace(path, "PATH"), path: None, ..failure }
    })
}

fn assert_absent(peer: &mut Peer, paths: &[&str]) {
    let absent = refusals(peer, "absent");
    for path in paths {
        assert_eq!(refusals(peer, path), absent, "{path}");
    }
}

pub fn hidden(arch: Arch) {
    let served = served(arch, Policy { hidden: false, ..Policy::default() });
    let mut peer = Peer::connect(served.address);
    assert_absent(&mut peer, &["tree/.hidden", "tree/.hidden/file", "tree/.hidden/absent", ".absent"]);
    assert_eq!(peer.get(get("link")).unwrap().bytes, b"seen");
    let entries = peer.list("tree", None, None).unwrap().entries;
    assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["file"]);
    let sources = peer.get(get("tree")).unwrap().content.sources.unwrap();
    assert_eq!((sources.files, sources.omitted), (1, 0));
}

pub fn links(arch: Arch) {
    let served = served(arch, Policy { links: Links::Never, ..Policy::default() });
    symlink("tree", served.path("to tree")).unwrap();
    let mut peer = Peer::connect(served.address);
    assert_absent(&mut peer, &["link", "to tree", "to tree/file"]);
    assert_eq!(peer.get(get("tree/.hidden/file")).unwrap().bytes, b"hidden");
    let entries = peer.list("", None, None).unwrap().entries;
    let kind = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap().kind;
    assert_eq!([kind("link"), kind("to tree"), kind("tree")], [Kind::Other, Kind::Other, Kind::Directory]);
    let sources = peer.get(get("")).unwrap().content.sources.unwrap();
    assert_eq!((sources.files, sources.omitted), (2, 2));
}
