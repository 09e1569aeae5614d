//! The binary: reads the command line and hands over to a screen or to the face without one.

mod screen;

use std::process::ExitCode;

use fdsp::{
    cli::{
        Cli, Plan, Task, Typed,
        plan::{Face, Surroundings},
    },
    config::Settings,
    headless::{self, Exit, Problem, demo},
    logging::{self, LogRing},
};

fn main() -> ExitCode {
    // A report of a defect has its sections; a problem of this world is one sentence.
    let _ = color_eyre::config::HookBuilder::default().display_env_section(false).install();
    let exit = run().unwrap_or_else(|report| {
        headless::say(&format!("tui: {report:#}"));
        report.downcast_ref().map_or(Exit::Failed, |problem: &Problem| problem.exit)
    });
    // Work whose result could not be written is not all done.
    if exit == Exit::Done && headless::lost_output().is_some() { Exit::Disk.into() } else { exit.into() }
}

fn run() -> color_eyre::Result<Exit> {
    // Before any secret is read.
    let unprotected = fdsp::protect_memory().err().map(|error| {
        format!("the memory of this process, with its tokens and keys, may be readable by your other processes or in core files: {error}")
    });
    fdsp::catch_file_size_signal()?;
    let cli = match Cli::read(std::env::args_os()).map_err(Problem::from)? {
        Typed::Run(cli) => cli,
        Typed::Print(bytes) => {
            headless::print(&bytes);
            return Ok(Exit::Done);
        }
    };
    let settings = Settings::load(cli.common.config.as_deref(), std::env::vars_os());
    let around = Surroundings::look().map_err(Problem::from)?;
    let plan = cli.plan(settings.map_err(Problem::from)?, &around).map_err(Problem::from)?;
    let ring = LogRing::new();
    let guard = logging::init(&plan.log, Some(ring.clone())).map_err(Problem::from)?;
    if let (Some(warning), true) = (&guard.warning, plan.face != Face::Screen) {
        headless::say(&format!("tui: warning: {warning}"));
    }
    for warning in plan.warnings.iter().chain(&unprotected) {
        tracing::warn!("{warning}");
        if matches!(plan.face, Face::Plain | Face::Json) && !plan.log.stderr {
            headless::say(&format!("tui: warning: {warning}"));
        }
    }
    carry_out(plan, ring)
}

fn carry_out(plan: Plan, ring: LogRing) -> color_eyre::Result<Exit> {
    let (style, settings) = (plan.style(), &plan.settings);
    Ok(match (plan.task, plan.face) {
        (Task::Serve(serve), Face::Screen) => screen::serve(serve.config, settings, ring)?,
        (Task::Serve(serve), _) => headless::server::run(serve, style)?,
        (Task::Demo(demo), Face::Screen) => screen::demo(*demo, settings, ring)?,
        (Task::Demo(demo), _) => demo::run(*demo, style)?,
        (Task::Fetch(fetch), Face::Screen) => screen::fetch(fetch, settings, ring)?,
        (Task::Fetch(fetch), _) => headless::client::run(&fetch, style)?,
    })
}
