//! Valid exchanges of the two machines.

use fdsp::protocol::{
    client::{Client, Event, Request},
    digest::{BlockDigest, Hash},
    error::{Code, Violation},
    frame::outgoing::Outgoing,
    message::{Content, Entries, Entry, Form, Get, Kind, List, Stat},
    server::Server,
};

use crate::wire::{
    memory::{MODIFIED, Stored, failure},
    pair::Pair,
    stream::{MIB, Seen, Stream, blake3_hex, chaining, pattern},
};

pub fn get(path: &str) -> Get {
    Get { path: path.to_owned(), ..Get::default() }
}

fn content(seen: &[Seen]) -> Vec<u8> {
    let data = seen.iter().filter_map(|seen| match seen {
        Seen::Data(_, bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    data.collect::<Vec<_>>().concat()
}

fn last(seen: &[Seen]) -> &str {
    match seen.last() {
        Some(Seen::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    }
}

#[test]
fn files_of_every_size_at_a_boundary_are_received() {
    for size in [0, 1, 1023, 1024, 1025, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 7] {
        for stored in [Stored::file(pattern(size)), Stored::archive(pattern(size))] {
            let bytes = stored.bytes.clone();
            let mut pair = Pair::with("f", stored);
            pair.client.request(&Request::Get(get("f")));
            let seen = pair.run();
            assert!(content(&seen) == bytes, "{size} bytes");
            let root = blake3_hex(&bytes);
            assert!(last(&seen).contains(&format!("root: Some({root})")), "{size}: {}", last(&seen));
            assert!(!seen.iter().any(|seen| format!("{seen:?}").contains("verified: None")));
            assert_eq!((pair.client.pending(), pair.client.end_of_stream()), (0, Ok(())));
        }
    }
}

#[test]
fn a_range_has_the_requested_blocks_and_no_root() {
    let bytes = pattern(3 * MIB + 7);
    for (first, blocks, expected) in [
        (0, Some(1), 0..MIB),
        (1, Some(2), MIB..3 * MIB),
        (1, None, MIB..3 * MIB + 7),
        (3, Some(9), 3 * MIB..3 * MIB + 7),
        (2, Some(0), 0..0),
        (0, Some(u64::MAX), 0..3 * MIB + 7),
    ] {
        for stored in [Stored::file(bytes.clone()), Stored::archive(bytes.clone())] {
            let mut pair = Pair::with("f", stored);
            let blocks = blocks.map(|blocks: u64| blocks.min(1000));
            pair.client.request(&Request::Get(Get { first_block: first, blocks, ..get("f") }));
            let seen = pair.run();
            assert!(content(&seen) == bytes[expected.clone()], "{first} {blocks:?}");
            let reached = expected.end == bytes.len();
            assert_eq!(last(&seen).contains("size: Some"), reached, "{}", last(&seen));
            assert_eq!(last(&seen).contains("root: Some"), reached && first == 0);
            assert_eq!(pair.client.pending(), 0);
        }
    }
}

#[test]
fn a_range_at_the_end_is_empty_and_one_after_the_end_is_rejected() {
    for stored in [Stored::file(pattern(2 * MIB)), Stored::archive(pattern(2 * MIB))] {
        let mut pair = Pair::with("f", stored);
        pair.client.request(&Request::Get(Get { first_block: 2, ..get("f") }));
        pair.client.request(&Request::Get(Get { first_block: 3, ..get("f") }));
        let seen = pair.run();
        assert_eq!(content(&seen), b"");
        assert!(format!("{:?}", seen[2]).contains("size: Some(2097152), root: None"), "{:?}", seen[2]);
        assert!(last(&seen).contains("code: Range"));
    }
}

#[test]
fn the_hashes_match_the_blocks() {
    let bytes = pattern(3 * MIB + 7);
    let values: Vec<Hash> =
        (0..).zip(bytes.chunks(MIB)).map(|(index, block)| Hash(chaining(index, block))).collect();
    for (first, blocks, expected) in [
        (0, None, 0..4),
        (0, Some(4), 0..4),
        (0, Some(1), 0..1),
        (2, None, 2..4),
        (3, Some(9), 3..4),
        (1, Some(0), 1..1),
    ] {
        let mut pair = Pair::with("f", Stored::file(bytes.clone()));
        pair.client.request(&Request::Hashes(Get { first_block: first, blocks, ..get("f") }));
        let seen = pair.run();
        let text: Vec<_> = seen.iter().map(|seen| format!("{seen:?}")).collect();
        for value in &values[expected.clone()] {
            assert_eq!(text.iter().filter(|text| text.contains(&value.to_string())).count(), 1);
        }
        let whole = expected == (0..4);
        assert_eq!(
            last(&seen).contains(&format!("root: Some({})", blake3_hex(&bytes))),
            whole,
            "{}",
            last(&seen)
        );
        assert_eq!(last(&seen).contains("size: Some"), expected.end == 4);
        assert_eq!((pair.client.pending(), pair.client.end_of_stream()), (0, Ok(())));
    }
    for size in [0, 1, MIB, MIB + 1] {
        let mut pair = Pair::with("f", Stored::file(pattern(size)));
        pair.client.request(&Request::Hashes(get("f")));
        let seen = pair.run();
        let proven = format!("root: Some({})", blake3_hex(&pattern(size)));
        assert_eq!(last(&seen).contains(&proven), size.div_ceil(MIB) != 1, "{size}: {}", last(&seen));
    }
}

#[test]
fn hashes_are_split_into_several_frames() {
    let blocks: Vec<BlockDigest> =
        (0..5000u32).map(|n| BlockDigest { chaining: Hash([n as u8; 32]), alone: None }).collect();
    let mut out = Outgoing::new();
    let content = Content {
        form: Form::File,
        name: "f".to_owned(),
        size: Some(6000 << 20),
        sources: None,
        modified: MODIFIED,
        mode: 0,
        identity: "v1".to_owned(),
        first_block: 1000,
        skip: 0,
        data_bytes: None,
    };
    let mut writer = Server::new().hashes(1, &content, &mut out);
    writer.push(&blocks, &mut out);
    assert_eq!(writer.end("v1", &mut out), None);
    let mut client = Client::new("test");
    client.request(&Request::Hashes(Get { first_block: 1000, ..get("f") }));
    let stream = Stream::welcomed().raw(&out.as_slice()[8..]).0;
    let (mut rest, mut received, mut frames) = (stream.as_slice(), Vec::new(), 0);
    while let (used @ 1.., event) = client.receive(rest).expect("a right stream") {
        if let Some(Event::Hashes { first_block, hashes, .. }) = event {
            assert_eq!(first_block, 1000 + received.len() as u64);
            received.extend(hashes);
            frames += 1;
        }
        rest = &rest[used..];
    }
    assert_eq!((frames, client.pending()), (3, 0));
    assert!(received.iter().eq(blocks.iter().map(|block| &block.chaining)));
}

#[test]
fn hashes_can_end_with_an_error_or_be_rejected() {
    let mut broken = Stored::file(pattern(2 * MIB));
    broken.breaks_at = Some(0);
    let mut pair = Pair::with("f", broken);
    pair.server.stored.insert("zip".to_owned(), Stored::archive(pattern(5)));
    pair.client.request(&Request::Hashes(get("f")));
    pair.client.request(&Request::Hashes(get("zip")));
    pair.client.request(&Request::Hashes(Get { identity: Some("other".to_owned()), ..get("f") }));
    pair.client.request(&Request::Hashes(Get { first_block: 3, ..get("f") }));
    let seen = format!("{:?}", pair.run());
    for code in [
        "request: 1, failure: Failure { code: Changed",
        "code: WrongKind",
        "request: 3, failure: Failure { code: Changed",
        "code: Range",
    ] {
        assert!(seen.contains(code), "{code}: {seen}");
    }
    assert_eq!(pair.client.pending(), 0);
}

#[test]
fn requests_are_pipelined_and_answered_in_order() {
    let mut pair = Pair::with("f", Stored::file(pattern(10)));
    let requests = [
        Request::Stat(Stat { path: "f".to_owned() }),
        Request::Get(get("f")),
        Request::Stat(Stat { path: "absent".to_owned() }),
        Request::Get(Get { identity: Some("other".to_owned()), ..get("f") }),
        Request::List(List { path: "f".to_owned(), ..List::default() }),
        Request::Get(get("f")),
    ];
    for (index, request) in requests.iter().enumerate() {
        assert_eq!(pair.client.request(request) as usize, index + 1);
    }
    assert_eq!(pair.client.pending(), requests.len());
    assert_eq!(
        pair.client.end_of_stream(),
        Err(Violation::NotOurs(fdsp::protocol::error::UnknownProtocol::Silent))
    );
    let seen = pair.run();
    let begins = [
        "Welcome",
        "Meta { request: 1",
        "Content { request: 2",
        "2",
        "Block { request: 2",
        "End { request: 2",
        "Failed { request: 3",
        "Failed { request: 4",
        "Failed { request: 5",
        "Content { request: 6",
        "6",
        "Block { request: 6",
        "End { request: 6",
    ];
    assert_eq!(seen.len(), begins.len(), "{seen:?}");
    for (seen, begin) in seen.iter().zip(begins) {
        match seen {
            Seen::Event(event) => assert!(event.starts_with(begin), "{event} is no {begin}"),
            Seen::Data(request, _) => assert_eq!(request.to_string(), begin),
            Seen::Violation(violation) => panic!("{violation}"),
        }
    }
    assert_eq!(pair.client.pending(), 0);
}

#[test]
fn the_result_does_not_depend_on_the_size_of_the_reads() {
    let run = |step| {
        let mut pair = Pair::with("f", Stored::file(pattern(5000)));
        pair.step = step;
        pair.client.request(&Request::Stat(Stat { path: "f".to_owned() }));
        pair.client.request(&Request::Get(get("f")));
        pair.client.goodbye("done");
        let seen = pair.run();
        (seen, pair.written, pair.client.end_of_stream())
    };
    let whole = run(usize::MAX);
    assert_eq!(whole.2, Ok(()));
    for step in [1, 2, 3, 7, 11, 12, 13, 64, 4999] {
        assert!(run(step) == whole, "step {step}");
    }
}

#[test]
fn an_error_can_end_content_anywhere_and_the_connection_stays_open() {
    for breaks_at in [0, 256 * 1024, MIB as u64] {
        let mut stored = Stored::file(pattern(2 * MIB));
        stored.breaks_at = Some(breaks_at);
        let mut pair = Pair::with("f", stored);
        pair.client.request(&Request::Get(get("f")));
        pair.client.request(&Request::Stat(Stat { path: "f".to_owned() }));
        let seen = pair.run();
        assert_eq!(content(&seen).len() as u64, breaks_at);
        let failed = format!("{:?}", seen[seen.len() - 2]);
        assert!(failed.contains("Failed") && failed.contains("code: Changed"), "{failed}");
        assert!(last(&seen).starts_with("Meta"));
    }
}

#[test]
fn a_page_is_limited_by_the_size_of_a_frame() {
    let entry = |i: usize| Entry {
        name: format!("{i:05}{}", "ü\u{1}".repeat(60)),
        kind: Kind::File,
        size: Some(u64::MAX),
        modified: MODIFIED,
    };
    let mut pair = Pair::new();
    let all = Entries { entries: (0..1000).map(entry).collect(), more: false };
    pair.server.listing = Some(all.clone());
    let id = pair.client.request(&Request::List(List::default()));
    pair.run();

    let mut out = Outgoing::new();
    let mut server = Server::new();
    server.entries(id, &all, &mut out);
    let length = out.as_slice()[8..].len() - 12;
    assert!((60_000..=65_536).contains(&length), "{length} bytes");
    let page: Entries = serde_json::from_slice(&out.as_slice()[20..]).expect("JSON");
    assert!(page.more && page.entries.len() < 1000);
    assert_eq!(page.entries, all.entries[..page.entries.len()]);

    for (entries, more) in [(0, false), (1, false), (1, true)] {
        let page = Entries { entries: (0..entries).map(entry).collect(), more };
        let mut out = Outgoing::new();
        Server::new().entries(1, &page, &mut out);
        assert_eq!(serde_json::from_slice::<Entries>(&out.as_slice()[20..]).expect("JSON"), page);
    }
}

#[test]
fn long_texts_are_truncated() {
    let long = "ü\u{1}".repeat(100_000);
    let mut out = Outgoing::new();
    let mut server = Server::new();
    let mut long_failure = failure(Code::Internal, &long);
    long_failure.path = Some(long.clone());
    server.failure(1, &long_failure, &mut out);
    server.goodbye(&long, &mut out);
    let mut client = Client::new(&long);
    client.goodbye(&long);
    let written = [&out.as_slice()[8..], &client.outgoing()[8..]];
    for mut rest in written {
        while let Some((header, after)) = rest.split_first_chunk::<12>() {
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            assert!(length <= 65_536, "{length} bytes");
            serde_json::from_slice::<serde_json::Value>(&after[..length]).expect("JSON");
            rest = &after[length..];
        }
        assert_eq!(rest, b"");
    }
}

#[test]
fn content_is_borrowed_and_not_copied() {
    let mut pair = Pair::with("f", Stored::file(pattern(1000)));
    pair.client.request(&Request::Get(get("f")));
    pair.run();
    let mut client = Client::new("another");
    client.request(&Request::Get(get("f")));
    let mut rest = pair.written.as_slice();
    let range = pair.written.as_ptr_range();
    loop {
        let (used, event) = client.receive(rest).expect("a right stream");
        if let Some(Event::Data { bytes, .. }) = &event {
            assert!(range.contains(&bytes.as_ptr()));
            return;
        }
        assert!(used > 0);
        rest = &rest[used..];
    }
}

#[test]
fn a_goodbye_or_a_connection_error_makes_the_end_of_the_stream_clean() {
    let mut pair = Pair::new();
    pair.client.goodbye("done");
    let seen = pair.run();
    assert!(last(&seen).starts_with("Goodbye"), "{seen:?}");
    assert_eq!(pair.client.end_of_stream(), Ok(()));

    // A busy server reports that at once, before it reads anything.
    let mut out = Outgoing::new();
    Server::new().abort(&failure(Code::Busy, "later"), &mut out);
    let mut client = Client::new("test");
    client.request(&Request::Get(get("f")));
    let seen = crate::wire::stream::feed_client(&mut client, [out.as_slice()]);
    assert!(last(&seen).contains("request: 0") && last(&seen).contains("code: Busy"), "{seen:?}");
    assert_eq!(client.end_of_stream(), Ok(()));
}
