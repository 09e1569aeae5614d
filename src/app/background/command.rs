//! `--status` and `--stop`.

use serde::Serialize;

use super::{control, reason};
use crate::{
    app::{
        cli::SessionChoice,
        exit::{Exit, Problem},
        headless::{Output, eprint_line, print},
    },
    client::{JobView, SavedJob, SavedState, Session, Totals},
    text::units,
};

/// The state of a session as `--status --json` prints it.
#[derive(Serialize)]
struct State<'a> {
    session: &'a str,
    /// The background process, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
    running: usize,
    /// Downloads that wait for a decision of the user.
    undecided: usize,
    waiting: usize,
    paused: usize,
    failed: usize,
    done: usize,
    /// Bytes of the downloads whose size is known: received, and in all.
    received: u64,
    size: u64,
    /// Bytes a second.
    speed: f64,
    /// Seconds left, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<f64>,
    /// Downloads that run.
    downloads: &'a [JobView],
}

/// Prints what a session's background process does, or without one, what the session holds.
///
/// # Errors
/// The process does not reply, or the session cannot be read.
pub(in crate::app) fn status(session: &SessionChoice, output: Output) -> Result<Exit, Problem> {
    let found = control::status(&session.folder, &session.name).map_err(|error| no_reply(session, &error))?;
    let (process, totals, running) = match found {
        Some(status) => (Some(status.process), status.totals, status.running),
        None => (None, saved_totals(session)?, Vec::new()),
    };
    if output == Output::Json {
        let state = State {
            session: session.name.as_str(),
            process,
            running: totals.running,
            undecided: totals.undecided,
            waiting: totals.waiting,
            paused: totals.paused,
            failed: totals.failed,
            done: totals.done,
            received: totals.progress.0,
            size: totals.progress.1,
            speed: totals.speed,
            left: totals.eta,
            downloads: &running,
        };
        let mut line =
            serde_json::to_vec(&state).map_err(|error| Problem::new(Exit::Failed, error.to_string()))?;
        line.push(b'\n');
        print(&line);
        return Ok(Exit::Done);
    }
    let name = &session.name;
    let mut text = match process {
        Some(process) => format!("session {name}: downloads in the background, in process {process}\n"),
        None => format!("session {name}: nothing is downloaded in the background\n"),
    };
    text += &counts(&totals);
    for row in &running {
        text += &line(row);
    }
    print(text.as_bytes());
    Ok(Exit::Done)
}

/// The sums of a session that no background process has.
fn saved_totals(session: &SessionChoice) -> Result<Totals, Problem> {
    let saved = Session::saved(&session.folder, &session.name)?;
    let mut totals = Totals { jobs: saved.queue.len(), ..Totals::default() };
    for SavedJob { state, received, size, .. } in &saved.queue {
        match state {
            SavedState::Queued => totals.waiting += 1,
            SavedState::Undecided(_) => totals.undecided += 1,
            SavedState::Paused => totals.paused += 1,
            SavedState::Failed(_) => totals.failed += 1,
            SavedState::Done(_) => totals.done += 1,
            SavedState::Cancelled => {}
        }
        if let Some(size) = *size {
            let received = if matches!(state, SavedState::Done(_)) { size } else { *received };
            totals.progress.0 = totals.progress.0.saturating_add(received);
            totals.progress.1 = totals.progress.1.saturating_add(size);
        }
    }
    Ok(totals)
}

/// One line about the sums, and one about bytes and time.
fn counts(totals: &Totals) -> String {
    let counts = [
        (totals.running, "running"),
        (totals.undecided, "to decide"),
        (totals.waiting, "waiting"),
        (totals.paused, "paused"),
        (totals.failed, "failed"),
        (totals.done, "done"),
    ];
    let counts: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counts.is_empty() {
        return "nothing queued\n".to_owned();
    }
    let (done, size) = totals.progress;
    let mut text = format!("{}; {}", counts.join(", "), units::bytes_of(done, size));
    if totals.running > 0 {
        text += &format!(", {}", units::rate(totals.speed));
    }
    if let Some(seconds) = totals.eta {
        text += &format!(
            ", {} left",
            units::duration(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
        );
    }
    text + "\n"
}

fn line(row: &JobView) -> String {
    let percent = match row.work() {
        Some((done, size)) if size > 0 => {
            format!("{:3} %", (u128::from(done) * 100 / u128::from(size)).min(99))
        }
        _ => "    —".to_owned(),
    };
    let size = row.size.map(units::bytes).unwrap_or_default();
    let speed = row.speed.map(units::rate).unwrap_or_default();
    format!("{percent}  {size:>9}  {speed:>11}  {}\n", row.name)
}

/// Stops the background process of a session.
///
/// # Errors
/// It does not reply, or could not save the queue.
pub(in crate::app) fn stop(session: &SessionChoice) -> Result<Exit, Problem> {
    let name = &session.name;
    let stopped = control::stop(&session.folder, name).map_err(|error| no_reply(session, &error))?;
    let Some(stopped) = stopped else {
        eprint_line(&format!("session {name}: nothing is downloaded in the background"));
        return Ok(Exit::Done);
    };
    if let Some(error) = stopped.error {
        return Err(Problem::new(Exit::Disk, format!("the queue could not be saved: {error}")));
    }
    let rest = match stopped.unfinished {
        0 => String::new(),
        1 => "; 1 download is not finished, the next start resumes it".to_owned(),
        count => format!("; {count} downloads are not finished, the next start resumes them"),
    };
    eprint_line(&format!("session {name}: process {} has stopped{rest}", stopped.process));
    Ok(Exit::Done)
}

fn no_reply(session: &SessionChoice, error: &std::io::Error) -> Problem {
    let sentence = format!(
        "session {}: its background process does not answer: {}; try again, or end the process",
        session.name,
        reason(error)
    );
    Problem::new(Exit::Failed, sentence)
}
