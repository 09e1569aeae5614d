//! The control file of a tree that is being fetched, as text: which of its files are there and proven. No I/O.
//!
//! ```text
//! fdsp-tree 2
//! tree {"address":"fdsp://nas:7878/photos","origin":"sha256:5b…","ground":"new"}
//! file {"path":"a/b.jpg","size":4096,"identity":"9f…","root":"6437…","stamp":"5b1f…"}
//! clean 0c77…
//! ```
//!
//! Its lines are sealed, see [`seal`]. `stamp` tells how the file was left. It is believed if `clean` is the last line
//! and tells of the same start of the system; else the file is hashed, and has to have the `root`.

use std::{collections::HashMap, io::BufRead};

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        api::origin::Origin,
        disk::seal::{self, Opened},
    },
    protocol::digest::Hash,
};

/// The format; another version is another one.
pub(super) const FORMAT: &str = "fdsp-tree 2";
/// The first line of one whose work folder is to be deleted.
const DELETED: &str = "fdsp-tree deleted";

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

/// The control file of a work folder that is to be deleted.
pub(super) fn deleted() -> String {
    seal::plain(DELETED)
}

/// Whether a control file says that its work folder is to be deleted.
pub(super) fn is_deleted(input: impl BufRead) -> bool {
    seal::first(input).is_some_and(|first| first == DELETED)
}

/// The header.
pub(super) fn header(subject: &Subject) -> String {
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
    format!("file {}", serde_json::to_string(&said).unwrap_or_default())
}

/// The end of one that was left in order.
pub(super) fn clean(mark: &str) -> String {
    format!("clean {mark}")
}

/// What a control file with this header is about; `None` if it is none.
pub(super) fn subject(header: &str) -> Option<Subject> {
    serde_json::from_str(header.strip_prefix("tree ")?).ok()
}

/// Reads a control file that is to be about files in `ground`, at most `most` of them; it tells nothing if it is about
/// others. Files that another server than `origin` has proven are as good as hashed.
pub(super) fn read(
    mut journal: Opened<impl BufRead>,
    (ground, origin): (Place, Origin),
    most: usize,
) -> Record {
    let mut record = Record::default();
    let subject = subject(journal.header()).filter(|subject| subject.ground == ground);
    let Some(subject) = subject else { return record };
    let (proven, mut damaged) = (subject.origin == origin, false);
    loop {
        let text = match journal.next() {
            Ok(None) => break,
            Ok(Some(text)) => text,
            Err(_) => return Record::default(),
        };
        // Whatever follows, the files were used after they were left.
        record.clean = None;
        let understood = match text.and_then(|text| text.split_once(' ')) {
            Some(("file", json)) => take_file(json, proven, &mut record.files, most).is_some(),
            Some(("clean", mark)) => {
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
    use proptest::prelude::*;

    use super::*;
    use crate::client::disk::seal::{Seal, tests::sealed};

    const ROOT: Hash = Hash([7; 32]);

    fn subject() -> Subject {
        Subject { address: "fdsp://h/\"d\"\n".into(), origin: Origin::plain("h"), ground: Place::New }
    }

    fn seal() -> &'static Seal {
        static SEAL: std::sync::LazyLock<Seal> = std::sync::LazyLock::new(Seal::default);
        &SEAL
    }

    fn journal(lines: &[String]) -> String {
        let bytes = sealed(seal(), "x", FORMAT, &header(&subject()), lines);
        String::from_utf8(bytes).unwrap()
    }

    fn read_as(text: &[u8], about: (Place, Origin), most: usize) -> Record {
        let opened = seal().open(text, "x".as_ref(), FORMAT);
        opened.map(|opened| read(opened, about, most)).unwrap_or_default()
    }

    fn read_text(text: &[u8]) -> Record {
        read_as(text, (Place::New, Origin::plain("h")), 100)
    }

    fn lines() -> Vec<String> {
        vec![file("a/b \"c\".txt", 3, "one", ROOT, "s1"), file("d", 9, "two", ROOT, "s2"), clean("m")]
    }

    fn whole() -> String {
        journal(&lines())
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
        let record = read_as(whole().as_bytes(), (Place::New, other), 100);
        let known = record.file("d").unwrap();
        assert!(known.root == ROOT && known.has_stamp("s2") && !known.proves(ROOT, "two"));
    }

    #[test]
    fn of_two_lines_for_one_file_the_later_counts() {
        let text = journal(&[file("d", 1, "one", ROOT, ""), file("d", 2, "two", ROOT, "")]);
        assert!(read_text(text.as_bytes()).file("d").unwrap().is_of("two"));
    }

    #[test]
    fn clean_is_the_last_line_of_an_undamaged_file() {
        let more = journal(&[lines(), vec![file("e", 1, "x", ROOT, "")]].concat());
        assert_eq!(read_text(more.as_bytes()).clean, None);
        let damaged = whole().replace("\"d\",\"size\":9", "\"d\",\"size\":8");
        let record = read_text(damaged.as_bytes());
        assert_eq!((record.clean.is_none(), record.file("d")), (true, None));
        assert!(record.file("a/b \"c\".txt").is_some());
    }

    #[test]
    fn one_about_something_else_tells_nothing() {
        assert_eq!(read_as(whole().as_bytes(), (Place::Target, Origin::plain("h")), 100), Record::default());
        for version in ["fdsp-tree 1", "fdsp-tree 3 0a"] {
            let other = seal::plain(version) + whole().split_once('\n').unwrap().1;
            assert_eq!(read_text(other.as_bytes()), Record::default());
        }
        assert_eq!(read_text(b""), Record::default());
        assert_eq!(read_as(whole().as_bytes(), (Place::New, Origin::plain("h")), 1).files.len(), 1);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_say_what_was_not_written(at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()) {
            let written = whole();
            let mut text = written.clone().into_bytes();
            let at = at % text.len();
            if cut { text.truncate(at) } else { text[at] = byte }
            let (found, written) = (read_text(&text), read_text(written.as_bytes()));
            for (path, known) in &found.files {
                prop_assert_eq!(written.files.get(path), Some(known));
            }
            prop_assert!(found.clean.is_none() || found == written);
        }
    }
}
