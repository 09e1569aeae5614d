//! The end of the download screen: stops the engine, saves the queue, and lets downloads continue in the background.

use std::time::Duration;

use super::{
    background::Waiting,
    cli::SessionChoice,
    config::Background,
    exit::{Exit, Problem},
    headless::eprint_line,
};
use crate::{
    client::{Command, Engine, Session},
    text::without_number,
    ui,
};

/// How long the engine may take to write what it has to the disk, once the screen was left.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same when a signal ends the process, which has to happen within a second.
const FAST_STOP_TIMEOUT: Duration = Duration::from_millis(700);
/// How long the background process may take to take the session.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(1);
/// The same when a signal ends the process, which then does not depend on the answer.
const FAST_HANDOVER_TIMEOUT: Duration = Duration::from_millis(100);

/// How the screen is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Whether the process has to be gone within a second.
    fast: bool,
    /// Whether downloads continue in the background.
    background: bool,
}

/// What became of the downloads.
#[derive(Debug)]
pub(super) enum Stopped {
    /// No session has them.
    Lost,
    /// The session has the downloads that are not finished.
    Saved(usize),
    /// They continue in this process.
    Background { process: u32, unfinished: usize },
    /// The session has them: they could not continue in the background, for this reason.
    NotInBackground(String),
}

impl Leaving {
    /// Decides it. `wanted` is the answer of the user.
    pub(super) fn of(
        exit: &Result<ui::Exit, ui::Error>,
        wanted: bool,
        engine: &Engine,
        setting: Background,
    ) -> Leaving {
        let is_busy = || {
            let totals = engine.snapshot(0..0).totals;
            totals.running + totals.waiting > 0
        };
        let is_hang_up = match exit {
            Ok(ui::Exit::Signal(signal)) => *signal == rustix::process::Signal::HUP.as_raw(),
            Ok(ui::Exit::TerminalLost) => true,
            Ok(ui::Exit::Quit) | Err(_) => false,
        };
        let background = match exit {
            Ok(ui::Exit::Quit) => wanted,
            _ => is_hang_up && setting != Background::Never && is_busy(),
        };
        Leaving { fast: !matches!(exit, Ok(ui::Exit::Quit)), background }
    }

    /// Stops the engine, saves the queue and releases the session, in which a background process continues if that is wanted.
    ///
    /// # Errors
    /// The queue could not be saved.
    pub(super) fn stop(
        self,
        engine: Engine,
        session: Option<Session>,
        choice: Option<SessionChoice>,
    ) -> Result<Stopped, Problem> {
        let save = |kept| session.as_ref().map_or(Ok(()), |session| session.save(kept));
        // It is started first: it prepares itself while the engine stops.
        let mut process = match &choice {
            Some(choice) if self.background && session.is_some() => Some(Waiting::start(choice)),
            _ => None,
        };
        engine.command(Command::Stop);
        if self.fast {
            // What hangs while it stops must not cost what is known already; a failure shows once more below.
            let _ = save(engine.saved());
        }
        let kept = engine.join(if self.fast { FAST_STOP_TIMEOUT } else { STOP_TIMEOUT });
        let unfinished = kept.queue.iter().filter(|job| job.is_unfinished()).count();
        save(kept).map_err(|error| {
            let error = without_number(&error.to_string());
            Problem::new(Exit::Disk, format!("the queue could not be saved: {error}"))
        })?;
        let Some(session) = session else { return Ok(Stopped::Lost) };
        session.close();
        if let (Some(Ok(waiting)), Some(choice)) = (&mut process, &choice)
            && waiting.has_ended()
        {
            // A hang-up sends SIGHUP to all processes of the terminal, perhaps before this one had a session of its own.
            process = Some(Waiting::start(choice));
        }
        let Some(process) = process else { return Ok(Stopped::Saved(unfinished)) };
        let patience = if self.fast { FAST_HANDOVER_TIMEOUT } else { HANDOVER_TIMEOUT };
        Ok(match process.and_then(|process| process.hand_over(patience)) {
            Ok(process) => Stopped::Background { process, unfinished },
            Err(error) => {
                let reason = without_number(&error.to_string());
                tracing::warn!("the downloads do not continue in the background: {reason}");
                Stopped::NotInBackground(reason)
            }
        })
    }
}

impl Stopped {
    /// Says it on stderr.
    pub(super) fn print(&self) {
        match self {
            Stopped::Lost | Stopped::Saved(0) => {}
            Stopped::Saved(1) => eprint_line("1 download is not finished; the next start resumes it"),
            Stopped::Saved(count) => {
                eprint_line(&format!("{count} downloads are not finished; the next start resumes them"));
            }
            Stopped::Background { process, unfinished } => {
                let downloads = match unfinished {
                    1 => "1 download continues".to_owned(),
                    count => format!("{count} downloads continue"),
                };
                eprint_line(&format!(
                    "{downloads} in the background, in process {process}; tui shows them again, tui --stop ends them"
                ));
            }
            Stopped::NotInBackground(reason) => eprint_line(&format!(
                "tui: the downloads do not continue in the background: {reason}; the next start resumes them"
            )),
        }
    }
}
