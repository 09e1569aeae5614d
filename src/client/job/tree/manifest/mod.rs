//! What a tree holds, as the server said, kept in little memory: directories with very many small files are what
//! trees are for.

pub(super) mod names;
mod substitutes;

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    client::{
        api::{config::Names, locator::Locator, origin::Origin, view::TroubleKind},
        disk::name::SafeName,
        error::Fault,
        job::tree::manifest::substitutes::Substitutes,
    },
    protocol::{
        message::{Missing, Timestamp, Totals, TreeEntry, TreeNode},
        path::{self, MAX_PATH, is_beneath, odd_name},
    },
    text::{SafeText, units},
};

/// Most entries of a tree; what a server may make us remember has an end.
const MOST: usize = 2_000_000;
/// Bytes that a name on the disk takes beside its own.
const DISK_NAME: usize = 48;
/// Most bytes of all names, identities and targets together.
const MOST_TEXT: usize = 256 << 20;

/// The limit that a manifest with this many entries and bytes of text has reached, if it has.
fn limit(entries: usize, text: usize) -> Option<String> {
    if entries >= MOST {
        Some(format!("more than {} entries", units::count(MOST as u64)))
    } else if text >= MOST_TEXT {
        let most = units::bytes(MOST_TEXT as u64);
        Some(format!(
            "names that need more than {most} of memory after {} entries",
            units::count(entries as u64)
        ))
    } else {
        None
    }
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    length: u16,
}

/// The bytes that a text of the protocol stands for, if they are not its own.
fn escaped(text: &str) -> Option<OsString> {
    let bytes = odd_name::to_bytes(text).filter(|_| odd_name::is_escaped(text))?;
    Some(OsString::from_vec(bytes.into_owned()))
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File { size: u64, identity: Span },
    Link { target: Span },
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Index of the directory that it is in; of the tree itself, its own.
    pub(crate) parent: u32,
    name: Span,
    pub(crate) modified: Timestamp,
    /// Permission bits.
    pub(crate) mode: u16,
    pub(crate) node: Node,
}

/// The entries, each directory directly before what is in it; the first one is the tree itself.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// The server that said so.
    pub(crate) origin: Origin,
    text: String,
    entries: Vec<Entry>,
    /// The names on the disk that are not the text of the entry's name.
    disk_names: HashMap<u32, OsString>,
    /// The targets on the disk that are not the text of the link's target.
    disk_targets: HashMap<u32, OsString>,
    pub(crate) totals: Totals,
    /// What the server cannot deliver, and what cannot be stored here.
    pub(crate) missing: Missing,
}

/// A manifest as its pages come.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// Which names are taken.
    names: Names,
    /// Bytes of a path from the top of the tree, at most: a request has that of the top before it.
    longest: usize,
    manifest: Manifest,
    /// The directories above the entry that came last, from the top.
    open: Vec<u32>,
    /// Bytes that the names on the disk take that are kept beside the text.
    disk_bytes: usize,
    /// The next entry comes with another answer than the one before.
    continued: bool,
    /// The path of the entry that came last, also of one that cannot be stored.
    last: String,
    /// The directory that came last of those that cannot be stored.
    lost: Option<Lost>,
}

/// A directory whose name cannot be stored: nothing beneath it can.
#[derive(Debug)]
struct Lost {
    path: String,
    why: &'static str,
    /// Whether nothing beneath it was counted.
    empty: bool,
}

impl Gathering {
    /// Nothing yet.
    pub(crate) fn new(names: Names, origin: Origin) -> Gathering {
        let (manifest, open) = (Manifest { origin, ..Manifest::default() }, Vec::new());
        Gathering {
            names,
            longest: MAX_PATH,
            manifest,
            open,
            disk_bytes: 0,
            continued: false,
            last: String::new(),
            lost: None,
        }
    }

    /// The same, of a tree with this path on the server.
    pub(crate) fn of(self, path: &str) -> Gathering {
        let above = path::length(path);
        Gathering { longest: MAX_PATH.saturating_sub(above + usize::from(above > 0)), ..self }
    }

    /// The server that its pages come from.
    pub(crate) fn origin(&self) -> Origin {
        self.manifest.origin
    }

    /// How many entries have come.
    pub(crate) fn len(&self) -> u32 {
        self.manifest.len()
    }

    /// The path of the entry that came last, after which another answer continues.
    pub(crate) fn continued(&mut self) -> Option<String> {
        self.continued = true;
        (self.len() > 0).then(|| self.last.clone())
    }

    /// Takes the next entry, in the order that the protocol demands. The tree itself starts over.
    pub(crate) fn add(&mut self, entry: &TreeEntry) -> Result<(), Fault> {
        if entry.path.is_empty() {
            *self = Gathering { longest: self.longest, ..Gathering::new(self.names, self.origin()) };
        }
        let manifest = &mut self.manifest;
        let index = u32::try_from(manifest.entries.len()).unwrap_or(u32::MAX);
        if let Some(limit) = limit(manifest.entries.len(), manifest.text.len() + self.disk_bytes) {
            let message = format!("the tree has {limit}; fetch the folders in it one by one");
            return Err(Fault::never(TroubleKind::Other, message));
        }
        let is_too_long = path::length(&entry.path) > self.longest;
        if !is_too_long {
            self.last.clone_from(&entry.path);
        }
        if self.is_lost(entry, is_too_long) {
            return Ok(());
        }
        let continued = std::mem::take(&mut self.continued);
        let manifest = &mut self.manifest;
        let (parent, name) = match entry.path.rsplit_once('/') {
            _ if entry.path.is_empty() => (Some(index), ""),
            Some((above, name)) => (self.open.get(above.split('/').count()).copied(), name),
            None => (self.open.first().copied(), entry.path.as_str()),
        };
        let above = entry.path.rsplit_once('/').map_or("", |(above, _)| above);
        // A file may have become a directory between two answers.
        let is_known = |parent: &u32| !continued || manifest.path(*parent) == above;
        let Some(parent) = parent.filter(|parent| entry.path.is_empty() || is_known(parent)) else {
            return Err(Fault::changed("the folder changed on the server while it was read"));
        };
        let node = match &entry.node {
            TreeNode::Directory => Node::Directory,
            TreeNode::File { size, identity } => {
                Node::File { size: *size, identity: manifest.keep(identity) }
            }
            TreeNode::Link { target } => Node::Link { target: manifest.keep(target) },
        };
        if node == Node::Directory {
            let depth = if entry.path.is_empty() { 0 } else { entry.path.split('/').count() };
            self.open.truncate(depth);
            self.open.push(index);
        }
        if let Some(bytes) = escaped(name) {
            self.disk_bytes += bytes.len() + DISK_NAME;
            manifest.disk_names.insert(index, bytes);
        }
        if let TreeNode::Link { target } = &entry.node
            && let Some(bytes) = escaped(target)
        {
            self.disk_bytes += bytes.len() + DISK_NAME;
            manifest.disk_targets.insert(index, bytes);
        }
        let name = manifest.keep(name);
        let mode = (entry.mode & 0o777) as u16;
        manifest.entries.push(Entry { parent, name, modified: entry.modified, mode, node });
        Ok(())
    }

    /// Whether an entry cannot be stored under its name: then it is missing, and everything beneath it.
    fn is_lost(&mut self, entry: &TreeEntry, is_too_long: bool) -> bool {
        let is_directory = entry.node == TreeNode::Directory;
        if let Some(lost) = &mut self.lost
            && is_beneath(&entry.path, &lost.path)
        {
            if !is_directory {
                lost.empty = false;
                self.manifest.missing.add(SafeText::new(&entry.path).as_str(), lost.why);
            }
            return true;
        }
        self.close_lost();
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        let refused = |name: &str| SafeName::exact(name, Names::Exact).err();
        let why = match &entry.node {
            _ if is_too_long => Some("its path is longer than 4096 bytes"),
            // Each has a substitute.
            _ if entry.path.is_empty() || self.names == Names::Portable => None,
            TreeNode::Link { target } => {
                let mut names = target.split('/').filter(|name| !matches!(*name, "" | "." | ".."));
                refused(name).or_else(|| names.find_map(refused))
            }
            TreeNode::Directory | TreeNode::File { .. } => refused(name),
        };
        let Some(why) = why else { return false };
        if is_directory {
            self.lost = Some(Lost { path: entry.path.clone(), why, empty: true });
        } else {
            self.manifest.missing.add(SafeText::new(&entry.path).as_str(), why);
        }
        true
    }

    /// Nothing more comes that is beneath a directory that cannot be stored.
    fn close_lost(&mut self) {
        if let Some(lost) = self.lost.take_if(|lost| lost.empty) {
            self.manifest.missing.add(SafeText::new(&lost.path).as_str(), lost.why);
        }
        self.lost = None;
    }

    /// The whole, once the last page has come. `totals`: those of the last answer. What cannot be stored is not part of its totals.
    /// `longest`: the most bytes of a substitute.
    pub(crate) fn finish(mut self, totals: Totals, longest: usize) -> Manifest {
        self.close_lost();
        if let Some(missing) = &totals.missing {
            self.manifest.missing.merge(missing);
        }
        self.manifest.add_up(&totals);
        if self.names == Names::Portable {
            let Substitutes { names, targets } = Substitutes::choose(&self.manifest, longest);
            (self.manifest.disk_names, self.manifest.disk_targets) = (names, targets);
        }
        self.manifest.text.shrink_to_fit();
        self.manifest.entries.shrink_to_fit();
        self.manifest
    }
}

impl Manifest {
    /// Sets the totals to those of the entries. What cannot be counted here is what the server has said.
    fn add_up(&mut self, said: &Totals) {
        let Totals { omitted, data_bytes, .. } = *said;
        let mut totals = Totals { omitted, data_bytes, ..Totals::default() };
        for entry in &self.entries {
            match entry.node {
                Node::Directory => totals.directories += 1,
                Node::Link { .. } => totals.links += 1,
                Node::File { size, .. } => {
                    totals.files += 1;
                    totals.bytes = totals.bytes.saturating_add(size);
                }
            }
        }
        self.totals = totals;
    }

    /// The indices of the entries that are left by [`Manifest::without`].
    pub(crate) fn kept_without(&self, lost: &HashMap<u32, String>) -> Vec<u32> {
        let mut is_kept: Vec<bool> = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries() {
            let has_parent = index == 0 || is_kept[entry.parent as usize];
            is_kept.push(has_parent && !lost.contains_key(&index));
        }
        (0..self.len()).filter(|index| is_kept[*index as usize]).collect()
    }

    /// The same without these entries, and without what is beneath them: each of those is missing, and why.
    pub(crate) fn without(&self, lost: &HashMap<u32, String>) -> Manifest {
        let (text, missing) = (self.text.clone(), self.missing.clone());
        let mut kept = Manifest { origin: self.origin, text, missing, ..Manifest::default() };
        let ends = self.ends();
        let mut places: Vec<Result<u32, &str>> = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries() {
            let parent = match (lost.get(&index), entry.parent) {
                (Some(why), _) => Err(why.as_str()),
                (None, _) if index == 0 => Ok(0),
                (None, parent) => places[parent as usize],
            };
            places.push(parent.map(|_| kept.len()));
            match parent {
                Ok(parent) => {
                    let place = kept.len();
                    let moved = |disk: &HashMap<u32, OsString>| disk.get(&index).cloned();
                    kept.disk_names.extend(moved(&self.disk_names).map(|name| (place, name)));
                    kept.disk_targets.extend(moved(&self.disk_targets).map(|target| (place, target)));
                    kept.entries.push(Entry { parent, ..*entry });
                }
                // A directory stands for itself only if nothing else does.
                Err(why) if entry.node != Node::Directory || ends[index as usize] == index + 1 => {
                    kept.missing.add(SafeText::new(&self.path(index)).as_str(), why);
                }
                Err(_) => {}
            }
        }
        kept.add_up(&self.totals);
        kept
    }

    fn keep(&mut self, text: &str) -> Span {
        let span = Span { at: self.text.len() as u32, length: text.len() as u16 };
        self.text.push_str(text);
        span
    }

    /// The text of a span.
    pub(crate) fn text(&self, span: Span) -> &str {
        let at = span.at as usize;
        &self.text[at..at + usize::from(span.length)]
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// An entry.
    pub(crate) fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// All entries, with their indices.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u32, &Entry)> {
        self.entries.iter().enumerate().map(|(index, entry)| (index as u32, entry))
    }

    /// The files: index, entry, size.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u32, &Entry, u64)> {
        self.entries().filter_map(|(index, entry)| match entry.node {
            Node::File { size, .. } => Some((index, entry, size)),
            _ => None,
        })
    }

    /// The name of an entry on the disk.
    pub(crate) fn disk_name(&self, index: u32) -> &OsStr {
        let other = self.disk_names.get(&index).map(OsString::as_os_str);
        other.unwrap_or_else(|| OsStr::new(self.name(index)))
    }

    /// What stands in a link on the disk.
    pub(crate) fn disk_target(&self, index: u32, target: Span) -> &OsStr {
        let other = self.disk_targets.get(&index).map(OsString::as_os_str);
        other.unwrap_or_else(|| OsStr::new(self.text(target)))
    }

    /// Where an entry is on the disk, from the top of the tree.
    pub(crate) fn disk_path(&self, index: u32) -> PathBuf {
        let mut path = PathBuf::new();
        self.above(index).iter().rev().for_each(|&at| path.push(self.disk_name(at)));
        path
    }

    /// The entries whose names on the disk are not the text of their names, in order.
    pub(crate) fn renamed(&self) -> Vec<u32> {
        let mut renamed: Vec<u32> = self.disk_names.keys().copied().collect();
        renamed.sort_unstable();
        renamed
    }

    /// The last segment of an entry's path on the server.
    pub(crate) fn name(&self, index: u32) -> &str {
        self.text(self.entry(index).name)
    }

    /// Whether this is what was said of a file.
    pub(crate) fn is_as_said(&self, index: u32, identity: &str, size: u64) -> bool {
        let node = self.entry(index).node;
        matches!(node, Node::File { size: said, .. } if said == size) && self.identity(index) == identity
    }

    /// Bytes of a file; 0 for others.
    pub(crate) fn size(&self, index: u32) -> u64 {
        match self.entry(index).node {
            Node::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Identity of a file; empty for others.
    pub(crate) fn identity(&self, index: u32) -> &str {
        match self.entry(index).node {
            Node::File { identity, .. } => self.text(identity),
            _ => "",
        }
    }

    /// The path of an entry on the server, from the top of the tree.
    pub(crate) fn path(&self, index: u32) -> String {
        let mut path = String::new();
        self.write_path(index, &mut path);
        path
    }

    /// Adds the path of an entry to a text.
    pub(crate) fn write_path(&self, index: u32, out: &mut String) {
        let begin = out.len();
        for &at in self.above(index).iter().rev() {
            if out.len() > begin {
                out.push('/');
            }
            out.push_str(self.name(at));
        }
    }

    /// An entry and the directories above it, but not the top.
    fn above(&self, index: u32) -> Vec<u32> {
        let mut above = Vec::new();
        let mut at = index;
        while at != 0 {
            above.push(at);
            at = self.entry(at).parent;
        }
        above
    }

    /// For each entry the index behind it and all that is in it.
    pub(crate) fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = (1..=self.len()).collect();
        for (index, entry) in self.entries().rev() {
            let parent = entry.parent as usize;
            ends[parent] = ends[parent].max(ends[index as usize]);
        }
        ends
    }

    /// What is in a directory, but not deeper, given [`Manifest::ends`].
    pub(crate) fn children<'a>(&self, directory: u32, ends: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let end = ends[directory as usize];
        let from = move |at: u32| (at < end).then_some(at);
        std::iter::successors(from(directory + 1), move |&at| from(ends[at as usize]))
    }

    /// The files in the order of the bytes of their whole paths on the disk, as `sort` has them. (The order of the entries is by
    /// segments.)
    pub(crate) fn files_by_path(&self) -> Vec<u32> {
        let ends = self.ends();
        let sorted = |directory| {
            let mut inside: Vec<u32> = self.children(directory, &ends).collect();
            inside.sort_by(|&a, &b| self.key(a).cmp(self.key(b)));
            inside.reverse();
            inside
        };
        let mut files = Vec::new();
        let mut stack = vec![sorted(0)];
        while let Some(level) = stack.last_mut() {
            match level.pop() {
                None => drop(stack.pop()),
                Some(index) => match self.entry(index).node {
                    Node::Directory => stack.push(sorted(index)),
                    Node::File { .. } => files.push(index),
                    Node::Link { .. } => {}
                },
            }
        }
        files
    }

    /// The name, with what follows it in the paths of a directory.
    fn key(&self, index: u32) -> impl Iterator<Item = u8> {
        let slash = matches!(self.entry(index).node, Node::Directory).then_some(b'/');
        self.disk_name(index).as_bytes().iter().copied().chain(slash)
    }
}

/// Takes out of a tree what cannot be stored.
pub(crate) fn leave_out(manifest: &mut Arc<Manifest>, lost: HashMap<u32, String>) {
    if !lost.is_empty() {
        *manifest = Arc::new(manifest.without(&lost));
    }
}

/// The path of something in the tree from the served folder.
pub(crate) fn remote(address: &Locator, path: &str) -> String {
    match address.path() {
        "" => path.to_owned(),
        above => format!("{above}/{path}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn entry(path: &str, node: TreeNode) -> TreeEntry {
        let modified = Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
        TreeEntry { path: path.to_owned(), modified, mode: 0o755, node }
    }

    /// A tree of files with these paths and the directories that these need.
    pub fn file() -> TreeNode {
        TreeNode::File { size: 1, identity: "i".to_owned() }
    }

    pub fn tree(paths: &[&str]) -> Manifest {
        let mut all = std::collections::BTreeMap::new();
        for path in paths {
            let segments: Vec<_> = path.split('/').collect();
            for depth in 1..segments.len() {
                all.insert(segments[..depth].to_vec(), TreeNode::Directory);
            }
            all.insert(segments, TreeNode::File { size: 1, identity: format!("id {path}") });
        }
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
        gathering.add(&entry("", TreeNode::Directory)).unwrap();
        for (segments, node) in all {
            gathering.add(&entry(&segments.join("/"), node)).unwrap();
        }
        gathering.finish(Totals::default(), 255)
    }

    #[test]
    fn entries_know_their_paths() {
        let manifest = tree(&["a/b/c", "a/b/d", "a/e", "f", "g/h"]);
        let paths: Vec<_> = manifest.entries().map(|(index, _)| manifest.path(index)).collect();
        assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a/b/d", "a/e", "f", "g", "g/h"]);
        let ends = manifest.ends();
        let inside = |directory| manifest.children(directory, &ends).collect::<Vec<_>>();
        assert_eq!((inside(0), inside(1), inside(2)), (vec![1, 6, 7], vec![2, 5], vec![3, 4]));
        assert_eq!(manifest.identity(3), "id a/b/c");
    }

    #[test]
    fn an_answer_that_broke_off_is_continued() {
        let begin = |gathering: &mut Gathering| {
            for (path, node) in
                [("", TreeNode::Directory), ("a", TreeNode::Directory), ("a/b", file()), ("c", file())]
            {
                gathering.add(&entry(path, node)).unwrap();
            }
            assert_eq!(gathering.continued().as_deref(), Some("c"));
        };
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
        begin(&mut gathering);
        gathering.add(&entry("d", file())).unwrap();
        let totals =
            gathering.finish(Totals { files: 1, bytes: 1, omitted: 2, ..Totals::default() }, 255).totals;
        assert_eq!((totals.bytes, totals.files, totals.directories, totals.omitted), (3, 3, 2, 2));
        // A file that is a directory now.
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
        begin(&mut gathering);
        gathering.add(&entry("c/x", file())).unwrap_err();
        // A server that does not know `after` begins with the directory itself.
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
        begin(&mut gathering);
        gathering.add(&entry("", TreeNode::Directory)).unwrap();
        assert_eq!(gathering.len(), 1);
    }

    #[test]
    fn the_limit_that_is_reached_is_named() {
        assert_eq!(limit(MOST - 1, MOST_TEXT - 1), None);
        assert_eq!(limit(MOST, MOST_TEXT).as_deref(), Some("more than 2,000,000 entries"));
        let by_memory = limit(1_234_567, MOST_TEXT).unwrap();
        assert!(by_memory.contains("of memory") && by_memory.contains("1,234,567 entries"), "{by_memory}");
    }

    #[test]
    fn a_name_that_cannot_be_used_is_named() {
        let gather = |names, entries: &[(&str, TreeNode)]| {
            let mut gathering = Gathering::new(names, Origin::plain("h"));
            gathering.add(&entry("", TreeNode::Directory)).unwrap();
            entries.iter().for_each(|(path, node)| gathering.add(&entry(path, node.clone())).unwrap());
            let manifest = gathering.finish(Totals::default(), 255);
            let paths: Vec<_> = manifest.entries().skip(1).map(|(index, _)| manifest.path(index)).collect();
            let missing: Vec<_> = manifest.missing.entries.iter().map(|entry| entry.path.clone()).collect();
            (paths, missing, manifest.missing.count)
        };
        for odd in ["a\u{1b}[2J", "a\u{200e}b", "a\u{ad}", "\u{feff}a", "\u{e0041}"] {
            let inside = [format!("{odd}/b"), format!("{odd}/c"), format!("{odd}/c/d")];
            let shown = |path: &str| SafeText::new(path).to_string();
            let entries = [
                (odd, TreeNode::Directory),
                (&inside[0], file()),
                (&inside[1], TreeNode::Directory),
                (&inside[2], file()),
                ("\u{f0000}", file()),
            ];
            let (paths, missing, count) = gather(Names::Exact, &entries);
            assert_eq!((paths, count), (vec!["\u{f0000}".to_owned()], 2), "{odd:?}");
            assert_eq!(missing, [shown(&inside[0]), shown(&inside[2])]);
            assert_eq!(gather(Names::Exact, &entries[..1]).1, [shown(odd)], "an empty one stands for itself");
        }
        let entries = [
            ("a", TreeNode::Directory),
            ("a/aux.c", TreeNode::Directory),
            ("link", TreeNode::Link { target: "b./c".to_owned() }),
        ];
        let all = vec!["a".to_owned(), "a/aux.c".to_owned(), "link".to_owned()];
        for names in [Names::Exact, Names::Portable] {
            assert_eq!(gather(names, &entries), (all.clone(), vec![], 0), "{names:?}");
        }
    }

    #[test]
    fn what_no_request_can_name_is_missing() {
        let top = format!("{}d", "\0E9/".repeat(2046));
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h")).of(&top);
        for path in ["", "a", "aa", "ab"] {
            let node = if path.is_empty() { TreeNode::Directory } else { file() };
            gathering.add(&entry(path, node)).unwrap();
        }
        assert_eq!(gathering.continued().as_deref(), Some("ab"));
        gathering.add(&entry("abc", file())).unwrap();
        assert_eq!(gathering.continued().as_deref(), Some("ab"), "it cannot be asked for");
        let manifest = gathering.finish(Totals::default(), 255);
        assert_eq!((manifest.totals.files, manifest.missing.count), (3, 1));
        assert!(manifest.missing.entries[0].reason.contains("4096"));
    }

    #[test]
    fn what_is_taken_out_is_missing() {
        let manifest = tree(&["a/b/c", "a/b/d", "a/e", "f", "g/h"]);
        let kept = manifest.without(&[(2, "x".to_owned()), (6, "y".to_owned())].into());
        let paths: Vec<_> = kept.entries().map(|(index, _)| kept.path(index)).collect();
        assert_eq!(paths, ["", "a", "a/e", "g", "g/h"]);
        let missing: Vec<_> =
            kept.missing.entries.iter().map(|entry| (entry.path.as_str(), entry.reason.as_str())).collect();
        assert_eq!(missing, [("a/b/c", "x"), ("a/b/d", "x"), ("f", "y")]);
        assert_eq!((kept.totals.files, kept.totals.directories, kept.totals.bytes), (2, 3, 2));
    }

    #[test]
    fn names_on_the_disk_stay_with_their_entries() {
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
        let entries = [
            ("", TreeNode::Directory),
            ("a", TreeNode::Directory),
            ("a/\0E8", file()),
            ("b\0E9", TreeNode::Directory),
            ("b\0E9/f", file()),
            ("l", TreeNode::Link { target: "b\0E9/f".to_owned() }),
        ];
        entries.iter().for_each(|(path, node)| gathering.add(&entry(path, node.clone())).unwrap());
        assert_eq!(gathering.disk_bytes, 2 + 2 * DISK_NAME + 1 + 4 + DISK_NAME);
        let manifest = gathering.finish(Totals::default(), 255);
        let kept = manifest.without(&[(2, "x".to_owned())].into());
        let path = |index| kept.disk_path(index).into_os_string().into_vec();
        assert_eq!((path(2), path(3)), (b"b\xe9".to_vec(), b"b\xe9/f".to_vec()));
        let Node::Link { target } = kept.entry(4).node else { panic!("it is a link") };
        assert_eq!(kept.disk_target(4, target).as_bytes(), b"b\xe9/f");
        assert_eq!((kept.renamed(), kept.path(3)), (vec![2], "b\0E9/f".to_owned()));
    }

    proptest! {
        #[test]
        fn files_are_in_the_order_of_sort(paths in prop::collection::btree_set("[ab.~-]{1,2}(/[ab.~-]{1,2}){0,3}", 0..30)) {
            let fits = |path: &&str| path.split('/').all(|name| !matches!(name, "." | ".."));
            let clash = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
            let paths: Vec<&str> = paths.iter().map(String::as_str).filter(fits).filter(|path| !clash(path)).collect();
            let manifest = tree(&paths);
            let found: Vec<_> = manifest.files_by_path().into_iter().map(|index| manifest.path(index)).collect();
            let mut expected = paths;
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
