//! The answers do not depend on how the streams are cut, and the connection ends after any input.

use proptest::prelude::*;

use super::bench::{bench, client, converse, requests};
use crate::{
    protocol::{classic::Dialect, client::Event as Received},
    server::api::event::Event,
};

/// The events of a client for an answer, and its content without the cuts between frames.
fn understand(paths: &[&str], answer: &[u8]) -> (Vec<String>, Vec<u8>) {
    let (mut client, mut rest) = (client(paths), answer);
    let (mut events, mut content) = (Vec::new(), Vec::new());
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        match event {
            Some(Received::Data { bytes, .. }) => content.extend_from_slice(bytes),
            Some(event) => events.push(format!("{event:?}")),
            None => {}
        }
        rest = &rest[used..];
    }
    assert_eq!(client.end_of_stream(), Ok(()));
    (events, content)
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(32))]

    /// The answers do not depend on how the stream is cut, in both directions.
    #[test]
    fn answers_do_not_depend_on_how_the_streams_are_cut(
        cuts in prop::collection::vec(1_usize..200, 0..40),
        appetite in 1_000_usize..400_000,
    ) {
        let bench = bench(None);
        let paths = ["small", "large", "absent", "tree"];
        let input = requests(&paths);
        let whole = converse(&mut bench.connect(), &input, &[], usize::MAX, bench.start);
        let cut = converse(&mut bench.connect(), &input, &cuts, appetite, bench.start);
        let same = understand(&paths, &whole) == understand(&paths, &cut);
        prop_assert!(same);
    }

    /// Any input: no panic, the connection ends, and the answer is short.
    #[test]
    fn random_input_ends_with_a_closed_connection(
        input in prop::collection::vec(any::<u8>(), 0..3_000),
        preamble in any::<bool>(),
        classic in prop::option::of(Just(Dialect::Classic)),
        cuts in prop::collection::vec(1_usize..200, 0..40),
    ) {
        let bench = bench(classic);
        let mut bytes = if preamble { requests(&[]) } else { Vec::new() };
        bytes.extend(input);
        let answer = converse(&mut bench.connect(), &bytes, &cuts, usize::MAX, bench.start);
        prop_assert!(answer.len() < 10_000);
        let events = bench.events.lock().unwrap();
        let ended = matches!(events.last(), Some(Event::Disconnected { .. }));
        prop_assert!(ended);
    }
}
