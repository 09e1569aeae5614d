//! Invalid answers to `stat` of the served folder, whose name is the only one that a client uses as a target.

use std::fs;

use fdsp::{
    client::{Form, NewJob},
    text::is_unsafe,
};
use serde_json::{Value, json};

use super::{
    answers::{Present, Step, Trick, Tricks, is_safe, right, serve},
    play::WANTED,
    tree,
};
use crate::engine::support::{Client, names, once};

const STAT: u8 = 0x02;
const META: u8 = 0x82;

fn meta(name: &str) -> Value {
    json!({"kind": "directory", "name": name, "modified": {"s": 1, "ns": 2}, "mode": 0o755})
}

fn answer() -> Vec<Step> {
    vec![Step::json("meta", META, &meta("t"))]
}

/// Tricks with that answer.
pub fn tricks(request: u32) -> Vec<Trick> {
    let steps = answer();
    let mut all = Tricks { to: STAT, request, right: &steps, tricks: Vec::new() };
    all.spoil();
    for trick in &mut all.tricks {
        // The answer has ended before the bytes after it are read.
        trick.harmless |= trick.name == "meta twice";
    }
    all.malform(0, &meta("t"));
    for (what, member, value) in [
        ("an invalid kind", "kind", json!("device")),
        ("a file without a size", "kind", json!("file")),
        ("a mode of more than permissions", "mode", json!(0o4755)),
        ("a time of more than a second", "modified", json!({"s": 1, "ns": 1_000_000_000})),
        ("an identity too long", "identity", json!("x".repeat(129))),
    ] {
        let mut message = meta("t");
        message[member] = value;
        all.message(format!("meta: {what}"), 0, &message);
    }
    all.tricks
}

/// Names that lead out of the folder, or have a special meaning.
const NAMES: [&str; 18] = [
    "",
    ".",
    "..",
    "/",
    "/etc",
    "../x",
    "a/b",
    "a/../../x",
    "..\\x",
    "C:\\x",
    "a\0b",
    "\u{1b}[2J",
    "a\r\nb",
    "\u{202e}gpj",
    "-rf",
    "~",
    "con",
    "x. ",
];

struct Trial {
    present: Present,
    at: std::net::SocketAddr,
    client: Client,
}

impl Trial {
    fn new(tricks: impl Fn(u32) -> Vec<Trick> + Send + Sync + 'static) -> Trial {
        let present = Present::default();
        let at = serve(&present, tricks, |kind, request| match kind {
            STAT => right(&answer(), request),
            kind => tree::right_answer(kind, request),
        });
        Trial { present, at, client: Client::new(once()) }
    }

    /// Fetches the served folder itself while the server plays this trick. Returns the files in the download folder.
    fn run(&mut self, number: Option<usize>, name: &str) -> (Result<(), String>, Vec<String>) {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("in");
        fs::create_dir(&folder).unwrap();
        *self.present.lock().unwrap() = number;
        let job = NewJob { form: Form::Tree, folder: folder.clone(), ..self.client.job(self.at, "/") };
        let outcome = self.client.run(job);
        assert_eq!(names(outside.path()), ["in"], "{name} left something outside");
        let there = names(&folder);
        if outcome.is_ok() {
            assert_eq!(there.len(), 1, "{name}: {there:?}");
            assert_eq!(fs::read(folder.join(&there[0]).join("a")).unwrap(), WANTED, "{name}");
        }
        (outcome.map(drop).map_err(|trouble| trouble.message.as_str().to_owned()), there)
    }
}

#[test]
fn every_invalid_stat_answer_is_rejected() {
    let mut trial = Trial::new(tricks);
    for (number, Trick { name, harmless, .. }) in tricks(1).into_iter().enumerate() {
        let (outcome, there) = trial.run(Some(number), &name);
        match outcome {
            Ok(()) => assert!(harmless && there == ["t"], "{name} was believed: {there:?}"),
            Err(said) => {
                assert!(!harmless && there.is_empty(), "{name}: {said}, {there:?}");
                is_safe(&name, &said);
            }
        }
    }
    assert_eq!(trial.run(None, "nothing"), (Ok(()), vec!["t".to_owned()]));
}

#[test]
fn no_name_of_the_served_folder_leaves_the_target_folder() {
    let named = |request| {
        let steps = answer();
        let mut all = Tricks { to: STAT, request, right: &steps, tricks: Vec::new() };
        NAMES.iter().for_each(|name| all.message(*name, 0, &meta(name)));
        all.tricks
    };
    let mut trial = Trial::new(named);
    for (number, name) in NAMES.iter().enumerate() {
        let (outcome, there) = trial.run(Some(number), name);
        if let Err(said) = outcome {
            is_safe(name, &said);
        }
        for name in there {
            assert!(!name.contains(is_unsafe) && !name.starts_with('-'), "{name:?}");
        }
    }
}
