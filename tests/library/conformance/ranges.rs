//! Any range of blocks can be requested, and only of the content with the given identity.

use fdsp::{
    protocol::{
        digest::BLOCK_SIZE,
        error::Code,
        message::{Form, Get},
    },
    server::Arch,
};

use crate::conformance::{
    harness::{noise, serve},
    peer::{Peer, get},
};

const MIB: usize = BLOCK_SIZE as usize;

fn range(path: &str, first_block: u64, blocks: Option<u64>) -> Get {
    Get { first_block, blocks, ..get(path) }
}

pub fn of_a_file(arch: Arch) {
    let served = serve(arch);
    let bytes = noise(5 * MIB + 100, 5);
    served.file("file", &bytes);
    let mut peer = Peer::connect(served.address);
    let whole = peer.get(get("file")).unwrap();
    for first in 0..6 {
        for count in [None, Some(0), Some(1), Some(2), Some(6), Some(u64::MAX)] {
            let received = peer.get(range("file", first, count)).unwrap();
            let end = count.map_or(u64::MAX, |count| first.saturating_add(count)).min(6);
            let from = first as usize * MIB;
            let to = (end as usize * MIB).min(bytes.len());
            assert!(received.bytes == bytes[from..to], "{count:?} blocks from {first}");
            assert_eq!(received.content.first_block, first);
            assert_eq!(received.content.size, Some(bytes.len() as u64));
            let digests = |blocks: &[fdsp::protocol::client::Block]| {
                blocks.iter().map(|block| (block.index, block.digest.chaining)).collect::<Vec<_>>()
            };
            assert_eq!(digests(&received.blocks), digests(&whole.blocks[first as usize..end as usize]));
            let complete = to == bytes.len();
            assert_eq!(received.end.size, complete.then_some(bytes.len() as u64));
            assert_eq!(received.end.root.is_some(), first == 0 && complete);
        }
    }
}

pub fn of_an_archive(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub");
    for n in 0..4 {
        served.file(format!("tree/{n}.bin"), &noise(MIB, n));
        served.file(format!("tree/sub/{n}.txt"), "all work and no play\n".repeat(50_000).as_bytes());
    }
    let mut peer = Peer::connect(served.address);
    let whole = peer.get(get("tree")).unwrap();
    let blocks = whole.blocks.len() as u64;
    assert!(blocks > 4);
    for (first, count) in [(0, Some(2)), (1, None), (2, Some(2)), (blocks - 1, None), (blocks - 1, Some(9))] {
        let expected = Get { identity: Some(whole.content.identity.clone()), ..range("tree", first, count) };
        let received = peer.get(expected).unwrap();
        let end = count.map_or(blocks, |count| blocks.min(first + count));
        let from = first as usize * MIB;
        let to = (end as usize * MIB).min(whole.bytes.len());
        assert!(received.bytes == whole.bytes[from..to], "{count:?} blocks from {first}");
        assert_eq!(received.content.form, Form::Zip);
        assert_eq!(received.end.identity, whole.end.identity);
    }
    assert_eq!(peer.get(range("tree", blocks + 1, None)).unwrap_err().code, Code::Range);
    assert_eq!(peer.get(range("tree", u64::MAX, None)).unwrap_err().code, Code::Range);
}

/// An archive resumes at any block, from the same server or from another one that has
/// to create it again; a changed folder is another archive.
pub fn of_an_archive_again(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub");
    for n in 0..3 {
        served.file(format!("tree/{n}.bin"), &noise(2 * MIB + 77, n));
        served.file(
            format!("tree/sub/{n}.txt"),
            &noise(200_000, n).iter().map(|byte| byte % 16).collect::<Vec<_>>(),
        );
        served.file(format!("tree/sub/{n}.small"), &noise(5_000, n));
    }
    let whole = Peer::connect(served.address).get(get("tree")).unwrap();
    let identity = Some(whole.content.identity.clone());
    let other = served.beside(arch);
    // The second server builds its index meanwhile.
    for address in [served.address, other.local_addr()] {
        let mut peer = Peer::connect(address);
        for place in noise(8, 20) {
            let first = u64::from(place) % whole.blocks.len() as u64;
            let asked = Get { identity: identity.clone(), ..range("tree", first, None) };
            let received = peer.get(asked).unwrap();
            assert!(received.bytes == whole.bytes[first as usize * MIB..], "from {first}");
            let blocks = received.blocks.iter().map(|block| (block.index, block.position));
            assert!(
                blocks.eq(whole.blocks[first as usize..].iter().map(|block| (block.index, block.position)))
            );
            assert_eq!(received.end.size, Some(whole.bytes.len() as u64));
        }
        // The index of an interrupted answer is kept.
        peer.begin(range("tree", 1, None));
        drop(peer);
        let asked = Get { identity: identity.clone(), ..range("tree", 3, Some(2)) };
        assert!(Peer::connect(address).get(asked).unwrap().bytes == whole.bytes[3 * MIB..5 * MIB]);
    }
    served.file("tree/sub/1.small", b"another");
    for address in [served.address, other.local_addr()] {
        let asked = Get { identity: identity.clone(), ..range("tree", 3, None) };
        assert_eq!(Peer::connect(address).get(asked).unwrap_err().code, Code::Changed);
    }
}

pub fn after_the_end(arch: Arch) {
    let served = serve(arch);
    served.file("empty", b"");
    served.file("block", &noise(MIB, 1));
    served.file("more", &noise(MIB + 1, 1));
    let mut peer = Peer::connect(served.address);
    for (path, first, inside) in [
        ("empty", 0, true),
        ("empty", 1, false),
        ("block", 1, true),
        ("block", 2, false),
        ("more", 1, true),
        ("more", 2, false),
        ("more", u64::MAX, false),
        ("more", u64::MAX / BLOCK_SIZE + 1, false),
    ] {
        match peer.get(range(path, first, None)) {
            Ok(_) => assert!(inside, "{path} from {first}"),
            Err(failure) => {
                assert!(!inside, "{path} from {first}: {failure:?}");
                assert_eq!(failure.code, Code::Range);
            }
        }
    }
}

/// The skipped bytes of the first block are not sent again; the mark of the block and the root do not change.
pub fn inside_a_block(arch: Arch) {
    let served = serve(arch);
    served.file("file", &noise(2 * MIB + 100, 5));
    served.file("small", &noise(100, 5));
    served.directory("tree");
    served.file("tree/a.bin", &noise(3 * MIB / 2, 1));
    served.file("tree/b.txt", "all work and no play\n".repeat(200_000).as_bytes());
    served.file("tree/c.bin", &noise(MIB, 2));
    let mut peer = Peer::connect(served.address);
    for path in ["file", "small", "tree"] {
        let whole = peer.get(get(path)).unwrap();
        let size = whole.bytes.len();
        for first in 0..whole.blocks.len() {
            let (from, to) = (first * MIB, size.min((first + 1) * MIB));
            let length = to - from;
            for skip in [1, length / 2, length - 1] {
                for blocks in [None, Some(1)] {
                    peer.kept = [whole.bytes[from..from + skip].to_vec()].into();
                    let skip = skip as u64;
                    let received = peer.get(Get { skip, ..range(path, first as u64, blocks) }).unwrap();
                    let to = if blocks.is_none() { size } else { to };
                    assert!(received.bytes == whole.bytes[from + skip as usize..to], "{path} {first} {skip}");
                    assert_eq!(received.content.skip, skip);
                    let (mark, block) = (&received.blocks[0], &whole.blocks[first]);
                    assert_eq!((mark.digest, mark.length), (block.digest, block.length));
                    assert_eq!((u64::from(mark.skipped), mark.position), (skip, block.position));
                    let is_whole = first == 0 && to == size;
                    assert_eq!(received.root, whole.root.filter(|_| is_whole));
                }
            }
            for skip in [length, MIB, usize::MAX] {
                // The length of an archive is known only when it is complete.
                peer.kept = [whole.bytes[from..to].to_vec()].into();
                let asked = Get { skip: skip as u64, ..range(path, first as u64, None) };
                assert_eq!(peer.get(asked).unwrap_err().code, Code::Range, "{path} {first} {skip}");
            }
        }
        peer.kept.clear();
        let asked = Get { skip: 1, ..range(path, 0, Some(0)) };
        assert_eq!(peer.get(asked).unwrap_err().code, Code::Range, "{path}: there is no first block");
        let hashes = peer.hashes(Get { skip: 1, ..range("file", 0, None) }).unwrap();
        assert_eq!(hashes.0.skip, 0, "hashes are of whole blocks");
    }
}

/// The root of the whole content is sent with a range on request, if the server knows all hashes.
pub fn with_the_root(arch: Arch) {
    let served = serve(arch);
    let bytes = noise(2 * MIB + 100, 5);
    served.file("file", &bytes);
    served.file("small", &bytes[..100]);
    served.directory("tree");
    served.file("tree/file", &bytes);
    let mut peer = Peer::connect(served.address);
    let root = |peer: &mut Peer, path: &str, (first, blocks), root| {
        let received = peer.get(Get { root, ..range(path, first, blocks) }).unwrap();
        received.end.root
    };
    let (nothing, first, rest) = ((0, Some(0)), (0, Some(1)), (1, None));
    assert_eq!(root(&mut peer, "file", nothing, true), None, "it would have to read the file");
    assert_eq!(root(&mut peer, "file", first, true), None);
    // With the last block it knows all hashes.
    let whole = Some(blake3::hash(&bytes).to_string());
    assert_eq!(root(&mut peer, "file", rest, true), whole);
    for part in [nothing, first, rest] {
        assert_eq!(root(&mut peer, "file", part, true), whole, "{part:?}");
        assert_eq!(root(&mut peer, "file", part, false), None, "{part:?}: it was not asked for");
    }
    let small = Some(blake3::hash(&bytes[..100]).to_string());
    assert_eq!(root(&mut peer, "small", nothing, true), None);
    assert_eq!(root(&mut peer, "small", first, true), small, "this is the whole");
    assert_eq!(root(&mut peer, "small", nothing, true), small);
    peer.get(get("tree")).unwrap();
    assert_eq!(root(&mut peer, "tree", first, true), None, "archives are not kept");
    // Another version has another root.
    served.file("file", &bytes[1..]);
    assert_eq!(root(&mut peer, "file", nothing, true), None);
}

/// The zeros of a block with skipped bytes are sent; the blocks after it are sent as holes.
pub fn inside_a_hole(arch: Arch) {
    let served = serve(arch);
    let file = std::fs::File::create(served.path("file")).unwrap();
    file.set_len(5 * MIB as u64 + 5).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"begin", 0).unwrap();
    let mut bytes = vec![0; 5 * MIB + 5];
    bytes[..5].copy_from_slice(b"begin");
    let mut peer = Peer::connect(served.address);
    for first in 0..6 {
        let (from, length) = (first * MIB, MIB.min(bytes.len() - first * MIB));
        for skip in [0, 1, length / 2, length - 1] {
            if skip > 0 {
                peer.kept = [bytes[from..from + skip].to_vec()].into();
            }
            let skip = skip as u64;
            let received = peer.get(Get { skip, holes: true, ..range("file", first as u64, None) }).unwrap();
            assert!(received.bytes == bytes[from + skip as usize..], "{first} {skip}");
            assert_eq!(received.blocks.len(), 6 - first);
        }
    }
}

pub fn of_another_identity(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"first");
    served.directory("tree");
    served.file("tree/file", b"first");
    let mut peer = Peer::connect(served.address);
    for path in ["file", "tree"] {
        let identity = peer.get(get(path)).unwrap().end.identity;
        let same = Get { identity: Some(identity), ..get(path) };
        peer.get(same.clone()).unwrap();
        served.file(if path == "tree" { "tree/file" } else { "file" }, b"second");
        assert_eq!(peer.get(same).unwrap_err().code, Code::Changed, "{path}");
        let other = Get { identity: Some("another".into()), ..get(path) };
        assert_eq!(peer.get(other).unwrap_err().code, Code::Changed, "{path}");
        peer.get(get(path)).unwrap();
    }
}
