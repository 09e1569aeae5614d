//! Builds the manifest of a tree from the pages of a listing.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use crate::{
    client::{
        api::{content::origin::Origin, settings::config::Names, views::view::TroubleKind},
        disk::name::SafeName,
        error::Fault,
        job::tree::manifest::{Entry, Manifest, Node, substitutes::Substitutes},
    },
    protocol::{
        message::{Totals, TreeEntry, TreeNode},
        path::{self, MAX_PATH, is_beneath, odd_name},
    },
    text::{SafeText, units},
};

/// The most entries of a tree: a bound on the memory that a server can make the client use.
const MAX_ENTRIES: usize = 2_000_000;
/// Bytes of memory that a name on the disk takes in addition to its own length.
const DISK_NAME_OVERHEAD: usize = 48;
/// The most bytes of all names, identities and targets together.
const MAX_TEXT_LEN: usize = 256 << 20;

/// The limit that a manifest with this many entries and bytes of text has reached, if it has.
fn limit(entries: usize, text: usize) -> Option<String> {
    if entries >= MAX_ENTRIES {
        Some(format!("more than {} entries", units::count(MAX_ENTRIES as u64)))
    } else if text >= MAX_TEXT_LEN {
        let max = units::bytes(MAX_TEXT_LEN as u64);
        Some(format!(
            "names that need more than {max} of memory after {} entries",
            units::count(entries as u64)
        ))
    } else {
        None
    }
}

/// The bytes that an escaped text of the protocol encodes; `None` if it is not escaped.
fn escaped(text: &str) -> Option<OsString> {
    let bytes = odd_name::to_bytes(text).filter(|_| odd_name::is_escaped(text))?;
    Some(OsString::from_vec(bytes.into_owned()))
}

/// A manifest while its pages are received.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// Which names are accepted.
    names: Names,
    /// The most bytes of a path from the top of the tree: a request has the path of the top before it.
    longest: usize,
    manifest: Manifest,
    /// The directories above the last entry, from the top.
    open: Vec<u32>,
    /// Bytes of memory for names that are kept beside the text.
    disk_bytes: usize,
    /// The next entry is in another answer than the one before.
    continued: bool,
    /// The path of the last entry, stored or not.
    last: String,
    /// The last directory that cannot be stored.
    lost: Option<Lost>,
}

/// A directory whose name cannot be stored, and with it everything beneath it.
#[derive(Debug)]
struct Lost {
    path: String,
    why: &'static str,
    /// Whether nothing beneath it was counted.
    empty: bool,
}

impl Gathering {
    /// Of a tree that no entry is received of.
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

    /// The same, for a tree with this path on the server.
    pub(crate) fn of(self, path: &str) -> Gathering {
        let above = path::length(path);
        Gathering { longest: MAX_PATH.saturating_sub(above + usize::from(above > 0)), ..self }
    }

    /// The server that sends the pages.
    pub(crate) fn origin(&self) -> Origin {
        self.manifest.origin
    }

    /// How many entries are received.
    pub(crate) fn len(&self) -> u32 {
        self.manifest.len()
    }

    /// The path of the last entry, after which another answer continues.
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
            self.disk_bytes += bytes.len() + DISK_NAME_OVERHEAD;
            manifest.disk_names.insert(index, bytes);
        }
        if let TreeNode::Link { target } = &entry.node
            && let Some(bytes) = escaped(target)
        {
            self.disk_bytes += bytes.len() + DISK_NAME_OVERHEAD;
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

    /// The last directory that cannot be stored is complete.
    fn close_lost(&mut self) {
        if let Some(lost) = self.lost.take_if(|lost| lost.empty) {
            self.manifest.missing.add(SafeText::new(&lost.path).as_str(), lost.why);
        }
        self.lost = None;
    }

    /// The manifest, once the last page is received. `totals`: those of the last answer. `longest`: the most bytes of a substitute.
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::client::job::tree::manifest::tests::{entry, file};

    #[test]
    fn an_interrupted_answer_is_continued() {
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
    fn the_message_names_the_limit_that_is_reached() {
        assert_eq!(limit(MAX_ENTRIES - 1, MAX_TEXT_LEN - 1), None);
        assert_eq!(limit(MAX_ENTRIES, MAX_TEXT_LEN).as_deref(), Some("more than 2,000,000 entries"));
        let by_memory = limit(1_234_567, MAX_TEXT_LEN).unwrap();
        assert!(by_memory.contains("of memory") && by_memory.contains("1,234,567 entries"), "{by_memory}");
    }

    #[test]
    fn an_entry_with_an_invalid_name_is_missing() {
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
            assert_eq!(gather(Names::Exact, &entries[..1]).1, [shown(odd)], "an empty one counts");
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
    fn an_entry_that_no_request_can_name_is_missing() {
        let top = format!("{}d", "\0E9/".repeat(2046));
        let mut gathering = Gathering::new(Names::Exact, Origin::plain("h")).of(&top);
        for path in ["", "a", "aa", "ab"] {
            let node = if path.is_empty() { TreeNode::Directory } else { file() };
            gathering.add(&entry(path, node)).unwrap();
        }
        assert_eq!(gathering.continued().as_deref(), Some("ab"));
        gathering.add(&entry("abc", file())).unwrap();
        assert_eq!(gathering.continued().as_deref(), Some("ab"), "it cannot be requested");
        let manifest = gathering.finish(Totals::default(), 255);
        assert_eq!((manifest.totals.files, manifest.missing.count), (3, 1));
        assert!(manifest.missing.entries[0].reason.contains("4096"));
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
        assert_eq!(gathering.disk_bytes, 2 + 2 * DISK_NAME_OVERHEAD + 1 + 4 + DISK_NAME_OVERHEAD);
        let manifest = gathering.finish(Totals::default(), 255);
        let kept = manifest.without(&[(2, "x".to_owned())].into());
        let path = |index| kept.disk_path(index).into_os_string().into_vec();
        assert_eq!((path(2), path(3)), (b"b\xe9".to_vec(), b"b\xe9/f".to_vec()));
        let Node::Link { target } = kept.entry(4).node else { panic!("it is a link") };
        assert_eq!(kept.disk_target(4, target).as_bytes(), b"b\xe9/f");
        assert_eq!((kept.renamed(), kept.path(3)), (vec![2], "b\0E9/f".to_owned()));
    }
}
