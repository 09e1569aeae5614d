//! What a tree holds, as the server said, kept in little memory: directories with very many small files are what
//! trees are for.

use crate::protocol::message::{Timestamp, Totals, TreeEntry, TreeNode};

use crate::{
    client::{Names, TroubleKind, name::SafeName, retry::Fault},
    text::SafeText,
    units,
};

/// Most entries of a tree; what a server may make us remember has an end.
const MOST: usize = 2_000_000;
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
pub(super) struct Span {
    at: u32,
    length: u16,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File { size: u64, identity: Span },
    Link { target: Span },
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Index of the directory that it is in; of the tree itself, its own.
    pub(super) parent: u32,
    name: Span,
    pub(super) modified: Timestamp,
    /// Permission bits.
    pub(super) mode: u16,
    pub(super) node: Node,
}

/// The entries, each directory directly before what is in it; the first one is the tree itself.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    text: String,
    entries: Vec<Entry>,
    pub(super) totals: Totals,
}

/// A manifest as its pages come.
#[derive(Debug)]
pub(super) struct Gathering {
    /// Which names are taken.
    names: Names,
    manifest: Manifest,
    /// The directories above the entry that came last, from the top.
    open: Vec<u32>,
    /// The next entry comes with another answer than the one before.
    continued: bool,
}

impl Gathering {
    /// Nothing yet.
    pub(super) fn new(names: Names) -> Gathering {
        Gathering { names, manifest: Manifest::default(), open: Vec::new(), continued: false }
    }

    /// How many entries have come.
    pub(super) fn len(&self) -> u32 {
        self.manifest.len()
    }

    /// The path of the entry that came last, after which another answer goes on.
    pub(super) fn continued(&mut self) -> Option<String> {
        self.continued = true;
        self.len().checked_sub(1).map(|last| self.manifest.path(last))
    }

    /// Takes the next entry, in the order that the protocol demands. The tree itself begins anew.
    pub(super) fn add(&mut self, entry: &TreeEntry) -> Result<(), Fault> {
        if entry.path.is_empty() {
            *self = Gathering::new(self.names);
        }
        let continued = std::mem::take(&mut self.continued);
        let manifest = &mut self.manifest;
        let index = u32::try_from(manifest.entries.len()).unwrap_or(u32::MAX);
        if let Some(limit) = limit(manifest.entries.len(), manifest.text.len()) {
            let message = format!("the tree has {limit}; fetch the folders in it one by one");
            return Err(Fault::never(TroubleKind::Other, message));
        }
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
        if let Some(why) = SafeName::exact(name, self.names).err().filter(|_| !entry.path.is_empty()) {
            let shown = SafeText::new(&entry.path);
            return Err(Fault::never(
                TroubleKind::Other,
                format!("the tree has the name {shown}, which {why}"),
            ));
        }
        let node = match &entry.node {
            TreeNode::Directory => Node::Directory,
            TreeNode::File { size, identity } => {
                Node::File { size: *size, identity: manifest.keep(identity) }
            }
            TreeNode::Link { target } => {
                let mut names = target.split('/').filter(|name| !matches!(*name, "" | "." | ".."));
                if let Some(why) = names.find_map(|name| SafeName::exact(name, self.names).err()) {
                    let (path, target) = (SafeText::new(&entry.path), SafeText::new(target));
                    return Err(Fault::never(
                        TroubleKind::Other,
                        format!("the tree has the link {path} to {target}, which {why}"),
                    ));
                }
                Node::Link { target: manifest.keep(target) }
            }
        };
        if node == Node::Directory {
            let depth = if entry.path.is_empty() { 0 } else { entry.path.split('/').count() };
            self.open.truncate(depth);
            self.open.push(index);
        }
        let name = manifest.keep(name);
        let mode = (entry.mode & 0o777) as u16;
        manifest.entries.push(Entry { parent, name, modified: entry.modified, mode, node });
        Ok(())
    }

    /// The whole, once the last page has come. `totals`: those of the last answer.
    pub(super) fn finish(mut self, totals: Totals) -> Manifest {
        let mut all = Totals { bytes: 0, files: 0, directories: 0, links: 0, ..totals };
        for entry in &self.manifest.entries {
            match entry.node {
                Node::Directory => all.directories += 1,
                Node::Link { .. } => all.links += 1,
                Node::File { size, .. } => {
                    all.files += 1;
                    all.bytes = all.bytes.saturating_add(size);
                }
            }
        }
        self.manifest.totals = all;
        self.manifest.text.shrink_to_fit();
        self.manifest.entries.shrink_to_fit();
        self.manifest
    }
}

impl Manifest {
    fn keep(&mut self, text: &str) -> Span {
        let span = Span { at: self.text.len() as u32, length: text.len() as u16 };
        self.text.push_str(text);
        span
    }

    /// The text of a span.
    pub(super) fn text(&self, span: Span) -> &str {
        let at = span.at as usize;
        &self.text[at..at + usize::from(span.length)]
    }

    /// Number of entries.
    pub(super) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// An entry.
    pub(super) fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// All entries, with their indices.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = (u32, &Entry)> {
        self.entries.iter().enumerate().map(|(index, entry)| (index as u32, entry))
    }

    /// The files: index, entry, size.
    pub(super) fn files(&self) -> impl Iterator<Item = (u32, &Entry, u64)> {
        self.entries().filter_map(|(index, entry)| match entry.node {
            Node::File { size, .. } => Some((index, entry, size)),
            _ => None,
        })
    }

    /// The last segment of an entry's path.
    pub(super) fn name(&self, index: u32) -> &str {
        self.text(self.entry(index).name)
    }

    /// Whether this is what was said of a file.
    pub(super) fn is_as_said(&self, index: u32, identity: &str, size: u64) -> bool {
        let node = self.entry(index).node;
        matches!(node, Node::File { size: said, .. } if said == size) && self.identity(index) == identity
    }

    /// Identity of a file; empty for others.
    pub(super) fn identity(&self, index: u32) -> &str {
        match self.entry(index).node {
            Node::File { identity, .. } => self.text(identity),
            _ => "",
        }
    }

    /// Where a path of the tree leads from its top.
    pub(super) fn path(&self, index: u32) -> String {
        let mut path = String::new();
        self.write_path(index, &mut path);
        path
    }

    /// Adds the path of an entry to a text.
    pub(super) fn write_path(&self, index: u32, out: &mut String) {
        let begin = out.len();
        let mut above = Vec::new();
        let mut at = index;
        while at != 0 {
            above.push(at);
            at = self.entry(at).parent;
        }
        for &at in above.iter().rev() {
            if out.len() > begin {
                out.push('/');
            }
            out.push_str(self.name(at));
        }
    }

    /// For each entry the index behind it and all that is in it.
    pub(super) fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = (1..=self.len()).collect();
        for (index, entry) in self.entries().rev() {
            let parent = entry.parent as usize;
            ends[parent] = ends[parent].max(ends[index as usize]);
        }
        ends
    }

    /// What is in a directory, but not deeper, given [`Manifest::ends`].
    pub(super) fn children<'a>(&self, directory: u32, ends: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let end = ends[directory as usize];
        let from = move |at: u32| (at < end).then_some(at);
        std::iter::successors(from(directory + 1), move |&at| from(ends[at as usize]))
    }

    /// The files in the order of the bytes of their whole paths, as `sort` has them. (The order of the entries is by
    /// segments.)
    pub(super) fn files_by_path(&self) -> Vec<u32> {
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
        self.name(index).bytes().chain(slash)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn entry(path: &str, node: TreeNode) -> TreeEntry {
        let modified = Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
        TreeEntry { path: path.to_owned(), modified, mode: 0o755, node }
    }

    /// A tree of files with these paths and the directories that these need.
    pub fn tree(paths: &[&str]) -> Manifest {
        let mut all = std::collections::BTreeMap::new();
        for path in paths {
            let segments: Vec<_> = path.split('/').collect();
            for depth in 1..segments.len() {
                all.insert(segments[..depth].to_vec(), TreeNode::Directory);
            }
            all.insert(segments, TreeNode::File { size: 1, identity: format!("id {path}") });
        }
        let mut gathering = Gathering::new(Names::Exact);
        gathering.add(&entry("", TreeNode::Directory)).unwrap();
        for (segments, node) in all {
            gathering.add(&entry(&segments.join("/"), node)).unwrap();
        }
        gathering.finish(Totals::default())
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
        let file = || TreeNode::File { size: 1, identity: "i".to_owned() };
        let begin = |gathering: &mut Gathering| {
            for (path, node) in
                [("", TreeNode::Directory), ("a", TreeNode::Directory), ("a/b", file()), ("c", file())]
            {
                gathering.add(&entry(path, node)).unwrap();
            }
            assert_eq!(gathering.continued().as_deref(), Some("c"));
        };
        let mut gathering = Gathering::new(Names::Exact);
        begin(&mut gathering);
        gathering.add(&entry("d", file())).unwrap();
        let totals = gathering.finish(Totals { files: 1, bytes: 1, omitted: 2, ..Totals::default() }).totals;
        assert_eq!((totals.bytes, totals.files, totals.directories, totals.omitted), (3, 3, 2, 2));
        // A file that is a directory now.
        let mut gathering = Gathering::new(Names::Exact);
        begin(&mut gathering);
        gathering.add(&entry("c/x", file())).unwrap_err();
        // A server that knows no such thing begins anew.
        let mut gathering = Gathering::new(Names::Exact);
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
        let mut gathering = Gathering::new(Names::Exact);
        gathering.add(&entry("", TreeNode::Directory)).unwrap();
        let fault = gathering.add(&entry("a\u{1b}[2J", TreeNode::Directory)).unwrap_err();
        assert!(fault.trouble.message.as_str().contains("a␛[2J"), "{}", fault.trouble.message);
        for (names, taken) in [(Names::Exact, true), (Names::Portable, false)] {
            let mut gathering = Gathering::new(names);
            gathering.add(&entry("", TreeNode::Directory)).unwrap();
            gathering.add(&entry("a", TreeNode::Directory)).unwrap();
            assert_eq!(gathering.add(&entry("a/aux.c", TreeNode::Directory)).is_ok(), taken);
            let link = TreeNode::Link { target: "b./c".to_owned() };
            assert_eq!(gathering.add(&entry("link", link)).is_ok(), taken);
        }
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
