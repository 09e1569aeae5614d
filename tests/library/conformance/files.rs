//! Files are received unchanged.

use std::{fs::File, os::unix::fs::FileExt};

use fdsp::{
    protocol::{
        client::Request,
        digest::{BLOCK_SIZE, Hash},
        error::Code,
        message::{Form, Get},
    },
    server::{Arch, Event},
};

use crate::{
    conformance::{
        harness::{noise, serve},
        peer::{Peer, get},
    },
    shared::effort::large,
};

pub fn every_size(arch: Arch) {
    let served = serve(arch);
    const MIB: usize = 1 << 20;
    let sizes = [0, 1, 1023, 1024, 1025, MIB - 1, MIB, MIB + 1, 3 * MIB + 17];
    for size in sizes {
        served.file(size.to_string(), &noise(size, size as u64));
    }
    let mut peer = Peer::connect(served.address);
    for size in sizes {
        let received = peer.get(get(&size.to_string())).unwrap();
        let expected = noise(size, size as u64);
        assert!(received.bytes == expected, "{size} bytes");
        assert_eq!(received.content.size, Some(size as u64));
        assert_eq!(received.end.size, Some(size as u64));
        assert_eq!(received.blocks.len(), size.div_ceil(MIB));
        let root = Hash(*blake3::hash(&expected).as_bytes());
        assert_eq!(received.root, Some(root), "the root is what b3sum prints");
        assert_eq!(received.end.root, Some(root.to_string()));
        assert_eq!(received.end.identity, received.content.identity);
    }
    peer.leave();
    served.wait_for_end("done");
    let snapshot = served.snapshot();
    assert_eq!(snapshot.served, sizes.len() as u64);
    assert_eq!(snapshot.sent, sizes.iter().sum::<usize>() as u64);
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), sizes.len());
}

pub fn every_name(arch: Arch) {
    let served = serve(arch);
    let long = "n".repeat(255);
    let names = [
        "with spaces and  more",
        "-rf",
        "--help",
        "größe 文件 файл 🦀.txt",
        long.as_str(),
        "quote'\"`$(x);&|<>*?[]{}\\",
        "100%",
        "%2e%2e",
        "...",
        "~",
        "trailing.",
        "new\nline",
        "\u{1b}[31mred",
    ];
    for name in names {
        served.file(name, name.as_bytes());
    }
    let mut peer = Peer::connect(served.address);
    for name in names {
        let received = peer.get(get(name)).unwrap();
        assert_eq!(received.bytes, name.as_bytes());
        assert_eq!(received.content.name, name);
        assert_eq!(received.content.form, Form::File);
    }
    // The same file by other spellings of its path.
    served.directory("a/b");
    served.file("a/b/c", b"deep");
    for path in ["a/b/c", "/a/b/c", "//a/./b///c", "./a/b/c"] {
        assert_eq!(peer.get(get(path)).unwrap().bytes, b"deep", "{path}");
    }
}

/// A hole of 5 GiB with data at both ends and around 4 GiB: offsets beyond 32 bits; with `FDSP_LARGE` also all of it,
/// in constant memory.
pub fn over_four_gib(arch: Arch) {
    const SIZE: u64 = 5 << 30;
    const BORDER: u64 = 4 << 30;
    let served = serve(arch);
    let file = File::create(served.path("sparse")).unwrap();
    file.set_len(SIZE).unwrap();
    for (mark, at) in [(b"head", 0), (b"edge", BORDER - 2), (b"tail", SIZE - 4)] {
        file.write_all_at(mark, at).unwrap();
    }
    let mut peer = Peer::connect(served.address);
    let block = BLOCK_SIZE as usize;
    for (first_block, blocks, mark, at) in [
        (BORDER / BLOCK_SIZE - 1, Some(2), b"edge", block - 2),
        (SIZE / BLOCK_SIZE - 2, None, b"tail", 2 * block - 4),
    ] {
        let received = peer.get(Get { first_block, blocks, ..get("sparse") }).unwrap();
        let mut expected = vec![0; 2 * block];
        expected[at..at + 4].copy_from_slice(mark);
        assert!(received.bytes == expected, "from block {first_block}");
        let indexes = received.blocks.iter().map(|block| block.index);
        assert!(indexes.eq([first_block, first_block + 1]));
        assert_eq!(received.content.size, Some(SIZE));
    }
    if !large() {
        return;
    }
    peer.request(&Request::Get(get("sparse")));
    let (mut count, mut head, mut tail) = (0, Vec::new(), Vec::new());
    let received = peer
        .receive_into(&mut |bytes| {
            if head.len() < 4 {
                head.extend_from_slice(&bytes[..4]);
            }
            count += bytes.len() as u64;
            if count == SIZE {
                tail = bytes[bytes.len() - 4..].to_vec();
            }
        })
        .unwrap();
    assert_eq!((count, received.end.size), (SIZE, Some(SIZE)));
    assert_eq!((head.as_slice(), tail.as_slice()), (&b"head"[..], &b"tail"[..]));
    assert_eq!(received.blocks.len() as u64, SIZE / BLOCK_SIZE);
    assert_eq!(received.root.map(|root| root.to_string()), received.end.root);
    assert!(received.root.is_some());
}

pub fn missing_paths(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    std::os::unix::fs::symlink("/etc/passwd", served.path("out")).unwrap();
    std::os::unix::fs::symlink("nowhere", served.path("broken")).unwrap();
    let mut peer = Peer::connect(served.address);
    for path in
        ["absent", "absent/too", "file/below", "../up", "a/../../up", "out", "broken", "/etc/passwd", "nul\0"]
    {
        assert_eq!(peer.get(get(path)).unwrap_err().code, Code::NotFound, "{path}");
        assert_eq!(peer.stat(path).unwrap_err().code, Code::NotFound, "{path}");
        assert_eq!(peer.list(path, None, None).unwrap_err().code, Code::NotFound, "{path}");
    }
    let wrong = peer.get(Get { form: Form::Zip, ..get("file") }).unwrap_err();
    assert_eq!(wrong.code, Code::WrongKind);
    let wrong = peer.get(Get { form: Form::File, ..get("") }).unwrap_err();
    assert_eq!(wrong.code, Code::WrongKind);
    assert_eq!(peer.get(get("file")).unwrap().bytes, b"x", "the connection is as good as before");
}
