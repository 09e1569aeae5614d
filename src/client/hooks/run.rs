//! Runs one command: without a shell, with nothing to read, in a process group of its own, and with its output in the log.

use std::{
    io::{self, PipeReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Hook, Hooks, OUTPUT_TIMEOUT};
use crate::{platform::reason, text::SafeText};

/// Bytes of a line of output that are logged, and lines of one run.
const MAX_LINE_LEN: usize = 500;
const MAX_LINES: usize = 1000;

/// Runs a command to its end, and logs how it ended.
pub(super) fn run(hooks: &Hooks, hook: &Hook) {
    let what = hook.facts.what();
    let program = SafeText::new(hook.command.program());
    match start_and_wait(hooks, hook, &what) {
        Ok(status) if status.success() => tracing::debug!("{what}: {program} succeeded"),
        Ok(status) => hooks.failed(&format!("{what}: {program} {}", ended(status))),
        Err(error) => hooks.failed(&format!("{what}: cannot start {program}: {}", reason(&error))),
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

fn start_and_wait(hooks: &Hooks, hook: &Hook, what: &str) -> io::Result<ExitStatus> {
    let (output, writer) = io::pipe()?;
    let mut command = Command::new(hook.command.program());
    command
        .args(hook.command.arguments().iter().map(|argument| hook.facts.fill(argument)))
        .envs(hook.facts.environment())
        // A secret of this program.
        .env_remove("FDSP_TOKEN")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // Keys of the terminal are for this program.
        .process_group(0);
    let mut child = command.spawn()?;
    // The output ends when the child has closed it.
    drop(command);
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        hooks.entered(group, what.to_owned());
    }
    let (done, read) = mpsc::channel();
    let name = what.to_owned();
    let reader = move || {
        log(output, &name);
        // The receiver is gone if something of the command has the output open for longer.
        let _ = done.send(());
    };
    // Without a reader the pipe is closed, and the command gets SIGPIPE when it writes.
    if let Err(error) = std::thread::Builder::new().name("hook-output".into()).spawn(reader) {
        tracing::warn!("{what}: its output cannot be logged: {error}");
    }
    if let Some(group) = group {
        // Until it is waited for below, no other process has its id.
        let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(group), options));
        if status.is_ok_and(|status| status.is_some_and(|status| status.stopped())) {
            // The system stops a process in the background that reads from the terminal, and it would never end.
            hooks.failed(&format!("{what}: stopped, as by a question on the terminal, and terminated"));
            let _ = kill_process_group(group, Signal::KILL);
        }
        hooks.left(group);
    }
    let status = child.wait()?;
    let _ = read.recv_timeout(OUTPUT_TIMEOUT);
    Ok(status)
}

/// Logs what a command writes, line by line, and reads what is over the bounds.
fn log(mut output: PipeReader, what: &str) {
    let (mut line, mut lines, mut buffer) = (Vec::new(), 0, [0; 4096]);
    let mut end_of_line = |line: &mut Vec<u8>| {
        match lines {
            MAX_LINES => tracing::warn!("{what}: further output is not logged"),
            lines if lines < MAX_LINES => tracing::info!("{what}: {}", SafeText::from_bytes(line)),
            _ => {}
        }
        lines += 1;
        line.clear();
    };
    loop {
        let count = match output.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for byte in &buffer[..count] {
            match byte {
                b'\n' => end_of_line(&mut line),
                _ if line.len() < MAX_LINE_LEN => line.push(*byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        end_of_line(&mut line);
    }
}
