//! The face with a terminal: starts an engine, and a screen on it.

use std::sync::Arc;

use fdsp::{
    cli::{
        Fetch,
        fetch::Chosen,
        plan::{Demo, Face},
    },
    client::{
        self, KeptJob, Session,
        session::{OpenError, Opened, Saved},
    },
    config::Settings,
    headless::{self, Exit, Problem, demo::Stage},
    logging::LogRing,
    server,
    text::{SafeText, without_number},
    ui::{
        self, Wake, dashboard,
        downloads::{self, Defaults, Notice},
    },
};

/// Serves, with the dashboard.
pub fn serve(config: server::Config, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
    let wake = Wake::default();
    let waker = wake.clone();
    let server = server::start(config.clone(), Arc::new(move |_| waker.wake())).map_err(Problem::from)?;
    Ok(end(dashboard::run(server, &config, wake, ring, &settings.screen_options())?))
}

/// Fetches, with the download screen.
pub fn fetch(fetch: Fetch, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
    downloads(fetch, false, settings, ring)
}

/// The download screen on a server of this process, whose files are listed at once.
pub fn demo(demo: Demo, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
    let stage = Stage::set(demo.server, Arc::new(|_| ()))?;
    let mut fetch = demo.fetch;
    fetch.server = Some(stage.server.address().authority.clone());
    if !demo.dir_given {
        fetch.folder = stage.folder.path().to_owned();
    }
    let exit = downloads(fetch, true, settings, ring)?;
    // What somebody fetched is theirs, also out of curiosity.
    if let Some(path) = stage.folder.keep() {
        headless::say(&format!("What you fetched is in {}", SafeText::from_path(&path)));
    }
    Ok(exit)
}

fn downloads(fetch: Fetch, browse: bool, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
    let (opened, mut warning) = match open(&fetch)? {
        Ok(opened) => (opened, None),
        Err(warning) => (None, Some(warning)),
    };
    let (session, saved) = match opened {
        Some(opened) => {
            warning = opened.warning;
            (Some(opened.session), opened.saved)
        }
        None => (None, Saved::default()),
    };
    let history = saved.history.clone();
    let (config, queue) = fetch.begin(saved, Face::Screen);
    let of_queue = || queue.last().map(|job| job.new.address.authority.clone());
    let defaults = Defaults {
        server: fetch.server.clone(),
        named: of_queue(),
        speak: fetch.speak,
        form: fetch.form,
        folder: fetch.folder,
        existing: fetch.existing,
        extract: fetch.extract,
        jobs: config.jobs,
        segments: config.segments,
        browse,
        history,
        notice: warning.map(|text| Notice { text, bad: true }),
        kept: session.is_some(),
        selected: queue.iter().position(KeptJob::is_unfinished).unwrap_or(queue.len()),
        paused: fetch.paused && queue.iter().any(KeptJob::is_unfinished),
    };
    let (engine, events) = client::resume(config, queue)?;
    if let Some(session) = &session {
        session.follow(&engine);
    }
    let kept = session.is_some();
    let (exit, left) = downloads::run(engine, events, session, defaults, ring, &settings.screen_options())?;
    if let Err(error) = left.saved {
        return Err(Problem {
            exit: Exit::Disk,
            sentence: format!("the queue could not be kept: {}", without_number(&error.to_string())),
        }
        .into());
    }
    match left.unfinished {
        _ if !kept || exit != ui::Exit::Quit => {}
        0 => {}
        1 => headless::say("1 download is not finished; the next start resumes it"),
        count => headless::say(&format!("{count} downloads are not finished; the next start resumes them")),
    }
    Ok(end(exit))
}

/// Opens the session; a warning where there cannot be one and nobody asked for it.
fn open(fetch: &Fetch) -> Result<Result<Option<Opened>, String>, Problem> {
    let Some(Chosen { name, folder, named }) = &fetch.session else { return Ok(Ok(None)) };
    match Session::open(folder, name, fetch.configured) {
        Ok(opened) => Ok(Ok(Some(opened))),
        Err(error @ OpenError::Files { .. }) if !named => {
            let warning = without_number(&error.to_string());
            tracing::warn!("{warning}");
            Ok(Err(warning))
        }
        Err(error) => Err(error.into()),
    }
}

fn end(exit: ui::Exit) -> Exit {
    match exit {
        ui::Exit::Quit => Exit::Done,
        ui::Exit::Signal(_) | ui::Exit::TerminalLost => Exit::Interrupted,
    }
}
