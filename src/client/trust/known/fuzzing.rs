//! The file of known servers under fuzzing: a person may have edited it.

use std::fs;

use super::{AcceptedBy, Known, Pin, find, read_text, remember};
use crate::fuzzing::Fuzz;

#[test]
fn known_servers_are_fuzzed() {
    const NEW: Known = Known { pin: Pin([7; 32]), by: AcceptedBy::FirstUse };
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("known_servers");
    Fuzz::new("known-servers")
        .rounds(300)
        .words(&["nas:7878", "sha256:", "first-use", "#", " ", "\n", "\r"])
        .run(|input| {
            fs::write(&path, input).expect("written");
            let before = read_text(&path).expect("read");
            let names: Vec<_> = before.lines().filter_map(|line| line.split_whitespace().next()).collect();
            let name = if input.len().is_multiple_of(2) { "new:1" } else { "nas:7878" };
            let known = remember(&path, name, NEW).expect("remembered");
            assert_eq!(known, find(&before, name).unwrap_or(NEW), "what was accepted first counts");
            let after = read_text(&path).expect("read");
            assert_eq!(find(&after, name), Some(known));
            for other in names.iter().filter(|other| **other != name) {
                assert_eq!(find(&after, other), find(&before, other), "{other:?} is as it was");
            }
            names.iter().take(4).map(|other| find(&before, other).is_some()).collect::<Vec<_>>()
        });
}
