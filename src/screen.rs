//! The face with a terminal: starts an engine, and a screen on it.

use std::sync::Arc;

use fdsp::{
    cli::plan::Fetch,
    client,
    config::Settings,
    headless::{Exit, Problem, demo::Stage, print},
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
    download(fetch, false, settings, ring)
}

/// Serves a folder in this process and opens the download screen on it, with its listing at hand.
pub fn demo(
    server: server::Config,
    mut fetch: Fetch,
    dir_given: bool,
    settings: &Settings,
    ring: LogRing,
) -> color_eyre::Result<Exit> {
    let Stage { server, folder } = Stage::set(server, Arc::new(|_| ()))?;
    fetch.server = Some(server.address().authority.clone());
    if !dir_given {
        fetch.folder = folder.path().to_owned();
    }
    let exit = download(fetch, true, settings, ring)?;
    drop(server);
    // What somebody fetched is theirs, also out of curiosity.
    if let Some(path) = folder.keep() {
        print(format!("What was fetched is in {}\n", SafeText::from_path(&path)).as_bytes());
    }
    Ok(exit)
}

fn download(fetch: Fetch, browse: bool, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
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
    if !fetch.jobs.is_empty() {
        engine.command(client::Command::Add(fetch.jobs));
    }
    Ok(end(downloads::run(engine, events, defaults, ring, &settings.screen_options())?))
}

fn end(exit: ui::Exit) -> Exit {
    match exit {
        ui::Exit::Quit => Exit::Done,
        ui::Exit::Signal(_) | ui::Exit::TerminalLost => Exit::Interrupted,
    }
}
