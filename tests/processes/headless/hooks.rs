//! Commands of the user after downloads: what they are given, where their output goes, what happens when they fail.

use std::{collections::BTreeSet, fs};

use rustix::process::Signal;

use super::{home, serve};
use crate::shared::{program::Running, target::until};

/// Writes what it is given, with a word after each run, and reads its input to the end.
const SCRIPT: &str = "input=$(cat)
printf '%s|%s|%s|%s|%s|%s#' \"$TUI_EVENT\" \"$1\" \"$TUI_PATH\" \"$TUI_NAME\" \"$TUI_SIZE\" \"${FDSP_TOKEN-none}$input\" >> record
echo \"said of $TUI_EVENT\"; echo complained >&2
";

#[test]
fn commands_run_after_downloads_with_names_as_they_are() {
    let home = home();
    home.write("served/x $(touch gone); y", "1").write("served/`touch gone`\"'{size}", "22");
    home.write("hook.sh", SCRIPT);
    let command = |event: &str| format!("on_{event} = [\"sh\", \"hook.sh\", \"{{path}}\"]\n");
    home.write("c.toml", format!("[client]\n{}{}{}", command("done"), command("failed"), command("idle")));
    let service = serve(&home, "--plain");
    let odd = ["x%20%24%28touch%20gone%29%3B%20y", "%60touch%20gone%60%22%27%7Bsize%7D", "absent"];
    let addresses = odd.map(|path| service.at(path));
    let options = ["--config", "c.toml", "--log-file", "log", "-d", "got"];
    let outcome = home.run(options.into_iter().chain(addresses.iter().map(String::as_str)));
    assert_eq!(outcome.code, 4, "{outcome:#?}");
    let record = fs::read_to_string(home.path().join("record")).expect("the commands wrote it");
    let runs: Vec<_> = record.split_terminator('#').collect();
    assert_eq!(runs.last(), Some(&"idle|||||none"), "{record}");
    let path = |name: &str| home.path().join("got").join(name).to_str().expect("plain").to_owned();
    let done = |name: &str, size| format!("done|{0}|{0}|{name}|{size}|none", path(name));
    let expected = [
        done("x $(touch gone); y", 1),
        done("`touch gone`\"'{size}", 2),
        "failed|||absent||none".to_owned(),
        "idle|||||none".to_owned(),
    ];
    assert_eq!(runs.iter().map(|run| (*run).to_owned()).collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    assert!(!home.path().join("gone").exists(), "no name is run");
    let log = fs::read_to_string(home.path().join("log")).expect("a log");
    for line in [
        "on_done of x $(touch gone); y: said of done",
        "on_failed of absent: complained",
        "on_idle: said of idle",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!outcome.stderr.contains("said of"), "{}", outcome.stderr);
}

#[test]
fn a_command_that_fails_is_an_error_in_the_log_and_changes_no_exit_code() {
    let home = home();
    let service = serve(&home, "--plain");
    let run = |command: &str| {
        let options = ["-q", "--log-file", "log", "-d", "got", "--on-done", command];
        home.run(options.into_iter().chain([service.at("empty").as_str()]))
    };
    for (command, message) in [
        ("false {path}", "on_done of empty: false failed with exit code 1"),
        ("/nowhere/x", "on_done of empty: cannot start /nowhere/x: no such file or directory"),
    ] {
        let outcome = run(command);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let log = fs::read_to_string(home.path().join("log")).expect("a log");
        assert!(log.contains(message), "{log}");
    }
    let outcome = run("sh -c {path}");
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    assert!(outcome.stderr.contains("$TUI_PATH"), "{outcome:#?}");
}

#[test]
fn a_signal_ends_what_still_runs() {
    let home = home();
    home.write("hook.sh", "trap 'echo ended > ended; exit' TERM; : > started; sleep 600 & wait\n");
    let service = serve(&home, "--plain");
    let options = ["-d", "got", "--on-done", "sh hook.sh", &service.at("empty")];
    let mut running = Running::start(home.command(options));
    until("the command", || home.path().join("started").exists());
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 130);
    until("its end", || home.path().join("ended").exists());
}
