//! What only the user can decide: a job asks and waits, the others run, and each answer does what it says.

use std::{fs, sync::Arc, time::Duration};

use fdsp::{
    client::{
        Answer, Change, Command, Config, Edit, Event, Existing, JobId, JobState, Locator, NewJob, Question,
        QuestionKind, SavedJob, SavedState, Trust, resume,
    },
    protocol::trust::token::Token,
    server::{self, Access, Limits},
};

use crate::engine::{
    proxy::Proxy,
    support::{Client, MIB, Served, config, content},
};

/// A client with a user who can be asked.
fn client() -> Client {
    Client::new(Config { asks: true, ..config() })
}

/// Waits until a job asks something.
fn question(client: &mut Client, job: JobId) -> Question {
    client.wait("a question", |event| match event {
        Event::Undecided { id, trouble, .. } if *id == job => trouble.question.as_deref().cloned(),
        Event::Failed { id, trouble, .. } if *id == job => panic!("{trouble}"),
        _ => None,
    })
}

fn asked(client: &mut Client, job: NewJob) -> (JobId, Question) {
    let id = client.add(job);
    let question = question(client, id);
    (id, question)
}

fn answer(client: &Client, id: JobId, answer: Answer) {
    client.engine.command(Command::Answer { ids: vec![id], answer, for_all: false });
}

#[test]
fn an_existing_target_asks_while_other_jobs_run_and_each_answer_is_done() {
    let served = Served::new();
    let whole = content(2 * MIB, 1);
    served.write("a.bin", &whole);
    served.write("b.bin", b"another");
    for given in Answer::ALL {
        let mut client = client();
        fs::write(client.path("a.bin"), b"of the user").unwrap();
        let job = client.job(served.at(), "a.bin");
        let (id, question) = asked(&mut client, job);
        let Question::Exists(conflict) = question else { panic!("{question:?}") };
        assert_eq!((conflict.local.size, conflict.remote.size), (Some(11), Some(2 * MIB as u64)));
        assert!(conflict.local.modified.is_some() && conflict.remote.modified.is_some());
        client.get(served.at(), "b.bin").unwrap();
        let JobState::Undecided(trouble) = client.state(id) else { panic!("{:?}", client.state(id)) };
        assert!(!trouble.to_string().is_empty() && !trouble.message.as_str().contains("--"), "{trouble:?}");
        let totals = client.engine.snapshot(0..0).totals;
        assert_eq!((totals.undecided, totals.failed), (1, 0));
        answer(&client, id, given);
        if given == Answer::Skip {
            client.changed(id, fdsp::client::Change::Cancelled);
            assert_eq!(fs::read(client.path("a.bin")).unwrap(), b"of the user");
            continue;
        }
        let finished = client.end(id).unwrap();
        assert!(fs::read(&finished.path).unwrap() == whole, "{given:?}");
        let beside = given == Answer::Keep;
        assert_eq!(finished.path, client.path(if beside { "a (1).bin" } else { "a.bin" }));
        assert_eq!(client.names().len(), if beside { 3 } else { 2 }, "{given:?}: {:?}", client.names());
        assert_eq!(fs::read(client.path("a.bin")).unwrap() == b"of the user", beside);
    }
}

#[test]
fn what_nobody_can_be_asked_about_is_an_error_that_names_the_options() {
    let served = Served::new();
    served.write("a.bin", b"content");
    let mut client = Client::quick();
    fs::write(client.path("a.bin"), b"of the user").unwrap();
    let trouble = client.get(served.at(), "a.bin").unwrap_err();
    assert!(trouble.message.as_str().ends_with("; use --update, --overwrite or --rename"), "{trouble}");
}

#[test]
fn one_answer_is_for_all_jobs_of_the_queue_also_those_that_ask_later() {
    let served = Served::new();
    let mut client = Client::new(Config { asks: true, jobs: 1, ..config() });
    let names = ["a.bin", "b.bin", "c.bin"];
    for name in names {
        served.write(name, b"of the server");
        fs::write(client.path(name), b"of the user").unwrap();
    }
    let jobs: Vec<_> = names.iter().map(|name| client.job(served.at(), name)).collect();
    client.engine.command(Command::Add(jobs));
    let first = client.wait("a question", |event| match event {
        Event::Undecided { id, .. } => Some(*id),
        _ => None,
    });
    client.engine.command(Command::Answer { ids: vec![first], answer: Answer::Replace, for_all: true });
    let mut done = 0;
    client.wait("the end of all", |event| {
        done += usize::from(matches!(event, Event::Done { .. }));
        (done == names.len()).then_some(())
    });
    for name in names {
        assert_eq!(fs::read(client.path(name)).unwrap(), b"of the server");
    }
    // It is not for jobs that are added later.
    fs::write(client.path("d.bin"), b"of the user").unwrap();
    served.write("d.bin", b"of the server");
    let job = client.job(served.at(), "d.bin");
    asked(&mut client, job);
}

#[test]
fn two_jobs_of_one_name_are_both_kept_or_one_gives_way() {
    let served = Served::new();
    let (a, b) = (content(8 * MIB, 1), content(MIB, 2));
    served.write("a/x.bin", &a);
    served.write("b/x.bin", &b);
    for given in [Answer::Keep, Answer::Replace, Answer::Skip] {
        let gate = Proxy::gate(served.at(), 3 * MIB / 2);
        let mut client = client();
        let job = client.job(gate.at(), "a/x.bin");
        let first = client.add(job);
        client.started(first);
        let job = client.job(served.at(), "b/x.bin");
        let (second, question) = asked(&mut client, job);
        let Question::Claimed(claimed) = question else { panic!("{question:?}") };
        assert!(claimed.other.as_str().ends_with("/a/x.bin"), "{claimed:?}");
        answer(&client, second, given);
        let expected = match given {
            Answer::Keep => {
                assert_eq!(client.end(second).unwrap().path, client.path("x (1).bin"));
                &a
            }
            Answer::Replace => {
                assert_eq!(client.end(second).unwrap().path, client.path("x.bin"));
                &b
            }
            _ => &a,
        };
        gate.let_pass(usize::MAX);
        if given != Answer::Replace {
            client.end(first).unwrap();
        }
        assert!(fs::read(client.path("x.bin")).unwrap() == *expected, "{given:?}");
    }
}

#[test]
fn a_job_that_is_replaced_by_another_is_restored_until_its_partial_file_is_deleted() {
    let served = Served::new();
    let (a, b) = (content(8 * MIB, 1), content(MIB, 2));
    served.write("a/x.bin", &a);
    served.write("b/x.bin", &b);
    for for_all in [false, true] {
        let gate = Proxy::gate(served.at(), 3 * MIB / 2);
        let undo_time = Duration::from_secs(600);
        let mut client = Client::new(Config { asks: true, undo_time, ..config() });
        let job = client.job(gate.at(), "a/x.bin");
        let first = client.add(job);
        client.started(first);
        let job = client.job(served.at(), "b/x.bin");
        let (second, _) = asked(&mut client, job);
        let replace = Command::Answer { ids: vec![second], answer: Answer::Replace, for_all };
        client.engine.command(replace.clone());
        client.changed(first, Change::Cancelled);
        while !matches!(client.state(second), JobState::Waiting { .. }) {
            std::thread::yield_now();
        }
        client.engine.command(Command::Undo);
        client.changed(first, Change::Restored);
        assert!(matches!(question(&mut client, second), Question::Claimed(_)), "it asks again");
        // Tried at once, the other one cannot be restored any more.
        client.engine.command(replace);
        client.changed(first, Change::Cancelled);
        while !matches!(client.state(second), JobState::Waiting { .. }) {
            std::thread::yield_now();
        }
        client.engine.command(Command::Retry(vec![second]));
        assert_eq!(client.end(second).unwrap().path, client.path("x.bin"));
        assert!(fs::read(client.path("x.bin")).unwrap() == b && !client.engine.can_undo());
        gate.let_pass(usize::MAX);
    }
}

#[test]
fn an_answer_for_all_jobs_outlives_the_engine_and_is_taken_back_by_an_undo() {
    let served = Served::new();
    served.write("a.bin", b"content");
    served.write("b.bin", b"another");
    let mut client = Client::new(Config { asks: true, undo_time: Duration::from_secs(600), ..config() });
    for name in ["a.bin", "b.bin"] {
        fs::write(client.path(name), b"of the user").unwrap();
    }
    let job = client.job(served.at(), "a.bin");
    let (first, _) = asked(&mut client, job);
    let job = client.job(served.at(), "b.bin");
    let second = client.add(job);
    question(&mut client, second);
    client.engine.command(Command::Pause(vec![second]));
    let answers = |client: &Client| client.engine.saved().queue[1].answers.clone();
    let skip = Command::Answer { ids: vec![first], answer: Answer::Skip, for_all: true };
    client.engine.command(skip);
    client.changed(second, Change::Cancelled);
    assert_eq!(answers(&client), [(QuestionKind::Exists, Answer::Skip)]);
    client.engine.command(Command::Undo);
    question(&mut client, second);
    assert_eq!(answers(&client), [], "both ask again");
    let saved = client.engine.saved().queue;
    let saved = saved.into_iter().map(|job| SavedJob {
        state: SavedState::Queued,
        answers: vec![(QuestionKind::Exists, Answer::Keep)],
        ..job
    });
    let text = serde_json::to_string(&saved.collect::<Vec<_>>()).unwrap();
    let saved: Vec<SavedJob> = serde_json::from_str(&text).unwrap();
    let (_engine, _events) = resume(Config { asks: true, ..config() }, saved).unwrap();
    while !client.path("a (1).bin").exists() || !client.path("b (1).bin").exists() {
        std::thread::yield_now();
    }
}

#[test]
fn a_wrong_token_asks_once_for_all_jobs_of_the_server_and_again_if_it_is_wrong_again() {
    let token = Token::parse("sesame-sesame-sesame").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), b"a").unwrap();
    fs::write(folder.path().join("b"), b"b").unwrap();
    let access = Access::Token(token.clone());
    let served = server::Config { access, ..server::Config::local(folder.path()) };
    let server = server::start(served, Arc::new(|_| {})).unwrap();
    let trust = Trust { plain_tokens: true, ..config().trust };
    let mut client = Client::new(Config { asks: true, jobs: 1, trust, ..config() });
    let at = |path| Locator::parse(&format!("fdsp+plain://{}/{path}", server.local_addr())).unwrap();
    let jobs = vec![client.job_at(at("a")), client.job_at(at("b"))];
    client.engine.command(Command::Add(jobs));
    let both = |client: &mut Client| {
        let mut asks = Vec::new();
        client.wait("both questions", |event| {
            if let Event::Undecided { id, trouble, .. } = event {
                let Some(Question::Token(server)) = trouble.question.as_deref() else {
                    panic!("{trouble:?}")
                };
                assert!(!server.has_token());
                asks.push(*id);
            }
            (asks.len() == 2).then(|| asks.clone())
        })
    };
    both(&mut client);
    let wrong = Token::parse("not-the-token-at-all").unwrap();
    client.engine.command(Command::Reach(at("a").server().with_token(Some(wrong))));
    let jobs = both(&mut client);
    client.engine.command(Command::Reach(at("a").server().with_token(Some(token))));
    for job in jobs {
        client.end(job).unwrap();
    }
    assert_eq!(client.names(), ["a", "b"]);
}

#[test]
fn a_job_that_is_saved_elsewhere_takes_its_partial_file_along() {
    let served = Served::new();
    let whole = content(8 * MIB, 1);
    served.write("a.bin", &whole);
    for pause in [true, false] {
        let gate = Proxy::gate(served.at(), 5 * MIB / 2);
        let mut client = Client::new(Config { asks: true, segments: 1, ..config() });
        let job = client.job(gate.at(), "a.bin");
        let id = client.add(job);
        client.verified(id, 2 * MIB as u64 + 1);
        if pause {
            client.engine.command(Command::Pause(vec![id]));
            client.changed(id, fdsp::client::Change::Paused);
        }
        let path = client.path("sub/renamed.bin");
        client.engine.command(Command::Edit(id, Edit::Path(path.clone())));
        if pause {
            client.engine.command(Command::Resume(vec![id]));
        }
        gate.let_pass(usize::MAX);
        let finished = client.end(id).unwrap();
        assert_eq!(finished.path, path);
        assert!(finished.resumed >= 2 * MIB as u64, "{pause}: {finished:?}");
        assert!(fs::read(&path).unwrap() == whole);
        assert_eq!(client.names(), ["sub"], "{pause}");
    }
}

#[test]
fn a_path_that_is_gone_asks_for_another_address_and_keeps_what_was_received() {
    let served = Served::new();
    let whole = content(8 * MIB, 1);
    served.write("old/a.bin", &whole);
    let gate = Proxy::gate(served.at(), 5 * MIB / 2);
    let mut client = Client::new(Config { asks: true, segments: 1, ..config() });
    let job = client.job(gate.at(), "old/a.bin");
    let id = client.add(job);
    client.verified(id, 2 * MIB as u64 + 1);
    client.engine.command(Command::Pause(vec![id]));
    client.changed(id, fdsp::client::Change::Paused);
    fs::create_dir(served.folder.path().join("new")).unwrap();
    fs::rename(served.folder.path().join("old/a.bin"), served.folder.path().join("new/b.bin")).unwrap();
    gate.let_pass(usize::MAX);
    client.engine.command(Command::Resume(vec![id]));
    assert_eq!(question(&mut client, id), Question::Gone);
    let address = client.job(served.at(), "new/b.bin").address;
    client.engine.command(Command::Edit(id, Edit::Address(address)));
    let finished = client.end(id).unwrap();
    assert_eq!(finished.path, client.path("b.bin"));
    assert!(finished.resumed >= 2 * MIB as u64, "{finished:?}");
    assert!(fs::read(&finished.path).unwrap() == whole);
    assert_eq!(client.names(), ["b.bin"]);
}

#[test]
fn a_changed_archive_asks_and_starts_over_or_keeps_its_partial_file() {
    for given in [Answer::Replace, Answer::Keep] {
        let served = Served::with(server::Arch::Async, None, Limits::default());
        served.write("d/a.jpg", &content(8 * MIB, 7));
        served.write("d/b", b"before");
        let gate = Proxy::gate(served.at(), 5 * MIB / 2);
        let mut client = Client::new(Config { asks: true, segments: 1, ..config() });
        let job = client.job(gate.at(), "d");
        let id = client.add(job);
        client.verified(id, 2 * MIB as u64);
        client.engine.command(Command::Pause(vec![id]));
        client.changed(id, fdsp::client::Change::Paused);
        served.write("d/b", b"and after");
        gate.let_pass(usize::MAX);
        client.engine.command(Command::Resume(vec![id]));
        let question = question(&mut client, id);
        let Question::Changed { part, received } = question else { panic!("{question:?}") };
        assert!(part == client.path("d.zip.part") && received >= MIB as u64, "{part:?} {received}");
        answer(&client, id, given);
        if given == Answer::Replace {
            let finished = client.end(id).unwrap();
            assert_eq!(finished.blake3, Client::quick().get(served.at(), "d").unwrap().blake3);
        } else {
            while !matches!(client.state(id), JobState::Failed(_)) {
                std::thread::yield_now();
            }
            assert!(fs::metadata(&part).unwrap().len() >= MIB as u64);
        }
    }
}

#[test]
fn a_question_outlives_the_engine_and_is_answered_in_the_next_run() {
    let served = Served::new();
    served.write("a.bin", b"content");
    let mut client = client();
    fs::write(client.path("a.bin"), b"of the user").unwrap();
    let job = client.job(served.at(), "a.bin");
    let (_, question) = asked(&mut client, job);
    let text = serde_json::to_string(&client.engine.saved().queue).unwrap();
    let saved: Vec<fdsp::client::SavedJob> = serde_json::from_str(&text).unwrap();
    let SavedState::Undecided(trouble) = &saved[0].state else { panic!("{saved:?}") };
    assert_eq!(trouble.question.as_deref(), Some(&question));
    let without_a_user = resume(config(), saved.clone()).unwrap().0;
    assert!(matches!(without_a_user.snapshot(0..1).rows[0].state, JobState::Failed(_)));
    drop(without_a_user);
    let (engine, events) = resume(Config { asks: true, ..config() }, saved).unwrap();
    let undecided = engine.undecided();
    let [(id, _)] = undecided.as_slice() else { panic!("{undecided:?}") };
    engine.command(Command::Answer { ids: vec![*id], answer: Answer::Keep, for_all: false });
    drop(events);
    while !client.path("a (1).bin").exists() {
        std::thread::yield_now();
    }
    assert_eq!(engine.saved().queue[0].new.existing, Existing::Rename);
}

#[test]
fn a_folder_and_an_unpacked_archive_are_kept_beside_what_exists() {
    let served = Served::new();
    served.write("d/a.txt", b"of the server");
    for extract in [false, true] {
        let mut client = client();
        fs::create_dir(client.path("d")).unwrap();
        fs::write(client.path("d/a.txt"), b"of the user").unwrap();
        let form = if extract { fdsp::client::Form::Auto } else { fdsp::client::Form::Tree };
        let job = NewJob { form, extract, ..client.job(served.at(), "d") };
        let (id, question) = asked(&mut client, job);
        assert!(matches!(question, Question::Exists(_)), "{question:?}");
        assert_eq!(question.takes(Answer::Update), !extract);
        answer(&client, id, Answer::Keep);
        let finished = client.end(id).unwrap();
        let folder = finished.extracted.unwrap_or(finished.path);
        assert_eq!(folder, client.path("d (1)"));
        assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"of the server");
        assert_eq!(fs::read(client.path("d/a.txt")).unwrap(), b"of the user");
    }
}
