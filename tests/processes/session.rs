//! Sessions without a screen.

use std::{fs, path::PathBuf};

use rustix::process::Signal;

use crate::shared::{
    program::{Home, Lines, Running, Service},
    target::until,
};

const FILE: usize = 6 << 20;

fn home() -> Home {
    let home = Home::new();
    let mut bytes = vec![0; FILE];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    home.write("served/large.bin", bytes).write("served/small.txt", "small");
    home
}

fn serve(home: &Home) -> Service {
    Service::start(home, &home.path().join("served"), "--plain")
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join(format!(".local/state/fdsp/sessions/{name}.json"))
}

/// Blocks that the control file of the large file lists.
fn listed(home: &Home) -> usize {
    let text = fs::read_to_string(home.path().join("got/large.bin.part.fdsp")).unwrap_or_default();
    text.lines().filter(|line| line.contains(" block ")).count()
}

/// A slow run of a session with two downloads, of which some bytes are received.
fn started(home: &Home, service: &Service) -> (Running, Lines) {
    let (large, small) = (service.at("large.bin"), service.at("small.txt"));
    let options = ["--headless", "--session", "nightly", "-d", "got", "-j", "1", "--limit", "1M"];
    let mut client = Running::start(home.command(options.into_iter().chain([&*large, &*small])));
    let lines = client.stderr();
    until("a block is there", || listed(home) > 0);
    until("the queue is kept", || {
        fs::read_to_string(file(home, "nightly")).is_ok_and(|text| text.contains("small.txt"))
    });
    (client, lines)
}

#[test]
fn an_interrupted_run_prints_how_to_resume_and_the_next_run_does() {
    for signal in [Signal::INT, Signal::KILL] {
        let home = home();
        let service = serve(&home);
        let (mut client, lines) = started(&home, &service);
        client.signal(signal);
        if signal == Signal::INT {
            assert_eq!(client.end().code, 130);
            let last = lines.rest().pop().expect("a line");
            assert!(last.contains("the queue is saved: resume it with --session nightly"), "{last}");
        } else {
            drop(client);
        }
        let kept = listed(&home) as u64;
        assert!(kept > 0 && kept < 6);

        let outcome = home.run(["--json", "--session", "nightly", "--limit", "0"]);
        assert_eq!((outcome.code, outcome.events("queued").len()), (0, 2), "{outcome:#?}");
        let done = outcome.events("done");
        let large = done.iter().find(|done| done["name"] == "large.bin").expect("done");
        let fetched = large["transferred"].as_u64().expect("a number");
        assert!(fetched <= (6 - kept + 1) << 20, "{large}");
        assert_eq!(large["bytes"], FILE);
        assert_eq!(fs::read(home.path().join("got/small.txt")).expect("fetched"), b"small");

        let outcome = home.run(["--headless", "--session", "nightly"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
        assert_eq!(outcome.stderr, "nothing is left to fetch in the session 'nightly'\n");
    }
}

#[test]
fn the_same_command_again_queues_nothing_twice() {
    let home = home();
    let service = serve(&home);
    let (mut client, _lines) = started(&home, &service);
    client.signal(Signal::TERM);
    assert_eq!(client.end().code, 130);
    let (large, small) = (service.at("large.bin"), service.at("small.txt"));
    let outcome = home.run(["--json", "--session", "nightly", "-d", "got", "--limit", "0", &large, &small]);
    assert_eq!((outcome.code, outcome.events("done").len()), (0, 2), "{outcome:#?}");
}

#[test]
fn failed_downloads_are_retried() {
    let home = home();
    let service = serve(&home);
    let late = service.at("late.txt");
    let outcome = home.run(["--json", "--session", "nightly", "-d", "got", &late]);
    assert_eq!(outcome.code, 4, "{outcome:#?}");
    assert!(fs::read_to_string(file(&home, "nightly")).expect("kept").contains("not_found"));
    home.write("served/late.txt", "late");
    let outcome = home.run(["--json", "--session", "nightly"]);
    assert_eq!((outcome.code, outcome.events("done").len()), (0, 1), "{outcome:#?}");
}

#[test]
fn a_session_can_be_open_only_once() {
    let home = home();
    let service = serve(&home);
    let (_client, _lines) = started(&home, &service);
    let outcome = home.run(["--headless", "--session", "nightly"]);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    let sentence = outcome.is_one_sentence();
    assert!(
        sentence.contains("'nightly' is open in process ") && sentence.contains("--session NAME"),
        "{sentence}"
    );
    let small = service.at("small.txt");
    let outcome = home.run(["--headless", "-q", "--session", "other", "-d", "got", &small]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn a_damaged_session_is_set_aside_and_reported() {
    let home = home();
    let service = serve(&home);
    home.write(".local/state/fdsp/sessions/nightly.json", "{\"fdsp-session\":7}");
    let small = service.at("small.txt");
    let outcome = home.run(["--headless", "-q", "--session", "nightly", "-d", "got", &small]);
    assert_eq!(outcome.code, 1, "what it held is not fetched: {outcome:#?}");
    assert!(outcome.is_one_sentence().contains("it is of format 7"), "{outcome:#?}");
    assert!(home.path().join("got/small.txt").exists(), "what was asked for is");
    let outcome = home.run(["--headless", "-q", "--session", "nightly", "-d", "got", &small]);
    assert_eq!(outcome.code, 0, "the next run has a new one: {outcome:#?}");
    let aside = file(&home, "nightly").with_extension("json.aside-1");
    assert_eq!(fs::read_to_string(aside).expect("kept"), "{\"fdsp-session\":7}");
}

#[test]
fn a_requested_session_that_cannot_be_saved_is_an_error() {
    let home = home();
    let service = serve(&home);
    home.write(".local/state/fdsp/sessions", "no folder");
    let small = service.at("small.txt");
    let outcome = home.run(["--headless", "--session", "nightly", "-d", "got", &small]);
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    assert!(outcome.is_one_sentence().contains(".local/state/fdsp/sessions"));
    assert!(!home.path().join("got/small.txt").exists());
}

#[test]
fn without_the_option_no_session_is_saved() {
    let home = home();
    let service = serve(&home);
    assert_eq!(home.run(["-q", "-d", "got", &service.at("small.txt")]).code, 0);
    assert_eq!(home.run(["-q", "--demo", "served"]).code, 0);
    assert!(!home.path().join(".local/state/fdsp/sessions").exists());
}

#[test]
fn wrong_usage_is_reported() {
    let home = home();
    for (line, part) in [
        ("--session a/b --headless", "a session's name has"),
        ("--session x --serve", "--session is for fetching"),
        ("--paused --serve", "--paused is for fetching"),
        ("--session x --demo", "cannot be used with --demo"),
        ("--session x --paused --headless", "--paused is for the screen"),
        ("--headless", "nothing to fetch"),
    ] {
        let outcome = home.line(line);
        assert_eq!(outcome.code, 2, "{line}: {outcome:#?}");
        assert!(outcome.is_one_sentence().contains(part), "{line}: {outcome:#?}");
    }
}

/// A mistyped name must not look like a finished queue.
#[test]
fn a_missing_session_is_wrong_usage_and_an_empty_one_is_not() {
    let home = home();
    let outcome = home.run(["--headless", "--session", "nosuch"]);
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    assert!(outcome.is_one_sentence().contains("there is no session 'nosuch'"), "{outcome:#?}");
    assert!(!file(&home, "nosuch").with_extension("lock").exists());
    let service = serve(&home);
    let small = service.at("small.txt");
    assert_eq!(home.run(["-q", "--session", "nightly", "-d", "got", &small]).code, 0);
    let outcome = home.run(["--headless", "--session", "nightly"]);
    assert_eq!(
        (outcome.code, outcome.stderr.contains("nothing is left to fetch")),
        (0, true),
        "{outcome:#?}"
    );
}

/// A run killed at any moment leaves a valid queue, and no job is lost.
#[test]
fn a_run_killed_at_any_moment_loses_nothing_of_its_queue() {
    const FILES: usize = 150;
    let home = home();
    for number in 0..FILES {
        home.write(&format!("served/{number}.txt"), format!("{number}\n"));
    }
    let service = serve(&home);
    let addresses: Vec<_> = (0..FILES).map(|number| service.at(&format!("{number}.txt"))).collect();
    let options = ["-q", "--session", "nightly", "-d", "got", "-j", "4"];
    let fetched = || fs::read_dir(home.path().join("got")).map_or(0, |entries| entries.count());
    let mut first =
        Running::start(home.command(options.into_iter().chain(addresses.iter().map(String::as_str))));
    until("the queue is kept", || file(&home, "nightly").exists());
    first.signal(Signal::KILL);
    drop(first);
    let mut kills = 1;
    for round in 1..20 {
        let before = fetched();
        if before >= FILES {
            break;
        }
        let mut run = Running::start(home.command(options));
        // Later and later in a run, so that it gets further.
        until("something is received", || fetched() >= (before + round).min(FILES));
        run.signal(Signal::KILL);
        drop(run);
        kills += 1;
    }
    let outcome = home.run(options);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "after {kills} kills");
    for number in 0..FILES {
        let text = fs::read_to_string(home.path().join(format!("got/{number}.txt")));
        assert_eq!(text.expect("fetched"), format!("{number}\n"));
    }
    let sessions = fs::read_dir(home.path().join(".local/state/fdsp/sessions")).expect("listed");
    let mut names: Vec<_> = sessions.map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["nightly.json", "nightly.lock"], "nothing was set aside, and nothing else is left");
    println!("{kills} kills");
}

/// What the first version of the program wrote when it was interrupted: two journals of the same content as here, one of another archive,
/// and their queue.
#[test]
fn a_queue_of_the_first_version_is_resumed() {
    let home = Home::new();
    let pattern = |number: u32| number.wrapping_mul(7).wrapping_add(number >> 8) as u8;
    let bytes: Vec<u8> = (0..3_000_000).map(pattern).collect();
    home.write("served/file", &bytes);
    for number in 0..4 {
        home.write(&format!("served/tree/{number}"), &bytes[number..number + 700_000]);
    }
    home.write("got/file.part", &bytes[..1_761_576]);
    home.write("got/file.part.fdsp", include_str!("first_version/file.part.fdsp"));
    home.write("got/tree.part/fdsp-control", include_str!("first_version/fdsp-control"));
    for number in 0..2 {
        home.write(&format!("got/tree.part/fdsp-tree/{number}"), &bytes[number..number + 700_000]);
    }
    fs::create_dir(home.path().join("got/tree.part/fdsp-parts")).expect("made");
    home.write("got/tree.zip.part", &bytes[..1_831_484]);
    home.write("got/tree.zip.part.fdsp", include_str!("first_version/tree.zip.part.fdsp"));
    let service = serve(&home);
    let session = include_str!("first_version/session.json")
        .replace("SERVER", &format!("127.0.0.1:{}", service.port))
        .replace("FOLDER", home.path().join("got").to_str().expect("text"));
    home.write(".local/state/fdsp/sessions/nightly.json", session);

    let outcome = home.run(["--json", "--session", "nightly", "--limit", "0"]);
    let done = outcome.events("done");
    assert_eq!((outcome.code, done.len()), (0, 3), "{outcome:#?}");
    let resumed =
        |name: &str| done.iter().find(|done| done["name"] == name).expect("done")["resumed"].as_u64();
    assert!(resumed("file") >= Some(1 << 20), "{outcome:#?}");
    assert_eq!(resumed("tree"), Some(1_400_000), "{outcome:#?}");
    assert!(fs::read(home.path().join("got/file")).expect("fetched") == bytes);
    for number in 0..4 {
        let fetched = fs::read(home.path().join(format!("got/tree/{number}"))).expect("fetched");
        assert!(fetched == bytes[number..number + 700_000], "{number}");
    }
    // What cannot be compared is kept.
    assert!(fs::read(home.path().join("got/tree.zip (1).part")).expect("kept") == bytes[..1_831_484]);
}
