//! Commands of the engine.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use fdsp::client::{
    Change, Checksum, Command, Config, Event, Existing, JobState, LimitPeriod, LimitSchedule, NewJob,
    TroubleKind,
};

use crate::engine::{
    proxy::{Fault, Proxy},
    support::{Client, MIB, Served, address, config, content},
};

/// A server whose answers stop in the middle of a file of 3 MiB, and a client that has received the first block.
fn stuck() -> (Served, Proxy, Client, fdsp::client::JobId) {
    let served = Served::new();
    served.write("a", &content(3 * MIB, 1));
    let proxy = Proxy::start(served.at(), vec![Fault::StallAfter(3 * MIB / 2)]);
    let mut client = Client::quick();
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    client.started(id);
    client.wait("the first block", |event| match event {
        Event::Progress { verified, .. } => (*verified == MIB as u64).then_some(()),
        _ => None,
    });
    (served, proxy, client, id)
}

#[test]
fn a_paused_job_keeps_its_bytes_and_resumes_after_them() {
    let (served, _proxy, mut client, id) = stuck();
    client.engine.command(Command::Pause(vec![id]));
    client.changed(id, Change::Paused);
    assert_eq!(client.state(id), JobState::Paused);
    assert!(client.names().contains(&"a.part".to_owned()));
    client.engine.command(Command::Resume(vec![id]));
    client.changed(id, Change::Resumed);
    let finished = client.end(id).unwrap();
    assert!(fs::read(finished.path).unwrap() == fs::read(served.folder.path().join("a")).unwrap());
    let again = finished.transferred - finished.bytes;
    assert!(again < MIB as u64, "{again} bytes were fetched again");
}

#[test]
fn a_partial_file_modified_during_a_pause_is_verified_again() {
    let (served, _proxy, mut client, id) = stuck();
    client.engine.command(Command::Pause(vec![id]));
    client.changed(id, Change::Paused);
    wait_for_unlock(&client, "a.part");
    let mut part = fs::read(client.path("a.part")).unwrap();
    part[1000] ^= 1;
    fs::write(client.path("a.part"), &part).unwrap();
    client.engine.command(Command::Resume(vec![id]));
    let finished = client.end(id).unwrap();
    assert!(fs::read(finished.path).unwrap() == fs::read(served.folder.path().join("a")).unwrap());
}

/// Waits until the lock of a `.part` is released.
fn wait_for_unlock(client: &Client, name: &str) {
    fs::File::open(client.path(name)).unwrap().lock().unwrap();
}

/// The transfer of a job that was just paused may not have stopped yet.
#[test]
fn a_paused_job_that_is_added_again_resumes_with_the_new_options() {
    for existing in [Existing::Keep, Existing::Rename, Existing::Overwrite] {
        let (served, proxy, mut client, id) = stuck();
        let again = NewJob { existing, ..client.job(proxy.at(), "a") };
        let view = client.path("a");
        fs::write(&view, "another file").unwrap();
        client.engine.command(Command::Pause(vec![id]));
        client.engine.command(Command::Add(vec![again]));
        client.changed(id, Change::Paused);
        client.changed(id, Change::Resumed);
        let ended = client.end(id);
        assert_eq!(client.engine.ids("").len(), 1);
        let expected = match existing {
            Existing::Keep => Err(()),
            Existing::Rename => Ok(client.path("a (1)")),
            _ => Ok(client.path("a")),
        };
        assert_eq!(ended.as_ref().map(|done| done.path.clone()).map_err(drop), expected, "{ended:?}");
        if let Ok(done) = ended {
            assert!(fs::read(done.path).unwrap() == fs::read(served.folder.path().join("a")).unwrap());
        }
    }
}

/// Its transfer may end before the pause takes effect; the result is then verified with the new options.
#[test]
fn a_job_that_is_added_again_with_a_checksum_is_verified_against_it() {
    let served = Served::new();
    served.write("a", &content(100_000, 1));
    for _ in 0..20 {
        let mut client = Client::quick();
        let job = client.job(served.at(), "a");
        let checked = NewJob { checksum: Some(Checksum::Blake3([7; 32])), ..job.clone() };
        client.engine.command(Command::Add(vec![job]));
        let id = client.wait("the job in the queue", |event| match event {
            Event::Queued { id, .. } => Some(*id),
            _ => None,
        });
        while matches!(client.state(id), JobState::Queued | JobState::Connecting) {}
        client.engine.command(Command::Pause(vec![id]));
        let id = client.add(checked);
        let trouble = client.end(id).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
    }
}

#[test]
fn cancel_deletes_the_partial_file_and_retry_starts_over() {
    let (served, _proxy, mut client, id) = stuck();
    client.engine.command(Command::Cancel(vec![id]));
    client.changed(id, Change::Cancelled);
    assert_eq!(client.state(id), JobState::Cancelled);
    client.engine.command(Command::Retry(vec![id]));
    let finished = client.end(id).unwrap();
    assert!(fs::read(finished.path).unwrap() == fs::read(served.folder.path().join("a")).unwrap());
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn a_removed_job_leaves_no_files_and_frees_its_target() {
    let (served, _proxy, mut client, id) = stuck();
    let before = client.engine.generation();
    client.engine.command(Command::Remove(vec![id]));
    client.changed(id, Change::Removed);
    assert!(client.engine.ids("").is_empty());
    assert!(client.engine.generation() > before);
    // This job can end only after the removed one.
    client.engine.command(Command::SetJobs(1));
    client.get(served.at(), "a").unwrap();
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn clear_removes_only_finished_jobs() {
    let served = Served::new();
    served.write("a", b"a");
    let mut client = Client::quick();
    client.get(served.at(), "a").unwrap();
    client.get(served.at(), "absent").unwrap_err();
    let totals = client.engine.snapshot(0..0).totals;
    assert_eq!((totals.jobs, totals.done, totals.failed), (2, 1, 1));
    client.engine.command(Command::ClearFinished);
    client.wait("the removal", |event| {
        matches!(event, Event::Changed { what: Change::Removed, .. }).then_some(())
    });
    let snapshot = client.engine.snapshot(0..10);
    assert_eq!(snapshot.rows.len(), 1);
    assert!(matches!(snapshot.rows[0].state, JobState::Failed(_)));
}

#[test]
fn jobs_run_in_queue_order() {
    let served = Served::new();
    let mut client = Client::new(Config { jobs: 1, ..config() });
    let blocker = TcpListener::bind("127.0.0.1:0").unwrap();
    let job = client.job(blocker.local_addr().unwrap(), "blocks");
    let blocking = client.add(job);
    let jobs = ["a", "b", "c"].map(|name| {
        served.write(name, name.as_bytes());
        client.job(served.at(), name)
    });
    let ids = jobs.map(|job| client.add(job));
    client.engine.command(Command::Move(vec![ids[2]], -2));
    client.engine.command(Command::Cancel(vec![blocking]));
    let mut order = Vec::new();
    for _ in ids {
        order.push(client.wait("a file", |event| match event {
            Event::Done { id, .. } => Some(*id),
            _ => None,
        }));
    }
    assert_eq!(order, [ids[2], ids[0], ids[1]]);
}

#[test]
fn a_rate_limit_is_kept_and_lifting_it_takes_effect_at_once() {
    let served = Served::new();
    served.write("a", &content(4 * MIB, 1));
    let mut client = Client::new(Config { limit: Some(400_000), ..config() });
    let job = client.job(served.at(), "a");
    let start = Instant::now();
    let id = client.add(job);
    client.started(id);
    let received = client.wait("progress", |event| match event {
        Event::Progress { received, .. } if *received > 0 => Some(*received),
        _ => None,
    });
    let seconds = start.elapsed().as_secs_f64();
    assert!(received as f64 <= 400_000.0 * (seconds + 0.5), "{received} bytes in {seconds} s");
    assert_eq!(client.engine.snapshot(0..0).totals.limit, Some(400_000));
    client.engine.command(Command::SetLimit(None));
    let lifted = Instant::now();
    client.end(id).unwrap();
    // The rest would have taken seven seconds.
    assert!(lifted.elapsed() < Duration::from_secs(4), "{:?}", lifted.elapsed());
}

/// The limit of one job: a second one beside it is not held back, and the limit is changed while the job runs.
#[test]
fn a_limit_of_one_job_holds_for_this_job_and_is_saved() {
    let served = Served::new();
    // Until the job has its limit, nothing is received.
    let mut client = Client::new(Config { limit: Some(1000), ..config() });
    let [slow, quick] = ["slow", "quick"].map(|name| {
        served.write(name, &content(8 * MIB, 1));
        client.job(served.at(), name)
    });
    let slow = client.add(slow);
    client.engine.command(Command::SetJobLimit(vec![slow], Some(400_000)));
    client.engine.command(Command::SetLimit(None));
    let quick = client.add(quick);
    client.end(quick).unwrap();
    let view = client.view(slow);
    assert_eq!((view.limit, view.state == JobState::Running), (Some(400_000), true), "{view:?}");
    assert_eq!(client.view(quick).limit, None);
    assert_eq!(client.engine.saved().queue[0].limit, Some(400_000));
    client.engine.command(Command::SetJobLimit(vec![slow], None));
    let lifted = Instant::now();
    client.end(slow).unwrap();
    // The rest would have taken 15 seconds or more.
    assert!(lifted.elapsed() < Duration::from_secs(10), "{:?}", lifted.elapsed());
}

#[test]
fn a_limit_by_the_time_of_day_replaces_the_usual_one_and_is_not_saved() {
    let time = |text: &str| text.parse().unwrap();
    let day = |limit| LimitPeriod { from: time("00:00"), to: time("24:00"), limit };
    let limit_schedule = LimitSchedule::new(vec![day(Some(400_000))]).unwrap();
    let client = Client::new(Config { limit: Some(7), limit_schedule, ..config() });
    let limit = |client: &Client| {
        let totals = client.engine.snapshot(0..0).totals;
        (totals.limit, totals.limit_until.map(|time| time.to_string()))
    };
    let until = |what: &str, limit_is: u64| {
        crate::shared::target::until(what, || limit(&client) == (Some(limit_is), Some("24:00".to_owned())));
    };
    until("the limit of the day", 400_000);
    assert_eq!(client.engine.saved().limits.rate, Some(7));
    client.engine.command(Command::SetLimit(Some(9)));
    until("the limit of the user", 9);
    assert_eq!(client.engine.saved().limits.rate, Some(7), "it holds as long as the period");
}

#[test]
fn the_engine_stops_within_a_second_while_a_server_hangs() {
    let (_served, _proxy, client, _) = stuck();
    let start = Instant::now();
    client.engine.command(Command::Stop);
    client.engine.join(Duration::from_secs(5));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(crate::engine::support::names(client.folder.path()), ["a.part", "a.part.fdsp"]);
}

#[test]
fn dropping_the_engine_stops_it() {
    let (_served, _proxy, client, _) = stuck();
    let start = Instant::now();
    drop(client.engine);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn a_directory_is_listed_in_pages() {
    let served = Served::new();
    for name in ["b", "a", "c/x"] {
        served.write(name, b"1");
    }
    let client = Client::quick();
    let list = |path: &str, after: Option<&str>| {
        let page = client.engine.list(address(served.at(), path), after.map(str::to_owned));
        page.blocking_recv().unwrap()
    };
    let names = |page: fdsp::protocol::message::Entries| {
        page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names(list("", None).unwrap()), ["a", "b", "c"]);
    assert_eq!(names(list("", Some("a")).unwrap()), ["b", "c"]);
    assert_eq!(names(list("c", None).unwrap()), ["x"]);
    let trouble = list("absent", None).unwrap_err();
    assert_eq!(trouble.kind, fdsp::client::TroubleKind::NotFound);
}

/// Commands for a long queue; their time is printed.
#[test]
fn commands_handle_ten_thousand_jobs() {
    // Accepts connections and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new(Config { jobs: 1, ..config() });
    let jobs: Vec<_> =
        (0..10_000).map(|number| client.job(silent.local_addr().unwrap(), &number.to_string())).collect();
    let mut all = Vec::new();
    let run_command = |client: &mut Client, what: &str, command: Command| {
        let start = Instant::now();
        client.engine.command(command);
        let mut ids = Vec::new();
        while ids.len() < 10_000 {
            ids.push(client.wait(what, |event| match event {
                Event::Queued { id, .. } if what == "queued" => Some(*id),
                Event::Changed { id, what: changed, .. } if changed.as_str() == what => Some(*id),
                _ => None,
            }));
        }
        println!("{what}: {:?}", start.elapsed());
        client.seen.clear();
        ids
    };
    all.extend(run_command(&mut client, "queued", Command::Add(jobs.clone())));
    run_command(&mut client, "paused", Command::Pause(all.clone()));
    run_command(&mut client, "resumed", Command::Add(jobs));
    run_command(&mut client, "cancelled", Command::Cancel(all.clone()));
    run_command(&mut client, "resumed", Command::Retry(all.clone()));
    run_command(&mut client, "removed", Command::Remove(all));
    let start = Instant::now();
    assert!(client.engine.saved().queue.is_empty());
    client.engine.command(Command::Stop);
    let Client { engine, .. } = client;
    engine.join(Duration::from_secs(20));
    println!("stopped: {:?}", start.elapsed());
}
