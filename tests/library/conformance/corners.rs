//! Cases of the specification that are easily overlooked.

use std::{
    ffi::OsStr,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
};

use fdsp::{
    protocol::{
        client::Request,
        error::Code,
        message::{Files, Get, Kind, List, NameForm, Tree, WantedFile},
    },
    server::Arch,
};
use serde_json::json;

use crate::conformance::{
    frames,
    harness::{Served, serve},
    line::Line,
    peer::{Answer, Incoming, Peer, files, get, stat},
};

const MIB: usize = 1 << 20;

/// Opens a connection by hand and sends this request.
fn ask(served: &Served, hello: &serde_json::Value, requests: &[Vec<u8>]) -> Line {
    let mut line = Line::connect(served.address);
    let greeting = [&frames::PREAMBLE[..], &frames::json(0x01, 0, hello)].concat();
    line.write_all(&[greeting, requests.concat()].concat()).unwrap();
    line
}

fn answers(line: &mut Line) -> Vec<(u8, u32)> {
    let mut bytes = Vec::new();
    line.read_to_end(&mut bytes).unwrap();
    frames::frames(&bytes[8..]).into_iter().map(|(kind, request, _)| (kind, request)).collect()
}

fn stat_frame(request: u32) -> Vec<u8> {
    frames::json(0x02, request, &json!({"path": ""}))
}

/// All requests are answered of a client that closes its sending side, and of one that sends a goodbye.
pub fn ends(arch: Arch) {
    let served = serve(arch);
    let hello = json!({"agent": "by hand"});
    let mut line = ask(&served, &hello, &[stat_frame(1), stat_frame(2)]);
    line.end().unwrap();
    let frames = answers(&mut line);
    assert_eq!(frames[..3], [(0x81, 0), (0x82, 1), (0x82, 2)], "{frames:?}");
    assert!(frames[3..].iter().all(|frame| *frame == (0x0f, 0)), "{frames:?}");
    // Nothing is read after a goodbye, so bytes after it are no violation.
    let goodbye = frames::json(0x0f, 0, &json!({"reason": "done"}));
    let mut line = ask(&served, &hello, &[stat_frame(1), goodbye, b"anything".to_vec()]);
    let frames = answers(&mut line);
    assert_eq!(frames[..2], [(0x81, 0), (0x82, 1)], "{frames:?}");
    assert!(frames[2..].iter().all(|frame| *frame == (0x0f, 0)), "{frames:?}");
}

/// An invalid token is malformed, also if no token is needed.
pub fn tokens(arch: Arch) {
    let served = serve(arch);
    let code = "0f".repeat(32);
    for malformed in [
        json!({"token": "short"}),
        json!({"token_proof": code}),
        json!({"nonce": code}),
        json!({"nonce": code, "token_proof": code[2..]}),
        json!({"nonce": "", "token_proof": code}),
        json!({"nonce": code, "token_proof": code, "token": "long-enough"}),
        json!({"token_id": ""}),
        json!({"token_id": "n".repeat(129)}),
        json!({"token_id": {"path": "p".repeat(4097), "expires": 1}}),
    ] {
        let mut hello = malformed.clone();
        hello["agent"] = "by hand".into();
        let mut line = ask(&served, &hello, &[]);
        assert_eq!(answers(&mut line), [(0x9f, 0)], "{malformed}");
        served.wait_for_end("broke the protocol: malformed hello message");
    }
    for ignored in [
        json!({"token": "long-enough"}),
        json!({"nonce": code, "token_proof": code}),
        json!({"token": "long-enough", "token_id": "ann"}),
        json!({"token_id": {"path": "a", "expires": 1}}),
    ] {
        let mut hello = ignored.clone();
        hello["agent"] = "by hand".into();
        let mut line = ask(&served, &hello, &[stat_frame(1)]);
        line.end().unwrap();
        assert_eq!(answers(&mut line)[..2], [(0x81, 0), (0x82, 1)], "{ignored}");
    }
}

pub fn requests(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"abc");
    served.file("empty", b"");
    served.file("large", &vec![7; MIB]);
    served.directory("directory");
    std::fs::write(served.path("").join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let mut peer = Peer::connect(served.address);

    // An entry that is neither a file nor a directory is listed, and cannot be requested.
    let entries = peer.list("", None, None).unwrap().entries;
    let odd = entries.iter().find(|entry| entry.name == "caf%E9").map(|entry| entry.kind);
    assert_eq!(odd, Some(Kind::Other));
    peer.request(&stat("caf%E9"));
    assert!(matches!(peer.next(), Incoming::Failed(_, failure) if failure.code == Code::NotFound));

    // A client that supports such names can request it.
    let bytes = List { names: NameForm::Bytes, ..List::default() };
    peer.request(&Request::List(bytes));
    let Incoming::Entries(page) = peer.next() else { panic!("no listing") };
    let odd = page.entries.iter().find(|entry| entry.name == "caf\0E9");
    assert_eq!(odd.map(|entry| (entry.kind, entry.size)), Some((Kind::File, Some(1))));
    let whole = peer.get(get("caf\0E9")).unwrap();
    assert_eq!((&whole.bytes[..], whole.content.name.as_str()), (&b"x"[..], "caf\0E9"));
    let answers = peer.files(files("", &["caf\0E9"])).unwrap();
    assert!(matches!(&answers[..], [Answer::Whole(_, content)] if content == b"x"), "{answers:?}");
    peer.request(&Request::Tree(Tree { names: NameForm::Bytes, missing: true, ..Tree::default() }));
    // A page also ends after some time: on a slow machine the tree takes more than one.
    let (entries, totals) = peer.receive_tree().unwrap();
    assert!(entries.iter().any(|entry| entry.path == "caf\0E9"), "{entries:?}");
    assert_eq!(totals.missing, None);
    // Second spellings of a name are invalid: of a slash, of UTF-8, in lower case.
    for second in ["\x0066ile", "directory\x002F", "f\x0069le", "caf\0e9", "\0C3\0A9", "\x002E\x002E"] {
        peer.request(&stat(second));
        assert!(
            matches!(peer.next(), Incoming::Failed(_, failure) if failure.code == Code::NotFound),
            "{second:?}"
        );
    }

    // An impossible identity is a different one.
    for identity in [String::new(), "x".repeat(129)] {
        let wanted = Get { identity: Some(identity), ..get("file") };
        assert_eq!(peer.get(wanted).unwrap_err().code, Code::Changed);
    }

    // An answer without blocks has reached the end if it begins there.
    let ranges =
        [("file", 0, Some(0), None), ("empty", 0, None, Some(0)), ("large", 1, None, Some(MIB as u64))];
    for (path, first_block, blocks, size) in ranges {
        let received = peer.get(Get { first_block, blocks, ..get(path) }).unwrap();
        assert_eq!((received.bytes.len(), received.end.size), (0, size), "{path}");
        assert_eq!(received.end.root.is_some(), path == "empty", "{path}");
    }

    // A repeated path is answered twice, and an empty path is the directory.
    let answers = peer.files(files("", &["file", "", "file"])).unwrap();
    let [Answer::Whole(_, first), Answer::Missed(failure), Answer::Whole(_, last)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((&first[..], failure.code, &last[..]), (&b"abc"[..], Code::WrongKind, &b"abc"[..]));

    // A file that is too large is not compared.
    let digest = Some(blake3::hash(b"abc").to_hex().to_string());
    let wanted = WantedFile { path: "file".into(), digest, skip: 0 };
    let answers = peer.files(Files { files: vec![wanted], largest: Some(2), ..files("", &[]) }).unwrap();
    assert!(
        matches!(&answers[..], [Answer::Missed(failure)] if failure.code == Code::Changed),
        "{answers:?}"
    );
}
