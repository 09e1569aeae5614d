//! What the tasks of an engine share: the queue and the servers, under one lock that is not held across I/O.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::{Notify, mpsc};

use crate::{
    client::{
        api::{
            address::locator::Server,
            content::announced::Announced,
            event::Event,
            job_id::JobId,
            question::Question,
            saved::{self, SavedQueue},
            settings::config::Config,
            settings::limit_schedule::TimeOfDay,
            views::view::Trouble,
        },
        disk::{folder::Folders, journal::seal::Seal},
        error::{Fault, Verdict},
        hooks::Hooks,
        job::{
            deletions::{Deletion, Deletions},
            placement::claims::Claims,
        },
        queue::{
            Queue,
            schedule::{ServerId, Servers},
        },
        transfer::limits::Limits,
    },
    platform::reason,
    text::{SafeText, ShowPath, units},
};

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// How many may run at the same time.
    pub(crate) jobs: usize,
    pub(crate) servers: Servers,
    /// How many times the user can undo something.
    pub(crate) undoable: usize,
    /// Bytes a second for all jobs together, while no limit by the time of day is in force.
    pub(crate) limit: Option<u64>,
    /// Until when a limit by the time of day is in force.
    pub(crate) limit_until: Option<TimeOfDay>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) folders: Arc<Folders>,
    /// Targets that jobs write to.
    pub(crate) claims: Arc<Claims>,
    pub(crate) deletions: Arc<Deletions>,
    /// A server may have room for another connection.
    pub(crate) freed: Notify,
    /// Whether a user can be asked.
    asks: bool,
    /// Something changed that the session has to keep.
    pub(crate) changed: Arc<Notify>,
    /// The session has to keep it at once.
    pub(crate) urgent: Notify,
}

impl Shared {
    /// With the receiver for the task that deletes, see `reaper::run`.
    pub(crate) fn new(
        config: &Config,
        events: mpsc::UnboundedSender<Event>,
    ) -> (Shared, mpsc::UnboundedReceiver<Deletion>) {
        // Without a secret in a file, no journal of an earlier run is trusted.
        let unkept = |why| {
            let events = events.clone();
            Seal::of_this_run(why, move |message| {
                // The receiver may be closed already.
                let _ = events.send(Event::Warning { message });
            })
        };
        let seal = match &config.trust.secret {
            Some(path) => Seal::with(path).unwrap_or_else(|error| {
                unkept(format!(
                    "the secret that unfinished downloads are sealed with, {}, cannot be used: {}",
                    path.shown(),
                    reason(&error)
                ))
            }),
            None => unkept(
                "there is no folder for the secret that unfinished downloads are sealed with; set HOME or XDG_STATE_HOME".to_owned(),
            ),
        };
        let state = State {
            queue: Queue::default(),
            jobs: config.jobs.max(1),
            servers: Servers::default(),
            undoable: 0,
            limit: config.limit,
            limit_until: None,
        };
        let changed = Arc::<Notify>::default();
        let (deletions, requests) = Deletions::new(Arc::clone(&changed));
        let shared = Shared {
            state: Mutex::new(state),
            hooks: hooks(config, events.clone()),
            events,
            limits: Arc::new(Limits::new(config.limit, config.segments)),
            folders: Arc::new(Folders::sealed(seal)),
            claims: Arc::default(),
            deletions: Arc::new(deletions),
            freed: Notify::new(),
            asks: config.asks,
            changed,
            urgent: Notify::new(),
        };
        (shared, requests)
    }

    /// Works on the state.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.queue.revision();
        let result = work(&mut state);
        if state.queue.revision() != before {
            self.changed.notify_one();
        }
        result
    }

    /// The queue as the next engine is to find it, and the limits.
    pub(crate) fn saved(&self) -> SavedQueue {
        let segments = self.limits.connections();
        // Under one lock: a job that was cancelled is never without its deletion.
        self.with(|state| SavedQueue {
            queue: state.queue.saved(),
            limits: saved::Limits { jobs: state.jobs, segments, rate: state.limit },
            deleting: self.deletions.marked(),
            discarded: self.deletions.discarded(),
        })
    }

    /// A trouble in the words of the face: without a user who can be asked, the sentence names the options that help.
    pub(crate) fn worded(&self, trouble: Trouble) -> Trouble {
        if self.asks { trouble } else { trouble.for_command_line() }
    }

    /// The trouble of a fault with this server. Where its token is wrong, the user can give another one.
    pub(crate) fn refused_by(&self, server: &Server, fault: Fault) -> Trouble {
        let is_token = self.asks && fault.verdict == Verdict::WrongToken;
        let fault = if is_token { fault.asking(Question::Token(server.with_token(None))) } else { fault };
        self.worded(fault.trouble)
    }

    /// Reports an event. The receiver may be closed already.
    pub(crate) fn report(&self, event: Event) {
        self.report_all(vec![event]);
    }

    /// Reports what happened at the same time. Commands of the user are queued before the faces know of it.
    pub(crate) fn report_all(&self, events: Vec<Event>) {
        let last = events.len().saturating_sub(1);
        for (index, event) in events.into_iter().enumerate() {
            if let Event::Done { id, .. } | Event::Failed { id, .. } = event
                && self.hooks.is_wanted()
            {
                let (job, is_idle) = self.with(|state| {
                    let job = state.queue.asked(id).map(|(job, _)| job);
                    (job, index == last && state.queue.is_idle())
                });
                self.hooks.job_ended(&event, job, is_idle);
            }
            let _ = self.events.send(event);
        }
    }

    /// The server of a job answered; content follows.
    pub(crate) fn answered(&self, id: JobId, announced: Announced) {
        let (name, size, here) = (announced.name.clone(), announced.size, announced.here);
        if self.with(|state| state.queue.answered(id, announced)) {
            tracing::info!("{name}: {}", units::started(size, here));
            self.report(Event::Started { id, name, size, here });
        }
    }

    /// A server has answered.
    pub(crate) fn reached(&self, server: ServerId) {
        let over = self.with(|state| {
            let lasted = state.servers.reached(server, Instant::now())?;
            Some((state.servers.server(server).to_string(), lasted))
        });
        let Some((server, lasted)) = over else { return };
        tracing::info!("{server}: reachable again after {}", units::duration(lasted));
        self.report(Event::Reachable { server: SafeText::new(&server), seconds: lasted.as_secs_f64() });
        self.freed.notify_one();
    }
}

/// The commands of the user. What goes wrong with them is a warning as well: without a screen the log may be in a file only.
fn hooks(config: &Config, events: mpsc::UnboundedSender<Event>) -> Arc<Hooks> {
    let warn = move |message: String| {
        // The receiver may be closed already.
        let _ = events.send(Event::Warning { message: SafeText::new(&message) });
    };
    Hooks::new(config.hooks.clone(), Box::new(warn))
}
