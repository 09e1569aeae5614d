//! Invalid answers to `hashes`.

use super::*;

#[test]
fn hashes_that_do_not_match_the_request() {
    let bytes = pattern(2 * MIB + 5);
    let hash: Vec<[u8; 32]> =
        (0..).zip(bytes.chunks(MIB)).map(|(index, block)| chaining(index, block)).collect();
    let whole = Request::Hashes(get("f"));
    let of = |get: &Get| Request::Hashes(get.clone());
    let two = Get { blocks: Some(2), ..get("f") };
    let tail = Get { first_block: 1, ..get("f") };
    let started = || announced(&file(bytes.len()));
    let later = || announced(&with(file(bytes.len()), "first_block", json!(1)));
    let all = || started().values(1, 0, &hash);
    let other = json!({"size": bytes.len(), "root": blake3_hex(b"other"), "identity": "v1"});
    for (request, stream, what) in [
        (whole.clone(), announced(&archive(1)), "another form"),
        (
            whole.clone(),
            announced(&file(0)).values(1, 0, &hash[..1]),
            "more hashes than the content has blocks",
        ),
        (whole.clone(), all().values(1, 3, &hash[..1]), "more hashes than the content has blocks"),
        (of(&two), all(), "more hashes than asked for"),
        (whole.clone(), started().values(1, 1, &hash[1..]), "hashes out of order"),
        (whole.clone(), started().values(1, 0, &hash[..1]).values(1, 0, &hash[..1]), "hashes out of order"),
        (whole.clone(), started().values(1, u64::MAX, &hash[..1]), "hashes out of order"),
        (of(&tail), later().values(1, 0, &hash[..1]), "hashes out of order"),
        (whole.clone(), started().json(END, 1, &end(&bytes)), "it ends before its size"),
        (
            whole.clone(),
            started().values(1, 0, &hash[..2]).json(END, 1, &end(&bytes)),
            "it ends before its size",
        ),
        (
            of(&two),
            started().values(1, 0, &hash[..1]).json(END, 1, &range_end()),
            "it ends before the last block that was asked for",
        ),
        (whole.clone(), all().json(END, 1, &range_end()), "its end names no size"),
        (
            whole.clone(),
            all().json(END, 1, &with(end(&bytes), "identity", json!("v2"))),
            "it ends with another identity",
        ),
        (
            whole.clone(),
            all().json(END, 1, &without(end(&bytes), "root")),
            "the whole content without its root",
        ),
        (
            of(&tail),
            later().values(1, 1, &hash[1..]).json(END, 1, &end(&bytes)),
            "a root of a content that was not sent whole",
        ),
    ] {
        assert_eq!(refused(&[request], &stream), Violation::Content(what));
    }
    let nothing = announced(&file(0)).json(END, 1, &with(end(b""), "root", json!(blake3_hex(b"x"))));
    for stream in [all().json(END, 1, &other), nothing] {
        assert_eq!(refused(std::slice::from_ref(&whole), &stream), Violation::Root);
    }
    let last = |seen: Vec<Seen>| format!("{:?}", seen.last());
    let root = format!("root: Some({})", blake3_hex(&bytes));
    let upper = with(end(&bytes), "root", json!(blake3_hex(&bytes).to_uppercase()));
    for end in [end(&bytes), upper] {
        assert!(last(accepted(std::slice::from_ref(&whole), &all().json(END, 1, &end))).contains(&root));
    }
    accepted(&[of(&two)], &started().values(1, 0, &hash[..2]).json(END, 1, &range_end()));
    // The hash of a single block does not prove the digest of the whole content; the server's digest is accepted.
    let one = announced(&file(5)).values(1, 0, &hash[..1]);
    assert!(last(accepted(&[whole], &one.json(END, 1, &end(b"other")))).ends_with("root: None }\"))"));
}
