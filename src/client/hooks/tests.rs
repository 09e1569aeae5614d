use std::{fs, path::Path, sync::mpsc};

use super::*;
use crate::client::api::{
    job_id::JobId,
    views::view::{Trouble, TroubleKind},
};

/// Hooks of shell scripts, which run in a folder.
fn hooks(folder: &Path, done: &str, idle: &str) -> (Arc<Hooks>, mpsc::Receiver<String>) {
    let folder = folder.to_string_lossy();
    let command = |script: &str| {
        let words = ["sh", "-c", script, "sh", &*folder, "{name}"].map(str::to_owned);
        HookCommand::new(words.into()).expect("right")
    };
    let commands = hook::Hooks {
        on_failed: command(done),
        on_idle: command(idle).filter(|_| !idle.is_empty()),
        on_done: None,
    };
    let (sender, warnings) = mpsc::channel();
    let warn = move |message| drop(sender.send(message));
    (Hooks::new(commands, Box::new(warn)), warnings)
}

fn end(hooks: &Arc<Hooks>, name: &str, is_idle: bool) {
    let event =
        Event::Failed { id: JobId(0), name: name.into(), trouble: Trouble::new(TroubleKind::Other, "x") };
    hooks.job_ended(&event, None, is_idle);
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn a_few_run_at_a_time_and_the_idle_one_runs_last() {
    let folder = tempfile::tempdir().expect("a folder");
    // Each counts those that run beside it, and leaves a line when it ends.
    let done = "cd \"$1\"; touch \"run.$2\"; ls run.* | wc -l >> counts; rm \"run.$2\"; echo \"$2\" >> ended";
    let (hooks, warnings) = hooks(folder.path(), done, "cd \"$1\"; echo idle >> ended");
    for number in 0..20 {
        end(&hooks, &number.to_string(), number == 19);
    }
    hooks.finish(in_a_minute());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    let mut ended: Vec<_> = read("ended").lines().map(str::to_owned).collect();
    assert_eq!(ended.pop().as_deref(), Some("idle"));
    ended.sort_by_key(|line| line.parse::<u32>().ok());
    assert_eq!(ended, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    let counts = read("counts");
    assert!(
        counts.lines().all(|line| line.trim().parse::<usize>().is_ok_and(|count| count <= MAX_RUNNING)),
        "{counts}"
    );
    assert_eq!(warnings.try_iter().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_command_that_fails_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (failing, warnings) = hooks(folder.path(), "exit 3", "");
    end(&failing, "a\u{1b}", true);
    failing.finish(in_a_minute());
    assert_eq!(warnings.try_iter().collect::<Vec<_>>(), ["on_failed of a␛: sh failed with exit code 3"]);
    let absent = HookCommand::new(vec!["/nowhere/x".into()]).expect("right");
    let (sender, warnings) = mpsc::channel();
    let warn = Box::new(move |message| drop(sender.send(message)));
    let absent = Hooks::new(hook::Hooks { on_failed: absent, ..hook::Hooks::default() }, warn);
    end(&absent, "a", true);
    absent.finish(in_a_minute());
    let warnings: Vec<_> = warnings.try_iter().collect();
    assert_eq!(warnings, ["on_failed of a: cannot start /nowhere/x: no such file or directory"]);
}

/// As a command that asks on the terminal: it would stop for ever, and hold its place.
#[test]
fn a_command_that_stops_is_terminated_and_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hooks, warnings) = hooks(folder.path(), "kill -STOP $$", "");
    end(&hooks, "a", true);
    hooks.finish(in_a_minute());
    let warnings: Vec<_> = warnings.try_iter().collect();
    let stopped = "on_failed of a: stopped, as by a question on the terminal, and terminated";
    assert_eq!(warnings, [stopped, "on_failed of a: sh was ended by signal 9"]);
}

#[test]
fn what_still_runs_at_the_end_is_terminated_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "trap 'echo terminated > \"$1/ended\"; exit' TERM; sleep 600 & : > \"$1/started\"; wait";
    let (hooks, _warnings) = hooks(folder.path(), script, "touch \"$1/idle\"");
    end(&hooks, "a", true);
    let until = |name: &str| {
        let begun = Instant::now();
        while !folder.path().join(name).exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no {name}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    until("started");
    hooks.finish(Instant::now());
    until("ended");
    assert!(!folder.path().join("idle").exists(), "what waits is not run");
    end(&hooks, "b", true);
    hooks.finish(in_a_minute());
    assert!(!folder.path().join("idle").exists(), "nothing is run after the end");
}
