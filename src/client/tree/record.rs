//! The control file of a tree that is being fetched, as text: which of its files are there and proven. No I/O.
//!
//! ```text
//! 7d0c4b1e fdsp-tree 1
//! 51b0a7f2 tree {"address":"fdsp://nas:7878/photos","ground":"new"}
//! 04c1f3aa seal 8d3b…
//! 7c11d904 file {"path":"a/b.jpg","size":4096,"identity":"9f…","root":"6437…","stamp":"5b1f…"}
//! e2c5118a clean 0c77…
//! ```
//!
//! Lines are those of the control file of a single file: each with its checksum, so that damage costs the lines that it
//! hits. `stamp` tells how the file was left. It is believed if `clean` is the last line and tells of the same start of the system;
//! else the file is hashed, and has to have the `root`.

use std::{collections::HashMap, io::BufRead};

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        control::{checked, line},
        origin::Origin,
    },
    protocol::digest::Hash,
};

/// The first line; another version is another file.
const FIRST: &str = "fdsp-tree 1";
/// The first line of one whose work folder is to be deleted.
const DELETED: &str = "fdsp-tree deleted";
/// No line of ours is longer: a path of 4096 bytes, escaped, and the rest.
const LONGEST: u64 = 64 * 1024;

/// The identity of a file that was hashed, but not compared with the server's: no server's file has it.
pub(super) const HASHED: &str = "";

/// Where the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the `.part`, which becomes the target.
    New,
    /// In the target, which is brought up to date.
    Target,
}

/// What a control file is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    /// Where the tree came from, for people.
    pub(super) address: String,
    /// The server that proved its files.
    #[serde(default)]
    pub(super) origin: Origin,
    pub(super) ground: Place,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    path: std::borrow::Cow<'a, str>,
    size: u64,
    identity: std::borrow::Cow<'a, str>,
    root: std::borrow::Cow<'a, str>,
    stamp: std::borrow::Cow<'a, str>,
}

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) size: u64,
    identity: Key,
    pub(super) root: Hash,
    stamp: Key,
}

impl Known {
    /// Whether it is of the version with this identity.
    pub(super) fn is_of(&self, identity: &str) -> bool {
        self.identity == key(identity)
    }

    /// Whether a file with this digest is the version with this identity.
    pub(super) fn proves(&self, root: Hash, identity: &str) -> bool {
        self.root == root && self.is_of(identity)
    }

    /// Whether the file was left with this stamp.
    pub(super) fn has_stamp(&self, stamp: &str) -> bool {
        self.stamp == key(stamp)
    }
}

/// What stands for a text.
type Key = [u8; 16];

fn key(text: &str) -> Key {
    let mut key = [0; 16];
    blake3::Hasher::new().update(text.as_bytes()).finalize_xof().fill(&mut key);
    key
}

/// What a control file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    files: HashMap<Key, Known>,
    /// How all was left.
    pub(super) clean: Option<String>,
}

impl Record {
    /// How many files it tells of.
    #[cfg(test)]
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// Adds a file that was hashed, but not compared with the server's.
    pub(super) fn add(&mut self, path: &str, size: u64, root: Hash, stamp: &str) {
        self.files.insert(key(path), Known { size, identity: key(HASHED), root, stamp: key(stamp) });
    }

    /// What is known of the file with this path.
    pub(super) fn file(&self, path: &str) -> Option<&Known> {
        self.files.get(&key(path))
    }
}

/// The beginning of a control file.
pub(super) fn head(subject: &Subject, seal: Option<&str>) -> String {
    let seal = seal.map(|seal| line(&format!("seal {seal}"))).unwrap_or_default();
    line(FIRST) + &line(&sealed(subject)) + &seal
}

/// The control file of a work folder that is to be deleted.
pub(super) fn deleted() -> String {
    line(DELETED)
}

/// Whether a control file says that its work folder is to be deleted.
pub(super) fn is_deleted(input: impl BufRead) -> bool {
    let mut bytes = Vec::new();
    std::io::Read::take(input, LONGEST).read_until(b'\n', &mut bytes).is_ok()
        && checked(&bytes) == Some(DELETED)
}

/// What the seal is for.
pub(super) fn sealed(subject: &Subject) -> String {
    format!("tree {}", serde_json::to_string(subject).unwrap_or_default())
}

/// A file that is there and proven.
pub(super) fn file(path: &str, size: u64, identity: &str, root: Hash, stamp: &str) -> String {
    let root = root.to_string();
    let said = Line {
        path: path.into(),
        size,
        identity: identity.into(),
        root: root.as_str().into(),
        stamp: stamp.into(),
    };
    line(&format!("file {}", serde_json::to_string(&said).unwrap_or_default()))
}

/// The end of one that was left in order.
pub(super) fn clean(mark: &str) -> String {
    line(&format!("clean {mark}"))
}

/// What a control file is about, and its seal; `None` if it is none.
pub(super) fn subject(mut input: impl BufRead) -> Option<(Subject, Option<String>)> {
    let mut line = || {
        let mut bytes = Vec::new();
        std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut bytes).ok()?;
        checked(&bytes).map(str::to_owned)
    };
    line().filter(|first| first == FIRST)?;
    let subject = serde_json::from_str(line()?.strip_prefix("tree ")?).ok()?;
    Some((subject, line().and_then(|line| line.strip_prefix("seal ").map(str::to_owned))))
}

/// Reads a control file that is to be about files in `ground`, at most `most` of them; it tells nothing if it is none, or about
/// others. Files that another server than `origin` has proven are as good as hashed.
pub(super) fn read(mut input: impl BufRead, (ground, origin): (Place, Origin), most: usize) -> Record {
    let mut record = Record::default();
    let (mut number, mut damaged, mut proven) = (0, false, false);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => number += 1,
            Err(_) => return Record::default(),
        }
        // Whatever follows, the files were used after they were left.
        record.clean = None;
        let text = checked(&bytes);
        let words = text.and_then(|text| text.split_once(' '));
        let understood = match (number, words) {
            (1, _) if text == Some(FIRST) => true,
            (2, Some(("tree", json))) => {
                let subject = serde_json::from_str::<Subject>(json).ok();
                let Some(subject) = subject.filter(|subject| subject.ground == ground) else {
                    return Record::default();
                };
                proven = subject.origin == origin;
                true
            }
            (1 | 2, _) => return Record::default(),
            (3, Some(("seal", _))) => true,
            (_, Some(("file", json))) => take_file(json, proven, &mut record.files, most).is_some(),
            (_, Some(("clean", mark))) => {
                record.clean = Some(mark.to_owned());
                true
            }
            _ => false,
        };
        damaged |= !understood;
    }
    record.clean = record.clean.filter(|_| !damaged);
    record
}

fn take_file(json: &str, proven: bool, files: &mut HashMap<Key, Known>, most: usize) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    let known = Known {
        size: line.size,
        identity: key(if proven { &line.identity } else { HASHED }),
        root: Hash::from_hex(&line.root)?,
        stamp: key(&line.stamp),
    };
    let path = key(&line.path);
    if files.len() < most || files.contains_key(&path) {
        files.insert(path, known);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOT: Hash = Hash([7; 32]);

    fn subject() -> Subject {
        Subject { address: "fdsp://h/\"d\"\n".into(), origin: Origin::Plain, ground: Place::New }
    }

    fn read_text(text: &[u8]) -> Record {
        read(text, (Place::New, Origin::Plain), 100)
    }

    fn whole() -> String {
        head(&subject(), None)
            + &file("a/b \"c\".txt", 3, "one", ROOT, "s1")
            + &file("d", 9, "two", ROOT, "s2")
            + &clean("m")
    }

    #[test]
    fn what_was_written_is_read() {
        let record = read_text(whole().as_bytes());
        assert_eq!(record.clean.as_deref(), Some("m"));
        let known = record.file("a/b \"c\".txt").unwrap();
        assert!(known.is_of("one") && known.has_stamp("s1") && known.size == 3 && known.root == ROOT);
        assert!(!known.is_of("two") && !known.has_stamp("s2"));
        assert_eq!(record.file("a"), None);
    }

    #[test]
    fn what_another_server_proved_is_known_and_not_proven() {
        let other = Origin::Certificate(crate::protocol::pin::Pin([1; 32]));
        let record = read(whole().as_bytes(), (Place::New, other), 100);
        let known = record.file("d").unwrap();
        assert!(known.root == ROOT && known.has_stamp("s2") && !known.proves(ROOT, "two"));
    }

    #[test]
    fn of_two_lines_for_one_file_the_later_counts() {
        let text = head(&subject(), None) + &file("d", 1, "one", ROOT, "") + &file("d", 2, "two", ROOT, "");
        assert!(read_text(text.as_bytes()).file("d").unwrap().is_of("two"));
    }

    #[test]
    fn clean_is_the_last_line_of_an_undamaged_file() {
        let more = whole() + &file("e", 1, "x", ROOT, "");
        assert_eq!(read_text(more.as_bytes()).clean, None);
        let damaged = whole().replace("\"d\",\"size\":9", "\"d\",\"size\":8");
        let record = read_text(damaged.as_bytes());
        assert_eq!((record.clean.is_none(), record.file("d")), (true, None));
        assert!(record.file("a/b \"c\".txt").is_some());
    }

    #[test]
    fn one_about_something_else_tells_nothing() {
        assert_eq!(read(whole().as_bytes(), (Place::Target, Origin::Plain), 100), Record::default());
        let newer = whole().replacen(&line(FIRST), &line("fdsp-tree 2"), 1);
        assert_eq!(read_text(newer.as_bytes()), Record::default());
        assert_eq!(read_text(b""), Record::default());
        assert_eq!(read(whole().as_bytes(), (Place::New, Origin::Plain), 1).files.len(), 1);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_say_what_was_not_written(at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()) {
            let mut text = whole().into_bytes();
            let at = at % text.len();
            if cut { text.truncate(at) } else { text[at] = byte }
            let (found, written) = (read_text(&text), read_text(whole().as_bytes()));
            for (path, known) in &found.files {
                prop_assert_eq!(written.files.get(path), Some(known));
            }
            prop_assert!(found.clean.is_none() || found == written);
        }
    }
}
