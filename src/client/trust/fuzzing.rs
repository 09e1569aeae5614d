//! The file of known servers under fuzzing: somebody may have edited it.

use std::fs;

use super::{Pin, pin_of, read, remember};
use crate::fuzzing::Fuzz;

#[test]
fn known_servers_are_fuzzed() {
    const PIN: Pin = Pin([7; 32]);
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("known_servers");
    Fuzz::new("known-servers").rounds(300).words(&["nas:7878", "sha256:", "#", " ", "\n", "\r"]).run(
        |input| {
            fs::write(&path, input).expect("written");
            let before = read(&path).expect("read");
            let names: Vec<_> = before.lines().filter_map(|line| line.split_whitespace().next()).collect();
            let name = if input.len().is_multiple_of(2) { "new:1" } else { "nas:7878" };
            let known = remember(&path, name, PIN).expect("remembered");
            assert_eq!(known, pin_of(&before, name).unwrap_or(PIN), "what was accepted first counts");
            let after = read(&path).expect("read");
            assert_eq!(pin_of(&after, name), Some(known));
            for other in names.iter().filter(|other| **other != name) {
                assert_eq!(pin_of(&after, other), pin_of(&before, other), "{other:?} is as it was");
            }
            names.iter().take(4).map(|other| pin_of(&before, other).is_some()).collect::<Vec<_>>()
        },
    );
}
