//! Fetches without a screen.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Output, Style, bars::Bars, eprint_line, json, lines::Lines, output::Objects, signals::Signals};
use crate::{
    app::exit::Exit,
    client::{self, Change, Command, Engine, Event, JobId, SavedJob, SavedState, Session},
    text,
};

/// How long an interrupted engine may take to write received bytes to the disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running engine to watch.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The engine.
    pub engine: Engine,
    /// Its events.
    pub events: UnboundedReceiver<Event>,
    /// Number of queued downloads at the start. The run ends when all of them have ended.
    pub queued: usize,
    /// The session that saves the queue.
    pub session: Option<&'a Session>,
}

/// Shows downloads until all have ended or a signal arrives. Then stops the engine, and saves the queue in the session.
///
/// # Errors
/// Signals cannot be handled, or the engine stops before its downloads have ended.
pub fn watch(watched: Watched<'_>, style: Style) -> io::Result<(Exit, Results)> {
    let Watched { engine, mut events, queued, session } = watched;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut results, mut show) = (Results::new(queued), Show::new(style));
    let interrupted = runtime.block_on(drive(&engine, &mut events, &mut results, &mut show))?;
    show.end();
    engine.command(Command::Stop);
    let kept = engine.join(STOP_TIMEOUT);
    let saved = session.map_or(Ok(()), |session| session.save(kept));
    if let Err(error) = &saved {
        eprint_line(&format!(
            "tui: the queue could not be saved: {}",
            text::without_number(&error.to_string())
        ));
    }
    let exit = match interrupted {
        Some(signal) => {
            eprint_line(&format!("tui: stopped by {signal}; {}", how_to_resume(session)));
            tracing::warn!("stopped by {signal}");
            Exit::Interrupted
        }
        None if saved.is_err() => Exit::Disk,
        None => results.exit(),
    };
    Ok((exit, results))
}

/// Reports paused downloads of a session, or that nothing is queued.
pub fn report_session(session: &Session, queue: &[SavedJob]) {
    let name = session.name();
    let paused = queue.iter().filter(|job| job.state == SavedState::Paused).count();
    if paused > 0 {
        eprint_line(&format!(
            "{paused} of the session '{name}' stay paused: tui --session {name} shows them"
        ));
    }
    if !queue.iter().any(|job| job.state == SavedState::Queued) {
        eprint_line(&format!("nothing is left to fetch in the session '{name}'"));
    }
}

/// What is kept after an interruption, and how to resume it.
fn how_to_resume(session: Option<&Session>) -> String {
    match session {
        Some(session) => format!("the queue is saved: resume it with --session {}", session.name()),
        None => "partial files are kept: the same command resumes them".into(),
    }
}

/// Waits for the downloads. Returns the signal that stopped them, if one did.
async fn drive(
    engine: &Engine,
    events: &mut UnboundedReceiver<Event>,
    results: &mut Results,
    show: &mut Show,
) -> io::Result<Option<&'static str>> {
    let mut signals = Signals::new()?;
    let mut redraw = tokio::time::interval(Bars::interval());
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !results.is_complete() {
        tokio::select! {
            biased;
            signal = signals.next() => return Ok(Some(signal)),
            event = events.recv() => match event {
                Some(event) => {
                    results.count(&event);
                    show.event(&event);
                }
                None => return Err(io::Error::other("internal error: the engine stopped before its downloads")),
            },
            _ = redraw.tick(), if show.has_bars() => show.rows(engine),
        }
    }
    // Commands of the user, and files that an earlier run of the session did not delete.
    let ended = async {
        engine.hooks_ended().await;
        engine.all_deleted().await;
    };
    let interrupted = tokio::select! {
        biased;
        signal = signals.next() => Some(signal),
        () = ended => None,
    };
    while let Ok(event) = events.try_recv() {
        show.event(&event);
    }
    Ok(interrupted)
}

/// The results of the downloads.
#[derive(Debug)]
pub struct Results {
    open: usize,
    /// Downloads that were queued at the start, and are not reported as queued yet. Others are those that a metalink names.
    unreported: usize,
    failures: Vec<Exit>,
    /// The downloads that are done.
    pub done: Vec<client::Finished>,
}

impl Results {
    fn new(jobs: usize) -> Results {
        Results { open: jobs, unreported: jobs, failures: Vec::new(), done: Vec::new() }
    }

    fn count(&mut self, event: &Event) {
        match event {
            Event::Done { finished, .. } => self.done.push(finished.clone()),
            Event::Failed { trouble, .. } => self.failures.push(trouble.kind.into()),
            Event::Queued { .. } => {
                match self.unreported.checked_sub(1) {
                    Some(left) => self.unreported = left,
                    None => self.open += 1,
                }
                return;
            }
            _ => return,
        }
        self.open = self.open.saturating_sub(1);
    }

    fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// The exit code: that of the failures, `Failed` if they differ, `Missing` if only entries are missing.
    fn exit(&self) -> Exit {
        match self.failures.as_slice() {
            [] if self.done.iter().any(|finished| !finished.missing.is_none()) => Exit::Missing,
            [] => Exit::Done,
            [first, others @ ..] if others.iter().all(|other| other == first) => *first,
            _ => Exit::Failed,
        }
    }
}

/// How events are shown.
#[derive(Debug)]
struct Show {
    lines: Lines,
    bars: Option<Bars>,
    objects: Option<Objects>,
    ids: Vec<JobId>,
    logged: bool,
    errors_only: bool,
}

impl Show {
    fn new(style: Style) -> Show {
        let Style { output, ascii, logged, cursor } = style;
        let bars = output == Output::Plain && !logged && cursor && io::stderr().is_terminal();
        Show {
            lines: Lines::default(),
            bars: bars.then(|| Bars::new(ascii)),
            objects: (output == Output::Json).then(Objects::default),
            ids: Vec::new(),
            logged,
            errors_only: matches!(output, Output::Quiet | Output::Json),
        }
    }

    fn event(&mut self, event: &Event) {
        if let Event::Queued { id, .. } = event {
            self.ids.push(*id);
        }
        let is_for_people = match event {
            Event::Changed { what, .. } => *what != Change::Renamed,
            Event::Warning { .. } => true,
            _ => false,
        };
        if let Some(objects) = &mut self.objects
            && !is_for_people
        {
            objects.print(&json::Line::from(event));
        }
        let line = self.lines.line(event, Instant::now());
        let is_bad = match event {
            Event::Failed { .. } => true,
            Event::Done { finished, .. } => !finished.missing.is_none(),
            // The log on stderr contains it.
            Event::Warning { .. } => !self.logged,
            _ => false,
        };
        let wanted = is_bad || !(self.errors_only || self.logged);
        let drawn = self.bars.is_some() && matches!(event, Event::Started { .. } | Event::Progress { .. });
        if let Some(line) = line
            && wanted
            && !drawn
        {
            match &self.bars {
                Some(bars) => bars.eprint_line(&line),
                None => eprint_line(&line),
            }
        }
    }

    fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    fn rows(&mut self, engine: &Engine) {
        if let Some(bars) = &mut self.bars {
            bars.show(&engine.rows(&self.ids));
        }
    }

    fn end(&mut self) {
        if let Some(bars) = &mut self.bars {
            bars.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Trouble, TroubleKind};

    fn results(kinds: &[TroubleKind]) -> Results {
        let mut results = Results::new(kinds.len());
        for (number, kind) in kinds.iter().enumerate() {
            assert!(!results.is_complete());
            let trouble = Trouble::new(*kind, "x");
            results.count(&Event::Failed { id: JobId(number as u64), name: "x".into(), trouble });
        }
        assert!(results.is_complete());
        results
    }

    #[test]
    fn the_exit_code_is_that_of_the_failures() {
        use TroubleKind::{Connection, Disk, Integrity, NotFound, Other, Refused};
        assert_eq!(results(&[]).exit(), Exit::Done);
        for (kind, code) in
            [(Other, 1), (Connection, 3), (NotFound, 4), (Refused, 5), (Integrity, 6), (Disk, 7)]
        {
            assert_eq!(results(&[kind, kind]).exit() as u8, code);
        }
        assert_eq!(results(&[NotFound, Disk]).exit(), Exit::Failed);
        let incomplete = |kinds: &[TroubleKind]| {
            let mut results = results(kinds);
            let mut finished = crate::app::headless::lines::tests::finished();
            finished.missing.add("a", "permission denied");
            results.count(&Event::Done { id: JobId(9), name: "x".into(), finished });
            results.exit()
        };
        assert_eq!((incomplete(&[]) as u8, incomplete(&[NotFound])), (8, Exit::NotFound));
    }
}
