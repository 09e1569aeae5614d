//! The face with a terminal: starts an engine, and a screen on it.

use std::sync::Arc;

use fdsp::{
    config::Settings,
    headless::{Exit, Problem},
    logging::LogRing,
    server,
    ui::{self, Wake, dashboard},
};

/// Serves, with the dashboard.
pub fn serve(config: server::Config, settings: &Settings, ring: LogRing) -> color_eyre::Result<Exit> {
    let wake = Wake::default();
    let waker = wake.clone();
    let server = server::start(config.clone(), Arc::new(move |_| waker.wake())).map_err(Problem::from)?;
    Ok(end(dashboard::run(server, &config, wake, ring, &settings.screen_options())?))
}

fn end(exit: ui::Exit) -> Exit {
    match exit {
        ui::Exit::Quit => Exit::Done,
        ui::Exit::Signal(_) | ui::Exit::TerminalLost => Exit::Interrupted,
    }
}
