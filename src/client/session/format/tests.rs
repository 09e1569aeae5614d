use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use proptest::prelude::*;

use super::*;
use crate::{
    client::api::{
        address::locator::Locator,
        content::checksum::Checksum,
        content::origin::Origin,
        content::proof::Proof,
        new_job::{Existing, Form, NewJob},
        question::{Answer, QuestionKind},
        saved::SavedState,
        speak::Speak,
        views::view::{Finished, Trouble, TroubleKind},
    },
    protocol::{address::DEFAULT_PORT, classic::Dialect, message::Missing, trust::pin::Pin},
};

/// A list of missing entries.
fn missing(count: u64) -> Missing {
    let mut missing = Missing::default();
    (0..count).for_each(|number| missing.add(&format!("a/{number}"), "permission denied"));
    missing
}

fn path() -> impl Strategy<Value = PathBuf> {
    let text = "/[a-zä\"\\\\ \n\u{1b}/]{0,12}".prop_map(PathBuf::from);
    let bytes = prop::collection::vec(1u8.., 0..12).prop_map(|mut bytes| {
        bytes.insert(0, b'/');
        PathBuf::from(OsStr::from_bytes(&bytes))
    });
    prop_oneof![text, bytes]
}

fn address() -> impl Strategy<Value = Locator> {
    let scheme = prop::sample::select(vec!["fdsp+plain://", "fdsp://", "fdsp+plain://sesame-sesame-sesame@"]);
    // Names are of any bytes.
    let byte = prop_oneof![b'a'..=b'z', prop::sample::select(b" #%?".to_vec()), 0x80..=0xffu8];
    let path = prop::collection::vec(byte, 0..12);
    (scheme, "[a-z]{1,8}", 1u16.., path).prop_map(|(scheme, host, port, path)| {
        let path: String = path.iter().map(|byte| format!("%{byte:02X}")).collect();
        Locator::parse(&format!("{scheme}{host}:{port}/{path}")).expect("an address")
    })
}

fn new() -> impl Strategy<Value = NewJob> {
    let speak = prop::sample::select(vec![
        Speak::V1,
        Speak::Classic(Dialect::Classic),
        Speak::Classic(Dialect::ClassicSelect),
    ]);
    let form = prop::sample::select(vec![Form::Auto, Form::File, Form::Zip, Form::Tree]);
    let existing =
        prop::sample::select(vec![Existing::Keep, Existing::Overwrite, Existing::Rename, Existing::Update]);
    let checksum = prop_oneof![
        Just(None),
        any::<[u8; 32]>().prop_map(|digest| Some(Checksum::Sha256(digest))),
        any::<[u8; 16]>().prop_map(|digest| Some(Checksum::Md5(digest))),
    ];
    (address(), speak, form, path(), prop::option::of(path()), existing, checksum, any::<bool>()).prop_map(
        |(address, speak, form, folder, save_as, existing, checksum, extract)| NewJob {
            address,
            speak,
            form,
            folder,
            save_as,
            existing,
            checksum,
            sums: None,
            headers: Vec::new(),
            extract,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        },
    )
}

fn state() -> impl Strategy<Value = SavedState> {
    let kind = prop::sample::select(vec![TroubleKind::Other, TroubleKind::Disk, TroubleKind::Refused]);
    let failed = (kind, any::<String>())
        .prop_map(|(kind, text)| SavedState::Failed(Trouble::new(kind, SafeText::new(&text))));
    let done =
        (path(), any::<[u64; 5]>(), "[0-9a-f]{64}", 0u32.., any::<Option<u64>>(), prop::option::of(path()))
            .prop_map(
                |(
                    path,
                    [bytes, transferred, resumed, omitted, deleted],
                    blake3,
                    eighths,
                    files,
                    extracted,
                )| {
                    let seconds = f64::from(eighths) / 8.0;
                    SavedState::Done(Finished {
                        path,
                        bytes,
                        transferred,
                        resumed,
                        blake3,
                        origin: match resumed % 3 {
                            0 => Origin::Unknown,
                            1 => Origin::plain("h"),
                            _ => Origin::Certificate(Pin([omitted as u8; 32])),
                        },
                        proof: [None, Some(Proof::BLOCKS), Some(Proof::SameVersion)][(resumed % 3) as usize],
                        sources: Vec::new(),
                        seconds,
                        files,
                        omitted,
                        deleted,
                        missing: missing(omitted % 3),
                        extracted,
                    })
                },
            );
    let others = prop::sample::select(vec![SavedState::Queued, SavedState::Paused, SavedState::Cancelled]);
    prop_oneof![others, failed, done]
}

/// Answers for all jobs.
fn answers() -> impl Strategy<Value = Vec<(QuestionKind, Answer)>> {
    let kinds = [QuestionKind::Exists, QuestionKind::Claimed, QuestionKind::Changed];
    prop::collection::vec(
        (prop::sample::select(kinds.to_vec()), prop::sample::select(Answer::ALL.to_vec())),
        0..3,
    )
}

prop_compose! {
    fn job()(
        new in new(), state in state(), name in any::<Option<String>>(), size in any::<Option<u64>>(),
        received in any::<u64>(), progress in any::<Option<(u64, u64)>>(), files in any::<Option<(u64, u64)>>(),
        limit in any::<Option<u64>>(), answers in answers(),
    ) -> SavedJob {
        let name = name.map(|name| SafeText::new(&name));
        SavedJob { new, state, name, size, received, progress, files, limit, answers }
    }
}

prop_compose! {
    fn saved()(
        queue in prop::collection::vec(job(), 0..6), history in prop::collection::vec(any::<String>(), 0..4),
        jobs in any::<Option<usize>>(), rate in any::<Option<u64>>(),
        deleting in prop::collection::vec("/[a-z\u{e9}]{1,5}", 0..3),
        discarded in prop::collection::vec(job(), 0..3),
    ) -> Saved {
        let deleting = deleting.into_iter().map(Into::into).collect();
        Saved { limits: Changed { jobs, segments: jobs, rate }, queue, history, deleting, discarded }
    }
}

fn damaged(text: &str) -> String {
    match parse(text.as_bytes()) {
        Err(FormatError::Damaged(reason)) => reason.to_string(),
        other => panic!("{text}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(200))]

    #[test]
    fn it_is_read_as_it_was_written(saved in saved()) {
        let text = format(&saved).expect("JSON");
        prop_assert!(!text.contains('\u{1b}'), "a person can read it");
        let deleting = usize::from(!saved.deleting.is_empty());
        let discarded = if saved.discarded.is_empty() { 0 } else { 1 + lines(saved.discarded.len()) };
        prop_assert_eq!(
            text.lines().count(),
            6 + lines(saved.queue.len()) + lines(saved.history.len()) + deleting + discarded
        );
        prop_assert_eq!(parse(text.as_bytes()), Ok(saved));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        saved in saved(), bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let _ = parse(&bytes);
        let mut text = format(&saved).expect("JSON").into_bytes();
        let at = at.index(text.len() - 1);
        prop_assert!(parse(&text[..at]).is_err(), "a part is no session");
        text[at] ^= 1u8 << bit;
        if let Ok(saved) = parse(&text) {
            // What is taken in can be written and read again.
            let text = format(&saved).expect("JSON");
            prop_assert_eq!(parse(text.as_bytes()), Ok(saved));
        }
    }
}

/// Lines that a list adds to its opening one.
fn lines(entries: usize) -> usize {
    if entries == 0 { 0 } else { entries + 1 }
}

#[test]
fn a_person_can_read_and_edit_it() {
    let text = r#"{
        "fdsp-session": 1,
        "queue": [{"address": "fdsp+plain://nas/a b.iso", "folder": "/home/u", "state": "queued"}]
    }"#;
    let saved = parse(text.as_bytes()).expect("a session");
    let [job] = saved.queue.as_slice() else { panic!("{saved:?}") };
    assert_eq!(
        (job.new.address.path(), job.new.address.host().to_string()),
        ("a b.iso", format!("nas:{DEFAULT_PORT}"))
    );
    assert_eq!(
        (&job.state, job.new.existing, saved.limits),
        (&SavedState::Queued, Existing::Keep, Changed::default())
    );
    assert_eq!(
        format(&saved).expect("JSON"),
        "{\n  \"fdsp-session\": 1,\n  \"limits\": {},\n  \"queue\": [\n    \
         {\"address\":\"fdsp+plain://nas:7878/a%20b.iso\",\"folder\":\"/home/u\",\"state\":\"queued\"}\n  ],\n  \
         \"history\": []\n}\n"
    );
}

/// As the version before the wire protocol had `skip` wrote it.
#[test]
fn a_session_of_an_earlier_version_is_understood() {
    let text = r#"{
  "fdsp-session": 1,
  "limits": {"rate":2000000},
  "queue": [
    {"address":"fdsp+plain://h:1/small","folder":"/d","state":{"done":{"path":"/d/small","bytes":2,"transferred":2,"resumed":0,"blake3":"85052e9aab1b67b6622d94a08441b09fd5b7aca61ee360416d70de5da67d86ca","seconds":0.033324969}},"size":2,"received":2,"progress":[2,2]},
    {"address":"fdsp+plain://h:1/missing","folder":"/d","state":{"failed":{"kind":"not_found","message":"/missing: not found on the server"}}},
    {"address":"fdsp+plain://h:1/b","folder":"/d","state":"queued","size":12000000,"received":5242880,"progress":[5242880,12000000]}
  ],
  "history": []
}
"#;
    let saved = parse(text.as_bytes()).expect("a session");
    let [done, failed, queued] = saved.queue.as_slice() else { panic!("{saved:?}") };
    assert!(
        matches!(&done.state, SavedState::Done(finished) if finished.bytes == 2 && finished.missing.is_none())
    );
    assert!(matches!(&failed.state, SavedState::Failed(trouble) if trouble.kind == TroubleKind::NotFound));
    assert_eq!((&queued.state, queued.received), (&SavedState::Queued, 5_242_880));
    assert_eq!(saved.limits.rate, Some(2_000_000));
}

#[test]
fn tokens_are_kept() {
    let text = r#"{"fdsp-session":1,"queue":[{"address":"fdsp://sesame-sesame-sesame@nas/a","folder":"/","state":"paused"}]}"#;
    let saved = parse(text.as_bytes()).expect("a session");
    assert!(saved.queue[0].new.address.server().has_token());
    assert!(format(&saved).expect("JSON").contains("sesame-sesame-sesame@nas"));
}

#[test]
fn another_version_is_not_guessed_at() {
    assert_eq!(parse(br#"{"fdsp-session":2,"queue":7}"#), Err(FormatError::Version(2)));
    assert!(damaged("{}").contains("fdsp-session"));
    assert!(damaged("").contains("EOF"));
    assert!(damaged(&"[".repeat(100_000)).contains("line 1"));
}

#[test]
fn an_unknown_member_is_refused_and_named() {
    let with = |member: &str| {
        damaged(&format!(
            r#"{{"fdsp-session":1,"queue":[{{"address":"fdsp+plain://nas/a","folder":"/d","state":"queued"{member}}}]}}"#
        ))
    };
    assert!(with(r#","colour":"red""#).contains("colour"));
    assert!(with(r#","checksum":"crc:1""#).contains("download 1 of the queue: a checksum is"));
    assert!(with(r#","save_as":{"hex":"2f0"}"#).contains("not hex"));
    assert!(with(r#","save_as":{"hex":"00"}"#).contains("a NUL"));
    assert!(with(r#","save_as":"a\u0000b""#).contains("NUL"));
    let job = |address: &str, folder: &str, state: &str| {
        damaged(&format!(
            r#"{{"fdsp-session":1,"queue":[{{"address":"{address}","folder":"{folder}","state":{state}}}]}}"#
        ))
    };
    assert!(job("nas/a", "/d", "\"queued\"").contains("scheme"));
    assert!(job("fdsp+plain://nas/a", "d", "\"queued\"").contains("not an absolute path"));
    assert!(job("fdsp+plain://nas/a", "/d", "\"lost\"").contains("lost"));
}

#[test]
fn its_size_is_bounded() {
    assert_eq!(parse(&vec![b' '; MAX_LEN + 1]), Err(FormatError::Size));
}

#[test]
fn limits_are_those_that_were_changed() {
    let configured = Limits { jobs: 3, segments: 4, rate: Some(7) };
    let saved = Changed { jobs: Some(5), segments: Some(2), rate: Some(0) };
    assert_eq!(saved.over(configured), Limits { jobs: 5, segments: 2, rate: None });
    let given = Changed { jobs: None, segments: None, rate: Some(9) };
    assert_eq!(given.or(saved).over(configured), Limits { jobs: 5, segments: 2, rate: Some(9) });
    assert_eq!(Changed::default().over(configured), configured);
}
