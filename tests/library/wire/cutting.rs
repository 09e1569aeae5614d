//! The events do not depend on how the bytes are cut, and no bytes panic a machine.

use fdsp::protocol::{
    client::{Client, Request},
    message::{Files, Get, List, Stat, Tree, WantedFile},
    server::Server,
};
use proptest::prelude::*;

use crate::wire::{
    exchange::get,
    memory::Stored,
    pair::Pair,
    stream::{MIB, RESERVED, Seen, Stream, blake3_hex, feed_client, feed_server, pattern},
};

/// Cuts `bytes` into pieces of these lengths, again and again.
fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*length));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn wanted() -> Vec<WantedFile> {
    let file = |path: &str, digest| WantedFile { path: path.to_owned(), digest, skip: 0 };
    let empty = blake3_hex(b"");
    vec![file("a", None), file("b", None), file("a", Some(empty)), file("a", None)]
}

fn requests() -> Vec<Request> {
    let path = || "f".to_owned();
    vec![
        Request::Stat(Stat { path: path() }),
        Request::Get(get("f")),
        Request::List(List {
            path: "absent".to_owned(),
            after: Some("x".to_owned()),
            limit: Some(3),
            ..Default::default()
        }),
        Request::Hashes(get("f")),
        Request::Tree(Tree { path: path(), ..Default::default() }),
        Request::Files(Files { path: path(), files: wanted(), content: true, largest: None }),
        Request::Files(Files { path: path(), files: wanted(), content: false, largest: Some(1 << 40) }),
        Request::Get(Get { path: path(), first_block: 1, blocks: Some(1), ..Get::default() }),
    ]
}

fn client() -> Client {
    let mut client = Client::new("test");
    for request in &requests() {
        client.request(request);
    }
    client
}

/// A valid stream of a server, as the answer to the requests of `client`.
fn server_stream(size: usize, archive: bool) -> Vec<u8> {
    let content = pattern(size);
    let mut pair = Pair::with("f", if archive { Stored::archive(content) } else { Stored::file(content) });
    pair.client = client();
    pair.client.goodbye("done");
    let seen = pair.run();
    assert!(!matches!(seen.last(), Some(Seen::Violation(_))), "{:?}", seen.last());
    pair.written
}

/// A valid stream of a client.
fn client_stream() -> Vec<u8> {
    let mut client = client();
    client.goodbye("done");
    let bytes = client.outgoing().to_vec();
    // The reserved kind, too, before the goodbye.
    let goodbye = bytes.len() - br#"{"reason":"done"}"#.len() - 12;
    let reserved = Stream::default().frame(RESERVED, 91, &[0; 300]);
    [&bytes[..goodbye], &reserved.0, &bytes[goodbye..]].concat()
}

/// A valid stream with the changes of a hostile peer.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
    Length(usize, u32),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), 1u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (any::<usize>(), 1..200usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), 1..200usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<usize>(), any::<u32>()).prop_map(|(at, length)| Change::Length(at, length)),
    ]
}

fn apply(stream: &mut Vec<u8>, change: &Change) {
    let length = stream.len();
    let place = |at: &usize| at % length.max(1);
    match change {
        Change::Flip(at, bits) => {
            let at = place(at);
            stream.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
        }
        Change::Remove(at, count) => drop(stream.drain(place(at)..(place(at) + count).min(length))),
        Change::Repeat(at, count) => {
            let again = stream[place(at)..(place(at) + count).min(length)].to_vec();
            let at = place(at);
            stream.splice(at..at, again);
        }
        Change::Insert(at, bytes) => drop(stream.splice(place(at)..place(at), bytes.iter().copied())),
        Change::Length(at, value) => {
            let at = place(at).min(length.saturating_sub(4));
            stream.iter_mut().skip(at).zip(value.to_le_bytes()).for_each(|(old, new)| *old = new);
        }
    }
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![Just(1usize), 1..40usize, 1..5000usize], 1..20)
}

proptest! {
    #![proptest_config(crate::shared::effort::cases(200))]

    #[test]
    fn the_client_sees_the_same_however_the_stream_is_cut(size in 0..40_000usize, archive: bool, lengths in lengths()) {
        let stream = server_stream(size, archive);
        let whole = feed_client(&mut client(), [stream.as_slice()]);
        prop_assert_eq!(feed_client(&mut client(), cut(&stream, &lengths)), whole);
    }

    #[test]
    fn the_server_sees_the_same_however_the_stream_is_cut(lengths in lengths()) {
        let stream = client_stream();
        let whole = feed_server(&mut Server::new(), [stream.as_slice()]);
        prop_assert_eq!((whole.0.len(), &whole.1), (11, &None));
        prop_assert_eq!(feed_server(&mut Server::new(), cut(&stream, &lengths)), whole);
    }

    #[test]
    fn the_client_sees_the_same_of_a_corrupt_stream_however_it_is_cut(
        size in 0..3000usize,
        archive: bool,
        changes in prop::collection::vec(change(), 1..4),
        lengths in lengths(),
    ) {
        let mut stream = server_stream(size, archive);
        changes.iter().for_each(|change| apply(&mut stream, change));
        let whole = feed_client(&mut client(), [stream.as_slice()]);
        prop_assert_eq!(feed_client(&mut client(), cut(&stream, &lengths)), whole);
    }

    #[test]
    fn the_server_sees_the_same_of_a_corrupt_stream_however_it_is_cut(
        changes in prop::collection::vec(change(), 1..4),
        lengths in lengths(),
    ) {
        let mut stream = client_stream();
        changes.iter().for_each(|change| apply(&mut stream, change));
        let whole = feed_server(&mut Server::new(), [stream.as_slice()]);
        prop_assert_eq!(feed_server(&mut Server::new(), cut(&stream, &lengths)), whole);
    }

    #[test]
    fn random_bytes_panic_neither_machine(
        begin in 0..4u8,
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        lengths in lengths(),
    ) {
        let (server, client_begin) = match begin {
            0 => (Stream::default(), Stream::default()),
            1 => (Stream::new(), Stream::new()),
            _ => (Stream::welcomed(), Stream::greeted()),
        };
        let stream = server.raw(&bytes).0;
        let whole = feed_client(&mut client(), [stream.as_slice()]);
        prop_assert_eq!(feed_client(&mut client(), cut(&stream, &lengths)), whole);
        let stream = client_begin.raw(&bytes).0;
        let whole = feed_server(&mut Server::new(), [stream.as_slice()]);
        prop_assert_eq!(feed_server(&mut Server::new(), cut(&stream, &lengths)), whole);
    }
}

proptest! {
    #![proptest_config(crate::shared::effort::cases(12))]

    #[test]
    fn blocks_are_complete_however_the_stream_is_cut(size in MIB - 2..3 * MIB, archive: bool, lengths in prop::collection::vec(1..300_000usize, 1..9)) {
        let stream = server_stream(size, archive);
        let whole = feed_client(&mut client(), [stream.as_slice()]);
        prop_assert!(feed_client(&mut client(), cut(&stream, &lengths)) == whole);
    }
}
