//! The queue against a plain recount of its jobs, under any sequence of events.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;
use crate::client::{
    api::{
        address::locator::Locator,
        content::announced::Announced,
        new_job::Existing,
        speak::Speak,
        views::picture::Part,
        views::view::{Finished, JobState, Trouble, TroubleKind},
    },
    queue::schedule::Servers,
};

/// Counters that a test sets.
#[derive(Debug, Default)]
struct Counted(Mutex<Counts>);

impl Counters for Counted {
    fn read(&self) -> Counts {
        *self.0.lock().unwrap()
    }

    fn parts(&self, _: u64, parts: usize) -> Vec<Part> {
        vec![Part::Partial; parts]
    }
}

impl Counted {
    fn set(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap());
    }
}

/// Starts a job, as an attempt does that resumes where the last one ended. Returns its server and counters.
fn start_job(queue: &mut Queue, id: JobId, now: Instant) -> Option<(ServerId, Arc<Counted>)> {
    let counted = Arc::new(Counted::default());
    let counters = Arc::clone(&counted);
    let resume = |Resumed { received, position }| -> Arc<dyn Counters> {
        counters.set(|counts| (counts.received, counts.position) = (received, position));
        counters
    };
    queue.start(id, now, resume).map(|started| (started.server, counted))
}

fn job(path: &str, port: u16) -> NewJob {
    NewJob {
        address: Locator::parse(&format!("fdsp+plain://h:{port}/{path}")).unwrap(),
        speak: Speak::V1,
        form: Default::default(),
        folder: PathBuf::from("/d"),
        save_as: None,
        existing: Existing::Keep,
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

fn add(queue: &mut Queue, servers: &mut Servers, path: &str, port: u16) -> JobId {
    let new = job(path, port);
    let server = servers.number(&new.address, new.speak);
    queue.add(new, server)
}

fn announced(size: u64) -> Announced {
    Announced {
        name: "n".into(),
        target: "/d/n".into(),
        size: Some(size),
        total: Some(size),
        here: 0,
        files: None,
    }
}

fn finished(size: u64) -> Finished {
    Finished {
        path: PathBuf::from("/d/n"),
        bytes: size,
        transferred: size,
        resumed: 0,
        blake3: String::new(),
        origin: Default::default(),
        proof: None,
        sources: Vec::new(),
        seconds: 1.0,
        files: None,
        omitted: 0,
        deleted: 0,
        missing: Default::default(),
        extracted: None,
    }
}

fn trouble() -> Trouble {
    Trouble::new(TroubleKind::Other, "no")
}

#[test]
fn the_first_that_a_server_has_room_for_is_started() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let a = add(&mut queue, &mut servers, "a", 1);
    let b = add(&mut queue, &mut servers, "b", 1);
    let c = add(&mut queue, &mut servers, "c", 2);
    let now = Instant::now();
    let mut start = |queue: &mut Queue| {
        let id = queue.startable(|server| servers.has_room(server))?;
        let (server, _) = start_job(queue, id, now)?;
        servers.take(server);
        Some(id)
    };
    assert_eq!(start(&mut queue), Some(a));
    assert_eq!(start(&mut queue), Some(c), "the first server has no room for b");
    assert_eq!(start(&mut queue), None);
    queue.move_by(&[b], -1);
    queue.ended(a, Ended::Finished(finished(3)));
    assert_eq!(queue.startable(|_| true), Some(b));
    assert_eq!(queue.startable(|_| false), None);
}

#[test]
fn a_job_that_is_resumed_while_it_stops_waits_for_its_transfer() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let id = add(&mut queue, &mut servers, "a", 1);
    start_job(&mut queue, id, Instant::now()).unwrap();
    assert!(queue.command(id, Input::Pause));
    assert!(queue.command(id, Input::Resume));
    assert_eq!(queue.startable(|_| true), None);
    queue.ended(id, Ended::Stopped);
    assert_eq!(queue.startable(|_| true), Some(id));
}

#[test]
fn a_file_that_is_in_place_is_done_whatever_was_commanded_meanwhile() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let id = add(&mut queue, &mut servers, "a", 1);
    start_job(&mut queue, id, Instant::now()).unwrap();
    queue.answered(id, announced(10));
    assert!(queue.command(id, Input::Cancel));
    assert_eq!(queue.ended(id, Ended::Finished(finished(10))), Some(Phase::Done));
    assert_eq!(queue.totals().progress, (10, 10));
    assert!(!queue.command(id, Input::Retry));
}

#[test]
fn waiting_jobs_are_queued_when_they_are_due() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let id = add(&mut queue, &mut servers, "a", 1);
    let now = Instant::now();
    start_job(&mut queue, id, now).unwrap();
    assert_eq!(queue.count_try(id), 1);
    let due = now + Duration::from_secs(3);
    queue.ended(id, Ended::Again { trouble: trouble(), due });
    assert_eq!(queue.next_due(), Some(due));
    let JobState::Waiting { seconds, attempt, .. } = queue.rows(&[id], now, &servers)[0].state.clone() else {
        panic!("it waits")
    };
    assert_eq!((seconds, attempt), (3.0, 1));
    queue.queue_due(now);
    assert_eq!(queue.startable(|_| true), None);
    queue.queue_due(due);
    assert_eq!((queue.startable(|_| true), queue.next_due()), (Some(id), None));
    assert_eq!(queue.count_try(id), 2, "waiting does not reset the count");
    queue.progressed(id);
    assert_eq!(queue.count_try(id), 1, "progress does");
}

#[test]
fn a_job_whose_content_is_all_received_says_what_it_needs_an_unreachable_server_for() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    for (path, received) in [("all", 10), ("some", 9)] {
        let id = add(&mut queue, &mut servers, path, 1);
        let (_, progress) = start_job(&mut queue, id, Instant::now()).unwrap();
        queue.answered(id, announced(10));
        progress.set(|counts| (counts.received, counts.position) = (received, received));
        queue.ended(id, Ended::Unreachable);
    }
    let server = queue.server(JobId(0)).unwrap();
    let failed = queue.fail_waiting(server, &Trouble::new(TroubleKind::Connection, "refused"));
    let said: Vec<_> = failed.iter().map(|(_, _, trouble)| trouble.message.as_str()).collect();
    let all = "refused; all 10 B are received and verified, and the next try only asks the server whether they are one version";
    assert_eq!(said, [all, "refused"]);
    let rows = queue.rows(&[JobId(0)], Instant::now(), &servers);
    assert_eq!(rows[0].state, JobState::Failed(failed[0].2.clone()));
}

fn failed(queue: &mut Queue, id: JobId, kind: TroubleKind) {
    start_job(queue, id, Instant::now()).unwrap();
    queue.ended(id, Ended::Failed(Trouble::new(kind, "no")));
}

#[test]
fn jobs_that_a_server_has_refused_resume_once_it_is_reached_with_its_token() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let ids = [("refused", 1), ("missing", 1), ("queued", 1), ("elsewhere", 2)]
        .map(|(path, port)| add(&mut queue, &mut servers, path, port));
    failed(&mut queue, ids[0], TroubleKind::Refused);
    failed(&mut queue, ids[1], TroubleKind::NotFound);
    failed(&mut queue, ids[3], TroubleKind::Refused);
    let (before, revision) = (queue.saved(), queue.revision());
    let now = Locator::parse("fdsp+plain://sesame-sesame-sesame@h:1/").unwrap().server();
    let mut number = |new: &NewJob| servers.number(&new.address, new.speak);
    assert_eq!(queue.reach(&now, &mut number), (3, vec![ids[0]]));
    assert_eq!(queue.reach(&now, &mut number).0, 0, "it is reached so already");
    assert!(queue.revision() > revision, "the next start needs the token, too");
    let kept = queue.saved();
    assert!(kept[..3].iter().all(|job| job.new.address.server() == now));
    assert_eq!(kept[3], before[3]);
    assert!(queue.command(ids[0], Input::Retry));
    let server = servers.number(now.root(), Speak::V1);
    assert!(queue.ready_servers().all(|ready| ready == server), "the sums know where it goes now");
    assert_eq!(queue.startable(|ready| ready == server), Some(ids[0]));
}

#[test]
fn sums_of_any_sizes_are_right_again_once_a_job_has_gone() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let ids = ["a", "b", "c"].map(|path| add(&mut queue, &mut servers, path, 1));
    for id in ids {
        start_job(&mut queue, id, Instant::now()).unwrap();
        queue.answered(id, announced(7 << 60));
        queue.command(id, Input::Pause);
        queue.ended(id, Ended::Stopped);
    }
    assert_eq!(queue.totals().progress, (0, u64::MAX));
    queue.take_out(&ids[..2]);
    assert_eq!(queue.totals().progress, (0, 7 << 60));
}

#[test]
fn a_job_that_is_requested_again_resumes_at_its_place() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let ids = ["failed", "paused", "queued"].map(|path| add(&mut queue, &mut servers, path, 1));
    failed(&mut queue, ids[0], TroubleKind::NotFound);
    queue.command(ids[1], Input::Pause);
    let at_rest = queue.in_phase(&[Phase::Failed, Phase::Paused]).into_iter().collect();
    for (path, id) in [("failed", Some(ids[0])), ("paused", Some(ids[1])), ("queued", None), ("other", None)]
    {
        let new = NewJob { existing: Existing::Rename, ..job(path, 1) };
        assert_eq!(queue.at_rest_for(&new, &at_rest), id, "{path}");
        let Some(id) = id else { continue };
        let server = servers.number(&new.address, new.speak);
        queue.ask_again(id, new.clone(), server);
        assert_eq!((queue.phase(id), &queue.saved()[id.0 as usize].new), (Some(Phase::Queued), &new));
    }
}

#[test]
fn a_job_that_is_requested_again_while_it_stops_resumes_once_it_has_stopped() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let id = add(&mut queue, &mut servers, "a", 1);
    for (existing, replaced) in [(Existing::Keep, false), (Existing::Overwrite, true)] {
        let new = NewJob { existing, ..job("a", 1) };
        let server = servers.number(&new.address, new.speak);
        start_job(&mut queue, id, Instant::now()).unwrap();
        queue.command(id, Input::Pause);
        assert_eq!(queue.at_rest_for(&new, &HashSet::from([id])), Some(id));
        queue.ask_again(id, new.clone(), server);
        assert_eq!((queue.phase(id), queue.is_replaced(id)), (Some(Phase::Queued), replaced));
        assert_eq!(queue.startable(|_| true), None, "its transfer has the file");
        queue.ended(id, Ended::Stopped);
        queue.closing(id, replaced);
        assert_eq!((queue.startable(|_| true), queue.is_replaced(id)), (None, replaced));
        queue.closed(id);
        assert_eq!((queue.startable(|_| true), queue.is_replaced(id)), (Some(id), false));
        assert_eq!(queue.saved(), [new.into()]);
    }
}

#[test]
fn the_filter_ignores_case() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let a = add(&mut queue, &mut servers, "x/Größe.TXT", 1);
    add(&mut queue, &mut servers, "größer/b", 1);
    assert_eq!(queue.ids("GRÖSSE"), []);
    assert_eq!(queue.ids("GRÖ"), [a]);
    assert_eq!(queue.ids("").len(), 2);
}

#[test]
fn ten_thousand_rows_cost_as_much_as_the_visible_ones() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    for number in 0..10_000 {
        add(&mut queue, &mut servers, &format!("f{number}"), 1);
    }
    assert_eq!(queue.at(9_990..20_000, Instant::now(), &servers).len(), 10);
    assert_eq!(queue.at(20_000..30_000, Instant::now(), &servers).len(), 0);
    // Most of a second in a debug build would be missed by far if rows or sums were counted again.
    let begun = Instant::now();
    for start in 0..1_000 {
        assert_eq!(queue.at(start..start + 20, begun, &servers).len(), 20);
        assert_eq!(queue.totals().jobs, 10_000);
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A tree of 20,000 files of 6 bytes and one of 70 MB: by the bytes alone, it would stand at 0 % and take weeks.
#[test]
fn a_tree_progresses_with_each_of_its_files() {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    let id = add(&mut queue, &mut servers, "tree", 1);
    let mut now = Instant::now();
    let (_, progress) = start_job(&mut queue, id, now).unwrap();
    progress.set(|counts| counts.prepares = true);
    for sample in 0..60 {
        if sample == 30 {
            queue.answered(id, Announced { files: Some(20_001), ..announced(70_120_000) });
        }
        now += Duration::from_millis(250);
        queue.sample(now);
        assert_eq!((queue.rows(&[id], now, &servers)[0].eta, queue.totals().eta), (None, None));
    }
    progress.set(|counts| counts.prepares = false);
    for _ in 0..20 {
        now += Duration::from_millis(250);
        progress.set(|counts| {
            counts.received += 500 * 6;
            counts.verified += 500 * 6;
            counts.position += 500 * 6;
            counts.files += 500;
        });
        queue.sample(now);
    }
    let (row, totals) = (queue.rows(&[id], now, &servers).remove(0), queue.totals());
    for (done, total) in [row.work().unwrap(), totals.work()] {
        assert!((20..80).contains(&(done * 100 / total)), "{done} of {total}");
    }
    for eta in [row.eta, totals.eta] {
        assert!(eta.is_some_and(|eta| (5.0..60.0).contains(&eta)), "{eta:?}");
    }
    assert_eq!(totals.progress, (60_000, 70_120_000), "bytes are bytes");
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16),
    Command(usize, Input),
    StartNext,
    Answered(usize, u64),
    Progress(usize, u64),
    Complete(usize),
    Ended(usize, u8),
    Due,
    Move(Vec<usize>, isize),
    Remove(Vec<usize>),
    Sample,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0usize..12;
    let input = prop::sample::select(vec![Input::Pause, Input::Resume, Input::Cancel, Input::Retry]);
    prop_oneof![
        3 => (1u16..4).prop_map(Step::Add),
        4 => (at.clone(), input).prop_map(|(at, input)| Step::Command(at, input)),
        6 => Just(Step::StartNext),
        3 => (at.clone(), any::<u64>()).prop_map(|(at, size)| Step::Answered(at, size >> (size % 64))),
        3 => (at.clone(), any::<u64>()).prop_map(|(at, bytes)| Step::Progress(at, bytes >> (bytes % 64))),
        2 => at.clone().prop_map(Step::Complete),
        4 => (at.clone(), 0u8..4).prop_map(|(at, how)| Step::Ended(at, how)),
        1 => Just(Step::Due),
        2 => (prop::collection::vec(at.clone(), 0..4), -5isize..5).prop_map(|(ids, by)| Step::Move(ids, by)),
        1 => prop::collection::vec(at, 0..3).prop_map(Step::Remove),
        1 => Just(Step::Sample),
    ]
}

fn check(queue: &Queue, busy: &BTreeMap<JobId, Arc<Counted>>) {
    assert_eq!(queue.order.len(), queue.jobs.len());
    assert!(queue.order.iter().all(|id| queue.jobs.contains_key(id)));
    let mut sums = Sums::default();
    queue.jobs.values().for_each(|job| sums.add(&job.contribution()));
    assert_eq!(queue.sums, sums);
    let totals = queue.totals();
    let none = |phase| queue.jobs.values().filter(|job| job.phase == phase).count();
    let others = none(Phase::Cancelled);
    let sum = totals.running + totals.waiting + totals.paused + totals.done + totals.failed + others;
    assert_eq!((totals.jobs, sum), (queue.jobs.len(), queue.jobs.len()));
    for (id, job) in &queue.jobs {
        assert_eq!(job.busy == Busy::Yes, busy.contains_key(id), "{job:?}");
        assert_eq!(job.busy == Busy::Yes, queue.live.contains(id));
        assert_eq!(job.due.is_some(), job.phase == Phase::Waiting);
        assert_eq!(job.due.is_some_and(|due| queue.due.contains(&(due, *id))), job.due.is_some());
        let _ = job.view(Instant::now(), None);
    }
    let first = queue.order.iter().position(|id| queue.jobs[id].is_ready());
    assert!(first.is_none_or(|first| queue.first_ready <= first));
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(200))]
    #[test]
    fn sums_and_order_hold_under_any_sequence(steps in prop::collection::vec(step(), 0..120)) {
        let (mut queue, mut servers) = (Queue::default(), Servers::default());
        let mut busy: BTreeMap<JobId, Arc<Counted>> = BTreeMap::new();
        let mut now = Instant::now();
        for step in steps {
            now += Duration::from_millis(100);
            let order = queue.ids("");
            let id = |at: &usize| order.get(*at).copied().unwrap_or(JobId(u64::MAX));
            match step {
                Step::Add(port) => { add(&mut queue, &mut servers, "x/y", port); }
                Step::Command(at, input) => { queue.command(id(&at), input); }
                Step::StartNext => {
                    let expected = order.iter().copied().find(|id| {
                        queue.phase(*id) == Some(Phase::Queued) && !busy.contains_key(id)
                    });
                    let found = queue.startable(|_| true);
                    prop_assert_eq!(found, expected);
                    if let Some(id) = found {
                        let (_, progress) = start_job(&mut queue, id, now).unwrap();
                        busy.insert(id, progress);
                    }
                }
                Step::Answered(at, size) => { queue.answered(id(&at), announced(size)); }
                Step::Progress(at, bytes) => if let Some(progress) = busy.get(&id(&at)) {
                    progress.set(|counts| {
                        (counts.verified, counts.position) = (bytes, bytes);
                        counts.crossed = counts.crossed.wrapping_add(bytes >> 8);
                    });
                },
                Step::Complete(at) => queue.complete(id(&at), 5),
                Step::Ended(at, how) => if busy.remove(&id(&at)).is_some() {
                    queue.ended(id(&at), match how {
                        0 => Ended::Finished(finished(5)),
                        1 => Ended::Failed(trouble()),
                        2 => Ended::Again { trouble: trouble(), due: now + Duration::from_millis(500) },
                        _ => Ended::Stopped,
                    });
                    // A transfer stops by itself only when it was paused or cancelled.
                    if how == 3 && matches!(queue.phase(id(&at)), Some(Phase::Connecting | Phase::Running | Phase::Verifying)) {
                        queue.command(id(&at), Input::Pause);
                    }
                },
                Step::Due => queue.queue_due(now),
                Step::Move(ats, by) => queue.move_by(&ats.iter().map(id).collect::<Vec<_>>(), by),
                Step::Remove(ats) => {
                    let ids: Vec<_> = ats.iter().map(id).collect();
                    queue.take_out(&ids);
                    busy.retain(|id, _| !ids.contains(id));
                }
                Step::Sample => { queue.sample(now); }
            }
            check(&queue, &busy);
        }
        // Another queue that begins with what this one leaves is the same at rest.
        let (kept, mut next) = (queue.saved(), Queue::default());
        for kept in kept.clone() {
            let server = servers.number(&kept.new.address, kept.new.speak);
            next.restore(kept, server);
        }
        check(&next, &BTreeMap::new());
        prop_assert_eq!(next.saved(), kept);
        let (ours, theirs) = (queue.totals(), next.totals());
        prop_assert_eq!((ours.jobs, ours.done, ours.failed, ours.paused), (theirs.jobs, theirs.done, theirs.failed, theirs.paused));
        prop_assert_eq!(theirs.running, 0);
    }
}
