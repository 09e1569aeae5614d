//! The program: parses the command line and the settings, starts the log, and runs the task with or without a screen.

mod background;
pub mod cli;
pub mod config;
mod demo;
pub mod exit;
mod fetch;
pub mod headless;
#[cfg(feature = "tui")]
mod leaving;
#[cfg(feature = "tui")]
mod screen;

use std::ffi::OsString;

use crate::{
    app::{
        cli::{Cli, Environment, Face, Parsed, Plan, Task, Terminal},
        config::Layers,
        exit::{Exit, Problem},
        headless::Output,
    },
    logging::{self, LogRing},
    platform,
};

/// Runs the program with these arguments, the first of which is its name. Errors are printed.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut arguments = arguments.into_iter().peekable();
    let name = arguments.next();
    if arguments.peek().is_some_and(|first| first == background::ARGUMENT) {
        return background::main();
    }
    let exit = run(name.into_iter().chain(arguments)).unwrap_or_else(|problem| {
        headless::eprint_line(&format!("tui: {problem}"));
        problem.exit
    });
    // Output that could not be written is an error.
    if exit == Exit::Done && headless::lost_output().is_some() { Exit::Disk } else { exit }
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<Exit, Problem> {
    let Some(plan) = plan(arguments, None)? else { return Ok(Exit::Done) };
    let ring = LogRing::new();
    let guard = logging::init(&plan.log, Some(ring.clone()))?;
    if let (Some(warning), true) = (&guard.warning, plan.face != Face::Screen) {
        headless::eprint_line(&format!("tui: warning: {warning}"));
    }
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
        if matches!(plan.face, Face::Headless(Output::Plain | Output::Json)) && !plan.log.stderr {
            headless::eprint_line(&format!("tui: warning: {warning}"));
        }
    }
    run_plan(plan, ring)
}

/// Protects the process and parses the command line and the settings. `None` if there is nothing to run: what was asked for is printed.
/// `terminal` is assumed instead of the one that there is: by a process that continues a session, which has all downloads already.
fn plan(
    arguments: impl IntoIterator<Item = OsString>,
    terminal: Option<Terminal>,
) -> Result<Option<Plan>, Problem> {
    // Before any secret is read.
    let unprotected = platform::protect_memory().err().map(|error| {
        format!("cannot protect the memory of this process: its tokens and keys may be readable by your other processes or in core files: {error}")
    });
    platform::catch_file_size_signal()
        .map_err(|error| Problem::new(Exit::Failed, format!("cannot handle signals: {error}")))?;
    let mut cli = match Cli::read(arguments)? {
        Parsed::Run(cli) => cli,
        Parsed::Print(bytes) => {
            headless::print(&bytes);
            return Ok(None);
        }
    };
    let layers = Layers::load(cli.common.config.as_deref(), std::env::vars_os());
    if cli.is_about_settings() {
        let layers = layers?;
        let settings = cli.settings(&layers)?;
        #[cfg(feature = "tui")]
        screen::key_map(&settings.keys)?;
        headless::print(cli.report(&settings, &layers)?.as_bytes());
        return Ok(None);
    }
    let mut environment = Environment::read()?;
    environment.terminal = terminal.unwrap_or(environment.terminal);
    if terminal.is_some() {
        // It may be a pipe that was read, or a file that has changed since.
        cli.client.input_file = None;
    }
    let mut plan = cli.plan(layers?.combined(), &environment)?;
    plan.warnings.extend(unprotected);
    #[cfg(feature = "tui")]
    screen::key_map(&plan.settings.keys)?;
    Ok(Some(plan))
}

#[cfg(feature = "tui")]
fn run_plan(plan: Plan, ring: LogRing) -> Result<Exit, Problem> {
    match plan.face {
        Face::Headless(output) => without_screen(plan, output),
        Face::Screen => match plan.task {
            Task::Serve(serve) => screen::serve(serve.config, &plan.settings, ring),
            Task::Demo(demo) => screen::demo(*demo, &plan.settings, ring),
            Task::Fetch(fetch) => screen::fetch(*fetch, &plan.settings, ring),
            Task::Status(_) | Task::Stop(_) => without_screen(plan, Output::Plain),
        },
    }
}

#[cfg(not(feature = "tui"))]
fn run_plan(plan: Plan, _: LogRing) -> Result<Exit, Problem> {
    let output = match plan.face {
        Face::Headless(output) => output,
        Face::Screen => Output::Plain,
    };
    without_screen(plan, output)
}

fn without_screen(plan: Plan, output: Output) -> Result<Exit, Problem> {
    let style = plan.style(output);
    match plan.task {
        Task::Serve(serve) => headless::server::run(*serve, style),
        Task::Demo(demo) => demo::run(*demo, style),
        Task::Fetch(fetch) => fetch::run(&fetch, style),
        Task::Status(session) => background::status(&session, style.output),
        Task::Stop(session) => background::stop(&session),
    }
}
