//! Other users of the machine get neither the token nor the memory of a server, nor a folder that they cannot read.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use crate::{
    pty::harness::{Session, TUI},
    shared::program::{Home, Running, Service, at, finish},
};

/// A home with a file to serve, which no other user can read.
fn home() -> Home {
    let home = Home::new();
    home.write("served/file", "content").write("token", "the-right-one\n");
    for (name, mode) in [("", 0o700), ("token", 0o600)] {
        set_mode(&home.path().join(name), mode);
    }
    home
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// The log of the server.
fn log(home: &Home) -> String {
    let folder = fs::read_dir(home.path().join(".local/state/fdsp")).expect("logs").flatten();
    let logs = folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "log"));
    logs.map(|log| fs::read_to_string(log).expect("a log")).collect()
}

#[test]
fn a_token_is_printed_only_on_a_terminal_or_with_print_token() {
    for (given, source) in [
        ("", "in '{home}/.local/state/fdsp/server/token'"),
        ("--token the-right-one", "the value of --token"),
        ("--token-file token", "in '{home}/token'"),
        ("FDSP_TOKEN", "the value of FDSP_TOKEN"),
        ("FDSP_SERVER_TOKEN_FILE", "in '{home}/token'"),
    ] {
        let home = home();
        let source = source.replace("{home}", home.path().to_str().expect("text"));
        for face in ["", "--json", "-q", "-v", "--headless"] {
            for print in ["", "--print-token", "FDSP_SERVER_PRINT_TOKEN"] {
                // At most two of them at once: all combinations would take too long.
                if ![given, face, print].contains(&"") {
                    continue;
                }
                let mut command = home.command(["--serve", "-P", "0", "served"]);
                for word in [given, face, print].iter().flat_map(|options| options.split_whitespace()) {
                    match word {
                        "FDSP_TOKEN" => command.env(word, "the-right-one"),
                        "FDSP_SERVER_TOKEN_FILE" => command.env(word, home.path().join("token")),
                        "FDSP_SERVER_PRINT_TOKEN" => command.env(word, "true"),
                        option => command.arg(option),
                    };
                }
                let mut server = Running::start(command);
                let first = server.stdout().next();
                server.signal(rustix::process::Signal::TERM);
                let outcome = server.end();
                let what = format!("{given} {face} {print}: {first}\n{}", outcome.stderr);
                assert_eq!(outcome.code, 0, "{what}");
                assert_eq!(first.contains('@'), !print.is_empty(), "{what}");
                let says =
                    format!("stdout is not a terminal; the token is {source}, and goes before the host");
                assert_eq!(outcome.stderr.contains(&says), print.is_empty(), "{what}");
                assert_eq!(outcome.stderr.contains("--print-token"), print.is_empty(), "{what}");
                let has_file = print.is_empty() && face == "--json" && source.starts_with("in '");
                assert_eq!(first.contains("\"token_file\":"), has_file, "{what}");
                let kept = fs::read_to_string(home.path().join(".local/state/fdsp/server/token"));
                let kept = kept.unwrap_or_else(|_| "the-right-one".to_owned());
                assert_eq!(first.contains(kept.trim()), !print.is_empty(), "{what}");
                assert!(!(outcome.stderr + &log(&home)).contains(kept.trim()), "{what}");
            }
        }
    }
}

#[test]
fn on_a_terminal_the_printed_address_contains_the_token() {
    let home = home();
    for arguments in [&["--headless"][..], &["--json"], &[]] {
        let arguments = [arguments, &["--serve", "-P", "0", "--token", "the-right-one", "served"]].concat();
        let mut session = Session::start(TUI, &arguments, home.path(), (200, 24));
        session.wait_for("fdsp://the-right-one@127.0.0.1:");
        session.signal(rustix::process::Signal::TERM);
        session.end();
    }
}

#[test]
fn a_private_folder_on_loopback_needs_a_token() {
    let home = home();
    let served = home.path().join("served");
    for (options, above, mode, asks) in [
        ("", 0o700, 0o755, true),
        ("", 0o755, 0o700, true),
        ("", 0o755, 0o750, true),
        ("--arch select -H ::1", 0o750, 0o755, true),
        ("", 0o711, 0o755, false),
        ("--public", 0o700, 0o755, false),
    ] {
        set_mode(home.path(), above);
        set_mode(&served, mode);
        if !asks && options.is_empty() && !is_reachable(&served) {
            println!("skipped: no temporary folder can be read by others here");
            continue;
        }
        let what = format!("{options} {above:o} {mode:o}");
        let service = Service::start(&home, &served, options);
        assert_eq!(service.address.contains('@'), asks, "{what}: {}", service.address);
        let fetch = |address: &str| home.run(["--overwrite", "-d", "got", &at(address, "file")]);
        assert_eq!(fetch(&service.address).code, 0, "{what}");
        let bare = match service.address.split_once('@') {
            Some((_, rest)) => format!("fdsp://{rest}"),
            None => service.address.clone(),
        };
        assert_eq!(fetch(&bare).code, if asks { 5 } else { 0 }, "{what}");
    }
}

/// Whether the permissions of a folder and those above it let other users read it.
fn is_reachable(folder: &Path) -> bool {
    let folder = folder.canonicalize().expect("there");
    folder.ancestors().all(|path| fs::metadata(path).expect("there").mode() & 0o011 == 0o011)
}

#[test]
fn a_server_that_cannot_ask_for_a_token_warns() {
    let home = home();
    let closed = home.path().canonicalize().expect("there").display().to_string();
    for (options, advice) in [
        ("--plain", Some("leave out --plain, or add --public")),
        ("--classic", Some("leave out --classic, or add --public")),
        ("--plain --public", None),
        ("--classic --public", None),
        ("--plain --token the-right-one", None),
        ("", None),
    ] {
        let mut command = home.command(["--serve", "--print-token", "-P", "0", "served"]);
        command.args(options.split_whitespace());
        let mut server = Running::start(command);
        let address = server.stdout().next();
        // A token is sent without TLS only on request.
        let plain = if address.starts_with("fdsp+plain") { "--plain" } else { "--headless" };
        let fetched = home.run([plain, "--overwrite", "-d", "got", &at(&address, "file")]);
        assert_eq!(fetched.code, 0, "{options}: {fetched:#?}");
        server.signal(rustix::process::Signal::TERM);
        let said = server.end().stderr;
        assert_eq!(
            said.contains("other users of this machine can fetch"),
            advice.is_some(),
            "{options}: {said}"
        );
        if let Some(advice) = advice {
            assert!(said.contains(advice) && said.contains(&closed), "{options}: {said}");
            assert!(!address.contains('@'), "{options}: {address}");
        }
    }
}

#[test]
fn the_demo_requires_a_token_of_other_users() {
    let home = home();
    let scratch = Home::new();
    let mut command = home.command(["--demo", "served", "--limit", "1k"]);
    command.env("TMPDIR", scratch.path());
    // By its name it is not compressed, so that the demo runs until it is interrupted.
    home.write("served/large.gz", vec![7; 1 << 20]);
    let mut demo = Running::start(command);
    let line = demo.stdout().next();
    let address = line.split_whitespace().find(|word| word.starts_with("fdsp://")).expect("an address");
    let outcome = home.run(["-d", "got", &at(address, "file")]);
    assert_eq!(outcome.code, 5, "{outcome:#?}");
    assert!(outcome.stderr.contains("wants its token"), "{outcome:#?}");
    demo.signal(rustix::process::Signal::INT);
    assert_eq!(demo.end().code, 130);
}

/// A user without other processes.
const NOBODY: u32 = 65_534;

/// A command that runs as this user, or as [`NOBODY`] if this user is root.
fn as_user(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let mut command = home.other(program, arguments);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

#[test]
fn the_memory_of_a_server_is_neither_readable_nor_dumped() {
    let home = home();
    for folder in ["", "served"] {
        set_mode(&home.path().join(folder), 0o777);
    }
    let Ok(outcome) = as_user(&home, TUI, &["--version"]).spawn() else {
        println!("skipped: another user may not run this program");
        return;
    };
    finish(outcome);
    let arguments = ["--serve", "-P", "0", "--print-token", "--log-file", "log", "served"];
    let mut command = as_user(&home, TUI, &arguments);
    command.env("FDSP_TOKEN", "the-right-one-of-22-characters");
    let mut server = Running::start(command);
    let address = server.stdout().next();
    let read = |name: &str| {
        let path = format!("/proc/{}/{name}", server.id());
        finish(as_user(&home, "cat", &[&path]).spawn().expect("cat"))
    };
    let limits = read("limits").stdout;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("Linux says");
    let sizes: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(sizes, ["0", "0"], "{limits}");
    for secret in ["environ", "mem", "maps", "auxv"] {
        let outcome = read(secret);
        assert!(outcome.code != 0 && outcome.stdout.is_empty(), "{secret}: {outcome:#?}");
        assert!(outcome.stderr.contains("Permission denied"), "{secret}: {outcome:#?}");
    }
    // Everything else works, also for a user other than root.
    let mut client = as_user(&home, TUI, &["-d", "got", &at(&address, "file")]);
    let fetched = finish(client.spawn().expect("the binary starts"));
    assert_eq!(fetched.code, 0, "{fetched:#?}");
    server.signal(rustix::process::Signal::TERM);
    let outcome = server.end();
    assert_eq!((outcome.code, outcome.stderr.contains("warning")), (0, false), "{outcome:#?}");
}

/// In `/tmp`, another user can create a folder first: as a home folder it would control keys, tokens and settings.
#[test]
fn a_state_folder_that_another_user_can_replace_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives folders away");
        return;
    }
    let home = home();
    let theirs = home.path().join("shared/theirs");
    home.write("shared/theirs/x", "x");
    std::os::unix::fs::chown(&theirs, Some(1234), None).expect("root may");
    let says = format!("{} belongs to another user (1234)", theirs.display());
    let run = |variable: &str| {
        let mut command = home.command(["--headless", "--session", "s", "--config", "settings"]);
        if variable == "XDG_CONFIG_HOME" {
            command = home.command(["--headless", "--session", "s"]);
        }
        command.env(variable, &theirs);
        finish(command.spawn().expect("the binary starts"))
    };
    home.write("settings", "");
    for (variable, advice) in
        [("HOME", "XDG_STATE_HOME"), ("XDG_STATE_HOME", "XDG_STATE_HOME"), ("XDG_CONFIG_HOME", "")]
    {
        set_mode(&home.path().join("shared"), 0o1777);
        let outcome = run(variable);
        assert_eq!(outcome.code, 2, "{variable}: {outcome:#?}");
        let sentence = outcome.is_one_sentence();
        assert!(sentence.contains(&says) && sentence.contains(advice), "{sentence}");
        assert_eq!(fs::read_dir(&theirs).expect("there").count(), 1, "{variable}: something was made");
        // If no other user can replace it, it may belong to any user: a container's volume.
        set_mode(&home.path().join("shared"), 0o755);
        let outcome = run(variable);
        assert!(outcome.stderr.contains("there is no session 's'"), "{variable}: {outcome:#?}");
        for made in [".local", "fdsp"] {
            let _ = fs::remove_dir_all(theirs.join(made));
        }
    }
}
