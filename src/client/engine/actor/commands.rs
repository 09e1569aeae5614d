//! What the actor does when it is told something.

use std::{sync::Arc, time::Instant};

use tokio::task::spawn_blocking;

use crate::{
    client::{
        api::{
            command::{Command, JobId},
            event::{Change, Event},
            new_job::NewJob,
            view::NewServer,
        },
        engine::actor::{Actor, Message},
        job::deletions::Deletion,
        queue::{
            Queue, Requested,
            phase::{Input, Phase},
        },
        trust::{AcceptedBy, Distrust},
    },
    protocol::address::Authority,
    text::SafeText,
    units,
};
impl Actor {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Add(jobs) => self.add(jobs),
            Command::Pause(ids) => self.each(ids, Change::Paused, Actor::pause),
            Command::Resume(ids) => self.again(ids, Input::Resume),
            Command::Retry(ids) => self.again(ids, Input::Retry),
            Command::PauseAll => match self.shared.with(|state| state.queue.pausable()) {
                none if none.is_empty() => {
                    let paused = self.shared.with(|state| state.queue.in_phase(&[Phase::Paused]));
                    self.again(paused, Input::Resume);
                }
                all => self.each(all, Change::Paused, Actor::pause),
            },
            Command::RetryFailed => {
                self.again(self.shared.with(|state| state.queue.failed()), Input::Retry);
            }
            Command::Cancel(ids) => self.each(ids, Change::Cancelled, Actor::cancel),
            Command::Remove(ids) => self.remove(&ids),
            Command::Move(ids, places) => self.shared.with(|state| state.queue.move_by(&ids, places)),
            Command::ClearFinished => {
                let done = self.shared.with(|state| state.queue.in_phase(&[Phase::Done]));
                self.remove(&done);
            }
            Command::Trust(server) => self.trust(server),
            Command::Reach(authority) => self.reach(&authority),
            Command::SetLimit(limit) => {
                self.shared.limits.bandwidth.set(limit.filter(|&limit| limit > 0));
                self.shared.with(|state| state.queue.touch());
            }
            Command::SetJobs(jobs) => self.shared.with(|state| {
                state.jobs = jobs.max(1);
                state.queue.touch();
            }),
            Command::SetSegments(segments) => {
                self.shared.limits.set_connections(segments);
                self.shared.with(|state| state.queue.touch());
            }
            // Taken by the loop.
            Command::Stop => {}
        }
    }

    fn add(&mut self, jobs: Vec<NewJob>) {
        let now = Instant::now();
        // Closed without the lock.
        let mut forgotten = Vec::new();
        let events: Vec<_> = self.shared.with(|state| {
            let at_rest = state.queue.in_phase(&[Phase::Failed, Phase::Paused, Phase::Cancelled]);
            let at_rest = at_rest.into_iter().collect();
            let add = |new: NewJob| {
                let address = SafeText::new(&new.address.to_string());
                let server = state.servers.number(&new.address.authority, new.speak);
                state.servers.try_now(server, now);
                match state.queue.request(new, server, &at_rest) {
                    Requested::Added(id) => Event::Queued { id, address },
                    Requested::Resumed(id) => {
                        // It may have other options than before; the disk knows the rest.
                        forgotten.extend(self.kept.remove(&id));
                        self.shared.deletions.withdraw(id);
                        let name = state.queue.name(id).unwrap_or_default();
                        Event::Changed { id, name, what: Change::Resumed }
                    }
                }
            };
            jobs.into_iter().map(add).collect()
        });
        events.into_iter().for_each(|event| self.shared.report(event));
    }

    /// The user has decided about a server's certificate. The file of the known servers may be locked for a while.
    fn trust(&self, server: NewServer) {
        let (servers, sender) = (Arc::clone(self.pool.servers()), self.messages.0.clone());
        spawn_blocking(move || {
            let NewServer { authority, pin } = &server;
            match servers.accept(authority, *pin, AcceptedBy::User) {
                Ok(()) => tracing::info!("{authority}: accepted with the certificate {pin}"),
                // It is accepted as long as this runs, and asked about again after that.
                Err(Distrust::File(error)) => {
                    tracing::warn!("{authority} could not be put among the known servers: {error}");
                }
                // A job that asked about it gets that answer when it is retried.
                Err(_) => tracing::warn!("{authority}: another certificate than {pin} was accepted before"),
            }
            let _ = sender.send(Message::Trusted(server));
        });
    }

    /// Retries what failed for a server that is trusted now.
    pub(super) fn trusted(&self, server: &NewServer) {
        let waiting = self.shared.with(|state| state.queue.that_ask_about(server));
        self.again(waiting, Input::Retry);
    }

    /// A server is reached in another way: what it has refused goes on.
    fn reach(&self, now: &Authority) {
        let (changed, refused) = self.shared.with(|state| {
            let servers = &mut state.servers;
            state.queue.reach(now, |new| servers.number(&new.address.authority, new.speak))
        });
        if changed > 0 {
            tracing::info!("{now}: {changed} downloads are asked for with the token and the pin named last");
        }
        self.again(refused, Input::Retry);
    }

    /// Does something to each of these jobs, and logs it once.
    fn each(&mut self, ids: Vec<JobId>, what: Change, act: fn(&mut Actor, JobId) -> Option<SafeText>) {
        let names: Vec<_> = ids.into_iter().filter_map(|id| act(self, id)).collect();
        log_changed(&names, what);
    }

    /// Gives a command to a job. Returns its name if that meant something.
    fn apply(&self, id: JobId, input: Input, what: Change) -> Option<SafeText> {
        let name = self.shared.with(|state| {
            let name = state.queue.name(id).filter(|_| state.queue.command(id, input))?;
            match input {
                Input::Cancel => self.note_deletion(&state.queue, id),
                _ => self.shared.deletions.withdraw(id),
            }
            Some(name)
        })?;
        if input == Input::Cancel {
            self.shared.urgent.notify_one();
        }
        self.shared.report(Event::Changed { id, name: name.clone(), what });
        Some(name)
    }

    /// Notes that the partial files of a job are to be deleted.
    fn note_deletion(&self, queue: &Queue, id: JobId) {
        if let Some(job) = queue.asked(id) {
            self.shared.deletions.note(id, job);
        }
    }

    /// Resumes jobs. Servers of theirs that could not be reached are tried now.
    fn again(&self, ids: Vec<JobId>, input: Input) {
        let now = Instant::now();
        let mut names = Vec::new();
        for id in ids {
            names.extend(self.apply(id, input, Change::Resumed));
            self.shared.with(|state| state.queue.server(id).map(|server| state.servers.try_now(server, now)));
        }
        log_changed(&names, Change::Resumed);
    }

    /// Stops a transfer; `false` if there is none. Its end is reported later.
    fn halt(&self, id: JobId) -> bool {
        // One that has ended by itself is about to report it.
        self.workers.get(&id).map(|stop| stop.send(true)).is_some()
    }

    fn pause(&mut self, id: JobId) -> Option<SafeText> {
        let name = self.apply(id, Input::Pause, Change::Paused)?;
        if !self.halt(id)
            && let Some(memory) = self.kept.remove(&id)
        {
            self.close(id, memory, None, false);
        }
        Some(name)
    }

    fn cancel(&mut self, id: JobId) -> Option<SafeText> {
        let name = self.apply(id, Input::Cancel, Change::Cancelled)?;
        if !self.halt(id) {
            let memory = self.kept.remove(&id);
            self.discard(id, memory);
        }
        Some(name)
    }

    fn remove(&mut self, ids: &[JobId]) {
        let mut deletions = Vec::new();
        for &id in ids {
            let memory = self.kept.remove(&id).map(Box::new);
            match self.shared.with(|state| state.queue.phase(id)) {
                Some(Phase::Done | Phase::Failed) => self.shared.claims.release(id),
                // Its end finds no job any more, and deletes its partial files.
                Some(_) if self.halt(id) => drop(self.apply(id, Input::Cancel, Change::Cancelled)),
                None | Some(Phase::Cancelled) => self.shared.claims.release(id),
                Some(_) => deletions.push(Deletion::Job { id, memory }),
            }
        }
        let removed = self.shared.with(|state| {
            for deletion in &deletions {
                if let Deletion::Job { id, .. } = deletion {
                    self.note_deletion(&state.queue, *id);
                }
            }
            state.queue.remove_all(ids)
        });
        self.shared.urgent.notify_one();
        // They find nothing of each other in the queue.
        deletions.into_iter().for_each(|deletion| self.shared.deletions.delete(deletion));
        for (id, name) in removed {
            // A whole queue may be cleared at once.
            tracing::debug!("{name}: removed");
            self.shared.report(Event::Changed { id, name, what: Change::Removed });
        }
    }
}

/// Logs what the user has done to jobs.
fn log_changed(names: &[SafeText], what: Change) {
    let what = what.as_str();
    match names {
        [] => {}
        [name] => tracing::info!("{name}: {what}"),
        names => tracing::info!("{} downloads: {what}", units::count(names.len() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        time::Duration,
    };

    use tokio::{
        sync::{mpsc, watch},
        time::timeout,
    };
    use tracing_subscriber::{Layer, layer, layer::SubscriberExt};

    use super::*;
    use crate::{
        client::{
            api::{
                config::{Names, Trust},
                new_job::Speak,
                view::{Doubt, Question, Trouble, TroubleKind},
            },
            engine::{
                reaper::{self, tests::config},
                shared::Shared,
            },
            job::{attempt::Outcome, memory::Memory},
            queue::Ended,
            source::{fdsp::pool::Pool, timeouts::Timeouts},
            transfer::progress::Progress,
        },
        protocol::{address::Address, pin::Pin},
    };

    fn new() -> NewJob {
        NewJob {
            address: Address::parse("fdsp+plain://h/tree").unwrap(),
            speak: Speak::V1,
            form: Default::default(),
            folder: PathBuf::from("/d"),
            save_as: None,
            existing: Default::default(),
            checksum: None,
            extract: false,
        }
    }

    /// An actor with a job whose transfer runs, until `ended` is called.
    fn running() -> (Actor, JobId, mpsc::UnboundedReceiver<Deletion>) {
        let pool = Arc::new(Pool::new(Timeouts::of(&config()), Trust::default()));
        let (shared, deletions) = Shared::new(&config(), mpsc::unbounded_channel().0);
        let mut actor = Actor::new(config(), Arc::new(shared), pool, mpsc::unbounded_channel().1);
        let id = actor.shared.with(|state| {
            let server = state.servers.number(&new().address.authority, Speak::V1);
            let id = state.queue.add(new(), server);
            state.queue.start(id, Instant::now(), |_| Arc::new(Progress::default())).unwrap();
            id
        });
        actor.workers.insert(id, watch::channel(false).0);
        (actor, id, deletions)
    }

    fn discarded(actor: &Actor) -> Vec<NewJob> {
        actor.shared.saved().discarded.into_iter().map(|kept| kept.new).collect()
    }

    #[tokio::test]
    async fn files_are_to_be_deleted_from_the_command_until_they_are_gone() {
        for command in [Command::Cancel as fn(Vec<JobId>) -> Command, Command::Remove] {
            let (mut actor, id, deletions) = running();
            actor.command(command(vec![id]));
            assert_eq!(discarded(&actor), [new()]);
            timeout(Duration::from_secs(10), actor.shared.urgent.notified()).await.unwrap();
            actor.ended(id, Memory::default(), Outcome::Stopped);
            assert_eq!(discarded(&actor), [new()]);
            tokio::spawn(reaper::run(Arc::clone(&actor.shared), Names::default(), deletions));
            timeout(Duration::from_secs(10), actor.shared.deletions.all_deleted()).await.unwrap();
            assert_eq!(discarded(&actor), []);
        }
    }

    #[tokio::test]
    async fn what_an_engine_that_stops_does_not_get_to_is_left_to_the_next_one() {
        let (mut actor, id, deletions) = running();
        actor.command(Command::Remove(vec![id]));
        actor.shared.deletions.stop();
        actor.ended(id, Memory::default(), Outcome::Stopped);
        tokio::spawn(reaper::run(Arc::clone(&actor.shared), Names::default(), deletions));
        timeout(Duration::from_secs(10), actor.shared.deletions.all_deleted()).await.unwrap();
        assert_eq!(discarded(&actor), [new()]);
    }

    #[tokio::test]
    async fn one_command_pauses_resumes_or_retries_all_jobs() {
        let (mut actor, running, _deletions) = running();
        let server = NewServer { authority: new().address.authority, pin: Pin([1; 32]) };
        let [waiting, failed, cancelled] = actor.shared.with(|state| {
            let number = state.servers.number(&server.authority, Speak::V1);
            let ids = [(); 3].map(|()| state.queue.add(new(), number));
            state.queue.start(ids[1], Instant::now(), |_| Arc::new(Progress::default())).unwrap();
            let doubt = Some(Box::new(Doubt::New(server.clone())));
            let trouble = Trouble { doubt, ..Trouble::new(TroubleKind::Refused, "unknown") };
            state.queue.ended(ids[1], Ended::Failed(trouble));
            state.queue.command(ids[2], Input::Cancel);
            ids
        });
        let phases = |actor: &Actor| {
            let all = [running, waiting, failed, cancelled];
            actor.shared.with(|state| all.map(|id| state.queue.phase(id).unwrap()))
        };
        let questions = |actor: &Actor| actor.shared.with(|state| state.queue.questions());
        actor.command(Command::PauseAll);
        assert_eq!(phases(&actor), [Phase::Paused, Phase::Paused, Phase::Failed, Phase::Cancelled]);
        actor.command(Command::PauseAll);
        assert_eq!(phases(&actor), [Phase::Queued, Phase::Queued, Phase::Failed, Phase::Cancelled]);
        assert_eq!(questions(&actor), [Question { doubt: Doubt::New(server), jobs: 1 }]);
        actor.command(Command::RetryFailed);
        assert_eq!(phases(&actor), [Phase::Queued, Phase::Queued, Phase::Queued, Phase::Cancelled]);
        assert_eq!(questions(&actor), []);
    }

    /// Counts what is logged for the user.
    struct Counter(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Counter {
        fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
            self.0.fetch_add(usize::from(*event.metadata().level() <= tracing::Level::INFO), Relaxed);
        }
    }

    #[tokio::test]
    async fn a_command_for_many_jobs_is_logged_in_one_line() {
        let (mut actor, _, _deletions) = running();
        let ids: Vec<_> = actor.shared.with(|state| {
            let server = state.servers.number(&new().address.authority, Speak::V1);
            (0..100).map(|_| state.queue.add(new(), server)).collect()
        });
        for command in [Command::Pause as fn(Vec<JobId>) -> Command, Command::Resume, Command::Cancel] {
            let lines = Arc::new(AtomicUsize::new(0));
            let subscriber = tracing_subscriber::registry().with(Counter(Arc::clone(&lines)));
            tracing::subscriber::with_default(subscriber, || actor.command(command(ids.clone())));
            assert_eq!(lines.load(Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn a_job_that_is_resumed_before_its_files_are_deleted_keeps_them() {
        for add in [false, true] {
            let (mut actor, id, _deletions) = running();
            actor.command(Command::Cancel(vec![id]));
            actor.command(if add { Command::Add(vec![new()]) } else { Command::Retry(vec![id]) });
            assert_eq!(discarded(&actor), []);
        }
    }
}
