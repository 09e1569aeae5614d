//! Downloads to file systems that refuse names, links, times or sizes, or that fold two names into one: each is made by
//! `tests/odd_file_system.py`, where `/dev/fuse`, Python and a mount namespace are available.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;

use crate::shared::program::{self, Home, Outcome, Service};

/// Where the file system is mounted, in a home folder.
const MOUNTED: &str = "mounted";

/// The copy of what is on the file system at the end.
const KEPT: &str = "kept";

/// Runs a script with the file system mounted, and copies what is on it.
fn run(home: &Home, rules: &str, script: &str) -> Option<Outcome> {
    const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/odd_file_system.py");
    let script = format!("{script}\ncode=$?; mkdir -p {KEPT}; cp -R {MOUNTED}/. {KEPT}; exit $code");
    fs::create_dir_all(home.path().join(MOUNTED)).expect("made");
    let arguments =
        ["-rm", "python3", PROGRAM, MOUNTED, rules, "sh", "-c", &script, env!("CARGO_BIN_EXE_tui")];
    Some(program::finish(home.other("unshare", arguments).spawn().ok()?))
}

/// A served folder with names and links that such file systems refuse.
fn serve(home: &Home) -> Service {
    for (name, content) in [
        ("t/Makefile", "upper"),
        ("t/makefile", "lower"),
        ("t/a:b", "colon"),
        ("t/sub/x", "plain"),
        (&format!("t/{:0200}", 7), "long"),
        (&format!("{:0140}", 7), "long, but not for this"),
    ] {
        home.write(&format!("served/{name}"), content);
    }
    symlink("Makefile", home.path().join("served/t/link")).expect("made");
    Service::start(home, &home.path().join("served"), "--plain")
}

/// Runs `tui` with these options and paths, one program after the other; the last one's outcome. `None` where no such file system
/// can be mounted.
fn fetch(rules: &str, fetches: &[&str]) -> Option<(Home, Outcome)> {
    let home = Home::new();
    if run(&home, rules, "true").is_none_or(|outcome| outcome.code != 0) {
        println!("skipped: no file system can be mounted through /dev/fuse here");
        return None;
    }
    let service = serve(&home);
    let fetch = |fetch| {
        format!("\"$0\" --plain -H 127.0.0.1 -P {} -d {MOUNTED} --json {fetch} >events", service.port)
    };
    let outcome = run(&home, rules, &fetches.iter().map(fetch).collect::<Vec<_>>().join("\n"))?;
    let stdout = fs::read_to_string(home.path().join("events")).expect("events");
    Some((home, Outcome { stdout, ..outcome }))
}

fn missing(done: &Value) -> Vec<&str> {
    let entries = done["missing"]["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry["path"].as_str()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let names = fs::read_dir(folder).expect("there").map(|found| entry(found).to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn read(home: &Home, path: &str) -> String {
    fs::read_to_string(home.path().join(KEPT).join(path)).expect("there")
}

/// A read that hangs, because a disk is broken or a network is down, delays only the connection of the request.
#[test]
fn a_read_that_hangs_delays_no_other_connection() {
    const SCRIPT: &str = r#"
        echo hangs >mounted/hangs; echo file >mounted/file; mkdir 0 1 2 3 4
        tui="$0"
        trap 'kill -9 $server $client $others' EXIT
        fetch() { timeout 60 "$tui" --plain -H 127.0.0.1 -P "$port" --headless -d "$@"; }
        until_there() { for n in $(seq 1200); do "$@" && return; sleep 0.05; done; return 1; }
        "$tui" --serve --plain --json -P 0 --arch ARCH mounted >listening & server=$!
        until_there grep -q listening listening
        port=$(sed 's/.*"port":\([0-9]*\).*/\1/;q' listening)
        fetch 0 hangs & client=$!
        until_there test -e mounted/stalled || exit 101
        # More of them than there are threads at first.
        for n in 1 2 3 4; do fetch $n hangs & others="$others $!"; done
        has_requests() { test $(grep -c '"what":"get"' listening) = 5; }
        until_there has_requests || exit 105
        fetch 0 file || exit 102
        test -e 0/hangs && exit 103
        touch mounted/go
        wait $client || exit 104
        wait $others
        kill $server; wait $server
        cmp 0/hangs mounted/hangs && cmp 4/hangs mounted/hangs && cmp 0/file mounted/file
    "#;
    for arch in ["threads", "select", "async"] {
        let home = Home::new();
        let Some(outcome) = run(&home, "stall=hangs", &SCRIPT.replace("ARCH", arch)) else { return };
        if outcome.code == 77 {
            println!("skipped: no file system can be mounted through /dev/fuse here");
            return;
        }
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
    }
}

#[test]
fn two_spellings_of_one_file_are_never_mixed() {
    let Some((home, outcome)) = fetch("fold", &["--as tree t"]) else { return };
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    assert_eq!(missing(&outcome.events("done")[0]), ["makefile"]);
    assert_eq!(read(&home, "t/Makefile"), "upper");
    assert_eq!(read(&home, "t/link"), "upper");
    let Some((home, outcome)) = fetch("fold", &["--extract t"]) else { return };
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    assert_eq!(missing(&outcome.events("done")[0]), ["t/makefile"]);
    assert_eq!(read(&home, "t/Makefile"), "upper");
    // As two jobs: the job that has the file is complete, and the other one fails.
    let Some((home, outcome)) = fetch("fold", &["t/Makefile t/makefile"]) else { return };
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    let [done] = outcome.events("done").try_into().expect("one is done");
    // The job that failed may keep its partial file.
    let mut complete = names(&home.path().join(KEPT));
    complete.retain(|name| !name.contains(".part"));
    let [name] = complete.try_into().expect("one file");
    assert_eq!(done["name"], name.as_str());
    assert_eq!(read(&home, &name), if name == "Makefile" { "upper" } else { "lower" });
}

#[test]
fn names_that_a_file_system_rejects_are_skipped_or_substituted() {
    let rules = "refuse=:,name-max=143";
    let Some((home, outcome)) = fetch(rules, &["--as tree t"]) else { return };
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    assert_eq!(outcome.events("done")[0]["missing"]["count"], 2);
    assert_eq!(names(&home.path().join(KEPT).join("t")), ["Makefile", "link", "makefile", "sub"]);
    let Some((home, outcome)) = fetch(rules, &["--names portable --as tree t"]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_substitutes(&home, &outcome);
    // The same for a zip that is unpacked.
    let Some((home, outcome)) = fetch(rules, &["--extract t"]) else { return };
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    assert_eq!(outcome.events("done")[0]["missing"]["count"], 2);
    assert_eq!(names(&home.path().join(KEPT).join("t")), ["Makefile", "link", "makefile", "sub"]);
    let Some((home, outcome)) = fetch(rules, &["--names portable --extract t"]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_substitutes(&home, &outcome);
}

/// Asserts that the tree is complete, and that entries with refused names were reported with their substitutes.
fn assert_substitutes(home: &Home, outcome: &Outcome) {
    let long = format!("{:0143}", 0);
    assert_eq!(read(home, "t/a_b"), "colon");
    assert_eq!(read(home, &format!("t/{long}")), "long");
    let changed = outcome.events("changed");
    let shown = |name: &str| {
        changed.iter().any(|event| event["name"].as_str().is_some_and(|shown| shown.ends_with(name)))
    };
    assert!(shown("a_b") && shown(&long), "{changed:#?}");
}

#[test]
fn a_file_whose_name_the_file_system_rejects_fails_or_is_substituted() {
    let (long, short) = (format!("{:0200}", 7), format!("{:0140}", 7));
    let rules = "refuse=:,name-max=143";
    // A name that is too long with the suffix of an unfinished file; then names that the file system refuses.
    let Some((home, outcome)) = fetch(rules, &[&short]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(names(&home.path().join(KEPT)), [short]);
    for refused in ["t/a:b", &format!("t/{long}")] {
        let Some((home, outcome)) = fetch(rules, &[refused]) else { return };
        assert_eq!(outcome.code, 7, "{outcome:#?}");
        assert_eq!(names(&home.path().join(KEPT)), [""; 0]);
    }
    let Some((home, outcome)) = fetch(rules, &[&format!("--names portable t/{long}")]) else { return };
    assert_eq!((outcome.code, outcome.events("changed").len()), (0, 1), "{outcome:#?}");
    let [name] = names(&home.path().join(KEPT)).try_into().expect("one file");
    assert!(long.starts_with(&name), "{name}");
}

#[test]
fn links_are_skipped_without_support_and_failed_modes_and_syncs_are_tolerated() {
    let rules = "no-links,no-fsync,no-chmod";
    let Some((home, outcome)) = fetch(rules, &["--as tree t"]) else { return };
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    assert_eq!(missing(&outcome.events("done")[0]), ["link"]);
    assert_eq!(read(&home, "t/sub/x"), "plain");
    let Some((home, outcome)) = fetch(rules, &["t/makefile t/sub"]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(read(&home, "makefile"), "lower");
}

#[test]
fn lingering_names_and_unknown_free_space_are_tolerated() {
    let rules = "keep-open,statfs-zero";
    let Some((home, outcome)) = fetch(rules, &["--as tree t", "--as tree --overwrite t"]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(names(&home.path().join(KEPT)), ["t"]);
    let Some((home, outcome)) = fetch(rules, &["--extract t", "t/makefile"]) else { return };
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(names(&home.path().join(KEPT)), ["makefile", "t", "t.zip"]);
}
