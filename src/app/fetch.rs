//! Starts an engine with its queue, for the screen too, and fetches without a screen.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    app::{
        background,
        cli::{Fetch, SessionChoice},
        exit::{Exit, Problem},
        headless::{
            Output, Style,
            client::{Watched, report_session, watch},
            eprint_line,
        },
    },
    client::{
        self, Engine, Event, SavedJob, SavedState, Session,
        session::{OpenError, Opened, Saved},
    },
    text::{SafeText, without_number},
};

/// A running engine, and its configuration and queue at the start.
pub(super) struct Started {
    /// The engine.
    pub(super) engine: Engine,
    /// Its events.
    pub(super) events: UnboundedReceiver<Event>,
    /// Its configuration.
    #[cfg(feature = "tui")]
    pub(super) config: client::Config,
    /// Its queue at the start.
    pub(super) queue: Vec<SavedJob>,
    /// The session that saves the queue.
    pub(super) session: Option<Session>,
    #[cfg(feature = "tui")]
    /// The history of the address line.
    pub(super) history: Vec<String>,
    /// The problem with the session, if any.
    pub(super) warning: Option<String>,
}

/// Opens the session, if there is one, and starts an engine with its queue and the downloads of the command line.
///
/// # Errors
/// The session cannot be used, or the system has no threads. For a session that the user did not name it is only a warning.
pub(super) fn start(fetch: &Fetch, has_screen: bool) -> Result<Started, Problem> {
    let (session, mut saved, warning) = match open(fetch)? {
        Ok(Some(Opened { session, saved, warning })) => (Some(session), saved, warning),
        Ok(None) => (None, Saved::default(), None),
        Err(warning) => (None, Saved::default(), Some(warning)),
    };
    #[cfg(feature = "tui")]
    let history = saved.history.clone();
    fetch.replace(&mut saved).map_err(|sentence| Problem::new(Exit::Usage, sentence))?;
    let (config, queue) = fetch.begin(saved, has_screen);
    let (engine, events) = client::resume(config.clone(), queue.clone())
        .map_err(|error| Problem::new(Exit::Failed, format!("cannot fetch: {error}")))?;
    if let Some(session) = &session {
        session.follow(&engine);
    }
    Ok(Started {
        engine,
        events,
        #[cfg(feature = "tui")]
        config,
        queue,
        session,
        #[cfg(feature = "tui")]
        history,
        warning,
    })
}

/// Opens the session. If it cannot be opened and the user did not name it, returns a warning.
fn open(fetch: &Fetch) -> Result<Result<Option<Opened>, String>, Problem> {
    let Some(choice) = &fetch.session else { return Ok(Ok(None)) };
    let SessionChoice { name, folder, named } = choice;
    background::take_over(choice);
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

/// Fetches all downloads of the command line and of the session, and shows them in this style.
///
/// # Errors
/// The system has no threads, or the session cannot be used.
pub(super) fn run(fetch: &Fetch, style: Style) -> Result<Exit, Problem> {
    if let (Some(SessionChoice { name, folder, .. }), true) = (&fetch.session, fetch.jobs.is_empty())
        && !Session::exists(folder, name)
    {
        let folder = SafeText::from_path(folder);
        let sentence = format!(
            "there is no session '{name}' in {folder}: check the name, or give an address to create it"
        );
        return Err(Problem::new(Exit::Usage, sentence));
    }
    let Started { engine, events, queue, session, warning, .. } = start(fetch, false)?;
    if let Some(warning) = &warning {
        eprint_line(&format!("tui: {warning}"));
    }
    if let (Some(session), Output::Plain, None) = (&session, style.output, &warning) {
        report_session(session, &queue);
    }
    let queued = queue.iter().filter(|job| job.state == SavedState::Queued).count();
    let watched = Watched { engine, events, queued, session: session.as_ref() };
    let (exit, _) = watch(watched, style)
        .map_err(|error| Problem::new(Exit::Failed, format!("cannot fetch: {error}")))?;
    Ok(match exit {
        // Downloads of a damaged session are lost and were not fetched.
        Exit::Done | Exit::Missing if warning.is_some() => Exit::Failed,
        Exit::Missing if fetch.allow_missing => Exit::Done,
        exit => exit,
    })
}
