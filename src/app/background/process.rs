//! The background process itself.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedReceiver, time::MissedTickBehavior};

use super::{
    control::{Asked, Listener, Reply, Request, Status, Stopped},
    handover::{Handover, Report},
};
use crate::{
    app::{
        self,
        cli::{Fetch, SessionChoice, Task, Terminal},
        exit::{Exit, Problem},
        fetch::{self, Started},
        headless::signals::Signals,
    },
    client::{Command, Engine, Event, Session, Sort},
    logging::{self, LogRing},
    text::without_number,
};

/// How long the engine may take to write what it has received to the disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is checked whether something is left to do: not every change of the queue is an event.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Rows of running downloads in a status, at most.
const MAX_ROWS: usize = 100;

/// Runs as the background process that [`Waiting::start`](super::handover::Waiting::start) has started.
pub(in crate::app) fn main() -> Exit {
    // The first act: from here on the end of the terminal cannot end it. It fails only if that is so already.
    let _ = rustix::process::setsid();
    run().unwrap_or_else(|problem| {
        report(&Report::Failed(problem.to_string()));
        problem.exit
    })
}

fn run() -> Result<Exit, Problem> {
    let handover = Handover::read(io::stdin().lock());
    let handover = handover.and_then(|handover| Ok((handover.session()?, handover.arguments)));
    let (session, arguments) = handover.map_err(|error| {
        Problem::new(
            Exit::Usage,
            format!("tui starts this process itself, to download in the background: {error}"),
        )
    })?;
    let (fetch, _log) = prepare(arguments, session.clone())?;
    report(&Report::Ready);
    // The log ends with this function.
    hold(&fetch, &session).inspect_err(|problem| {
        tracing::error!("the downloads do not continue in the background: {problem}");
    })
}

/// Takes the session once it is released, and downloads until it ends.
fn hold(fetch: &Fetch, session: &SessionChoice) -> Result<Exit, Problem> {
    // The pipe is closed once the session was released.
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map_err(system)?;
    let Started { engine, events, session: opened, .. } = fetch::start(fetch, true)?;
    let opened = opened.ok_or_else(|| Problem::new(Exit::Failed, "the session could not be opened"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    let mut listener =
        runtime.block_on(async { Listener::bind(&session.folder, &session.name) }).map_err(system)?;
    tracing::info!(
        "session {}: downloads continue in the background, in process {}",
        session.name,
        std::process::id()
    );
    report(&Report::Running);
    close_streams().map_err(system)?;
    let ended = runtime.block_on(watch(&engine, events, &mut listener)).map_err(system)?;
    drop(listener);
    Ok(end(engine, opened, ended))
}

/// Does what needs no session: settings, log, limits.
fn prepare(arguments: Vec<OsString>, session: SessionChoice) -> Result<(Fetch, logging::Guard), Problem> {
    let unusable = || Problem::new(Exit::Usage, "the command line is not one of a download screen");
    let plan = app::plan(arguments, Some(Terminal::Screen))?.ok_or_else(unusable)?;
    let Task::Fetch(fetch) = plan.task else { return Err(unusable()) };
    let guard = logging::init(&plan.log, Some(LogRing::new()))?;
    Ok((fetch.continued(session), guard))
}

fn system(error: io::Error) -> Problem {
    Problem::new(Exit::Failed, without_number(&error.to_string()))
}

fn report(report: &Report) {
    let Ok(mut line) = serde_json::to_vec(report) else { return };
    line.push(b'\n');
    // The screen's process may have ended already.
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

/// Lets go of the pipes to the screen's process, which waits for their end.
fn close_streams() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}

/// Why the process ends.
enum Ended {
    /// Nothing is left to do.
    Done,
    /// A signal.
    Signal(&'static str),
    /// Another process wants the session, or the user wants it to stop.
    Asked(Asked),
}

/// Downloads until nothing runs or waits, a signal arrives, or another process asks for the session.
async fn watch(
    engine: &Engine,
    mut events: UnboundedReceiver<Event>,
    listener: &mut Listener,
) -> io::Result<Ended> {
    let mut signals = Signals::new()?;
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut at_rest = false;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => return Ok(Ended::Signal(signal)),
            asked = listener.next() => match asked.request {
                Request::Stop => return Ok(Ended::Asked(asked)),
                Request::Status => {
                    let reply = Reply::Status(Box::new(status(engine)));
                    if let Err(error) = asked.reply(&reply) {
                        tracing::debug!("the status was not read: {error}");
                    }
                }
            },
            () = async { engine.hooks_ended().await; engine.all_deleted().await }, if at_rest => return Ok(Ended::Done),
            event = events.recv() => if event.is_none() {
                return Err(io::Error::other("internal error: the engine stopped before its downloads"));
            },
            _ = check.tick() => {
                let totals = engine.snapshot(0..0).totals;
                at_rest = totals.running + totals.waiting == 0;
            }
        }
    }
}

fn status(engine: &Engine) -> Status {
    let totals = engine.snapshot(0..0).totals;
    // What runs comes first.
    let mut ids = engine.arranged("", Sort::Queue).open;
    ids.truncate(totals.running.min(MAX_ROWS));
    Status { process: std::process::id(), totals, running: engine.rows(&ids) }
}

/// Stops the engine, saves the queue, releases the session, and replies to the process that asked for it.
fn end(engine: Engine, session: Session, ended: Ended) -> Exit {
    engine.command(Command::Stop);
    let kept = engine.join(STOP_TIMEOUT);
    let unfinished = kept.queue.iter().filter(|job| job.is_unfinished()).count();
    let saved = session.save(kept);
    let name = session.name().clone();
    drop(session);
    if let Err(error) = &saved {
        tracing::error!("session {name}: the queue could not be saved: {error}");
    }
    let exit = if saved.is_ok() { Exit::Done } else { Exit::Disk };
    match ended {
        Ended::Done => {
            tracing::info!("session {name}: nothing is left to download, the background process ends");
            exit
        }
        Ended::Signal(signal) => {
            tracing::warn!("session {name}: the background process was stopped by {signal}");
            Exit::Interrupted
        }
        Ended::Asked(asked) => {
            tracing::info!("session {name}: the background process was asked to stop");
            let error = saved.err().map(|error| without_number(&error.to_string()));
            let stopped = Stopped { process: std::process::id(), unfinished, error };
            if let Err(error) = asked.reply(&Reply::Stopped(stopped)) {
                tracing::debug!("the reply was not read: {error}");
            }
            exit
        }
    }
}
