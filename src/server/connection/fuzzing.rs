//! A whole connection under fuzzing, from its first byte on.

use std::{sync::Arc, time::Instant};

use rustls::{client::UnbufferedClientConnection, pki_types::ServerName};

use super::{
    machine::state::{Connection, Want},
    tests::bench::{bench, converse, secure_bench},
};
use crate::{
    fuzzing::{Fuzz, assert_harmless, cuts, shape},
    net::tls::{self, Session},
    protocol::{
        classic::Dialect,
        frame::{Header, Kind},
        message::TreePage,
        preamble,
    },
    server::{api::event::Event, certificate::Certificate},
};

/// The maximum size of an answer to any mutation of the corpus: a few times the largest file.
const MAX_ANSWER_LEN: usize = 64 << 20;

/// An answer without the cuts between frames of content and of hashes, and between the pages of a tree, which end earlier while the
/// machine is busy.
fn meant(answer: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames: Vec<(u8, u32, Vec<u8>)> = Vec::new();
    let mut rest = answer.get(preamble::LENGTH..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk() {
        let header = Header::decode(head).expect("a header");
        let (payload, after) = after.split_at(header.length as usize);
        let (kind, payload) = match header.kind {
            // After the index of the first block.
            kind @ Kind::HashesAnswer => (kind, &payload[8..]),
            kind => (kind, payload),
        };
        let joined = matches!(kind, Kind::Data | Kind::HashesAnswer);
        match frames.last_mut() {
            Some((last, _, all)) if joined && *last == kind as u8 => all.extend_from_slice(payload),
            Some((last, _, page)) if kind == Kind::TreeAnswer && *last == kind as u8 => {
                if let Some(joined) = join(page, payload) {
                    *page = joined;
                } else {
                    frames.push((kind as u8, header.request, payload.to_vec()));
                }
            }
            _ => frames.push((kind as u8, header.request, payload.to_vec())),
        }
        rest = after;
    }
    assert!(rest.is_empty(), "whole frames only");
    frames
}

/// Two pages of one tree as one page.
fn join(page: &[u8], next: &[u8]) -> Option<Vec<u8>> {
    let page: TreePage = serde_json::from_slice(page).ok()?;
    let mut next: TreePage = serde_json::from_slice(next).ok()?;
    next.entries.splice(..0, page.entries);
    page.more.then(|| serde_json::to_vec(&next).expect("a page is JSON"))
}

#[test]
fn connections_are_fuzzed() {
    let benches = [None, Some(Dialect::Classic), Some(Dialect::ClassicSelect)].map(bench);
    // Content is kept in memory here; a loop would have written it.
    let fuzz = Fuzz::new("connection").rounds(250).memory(2 * MAX_ANSWER_LEN as u64);
    fuzz.words(&["\"path\"", "\"large\"", "\"tree\"", "\"small\"", "\"first_block\"", "\"blocks\""]).run(
        |input| {
            let bench = &benches[input.len() % benches.len()];
            let lengths: Vec<_> = cuts(input).iter().map(|piece| piece.len()).collect();
            bench.events.lock().unwrap().clear();
            let whole = converse(&mut bench.connect(), input, &[], usize::MAX, bench.start);
            let classic = input.first().is_some_and(|first| !matches!(first, 0 | 0x16));
            if !classic {
                let cut = converse(&mut bench.connect(), input, &lengths, 10_000, bench.start);
                assert!(meant(&cut) == meant(&whole), "it says something else when it is cut");
            }
            assert!(whole.len() < MAX_ANSWER_LEN);
            let events = bench.events.lock().unwrap();
            let ends = events.iter().filter(|event| matches!(event, Event::Disconnected { .. })).count();
            assert_eq!(ends, if classic { 1 } else { 2 });
            for event in &*events {
                // As a line of output has it.
                assert_harmless(&serde_json::to_string(event).expect("an event is JSON"));
            }
            let reason = |event: &Event| match event {
                Event::Disconnected { reason, .. } | Event::Failed { reason, .. } => shape(reason.as_str()),
                _ => String::new(),
            };
            events.iter().map(reason).collect::<Vec<_>>()
        },
    );
}

fn client() -> Session<UnbufferedClientConnection> {
    let mut config = tls::any_certificate::client_config(tls::provider());
    config.alpn_protocols = tls::PROTOCOLS.map(<[u8]>::to_vec).into();
    let name = ServerName::try_from("localhost").expect("a name");
    Session::new(UnbufferedClientConnection::new(Arc::new(config), name).expect("a client"))
}

/// As [`converse`], inside of TLS. Returns what was written inside of it.
fn converse_secretly(connection: &mut Connection, input: &[u8], now: Instant) -> Vec<u8> {
    let (mut client, mut content, mut pieces) = (client(), Vec::new(), cuts(input).into_iter());
    loop {
        client.open(&mut content).expect("the server speaks TLS");
        match connection.next(now) {
            Want::Write => {
                client.receive(connection.output());
                let count = connection.output().len();
                connection.wrote(now, count);
            }
            Want::Read => {
                if client.outgoing().is_empty() {
                    match pieces.next() {
                        Some(piece) => client.seal(piece).expect("sealed"),
                        None => client.close(),
                    }
                }
                // A client that has closed sends nothing more.
                let said = client.outgoing().to_vec();
                client.sent(said.len());
                connection.received(now, &said);
            }
            Want::Run(task) => connection.done(task.run(), now),
            Want::Pause => panic!("nothing is limited here"),
            Want::Close => return content,
        }
    }
}

/// Inside TLS a client gets the same answers as without.
#[test]
fn secure_connections_are_fuzzed() {
    let setup = Certificate::Temporary.load().expect("a certificate");
    let (plain, secure) = (bench(None), secure_bench(setup));
    let fuzz = Fuzz::new("connection").rounds(100).memory(2 * MAX_ANSWER_LEN as u64);
    fuzz.words(&["\"path\"", "\"large\"", "\"tree\"", "\"small\"", "\"first_block\""]).run(|input| {
        // Only version 1 is used inside TLS.
        if input.first() != Some(&0) {
            return String::new();
        }
        let open = meant(&converse(&mut plain.connect(), input, &[], usize::MAX, plain.start));
        let secret = meant(&converse_secretly(&mut secure.connect(), input, secure.start));
        // The folders differ in identities and times.
        let bare = |frames: &[(u8, u32, Vec<u8>)]| -> Vec<_> {
            let content = |kind: u8, payload: &[u8]| if kind == Kind::Data as u8 { payload.len() } else { 0 };
            frames.iter().map(|(kind, request, payload)| (*kind, *request, content(*kind, payload))).collect()
        };
        assert!(bare(&secret) == bare(&open), "it is answered in another way");
        format!("{}", open.len().min(20))
    });
}

/// The first bytes of TLS, and other bytes.
#[test]
fn handshakes_are_fuzzed() {
    let setup = Certificate::Temporary.load().expect("a certificate");
    let bench = secure_bench(setup);
    Fuzz::new("tls-hello").rounds(1000).memory(4 << 20).run(|input| {
        let lengths: Vec<_> = cuts(input).iter().map(|piece| piece.len()).collect();
        bench.events.lock().unwrap().clear();
        for cuts in [&[][..], &lengths] {
            let answer = converse(&mut bench.connect(), input, cuts, usize::MAX, bench.start);
            assert!(answer.len() < 10_000);
        }
        let events = bench.events.lock().unwrap();
        let ends: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Disconnected { reason, .. } => Some(reason.as_str()),
                _ => None,
            })
            .collect();
        ends.iter().for_each(|reason| assert_harmless(reason));
        let [whole, cut] = ends.as_slice() else { panic!("{ends:?}") };
        // An unknown protocol is answered from its first piece.
        let is_plain = input.first() != Some(&0x16);
        assert!(is_plain || whole == cut, "{whole}, and {cut} when it is cut");
        shape(whole)
    });
}
