//! All that faces and the engine exchange is the same after serde has written and read it.

use std::{ffi::OsStr, fmt::Debug, os::unix::ffi::OsStrExt, path::PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    client::api::{
        address::{locator::Locator, web_header::WebHeader},
        command::{Command, Edit},
        content::{origin::Origin, sums::SumsAt},
        event::{Change, Event},
        job_id::JobId,
        new_job::{Earlier, Existing, Form, NewJob},
        question::{Answer, Claimed, Conflict, ConflictKind, Facts, Question},
        saved::{Limits, SavedJob, SavedQueue, SavedState},
        speak::Speak,
        trust::{Doubt, NewServer},
        views::view::{Finished, JobState, JobView, Snapshot, Totals, Trouble, TroubleKind},
    },
    protocol::{
        classic::Dialect,
        message::{Missing, Timestamp},
        trust::pin::Pin,
    },
    text::SafeText,
};

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap_or_else(|error| panic!("{text}: {error}")), value);
}

fn server() -> NewServer {
    let address = Locator::parse(&format!("fdsp://sesame-sesame-sesame@h:1/#{}", Pin([3; 32]))).unwrap();
    NewServer { server: address.server(), pin: Pin([7; 32]) }
}

fn new() -> NewJob {
    NewJob {
        address: Locator::parse("fdsp://sesame-sesame-sesame@h:1/a%20b%FF").unwrap(),
        speak: Speak::Classic(Dialect::Classic),
        form: Form::Zip,
        folder: PathBuf::from(OsStr::from_bytes(b"/d\xff")),
        save_as: Some("x".into()),
        existing: Existing::Update,
        checksum: Some(format!("sha256:{}", "0a".repeat(32)).parse().unwrap()),
        sums: Some(SumsAt::Web(Locator::parse("https://h/SHA256SUMS").unwrap())),
        headers: vec![WebHeader::parse("Cookie: a=\"é\"; b=2").unwrap()],
        extract: true,
        mirrors: Vec::new(),
        described: None,
        listed: None,
        earlier: vec![Earlier {
            address: Locator::parse("fdsp://h/a").unwrap(),
            folder: "/e".into(),
            save_as: Some("y".into()),
            existing: Existing::Rename,
        }],
    }
}

fn finished() -> Finished {
    let mut missing = Missing::default();
    missing.add("a/b", "permission denied");
    Finished {
        path: PathBuf::from(OsStr::from_bytes(b"/d/\xfe")),
        bytes: u64::MAX,
        transferred: 1,
        resumed: 2,
        blake3: "0a".repeat(32),
        origin: Origin::plain("h"),
        proof: Some(crate::client::Proof::BLOCKS),
        sources: Vec::new(),
        seconds: 0.1,
        files: Some(3),
        omitted: 4,
        deleted: 5,
        missing,
        extracted: Some("/d/x".into()),
    }
}

fn questions() -> [Question; 10] {
    let path = PathBuf::from(OsStr::from_bytes(b"/d/\xfe"));
    let facts = Facts { size: Some(1), modified: Some(Timestamp { seconds: -1, nanoseconds: 2 }) };
    let conflict = |kind| {
        Question::Exists(Conflict { path: path.clone(), kind, local: facts, remote: Facts::default() })
    };
    [
        conflict(ConflictKind::File),
        conflict(ConflictKind::Unpacked),
        conflict(ConflictKind::Fixed),
        Question::Claimed(Claimed { path: path.clone(), by: None, other: "fdsp://h/a".into() }),
        Question::Token(server().server),
        Question::Gone,
        Question::Expired,
        Question::Changed { part: path, received: 1 },
        Question::Trust(Doubt::New(server())),
        Question::Trust(Doubt::Other(server().server)),
    ]
}

fn troubles() -> Vec<Trouble> {
    let asks = |question| Trouble {
        options: SafeText::new("; use --update"),
        question: Some(Box::new(question)),
        ..Trouble::new(TroubleKind::Refused, "no")
    };
    use TroubleKind::{Connection, Disk, Integrity, NotFound, Other, Refused};
    let kinds = [Other, Connection, NotFound, Refused, Integrity, Disk];
    let plain = kinds.map(|kind| Trouble::new(kind, "no"));
    plain.into_iter().chain(questions().map(asks)).collect()
}

#[test]
fn commands_are_read_as_they_were_written() {
    let ids = vec![JobId(1), JobId(u64::MAX)];
    let plain = NewJob { folder: "/d".into(), checksum: None, save_as: None, ..new() };
    for command in [
        Command::Add(vec![new(), plain]),
        Command::Pause(ids.clone()),
        Command::Resume(ids.clone()),
        Command::Cancel(ids.clone()),
        Command::Retry(ids.clone()),
        Command::PauseAll,
        Command::RetryFailed,
        Command::Remove(ids.clone()),
        Command::Move(ids, -3),
        Command::ClearFinished,
        Command::Trust(server()),
        Command::Reach(server().server),
        Command::Answer { ids: vec![JobId(1)], answer: Answer::Keep, for_all: true },
        Command::Edit(JobId(1), Edit::Address(new().address)),
        Command::Edit(JobId(1), Edit::Path(new().folder)),
        Command::SetLimit(Some(7)),
        Command::SetLimit(None),
        Command::SetJobLimit(vec![JobId(1)], Some(7)),
        Command::SetJobs(2),
        Command::SetSegments(3),
        Command::Stop,
    ] {
        same(command);
    }
}

#[test]
fn events_are_read_as_they_were_written() {
    let (id, name, reason, server) = (JobId(1), SafeText::new("n"), SafeText::new("r"), SafeText::new("h:1"));
    for what in [Change::Paused, Change::Resumed, Change::Cancelled, Change::Removed, Change::Renamed] {
        assert_eq!(serde_json::to_value(what).unwrap(), what.as_str());
        same(Event::Changed { id, name: name.clone(), what });
    }
    for trouble in troubles() {
        same(Event::Failed { id, name: name.clone(), trouble: trouble.clone() });
        same(Event::Undecided { id, name: name.clone(), trouble });
    }
    for event in [
        Event::Queued { id, address: "fdsp://h/a".into() },
        Event::Started { id, name: name.clone(), size: Some(1), here: 2 },
        Event::Progress {
            id,
            received: 1,
            verified: 2,
            size: Some(u64::MAX),
            progress: Some((1, 2)),
            files: Some((3, 4)),
            segments: 5,
            speed: 0.1,
        },
        Event::Unreachable {
            server: server.clone(),
            seconds: 0.1,
            max_seconds: Some(0.2),
            reason: reason.clone(),
        },
        Event::Reachable { server, seconds: 0.1 },
        Event::Retry { id, name: name.clone(), attempt: 1, of: 2, seconds: 0.1, reason },
        Event::Done { id, name, finished: finished() },
        Event::Warning { message: "m".into() },
    ] {
        same(event);
    }
}

#[test]
fn snapshots_are_read_as_they_were_written() {
    let reason = SafeText::new("r");
    let mut states = vec![
        JobState::Queued,
        JobState::Waiting { seconds: 0.1, attempt: 1, reason: reason.clone() },
        JobState::Unreachable { seconds: None, reason },
        JobState::Connecting,
        JobState::Running,
        JobState::Verifying,
        JobState::Done(finished()),
        JobState::Paused,
        JobState::Cancelled,
    ];
    states.extend(troubles().into_iter().map(JobState::Failed));
    states.extend(troubles().into_iter().map(JobState::Undecided));
    let row = |state| JobView {
        id: JobId(1),
        address: "fdsp://h/a".into(),
        name: "n".into(),
        target: "/d/n".into(),
        state,
        size: Some(1),
        received: 2,
        verified: Some(3),
        hashed: None,
        progress: Some((4, 5)),
        files: Some((6, 7)),
        segments: Some(8),
        speed: Some(0.1),
        eta: Some(0.2),
        prepares: true,
        limit: Some(9),
        attempts: 10,
        sources: Vec::new(),
    };
    same(Snapshot {
        rows: states.into_iter().map(row).collect(),
        totals: Totals {
            jobs: 1,
            files: (2, 3),
            eta: Some(0.1),
            limit: Some(4),
            limit_until: "08:00".parse().ok(),
            ..Totals::default()
        },
    });
}

#[test]
fn saved_queues_are_read_as_they_were_written() {
    let job = |state| SavedJob { state, size: Some(1), name: Some("n".into()), ..new().into() };
    same(SavedQueue {
        queue: [SavedState::Queued, SavedState::Paused, SavedState::Cancelled, SavedState::Done(finished())]
            .into_iter()
            .chain(troubles().into_iter().map(SavedState::Failed))
            .chain(troubles().into_iter().map(SavedState::Undecided))
            .map(job)
            .collect(),
        limits: Limits { jobs: 1, segments: 2, rate: Some(3) },
        deleting: vec!["/d".into(), PathBuf::from(OsStr::from_bytes(b"/\xff"))],
        discarded: vec![job(SavedState::Cancelled)],
    });
}
