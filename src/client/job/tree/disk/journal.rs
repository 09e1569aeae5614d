//! The lines of the journal of a tree: which of its files are complete and proven. No I/O.
//!
//! ```text
//! tree {"address":"fdsp://nas:7878/photos","origin":"sha256:5b…","ground":"new"}
//! file {"path":"a/b.jpg","size":4096,"identity":"9f…","root":"6437…","stamp":"5b1f…"}
//! ```
//!
//! `stamp`: the status of the file when it was closed. The mark of the journal is the boot time of the system: after another boot, or if
//! the journal was not closed properly, the file is hashed, and must have the `root`.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    client::{api::content::origin::Origin, disk::journal::Lines},
    protocol::digest::Hash,
};

/// The only line of a journal whose work directory is to be deleted.
pub(crate) const DELETED: &str = "fdsp-tree deleted";

/// The identity of a file that was hashed, but not compared with the server's. Servers never send it.
pub(crate) const HASHED: &str = "";

/// Where the files of a tree are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// In the work directory, to become the target as a whole.
    New,
    /// In the target, which is updated.
    Target,
}

/// The header of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The address of the tree, to be displayed.
    pub(crate) address: String,
    /// The server that proved its files.
    #[serde(default)]
    pub(crate) origin: Origin,
    #[serde(rename = "ground")]
    pub(crate) place: Place,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    path: Cow<'a, str>,
    size: u64,
    identity: Cow<'a, str>,
    root: Cow<'a, str>,
    stamp: Cow<'a, str>,
}

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) size: u64,
    identity: Key,
    pub(crate) root: Hash,
    stamp: Key,
}

impl Known {
    /// Whether it is of the version with this identity.
    pub(crate) fn is_of(&self, identity: &str) -> bool {
        self.identity == key(identity)
    }

    /// Whether a file with this digest is the version with this identity.
    pub(crate) fn proves(&self, root: Hash, identity: &str) -> bool {
        self.root == root && self.is_of(identity)
    }

    /// Whether the file was left with this stamp.
    pub(crate) fn has_stamp(&self, stamp: &str) -> bool {
        self.stamp == key(stamp)
    }
}

/// A short key for a path.
type Key = [u8; 16];

fn key(text: &str) -> Key {
    let mut key = [0; 16];
    blake3::Hasher::new().update(text.as_bytes()).finalize_xof().fill(&mut key);
    key
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeLines {
    files: HashMap<Key, Known>,
    /// Whether this server has proven the files.
    proven: bool,
    /// Lines about more files are ignored.
    max_files: usize,
}

impl TreeLines {
    /// No lines about at most `max_files` files in `place`; `None` if the journal is about files elsewhere. What a server other than
    /// `origin` has proven counts as hashed.
    pub(crate) fn about(
        (place, origin): (Place, Origin),
        max_files: usize,
    ) -> impl FnOnce(Subject) -> Option<TreeLines> {
        move |subject| {
            let lines = TreeLines { files: HashMap::new(), proven: subject.origin == origin, max_files };
            (subject.place == place).then_some(lines)
        }
    }

    /// Number of files.
    #[cfg(test)]
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Adds a file that was hashed, but not compared with the server's.
    pub(crate) fn add(&mut self, path: &str, size: u64, root: Hash, stamp: &str) {
        self.files.insert(key(path), Known { size, identity: key(HASHED), root, stamp: key(stamp) });
    }

    /// What is known of the file with this path.
    pub(crate) fn file(&self, path: &str) -> Option<&Known> {
        self.files.get(&key(path))
    }
}

impl Lines for TreeLines {
    const FORMAT: &'static str = "fdsp-tree 2";
    const HEADER: &'static str = "tree";
    type Header = Subject;

    fn take(&mut self, word: &str, rest: &str) -> Option<()> {
        let line: Line<'_> = serde_json::from_str(rest).ok().filter(|_| word == "file")?;
        let known = Known {
            size: line.size,
            identity: key(if self.proven { &line.identity } else { HASHED }),
            root: Hash::from_hex(&line.root)?,
            stamp: key(&line.stamp),
        };
        let path = key(&line.path);
        if self.files.len() < self.max_files || self.files.contains_key(&path) {
            self.files.insert(path, known);
        }
        Some(())
    }
}

/// A file that is complete and proven.
pub(crate) fn file(path: &str, size: u64, identity: &str, root: Hash, stamp: &str) -> String {
    let root = root.to_string();
    let line = Line {
        path: path.into(),
        size,
        identity: identity.into(),
        root: root.as_str().into(),
        stamp: stamp.into(),
    };
    format!("file {}", serde_json::to_string(&line).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::disk::journal::{
        Recovered, clean, header, read,
        seal::{self, Seal, sealed},
    };

    const ROOT: Hash = Hash([7; 32]);

    fn subject() -> Subject {
        Subject { address: "fdsp://h/\"d\"\n".into(), origin: Origin::plain("h"), place: Place::New }
    }

    fn seal() -> &'static Seal {
        static SEAL: std::sync::LazyLock<Seal> = std::sync::LazyLock::new(Seal::default);
        &SEAL
    }

    fn journal(lines: &[String]) -> String {
        let bytes = sealed(seal(), "x", TreeLines::FORMAT, &header::<TreeLines>(&subject()), lines);
        String::from_utf8(bytes).unwrap()
    }

    fn read_as(text: &[u8], about: (Place, Origin), max_files: usize) -> Recovered<TreeLines> {
        let opened = seal().open(text, "x".as_ref(), TreeLines::FORMAT);
        opened.and_then(|opened| read(opened, TreeLines::about(about, max_files))).unwrap_or_default()
    }

    fn read_text(text: &[u8]) -> Recovered<TreeLines> {
        read_as(text, (Place::New, Origin::plain("h")), 100)
    }

    fn lines() -> Vec<String> {
        vec![file("a/b \"c\".txt", 3, "one", ROOT, "s1"), file("d", 9, "two", ROOT, "s2"), clean("m")]
    }

    fn whole() -> String {
        journal(&lines())
    }

    #[test]
    fn written_lines_are_read() {
        let record = read_text(whole().as_bytes());
        assert_eq!(record.clean.as_deref(), Some("m"));
        let known = record.lines.file("a/b \"c\".txt").unwrap();
        assert!(known.is_of("one") && known.has_stamp("s1") && known.size == 3 && known.root == ROOT);
        assert!(!known.is_of("two") && !known.has_stamp("s2"));
        assert_eq!(record.lines.file("a"), None);
    }

    #[test]
    fn files_that_another_server_proved_are_known_but_not_proven() {
        let other = Origin::Certificate(crate::protocol::trust::pin::Pin([1; 32]));
        let record = read_as(whole().as_bytes(), (Place::New, other), 100);
        let known = record.lines.file("d").unwrap();
        assert!(known.root == ROOT && known.has_stamp("s2") && !known.proves(ROOT, "two"));
    }

    #[test]
    fn of_two_lines_for_one_file_the_later_counts() {
        let text = journal(&[file("d", 1, "one", ROOT, ""), file("d", 2, "two", ROOT, "")]);
        assert!(read_text(text.as_bytes()).lines.file("d").unwrap().is_of("two"));
    }

    #[test]
    fn clean_is_the_last_line_of_an_undamaged_file() {
        let more = journal(&[lines(), vec![file("e", 1, "x", ROOT, "")]].concat());
        assert_eq!(read_text(more.as_bytes()).clean, None);
        let damaged = whole().replace("\"d\",\"size\":9", "\"d\",\"size\":8");
        let record = read_text(damaged.as_bytes());
        assert_eq!((record.clean.is_none(), record.lines.file("d")), (true, None));
        assert!(record.lines.file("a/b \"c\".txt").is_some());
    }

    #[test]
    fn a_journal_of_something_else_is_ignored() {
        assert_eq!(
            read_as(whole().as_bytes(), (Place::Target, Origin::plain("h")), 100),
            Recovered::default()
        );
        for version in ["fdsp-tree 1", "fdsp-tree 3 0a"] {
            let other = seal::plain(version) + whole().split_once('\n').unwrap().1;
            assert_eq!(read_text(other.as_bytes()), Recovered::default());
        }
        assert_eq!(read_text(b""), Recovered::default());
        assert_eq!(read_as(whole().as_bytes(), (Place::New, Origin::plain("h")), 1).lines.files(), 1);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_say_what_was_not_written(at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()) {
            let written = whole();
            let mut text = written.clone().into_bytes();
            let at = at % text.len();
            if cut { text.truncate(at) } else { text[at] = byte }
            let (found, written) = (read_text(&text), read_text(written.as_bytes()));
            for (path, known) in &found.lines.files {
                prop_assert_eq!(written.lines.files.get(path), Some(known));
            }
            prop_assert!(found.clean.is_none() || found == written);
        }
    }
}
