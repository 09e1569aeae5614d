//! The entries of a tree as the server listed them, in little memory: a tree may have millions of small files.

pub(super) mod gathering;
pub(super) mod names;
mod substitutes;
#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::Arc,
};

use crate::{
    client::api::{address::locator::Locator, content::origin::Origin},
    protocol::message::{Missing, Timestamp, Totals},
    text::SafeText,
};

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    length: u16,
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

/// The entries, each directory directly before its content; the first one is the tree itself.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// The server that listed the tree.
    pub(crate) origin: Origin,
    text: String,
    entries: Vec<Entry>,
    /// The names on the disk that are not the text of the entry's name.
    disk_names: HashMap<u32, OsString>,
    /// The targets on the disk that are not the text of the link's target.
    disk_targets: HashMap<u32, OsString>,
    pub(crate) totals: Totals,
    /// Entries that the server cannot send, or that cannot be stored.
    pub(crate) missing: Missing,
}

impl Manifest {
    /// Sets the totals to those of the entries; the rest is taken from the server's totals.
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

    /// The indices of the entries that [`Manifest::without`] keeps.
    pub(crate) fn kept_without(&self, lost: &HashMap<u32, String>) -> Vec<u32> {
        let mut is_kept: Vec<bool> = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries() {
            let has_parent = index == 0 || is_kept[entry.parent as usize];
            is_kept.push(has_parent && !lost.contains_key(&index));
        }
        (0..self.len()).filter(|index| is_kept[*index as usize]).collect()
    }

    /// The same without these entries and everything beneath them: those count as missing, for this reason.
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
                // A directory counts only if nothing is in it.
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

    /// The target of a link on the disk.
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

    /// Whether a file is listed with this identity and size.
    pub(crate) fn is_listed_as(&self, index: u32, identity: &str, size: u64) -> bool {
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

    /// For each entry the index after it and all its content.
    pub(crate) fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = (1..=self.len()).collect();
        for (index, entry) in self.entries().rev() {
            let parent = entry.parent as usize;
            ends[parent] = ends[parent].max(ends[index as usize]);
        }
        ends
    }

    /// The entries of a directory, given [`Manifest::ends`].
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

/// Excludes entries that cannot be stored from a tree.
pub(crate) fn exclude(manifest: &mut Arc<Manifest>, lost: HashMap<u32, String>) {
    if !lost.is_empty() {
        *manifest = Arc::new(manifest.without(&lost));
    }
}

/// The path of an entry from the served folder.
pub(crate) fn remote(address: &Locator, path: &str) -> String {
    match address.path() {
        "" => path.to_owned(),
        above => format!("{above}/{path}"),
    }
}
