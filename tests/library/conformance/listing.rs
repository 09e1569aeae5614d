//! Directories are listed in pages.

use fdsp::{
    protocol::{error::Code, message::Kind},
    server::Arch,
};

use crate::conformance::{harness::serve, peer::Peer};

pub fn pages(arch: Arch) {
    let served = serve(arch);
    served.directory("many");
    let mut expected: Vec<_> = (0..3000).map(|n| format!("many of them, number {n}")).collect();
    expected.iter().for_each(|name| served.file(format!("many/{name}"), b""));
    expected.sort();
    let mut peer = Peer::connect(served.address);
    for limit in [None, Some(1_000_000), Some(700), Some(2999)] {
        let (mut names, mut pages) = (Vec::<String>::new(), 0);
        loop {
            let page = peer.list("many", names.last().map(String::as_str), limit).unwrap();
            assert!(limit.is_none_or(|limit| page.entries.len() <= limit as usize));
            assert!(!page.more || !page.entries.is_empty());
            names.extend(page.entries.into_iter().map(|entry| entry.name));
            pages += 1;
            if !page.more {
                break;
            }
        }
        assert_eq!(names, expected, "limit {limit:?}");
        assert!(pages > 1);
    }
    let page = peer.list("many", Some(expected[2997].as_str()), Some(5)).unwrap();
    assert_eq!((page.entries.len(), page.more), (2, false));
    let page = peer.list("many", Some("zzz"), None).unwrap();
    assert_eq!((page.entries.len(), page.more), (0, false));
}

pub fn kinds(arch: Arch) {
    let served = serve(arch);
    served.directory("directory");
    served.file("file", b"12345");
    std::os::unix::fs::symlink("/etc/passwd", served.path("outward")).unwrap();
    let mut peer = Peer::connect(served.address);
    let entries = peer.list("", None, None).unwrap().entries;
    let listed: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.size)).collect();
    assert!(listed.contains(&("directory", Kind::Directory, None)), "{listed:?}");
    assert!(listed.contains(&("file", Kind::File, Some(5))), "{listed:?}");
    assert!(listed.iter().all(|&(name, kind, _)| name != "outward" || kind == Kind::Other), "{listed:?}");
    assert!(peer.list("directory", None, None).unwrap().entries.is_empty());
    assert_eq!(peer.list("file", None, None).unwrap_err().code, Code::WrongKind);
}

pub fn stat(arch: Arch) {
    let served = serve(arch);
    served.directory("directory");
    served.file("directory/file", b"12345");
    let mut peer = Peer::connect(served.address);
    let file = peer.stat("directory/file").unwrap();
    assert_eq!((file.kind, file.name.as_str(), file.size), (Kind::File, "file", Some(5)));
    assert!(file.identity.is_some());
    assert_eq!(peer.stat("/directory/file").unwrap(), file, "nothing has changed");
    served.file("directory/file", b"123456");
    assert_ne!(peer.stat("directory/file").unwrap().identity, file.identity);
    let directory = peer.stat("directory").unwrap();
    assert_eq!(
        (directory.kind, directory.name.as_str(), directory.size),
        (Kind::Directory, "directory", None)
    );
    assert_eq!(peer.stat("").unwrap().kind, Kind::Directory);
}
