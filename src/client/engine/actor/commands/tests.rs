//! Commands to an actor whose transfers are simulated.

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
            address::locator::Locator,
            question::Question,
            settings::config::{Names, Trust},
            speak::Speak,
            trust::Doubt,
            views::view::{Trouble, TroubleKind},
        },
        engine::{
            reaper::{self, tests::config},
            shared::Shared,
        },
        job::{events::Outcome, resume::JobResume},
        queue::Ended,
        source::{Sources, timeouts::Timeouts},
        transfer::progress::Progress,
    },
    protocol::trust::pin::Pin,
};

fn new() -> NewJob {
    NewJob {
        address: Locator::parse("fdsp+plain://h/tree").unwrap(),
        speak: Speak::V1,
        form: Default::default(),
        folder: PathBuf::from("/d"),
        save_as: None,
        existing: Default::default(),
        checksum: None,
        sums: None,
        headers: Vec::new(),
        extract: false,
        mirrors: Vec::new(),
        described: None,
        listed: None,
        earlier: Vec::new(),
    }
}

/// An actor with a job whose transfer runs, until `ended` is called.
fn running() -> (Actor, JobId, mpsc::UnboundedReceiver<Deletion>) {
    let sources = Arc::new(Sources::new(Timeouts::of(&config()), Trust::default(), Default::default()));
    let (shared, deletions) = Shared::new(&config(), mpsc::unbounded_channel().0);
    let mut actor = Actor::new(config(), Arc::new(shared), sources, mpsc::unbounded_channel().1);
    let id = actor.shared.with(|state| {
        let server = state.servers.number(&new().address, Speak::V1);
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
        actor.ended(id, JobResume::default(), Outcome::Stopped);
        assert_eq!(discarded(&actor), [new()]);
        tokio::spawn(reaper::run(Arc::clone(&actor.shared), Names::default(), deletions));
        timeout(Duration::from_secs(10), actor.shared.deletions.all_deleted()).await.unwrap();
        assert_eq!(discarded(&actor), []);
    }
}

#[tokio::test]
async fn deletions_that_an_engine_does_not_complete_are_left_to_the_next_one() {
    let (mut actor, id, deletions) = running();
    actor.command(Command::Remove(vec![id]));
    actor.shared.deletions.stop();
    actor.ended(id, JobResume::default(), Outcome::Stopped);
    tokio::spawn(reaper::run(Arc::clone(&actor.shared), Names::default(), deletions));
    timeout(Duration::from_secs(10), actor.shared.deletions.all_deleted()).await.unwrap();
    assert_eq!(discarded(&actor), [new()]);
}

#[tokio::test]
async fn one_command_pauses_resumes_or_retries_all_jobs() {
    let (mut actor, running, _deletions) = running();
    let server = NewServer { server: new().address.server(), pin: Pin([1; 32]) };
    let [waiting, failed, cancelled] = actor.shared.with(|state| {
        let number = state.servers.number(server.server.root(), Speak::V1);
        let ids = [(); 3].map(|()| state.queue.add(new(), number));
        state.queue.start(ids[1], Instant::now(), |_| Arc::new(Progress::default())).unwrap();
        let question = Some(Box::new(Question::Trust(Doubt::New(server.clone()))));
        let trouble = Trouble { question, ..Trouble::new(TroubleKind::Refused, "unknown") };
        state.queue.ended(ids[1], Ended::Failed(trouble));
        state.queue.command(ids[2], Input::Cancel);
        ids
    });
    let phases = |actor: &Actor| {
        let all = [running, waiting, failed, cancelled];
        actor.shared.with(|state| all.map(|id| state.queue.phase(id).unwrap()))
    };
    actor.command(Command::PauseAll);
    assert_eq!(phases(&actor), [Phase::Paused, Phase::Paused, Phase::Failed, Phase::Cancelled]);
    actor.command(Command::PauseAll);
    assert_eq!(phases(&actor), [Phase::Queued, Phase::Queued, Phase::Failed, Phase::Cancelled]);
    assert_eq!(actor.shared.with(|state| state.queue.that_ask_about(&server)), [failed]);
    actor.command(Command::RetryFailed);
    assert_eq!(phases(&actor), [Phase::Queued, Phase::Queued, Phase::Queued, Phase::Cancelled]);
    assert_eq!(actor.shared.with(|state| state.queue.that_ask_about(&server)), []);
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
        let server = state.servers.number(&new().address, Speak::V1);
        (0..100).map(|_| state.queue.add(new(), server)).collect()
    });
    for command in [Command::Pause as fn(Vec<JobId>) -> Command, Command::Resume, Command::Cancel] {
        let lines = Arc::new(AtomicUsize::new(0));
        let subscriber = tracing_subscriber::registry().with(Counter(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || actor.command(command(ids.clone())));
        assert_eq!(lines.load(Relaxed), 1);
    }
}

/// The same with time to undo.
fn undoable() -> (Actor, JobId, mpsc::UnboundedReceiver<Deletion>) {
    let (mut actor, id, deletions) = running();
    actor.config.undo_time = Duration::from_secs(10);
    (actor, id, deletions)
}

fn phases(actor: &Actor) -> Vec<(JobId, Option<Phase>)> {
    actor.shared.with(|state| state.queue.ids("").into_iter().map(|id| (id, state.queue.phase(id))).collect())
}

#[tokio::test]
async fn undo_restores_cancelled_and_removed_jobs_to_their_places() {
    for command in [Command::Cancel as fn(Vec<JobId>) -> Command, Command::Remove] {
        for stops_late in [false, true] {
            let (mut actor, id, mut deletions) = undoable();
            let others = actor.shared.with(|state| {
                let server = state.queue.server(id).unwrap();
                let others = [(); 2].map(|()| state.queue.add(new(), server));
                state.queue.move_by(&[id], 1);
                state.queue.command(others[1], Input::Pause);
                others
            });
            actor.command(command(vec![id, others[1]]));
            assert!(actor.shared.with(|state| state.undoable == 1));
            if stops_late {
                actor.command(Command::Undo);
                actor.ended(id, JobResume::default(), Outcome::Stopped);
                assert!(actor.undo.is_wanted, "the transfer was still stopping");
                actor.undo();
            } else {
                actor.ended(id, JobResume::default(), Outcome::Stopped);
                actor.command(Command::Undo);
            }
            let queued = Some(Phase::Queued);
            assert_eq!(phases(&actor), [(others[0], queued), (id, queued), (others[1], Some(Phase::Paused))]);
            assert_eq!(discarded(&actor), []);
            assert!(actor.shared.with(|state| state.undoable == 0));
            assert!(deletions.try_recv().is_err());
            actor.command(Command::Undo);
        }
    }
}

#[tokio::test]
async fn partial_files_are_deleted_after_the_undo_time() {
    for command in [Command::Cancel as fn(Vec<JobId>) -> Command, Command::Remove] {
        for due in [true, false] {
            let (mut actor, id, mut deletions) = undoable();
            actor.command(command(vec![id]));
            actor.ended(id, JobResume::default(), Outcome::Stopped);
            actor.settle_due(Instant::now());
            assert!(deletions.try_recv().is_err(), "its time is not over");
            assert_eq!(discarded(&actor), [new()], "a process that ends now leaves it to the next one");
            if due {
                actor.settle_due(Instant::now() + Duration::from_secs(11));
            } else {
                // It may have the same name.
                let mut other = new();
                other.address = Locator::parse("fdsp+plain://h/other").unwrap();
                actor.command(Command::Add(vec![other]));
            }
            assert!(matches!(deletions.try_recv(), Ok(Deletion::Job { .. })));
            assert!(deletions.try_recv().is_err());
            actor.command(Command::Undo);
            assert!(!phases(&actor).contains(&(id, Some(Phase::Queued))), "it is too late");
        }
    }
}

#[tokio::test]
async fn a_job_that_was_cancelled_and_resumed_is_not_deleted_by_the_earlier_step() {
    let (mut actor, id, mut deletions) = undoable();
    actor.command(Command::Cancel(vec![id]));
    actor.ended(id, JobResume::default(), Outcome::Stopped);
    actor.command(Command::Retry(vec![id]));
    actor.settle_due(Instant::now() + Duration::from_secs(11));
    assert!(deletions.try_recv().is_err());
    assert_eq!(phases(&actor), [(id, Some(Phase::Queued))]);
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
