use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::client::api::{address::locator::Locator, new_job::NewJob};

const CONFIGURED: Limits = Limits { jobs: 3, segments: 4, rate: None };

fn name() -> SessionName {
    SessionName::default()
}

fn open(folder: &Path) -> Opened {
    Session::open(folder, &name(), CONFIGURED).expect("it opens")
}

fn job(path: &str, state: SavedState) -> SavedJob {
    let new = NewJob {
        address: Locator::parse(&format!("fdsp+plain://h/{path}")).expect("an address"),
        speak: Default::default(),
        form: Default::default(),
        folder: "/d".into(),
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
    };
    SavedJob { state, ..new.into() }
}

fn kept(count: usize) -> SavedQueue {
    let queue = (0..count).map(|number| job(&format!("f{number}"), SavedState::Paused)).collect();
    SavedQueue { queue, limits: Limits { jobs: 3, segments: 4, rate: Some(5000) }, ..SavedQueue::default() }
}

#[test]
fn a_saved_queue_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("state/sessions");
    let Opened { session, saved, warning } = open(&place);
    assert_eq!((saved, warning), (Saved::default(), None));
    session.set_history(&["a".into(), "fdsp://sesame-sesame@nas/b".into(), "sesame-sesame@n".into()]);
    session.save(kept(2)).expect("saved");
    drop(session);
    let Opened { saved, warning, .. } = open(&place);
    assert_eq!((saved.queue, warning), (kept(2).queue, None));
    assert_eq!(saved.limits, Changed { rate: Some(5000), ..Changed::default() }, "only what was changed");
    assert_eq!(saved.history, ["a", "fdsp://nas/b"], "without tokens");
}

#[test]
fn no_other_user_can_read_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("sessions");
    fs::create_dir(&place).expect("made");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("set");
    let session = open(&place).session;
    session.save(kept(1)).expect("saved");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for entry in fs::read_dir(&place).expect("listed") {
        assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = open(folder.path()).session;
    session.save(SavedQueue { limits: CONFIGURED, ..SavedQueue::default() }).expect("saved");
    assert!(!folder.path().join("default.json").exists(), "an empty queue needs no file");
    session.save(kept(1)).expect("saved");
    let id = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("there"));
    let before = id(&folder.path().join("default.json"));
    session.save(kept(1)).expect("saved");
    assert_eq!(id(&folder.path().join("default.json")), before);
}

#[test]
fn a_session_is_open_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path());
    let error = Session::open(folder.path(), &name(), CONFIGURED).expect_err("it is held");
    let sentence = error.to_string();
    assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
    assert!(sentence.contains("--session NAME"), "{sentence}");
    let other: SessionName = "other".parse().expect("a name");
    Session::open(folder.path(), &other, CONFIGURED).expect("another one is free");
    drop(first);
    open(folder.path());
}

#[test]
fn a_file_that_cannot_be_understood_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("default.json");
    for (number, content) in ["{", "", "{\"fdsp-session\":9}", "\u{0}\u{1}"].into_iter().enumerate() {
        fs::write(&file, content).expect("written");
        let Opened { session, saved, warning } = open(folder.path());
        let aside = format!("default.json.aside-{}", number + 1);
        let warning = warning.expect("it is said");
        assert!(warning.ends_with(&aside), "{warning}");
        let aside = folder.path().join(aside);
        assert_eq!(
            (saved, fs::read_to_string(&aside).expect("kept")),
            (Saved::default(), content.to_owned())
        );
        session.save(kept(1)).expect("a new one");
        fs::remove_file(&file).expect("there");
    }
    fs::create_dir(&file).expect("made");
    assert!(open(folder.path()).warning.is_some_and(|warning| warning.contains("not a file")));
    assert!(folder.path().join("default.json.aside-5").is_dir());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, moved] = ["sessions", "moved"].map(|name| folder.path().join(name));
    let session = open(&path).session;
    session.save(kept(1)).expect("saved");
    // Nothing can be created in a folder that is not there.
    fs::rename(&path, &moved).expect("moved");
    session.save(kept(2)).expect_err("not saved");
    drop(session);
    assert_eq!(open(&moved).saved.queue.len(), 1);
}

#[test]
fn ended_jobs_are_kept_up_to_a_maximum() {
    let over = |number: usize| job(&format!("f{number}"), SavedState::Cancelled);
    let mut queue: Vec<_> = (0..MAX_ENDED + 5).map(over).collect();
    queue.insert(0, job("first", SavedState::Queued));
    queue.insert(3, job("paused", SavedState::Paused));
    let left = bounded(queue);
    assert_eq!(left.len(), MAX_ENDED + 2);
    assert_eq!(left[0].state, SavedState::Queued);
    assert_eq!(left[1].state, SavedState::Paused);
    assert_eq!(left[2].new.address.path(), "f5", "the first ones go");
    assert_eq!(bounded(left.clone()), left);
}

#[test]
fn names_stay_in_their_folder() {
    for wrong in ["", ".", "..", ".hidden", "a/b", "a b", "ä", "x\0", &"x".repeat(65)] {
        assert!(wrong.parse::<SessionName>().is_err(), "{wrong:?}");
    }
    for right in ["default", "a.b-c_9", &"x".repeat(64)] {
        assert_eq!(right.parse::<SessionName>().expect("a name").as_str(), right);
    }
}
