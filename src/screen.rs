//! The face with a terminal: starts an engine, and a screen on it.

use std::sync::Arc;

use fdsp::{
    cli::{Fetch, plan::Demo},
    client::{self, Command},
    config::Settings,
    headless::{self, Exit, Problem, demo::Stage},
    logging::LogRing,
    server,
    text::SafeText,
    ui::{
        self, Wake, dashboard,
        downloads::{self, Defaults},
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
    let defaults = Defaults {
        server: fetch.server.or_else(|| fetch.jobs.first().map(|job| job.address.authority.clone())),
        speak: fetch.speak,
        form: fetch.form,
        folder: fetch.folder,
        existing: fetch.existing,
        jobs: fetch.engine.jobs,
        browse,
    };
    let (engine, events) = client::start(fetch.engine)?;
    engine.command(Command::Add(fetch.jobs));
    Ok(end(downloads::run(engine, events, defaults, ring, &settings.screen_options())?))
}

fn end(exit: ui::Exit) -> Exit {
    match exit {
        ui::Exit::Quit => Exit::Done,
        ui::Exit::Signal(_) | ui::Exit::TerminalLost => Exit::Interrupted,
    }
}
