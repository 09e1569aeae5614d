//! Invalid content: announcements, skips, ranges, blocks and holes.

use super::*;

#[test]
fn announcements_that_contradict_the_request_or_themselves() {
    let resumed = Get { first_block: 2, identity: Some("v1".to_owned()), ..get("f") };
    let of_form = |form| Get { form, ..get("f") };
    let absurd = Get { first_block: 1 << 44, ..get("f") };
    for (get, content, what) in [
        (get("f"), with(file(1), "form", json!("auto")), "it names no form"),
        (of_form(Form::Zip), file(1), "another form"),
        (of_form(Form::File), archive(1), "another form"),
        (get("f"), without(file(1), "size"), "a file has a size and no sources"),
        (get("f"), with(archive(1), "form", json!("file")), "a file has a size and no sources"),
        (get("f"), without(archive(1), "sources"), "an archive names its sources"),
        (
            get("f"),
            with(archive(1), "size", json!(32 * 1024 + 2)),
            "a size that no archive of its sources has",
        ),
        (get("f"), with(archive(1), "size", json!(u64::MAX)), "a size that no archive of its sources has"),
        (get("f"), with(file(9 * MIB), "first_block", json!(1)), "another first block"),
        (resumed.clone(), file(9 * MIB), "another first block"),
        (resumed.clone(), with(file(MIB), "first_block", json!(2)), "it begins after its end"),
        (
            resumed,
            with(with(file(9 * MIB), "first_block", json!(2)), "identity", json!("v2")),
            "another identity",
        ),
        (absurd, with(archive(1), "first_block", json!(1u64 << 44)), "a first block that no content has"),
        (get("f"), with(file(1), "identity", json!("")), "an identity has 1 to 128 characters"),
        (get("f"), with(file(1), "identity", json!("ü".repeat(129))), "an identity has 1 to 128 characters"),
        (get("f"), with(file(1), "mode", json!(0o1000)), "a mode of more than 0o777"),
        (
            get("f"),
            with(file(1), "modified", json!({"s": 0, "ns": 1_000_000_000})),
            "a point in time with too many nanoseconds",
        ),
    ] {
        assert_eq!(refused(&[Request::Get(get)], &announced(&content)), Violation::Content(what));
    }
}

/// The bytes that a client skips are part of the block, and nothing else may be skipped.
#[test]
fn skips_that_do_not_match_the_request() {
    let bytes = pattern(MIB + 500);
    let skip = |first_block, skip| Request::Get(Get { first_block, skip, ..get("f") });
    let at = |first: u64, skip: u64, content: Value| {
        announced(&with(with(content, "first_block", json!(first)), "skip", json!(skip)))
    };
    let sized = || file(bytes.len());
    for (request, stream, what) in [
        (skip(0, 0), at(0, 1, sized()), "another skip than was asked for"),
        (skip(0, 7), at(0, 8, sized()), "another skip than was asked for"),
        (Request::Hashes(Get { skip: 7, ..get("f") }), at(0, 7, sized()), "another skip than was asked for"),
        (skip(1, 500), at(1, 500, sized()), "it skips a whole block"),
        (skip(0, MIB as u64), at(0, MIB as u64, archive(9 * MIB)), "it skips a whole block"),
        (
            Request::Get(Get { blocks: Some(0), skip: 7, ..get("f") }),
            at(0, 7, sized()),
            "it skips a whole block",
        ),
        (skip(1, 499), at(1, 499, sized()).data(1, &[0; 2]), "more data than announced"),
        (skip(0, 7), at(0, 7, sized()).data(1, &bytes[6..MIB]), "a block that is too long"),
        (skip(1, 9), at(1, 9, sized()).mark(1, 1, 9, &[0; 32]), "a block without data"),
        (skip(1, 9), at(1, 9, sized()).json(END, 1, &range_end()), "data without its block"),
    ] {
        assert_eq!(refused(&[request], &stream), Violation::Content(what));
    }
    let two = |skip| Request::Files(Files { files: vec![wanted("a", skip), wanted("b", 0)], ..files() });
    let head = |size: usize, skip: u64| {
        let head = json!({"size": size, "modified": modified(), "mode": 0, "identity": "v1", "skip": skip});
        welcomed().json(FILE, 1, &head)
    };
    for (request, stream, what) in [
        (two(0), head(9, 1), "another skip than was asked for"),
        (two(7), head(9, 8), "another skip than was asked for"),
        (two(9), head(9, 9), "it skips a whole block"),
        (two(8), head(9, 8).data(1, &[0; 2]), "more data than announced"),
    ] {
        assert_eq!(refused(&[request], &stream), Violation::Content(what));
    }
}

/// The hash of a block covers the bytes that the client has and the bytes that it receives.
#[test]
fn a_block_after_a_skip_is_verified_as_a_whole() {
    let bytes = pattern(MIB + 500);
    let run = |announced_skip: Option<u64>, given: &[&[u8]], sent: usize| {
        let mut content = with(file(bytes.len()), "first_block", json!(1));
        content["skip"] = json!(announced_skip);
        let mut client = Client::new("test");
        client.request(&Request::Get(Get { first_block: 1, skip: 200, ..get("f") }));
        let mut seen = feed_client(&mut client, [announced(&content).0.as_slice()]);
        given.iter().for_each(|bytes| client.skipped(bytes));
        let rest = Stream::default()
            .data(1, &bytes[MIB + sent..])
            .mark(1, 1, bytes.len() as u64, &chaining(1, &bytes[MIB..]))
            .json(END, 1, &json!({"size": bytes.len(), "identity": "v1"}));
        seen.extend(feed_client(&mut client, rest.0.chunks(77)));
        let shown: Vec<String> = seen.iter().map(|seen| format!("{seen:?}")).collect();
        assert!(shown.last().is_some_and(|last| last.contains("End")), "{shown:?}");
        let block = shown.iter().find(|event| event.contains("Block")).expect("a block");
        assert!(block.contains("length: 500"), "{block}");
        (block.contains("verified: Some"), block.contains("skipped: 200"))
    };
    let had = &bytes[MIB..MIB + 200];
    let mut wrong = had.to_vec();
    wrong[7] ^= 1;
    assert_eq!(run(Some(200), &[had], 200), (true, true));
    assert_eq!(run(Some(200), &[&had[..3], &had[3..], b"more"], 200), (true, true), "in pieces");
    assert_eq!(run(Some(200), &[&wrong], 200), (false, true), "what it had is wrong");
    assert_eq!(run(Some(200), &[&had[..199]], 200), (false, true), "it did not have it");
    assert_eq!(run(Some(200), &[], 200), (false, true));
    for skip in [None, Some(0)] {
        assert_eq!(run(skip, &[had], 0), (true, false), "a server that does not skip");
    }
}

#[test]
fn content_that_contradicts_its_announcement() {
    let bytes = pattern(2 * MIB + 5);
    let (one, two, tail) = (&bytes[..MIB], &bytes[MIB..2 * MIB], &bytes[2 * MIB..]);
    let mib = MIB as u64;
    let size = bytes.len() as u64;
    let file = || announced(&file(bytes.len()));
    let zip = || announced(&archive(bytes.len()));
    let first = |stream: Stream| stream.block(1, 0, mib, one);
    let both = |stream: Stream| first(stream).block(1, 1, 2 * mib, two);
    let all = |stream: Stream| both(stream).block(1, 2, size, tail);
    let hash = |index, content| chaining(index, content);
    let swapped = json!({"size": bytes.len(), "root": blake3_hex(b"other"), "identity": "v1"});
    for (stream, what) in [
        (both(file()).data(1, &[0; 6]), "more data than announced"),
        (all(file()).data(1, &[0]), "data after a short block"),
        (announced(&self::file(0)).data(1, &[0]), "more data than announced"),
        (file().data(1, one).data(1, &[0]), "a block that is too long"),
        (file().data(1, &one[1..]).data(1, &[0; 2]), "a block that is too long"),
        (file().mark(1, 0, 0, &[0; 32]), "a block without data"),
        (first(file()).mark(1, 0, mib, &hash(0, one)), "a block without data"),
        (file().block(1, 1, mib, one), "a block out of order"),
        (first(file()).block(1, 0, 2 * mib, two), "a block out of order"),
        (first(file()).block(1, 2, 2 * mib, two), "a block out of order"),
        (file().block(1, 0, 9, &one[..9]), "a short block before the end"),
        (zip().block(1, 0, 9, &one[..9]).data(1, &[0]), "data after a short block"),
        (file().block(1, 0, mib - 1, one), "a position of a file that is not the offset"),
        (file().block(1, 0, size + 1, one), "a position that goes back or beyond the sources"),
        (zip().block(1, 0, size + 1, one), "a position that goes back or beyond the sources"),
        (zip().block(1, 0, 9, one).block(1, 1, 8, two), "a position that goes back or beyond the sources"),
        (both(file()).data(1, tail).json(END, 1, &end(&bytes)), "data without its block"),
        (both(file()).json(END, 1, &end(&bytes)), "it ends before its size"),
        (both(file()).json(END, 1, &range_end()), "it ends before the last block that was asked for"),
        (both(zip()).json(END, 1, &range_end()), "it ends before the last block that was asked for"),
        (all(zip()).json(END, 1, &range_end()), "it ends before the last block that was asked for"),
        (all(file()).json(END, 1, &range_end()), "its end names no size"),
        (all(file()).json(END, 1, &with(end(&bytes), "size", json!(7))), "it ends before its size"),
        (all(zip()).json(END, 1, &with(end(&bytes), "size", json!(7))), "it ends before its size"),
        (
            all(file()).json(END, 1, &with(end(&bytes), "identity", json!("v2"))),
            "it ends with another identity",
        ),
        (all(file()).json(END, 1, &without(end(&bytes), "root")), "the whole content without its root"),
        (all(file()).json(END, 1, &with(end(&bytes), "root", json!("00"))), "an invalid root"),
    ] {
        assert_eq!(refused(&[Request::Get(get("f"))], &stream), Violation::Content(what));
    }
    assert_eq!(refused(&[Request::Get(get("f"))], &all(zip()).json(END, 1, &swapped)), Violation::Root);
    for stream in [file(), zip()] {
        accepted(&[Request::Get(get("f"))], &all(stream).json(END, 1, &end(&bytes)));
    }
}

#[test]
fn ranges_that_do_not_match_the_request() {
    let bytes = pattern(2 * MIB);
    let (one, two, mib) = (&bytes[..MIB], &bytes[MIB..], MIB as u64);
    let range = |first_block, blocks| [Request::Get(Get { first_block, blocks: Some(blocks), ..get("f") })];
    let at = |first: u64, content: Value| announced(&with(content, "first_block", json!(first)));
    let sized = || at(0, file(bytes.len())).block(1, 0, mib, one);
    let unsized_ = || at(0, archive(bytes.len())).block(1, 0, mib, one);
    for (requests, stream, what) in [
        (range(0, 1), sized().data(1, &[0]), "more data than asked for"),
        (range(0, 0), at(0, file(9)).data(1, &[0]), "more data than asked for"),
        (range(0, 1), unsized_().data(1, &[0]), "more data than asked for"),
        (range(0, 2), sized().json(END, 1, &range_end()), "it ends before the last block that was asked for"),
        (range(0, 1), sized().json(END, 1, &with(range_end(), "size", json!(MIB))), "its end names no size"),
        (
            range(0, 1),
            sized().json(END, 1, &with(range_end(), "root", json!(blake3_hex(one)))),
            "a root of a content that was not sent whole",
        ),
        (
            range(0, 1),
            at(0, archive(99)).block(1, 0, 9, &one[..9]).json(END, 1, &range_end()),
            "it ends before the last block that was asked for",
        ),
        (
            range(1, 9),
            at(1, file(bytes.len())).block(1, 1, 2 * mib, two).json(END, 1, &end(&bytes)),
            "a root of a content that was not sent whole",
        ),
        (range(1, 9), at(1, file(bytes.len())).block(1, 0, 2 * mib, two), "a block out of order"),
    ] {
        assert_eq!(refused(&requests, &stream), Violation::Content(what));
    }
    // The root of the whole content, if requested: it is accepted as it is sent, or not sent.
    let rooted = |first_block, blocks| {
        [Request::Get(Get { root: true, first_block, blocks: Some(blocks), ..get("f") })]
    };
    let whole = json!(blake3_hex(&bytes));
    for end in [range_end(), with(range_end(), "root", whole.clone())] {
        accepted(&rooted(0, 1), &sized().json(END, 1, &end));
        accepted(&rooted(0, 0), &at(0, file(bytes.len())).json(END, 1, &end));
    }
    accepted(&rooted(1, 1), &at(1, file(bytes.len())).block(1, 1, 2 * mib, two).json(END, 1, &end(&bytes)));
    for (root, what) in [("00", "an invalid root"), ("", "an invalid root")] {
        let stream = sized().json(END, 1, &with(range_end(), "root", json!(root)));
        assert_eq!(refused(&rooted(0, 1), &stream), Violation::Content(what));
    }
    let only = at(0, file(MIB)).block(1, 0, mib, one).json(END, 1, &with(end(one), "root", whole));
    assert_eq!(refused(&rooted(0, 1), &only), Violation::Root, "of the whole content it is still compared");
    // The range ends at the end of the archive: with or without the size, the answer is valid.
    accepted(&range(0, 1), &unsized_().json(END, 1, &range_end()));
    let whole = with(end(one), "size", json!(MIB));
    accepted(&range(0, 1), &unsized_().json(END, 1, &whole));
}

#[test]
fn progress_frames_are_sent_before_the_answer_to_clients_that_request_them() {
    let requests = |working| {
        [
            Request::List(List { working, ..list() }),
            Request::Get(Get { working, ..get("f") }),
            Request::Tree(Tree { working, ..Tree::default() }),
        ]
    };
    let works = |stream: Stream| stream.frame(WORKING, 1, b"");
    let failure = json!({"code": "not_found", "message": "no"});
    for request in requests(true) {
        accepted(&[request], &works(works(welcomed())).json(ERROR, 1, &failure));
    }
    for request in requests(false) {
        assert_eq!(refused(&[request], &works(welcomed())), Violation::Unexpected("working"));
    }
    let [_, asked, _] = requests(true);
    let stream = works(works(welcomed()).json(CONTENT, 1, &file(3)));
    assert_eq!(refused(&[asked], &stream), Violation::Unexpected("working"));
    let hashes = Request::Hashes(Get { working: true, ..get("f") });
    assert_eq!(refused(&[hashes], &works(welcomed())), Violation::Unexpected("working"));
}

#[test]
fn a_corrupt_block_is_reported_and_the_rest_is_still_received() {
    let bytes = pattern(MIB + 5);
    let mut flipped = bytes[..MIB].to_vec();
    flipped[77] ^= 1;
    let stream = announced(&file(bytes.len()))
        .data(1, &flipped)
        .mark(1, 0, MIB as u64, &chaining(0, &bytes[..MIB]))
        .block(1, 1, bytes.len() as u64, &bytes[MIB..])
        .json(END, 1, &end(&bytes));
    let seen = accepted(&[Request::Get(get("f"))], &stream);
    let shown: Vec<String> = seen.iter().map(|seen| format!("{seen:?}")).collect();
    assert!(shown[3].contains("index: 0") && shown[3].contains("verified: None"), "{}", shown[3]);
    assert!(shown[5].contains("index: 1") && shown[5].contains("verified: Some"), "{}", shown[5]);
    assert!(shown[6].ends_with("root: None }\")"), "{}", shown[6]);
}

#[test]
fn a_requested_hole_frame_replaces_a_whole_block() {
    let ask = |blocks| Request::Get(Get { holes: true, blocks, ..get("f") });
    let mib = MIB as u64;
    let hole = |stream: Stream, index: u64, length: usize| {
        let end = index * mib + length as u64;
        stream.frame(HOLE, 1, b"").mark(1, index, end, &chaining(index, &vec![0; length]))
    };
    let sparse = |size| announced(&with(file(size), "data_bytes", json!(0)));
    let zeros = vec![0; 2 * MIB + 5];
    let whole = hole(hole(hole(sparse(zeros.len()), 0, MIB), 1, MIB), 2, 5).json(END, 1, &end(&zeros));
    let seen = format!("{:?}", accepted(&[ask(None)], &whole));
    assert_eq!(seen.matches("Hole { request: 1, length: 1048576 }").count(), 2, "{seen}");
    assert!(seen.contains("Hole { request: 1, length: 5 }") && !seen.contains("verified: None"), "{seen}");

    let lie = sparse(MIB).frame(HOLE, 1, b"").mark(1, 0, mib, &chaining(0, &pattern(MIB)));
    let lie = lie.json(END, 1, &end(&zeros[..MIB]));
    assert!(
        format!("{:?}", accepted(&[ask(None)], &lie)).contains("verified: None"),
        "it is compared as data is"
    );

    let archive = announced(&with(archive(MIB), "size", json!(MIB)));
    for (request, stream, what) in [
        (ask(None), sparse(MIB).data(1, b"x").frame(HOLE, 1, b""), "a hole in a block"),
        (ask(None), sparse(2 * MIB).frame(HOLE, 1, b"").frame(HOLE, 1, b""), "a hole in a block"),
        (ask(None), hole(sparse(5), 0, 5).frame(HOLE, 1, b""), "data after a short block"),
        (ask(None), hole(sparse(MIB), 0, MIB).frame(HOLE, 1, b""), "more data than announced"),
        (ask(Some(1)), hole(sparse(2 * MIB), 0, MIB).frame(HOLE, 1, b""), "more data than asked for"),
        (ask(None), archive.frame(HOLE, 1, b""), "a hole in an archive"),
        (Request::Get(get("f")), sparse(1), "bytes of a sparse file that was not asked for"),
    ] {
        assert_eq!(refused(&[request], &stream), Violation::Content(what));
    }
    let unasked = announced(&file(MIB)).frame(HOLE, 1, b"");
    assert_eq!(refused(&[Request::Get(get("f"))], &unasked), Violation::Unexpected("hole"));
}
