//! The demo: it fetches, verifies and cleans up.

use rustix::process::Signal;

use super::{ARCHITECTURES, home};
use crate::shared::program::{self, Home, Running};

#[test]
fn the_demo_without_a_terminal_fetches_verifies_and_cleans_up() {
    let home = home();
    let scratch = Home::new();
    for arch in ARCHITECTURES {
        let mut command = home.command(["--demo", "served", "--arch", arch]);
        command.env("TMPDIR", scratch.path());
        let outcome = program::finish(command.spawn().expect("the binary starts"));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let verified = outcome.stdout.lines().find(|line| line.starts_with("Verified: ")).expect("a report");
        assert!(
            verified.starts_with("Verified: 4 files and 4 folders, 3.6 MB, equal to the source"),
            "{verified}"
        );
        assert_eq!(std::fs::read_dir(scratch.path()).expect("listed").count(), 0, "{arch} left something");
    }
}

#[test]
fn the_demo_serves_the_current_folder_by_default() {
    let home = home();
    let mut command = home.command(["--demo"]);
    // Its own temporary files and logs are in that folder, too: neither may be in the archive.
    command.env("TMPDIR", home.path());
    let outcome = program::finish(command.spawn().expect("the binary starts"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stdout.contains("Verified: 5 files"), "{outcome:#?}");
    assert!(!home.path().join(".local").exists(), "no log in what is served");
}

#[test]
fn an_interrupted_demo_cleans_up() {
    let home = home();
    let scratch = Home::new();
    let mut command = home.command(["--demo", "served", "--limit", "100k"]);
    command.env("TMPDIR", scratch.path());
    let mut demo = Running::start(command);
    let mut lines = demo.stderr();
    assert!(lines.next().contains("served.zip: fetching"));
    demo.signal(Signal::INT);
    assert_eq!(demo.end().code, 130);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("listed").count(), 0);
}
