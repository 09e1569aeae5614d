//! What engine, transfers and readers share: the queue and its surroundings behind one short lock. Nobody
//! holds it across I/O.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::{Notify, mpsc};

use crate::{
    client::{
        api::{
            announced::Announced,
            command::JobId,
            config::Config,
            event::Event,
            kept::{Kept, Limits},
        },
        disk::{
            folder::{FileId, Folders},
            seal::Seal,
        },
        engine::{
            claims::{self, Claims},
            reaper::{Deleting, Deletion, Reaper},
        },
        queue::{
            Queue,
            schedule::{ServerId, Servers},
        },
        source::{dial, limiter::Limiter},
    },
    platform::reason,
    text::{SafeText, ShowPath},
    units,
};

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// How many may run at the same time.
    pub(crate) jobs: usize,
    /// How many connections one file may have.
    pub(crate) segments: usize,
    pub(crate) servers: Servers,
    /// Targets that jobs write to.
    claims: Claims,
    pub(crate) deleting: Deleting,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) limiter: Limiter,
    pub(crate) folders: Folders,
    pub(crate) reaper: Reaper,
    /// Something changed that is to be kept.
    pub(crate) changed: Notify,
    /// It is to be kept at once.
    pub(crate) urgent: Notify,
}

impl Board {
    /// With the receiver for the task that deletes, see [`crate::client::engine::reaper::run`].
    pub(crate) fn new(
        config: &Config,
        events: mpsc::UnboundedSender<Event>,
    ) -> (Board, mpsc::UnboundedReceiver<Deletion>) {
        // Without one, nothing is believed that an earlier run left.
        let unkept = |why| {
            let events = events.clone();
            Seal::of_this_run(why, move |message| {
                // After the end of the events there is no reader.
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
            segments: config.segments.max(1),
            servers: Servers::default(),
            claims: Claims::default(),
            deleting: Deleting::default(),
        };
        let (reaper, deletions) = Reaper::new(config.names);
        let board = Board {
            state: Mutex::new(state),
            events,
            limiter: Limiter::new(config.limit),
            folders: Folders::sealed(seal),
            reaper,
            changed: Notify::new(),
            urgent: Notify::new(),
        };
        (board, deletions)
    }

    /// Connections for one file, at most.
    pub(crate) fn segments(&self) -> usize {
        self.with(|state| state.segments)
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

    /// The queue as the next engine is to find it, and the limits in force.
    pub(crate) fn kept(&self) -> Kept {
        let rate = self.limiter.rate();
        self.with(|state| Kept {
            queue: state.queue.kept(),
            limits: Limits { jobs: state.jobs, segments: state.segments, rate },
            deleting: state.deleting.marked(),
            discarded: state.deleting.discarded(),
        })
    }

    /// Tells what happened; nobody may be listening any more.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// The server answered; content comes.
    pub(crate) fn answered(&self, id: JobId, announced: Announced) {
        let (name, size, here) = (announced.name.clone(), announced.size, announced.here);
        if self.with(|state| state.queue.answered(id, announced)) {
            tracing::info!("{name}: {}", units::coming(size, here));
            self.tell(Event::Started { id, name, size, here });
        }
    }

    /// A server has answered. Whether it could not be reached before.
    pub(crate) fn reached(&self, server: ServerId) -> bool {
        let over = self.with(|state| {
            let lasted = state.servers.reached(server, Instant::now())?;
            Some((dial::peer(state.servers.authority(server)), lasted))
        });
        let Some((server, lasted)) = over else { return false };
        tracing::info!("{server}: reachable again after {}", units::duration(lasted));
        self.tell(Event::Reachable { server: SafeText::new(&server), seconds: lasted.as_secs_f64() });
        true
    }

    /// Claims a target for a job.
    ///
    /// # Errors
    /// It belongs to another job.
    pub(crate) fn claim(&self, target: &Path, id: JobId) -> Result<(), JobId> {
        let mut distinct = Vec::new();
        loop {
            let rivals = self.with(|state| {
                let mut rivals = state.claims.rivals(target, id);
                rivals.retain(|rival| !distinct.contains(rival));
                if rivals.is_empty() {
                    state.claims.insert(target, id);
                }
                rivals
            });
            if rivals.is_empty() {
                return Ok(());
            }
            // The disk is asked without the lock; who has come meanwhile is looked at in the next round.
            if let Some((_, other)) = rivals.iter().find(|(path, _)| claims::are_one(path, target)) {
                return Err(*other);
            }
            distinct.extend(rivals);
        }
    }

    /// Claims the open `.part` of a job.
    ///
    /// # Errors
    /// It belongs to another job.
    pub(crate) fn claim_file(&self, file: FileId, id: JobId) -> Result<(), JobId> {
        self.with(|state| state.claims.take_file(file, id))
    }

    /// Gives up the claims of a job.
    pub(crate) fn release(&self, id: JobId) {
        self.with(|state| state.claims.release(id));
    }
}

/// The place of one connection with a server; dropping it makes room for the next.
#[derive(Debug)]
pub(crate) struct Slot {
    board: Arc<Board>,
    server: ServerId,
    freed: Arc<tokio::sync::Notify>,
}

impl Slot {
    /// Takes a place.
    pub(crate) fn take(board: &Arc<Board>, server: ServerId, freed: &Arc<tokio::sync::Notify>) -> Slot {
        board.with(|state| state.servers.take(server));
        Slot { board: Arc::clone(board), server, freed: Arc::clone(freed) }
    }

    /// The server said how many connections it serves at the same time.
    pub(crate) fn learned(&self, parallel: usize) {
        if self.board.with(|state| state.servers.learned(self.server, parallel)) {
            self.freed.notify_one();
        }
        self.reached();
    }

    /// The server has answered.
    pub(crate) fn reached(&self) {
        if self.board.reached(self.server) {
            self.freed.notify_one();
        }
    }

    /// Another place with the same server for the same job, if no other job wants it.
    pub(crate) fn another(&self) -> Option<Slot> {
        let free = self.board.with(|state| state.servers.has_spare(self.server));
        free.then(|| Slot::take(&self.board, self.server, &self.freed))
    }

    /// How many connections the server serves at the same time, as far as is known.
    pub(crate) fn parallel(&self) -> usize {
        self.board.with(|state| state.servers.parallel(self.server))
    }

    /// Whether a job waits for a place with this server.
    pub(crate) fn is_wanted(&self) -> bool {
        self.board.with(|state| state.servers.is_wanted(self.server))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.board.with(|state| state.servers.give_back(self.server));
        self.freed.notify_one();
    }
}
