//! A whole connection under fuzzing, from its first byte on.

use super::{
    Event,
    tests::{bench, converse},
};
use crate::{
    fuzzing::{Fuzz, assert_harmless, cuts, shape},
    protocol::{
        classic::Dialect,
        frame::{Header, Kind},
        preamble,
    },
};

/// Most that any mutation of the corpus can ask for: a few times the largest file.
const MOST: usize = 64 << 20;

/// An answer without the cuts between frames of content and of hashes.
fn meant(answer: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames: Vec<(u8, u32, Vec<u8>)> = Vec::new();
    let mut rest = answer.get(preamble::LENGTH..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk() {
        let header = Header::decode(head).expect("a header");
        let (payload, after) = after.split_at(header.length as usize);
        let (kind, payload) = match header.kind {
            // Behind the index of the first block.
            kind @ Kind::HashesAnswer => (kind, &payload[8..]),
            kind => (kind, payload),
        };
        let joined = matches!(kind, Kind::Data | Kind::HashesAnswer);
        match frames.last_mut() {
            Some((last, _, all)) if joined && *last == kind as u8 => all.extend_from_slice(payload),
            _ => frames.push((kind as u8, header.request, payload.to_vec())),
        }
        rest = after;
    }
    assert!(rest.is_empty(), "whole frames only");
    frames
}

#[test]
fn connections_are_fuzzed() {
    let benches = [None, Some(Dialect::Classic), Some(Dialect::ClassicSelect)].map(bench);
    // Content stands in memory here, which a driver would have written.
    let fuzz = Fuzz::new("connection").rounds(250).memory(2 * MOST as u64);
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
            assert!(whole.len() < MOST);
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
