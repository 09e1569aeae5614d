//! The listing of a server's directory: the pages received so far, and what is selected in it.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    path::Path,
};

use crate::{
    client::{Locator, Trouble},
    protocol::message::{Entries, Entry, Kind},
    text::{SafeText, units},
    ui::{
        actions::{BrowserAction, MoveAction},
        components::list::List,
        downloads::effect::Ticket,
    },
};

/// With fewer rows than this below the selected one, the next page is asked for.
const MIN_ROWS_AHEAD: usize = 64;
/// Entries of a directory that are read, and bytes of their names, at most: while a filter shows none of them they are read
/// without a key, and a server may have names without end.
const MAX_ENTRIES: usize = 200_000;
const MAX_NAME_BYTES: usize = 32 << 20;

/// An action that may have to wait until the whole folder is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferred {
    /// Move the selection.
    Move(MoveAction),
    /// Mark the selected entry.
    Mark,
    /// Mark all entries.
    MarkAll,
    /// Fetch or open entries.
    Act(BrowserAction),
}

/// How the entries are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileSort {
    /// By name, as the server sends them.
    #[default]
    Name,
    /// The largest first.
    Size,
    /// The newest first.
    Date,
}

/// What is known of an entry here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A download of it has not ended.
    Queued,
    /// The download folder has a file of its name and size.
    Local,
}

/// A directory of a server.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The directory.
    pub directory: Locator,
    /// Indices into the entries, which only grow while the directory stays the same.
    pub list: List<usize>,
    entries: Vec<Entry>,
    /// The first entry of each name.
    by_name: HashMap<String, usize>,
    /// Bytes of the names of the entries.
    names: usize,
    filter: String,
    sort: FileSort,
    /// Entries whose name and size a file in the download folder has.
    local: HashSet<usize>,
    /// The visible entries of which a download has not ended.
    queued: HashSet<usize>,
    more: bool,
    /// That of the question for the first page.
    first_ticket: Ticket,
    waits_for: Option<Ticket>,
    /// Actions on the whole folder, in order, that wait until all of it is read.
    pending: Vec<Deferred>,
    trouble: Option<SafeText>,
    /// A name to select once it is received.
    wanted: Option<String>,
}

impl Browser {
    /// A directory of which nothing is known yet; `ticket` is that of the question for its first page.
    pub fn new(directory: Locator, ticket: Ticket) -> Browser {
        Browser {
            directory,
            list: List::default(),
            entries: Vec::new(),
            by_name: HashMap::new(),
            names: 0,
            filter: String::new(),
            sort: FileSort::default(),
            local: HashSet::new(),
            queued: HashSet::new(),
            more: false,
            first_ticket: ticket,
            waits_for: Some(ticket),
            pending: Vec::new(),
            trouble: None,
            wanted: None,
        }
    }

    /// Goes to another directory of the same server, to select `wanted` there.
    pub fn go(&mut self, directory: Locator, wanted: Option<String>, ticket: Ticket) {
        *self = Browser { wanted, sort: self.sort, ..Browser::new(directory, ticket) };
    }

    /// The selected entry.
    pub fn selected(&self) -> Option<&Entry> {
        self.entries.get(self.list.selected()?)
    }

    /// The marked entries, else the selected one.
    pub fn targets(&self) -> Vec<&Entry> {
        self.list.targets().into_iter().filter_map(|index| self.entries.get(index)).collect()
    }

    /// The address of an entry; `None` if its name cannot be requested.
    pub fn address_of(&self, entry: &Entry) -> Option<Locator> {
        self.directory.child(&entry.name)
    }

    /// Whether there is trouble instead of entries.
    pub fn has_failed(&self) -> bool {
        self.trouble.is_some()
    }

    /// The filter.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Shows only names that contain a text, in whatever case.
    pub fn set_filter(&mut self, text: &str) {
        self.filter = text.to_lowercase();
        self.arrange();
    }

    /// How the entries are sorted.
    pub fn sort(&self) -> FileSort {
        self.sort
    }

    /// Sorts the entries, once all of them are read.
    pub fn set_sort(&mut self, sort: FileSort) {
        self.sort = sort;
        self.arrange_from_top();
    }

    /// Sorts by name if the rest of the folder is still read for another sort; whether it is.
    pub fn cancel_sort(&mut self) -> bool {
        let waits = self.sort != FileSort::Name && !self.is_read();
        if waits {
            self.set_sort(FileSort::Name);
        }
        waits
    }

    /// Shows the entries that the filter shows, in their order.
    fn arrange(&mut self) {
        let mut keys: Vec<usize> = self.shown(0).collect();
        let entries = &self.entries;
        match self.sort {
            _ if !self.is_read() => {}
            FileSort::Name => {}
            FileSort::Size => keys.sort_by_key(|index| Reverse(entries[*index].size)),
            FileSort::Date => keys.sort_by_key(|index| {
                Reverse((entries[*index].modified.seconds, entries[*index].modified.nanoseconds))
            }),
        }
        self.list.set_keys(keys);
    }

    /// Sorts the entries. They are looked at from the first row, unless another one was chosen.
    fn arrange_from_top(&mut self) {
        let is_first = self.list.cursor() == 0;
        self.arrange();
        if is_first {
            self.list.go(0);
        }
    }

    /// Name and size of the entries from this one on; a size that is not known is that of no file.
    pub fn files(&self, first: usize) -> Vec<(String, u64)> {
        let files = self.entries.iter().skip(first);
        files.map(|entry| (entry.name.clone(), entry.size.unwrap_or(u64::MAX))).collect()
    }

    /// How many entries are received.
    pub fn received(&self) -> usize {
        self.entries.len()
    }

    /// Takes which of the entries from this one on are local, if they belong to a page of this directory.
    pub fn set_local(&mut self, ticket: Ticket, first: usize, local: &[bool]) {
        if ticket < self.first_ticket {
            return;
        }
        let is_file = |index: usize| self.entries.get(index).is_some_and(|entry| entry.kind == Kind::File);
        let found = (first..).zip(local).filter(|(index, local)| **local && is_file(*index));
        let found: Vec<usize> = found.map(|(index, _)| index).collect();
        self.local.extend(found);
    }

    /// A file of this name and size is now in the download folder.
    pub fn add_local(&mut self, name: &Path, size: u64) {
        let index = name.to_str().and_then(|name| self.by_name.get(name)).copied();
        let is_it = |index: &usize| self.entries.get(*index).is_some_and(|entry| entry.size == Some(size));
        self.local.extend(index.filter(is_it));
    }

    /// Looks which of the visible entries are queued; whether that has changed.
    pub fn look(&mut self, queued: impl Fn(&[Locator]) -> Vec<bool>) -> bool {
        let visible = self.visible().filter_map(|(index, entry)| Some((index, self.address_of(entry)?)));
        let (indices, addresses): (Vec<usize>, Vec<Locator>) = visible.unzip();
        let queued = indices.into_iter().zip(queued(&addresses)).filter(|(_, queued)| *queued);
        let queued: HashSet<usize> = queued.map(|(index, _)| index).collect();
        let changed = queued != self.queued;
        self.queued = queued;
        changed
    }

    /// What is known of a visible entry.
    pub fn known(&self, index: usize) -> Option<Known> {
        match () {
            () if self.queued.contains(&index) => Some(Known::Queued),
            () if self.local.contains(&index) => Some(Known::Local),
            () => None,
        }
    }

    /// The entries from this one on that the filter shows.
    fn shown(&self, first: usize) -> impl Iterator<Item = usize> {
        let shows =
            |entry: &Entry| self.filter.is_empty() || entry.name.to_lowercase().contains(&self.filter);
        (first..).zip(&self.entries[first..]).filter(move |(_, entry)| shows(entry)).map(|(index, _)| index)
    }

    /// Whether no more is read, though there may be more.
    fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES || self.names >= MAX_NAME_BYTES
    }

    /// Says how many rows are visible.
    pub fn set_height(&mut self, rows: usize) {
        self.list.set_height(rows);
    }

    /// Keeps an action until the whole folder is read, if it is about all of it or follows one that is. Whether it
    /// has to wait.
    pub fn defer(&mut self, action: Deferred) -> bool {
        let is_about_all = matches!(action, Deferred::MarkAll | Deferred::Move(MoveAction::Last));
        let waits = !self.is_read() && (is_about_all || self.is_deferring());
        if waits {
            self.pending.push(action);
        }
        waits
    }

    /// Whether actions wait until the whole folder is read.
    pub fn is_deferring(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The actions that have waited, once nothing more is read.
    pub fn take_pending(&mut self) -> Vec<Deferred> {
        if self.is_read() { self.cancel_pending() } else { Vec::new() }
    }

    /// Drops the actions that wait.
    pub fn cancel_pending(&mut self) -> Vec<Deferred> {
        std::mem::take(&mut self.pending)
    }

    /// Whether nothing more is read of the folder, since it has ended, failed, or has too many entries.
    fn is_read(&self) -> bool {
        self.waits_for.is_none() && (!self.more || self.is_full() || self.has_failed())
    }

    /// How many entries are read, if there are more that are not.
    pub fn cut_at(&self) -> Option<usize> {
        (self.more && self.is_full()).then_some(self.entries.len())
    }

    /// Whether what is shown depends on all entries: a filter and a sort are on the whole folder.
    fn needs_all(&self) -> bool {
        !self.filter.is_empty() || self.sort != FileSort::Name
    }

    /// After which name the next page begins, if it is time to ask for it.
    pub fn wants_more(&self) -> Option<&str> {
        let near = self.list.keys().len().saturating_sub(self.list.cursor()) < MIN_ROWS_AHEAD
            || self.is_deferring()
            || self.needs_all();
        let name = self.entries.last().map(|entry| entry.name.as_str());
        let more = self.more && !self.is_full();
        if more && near && self.waits_for.is_none() && self.trouble.is_none() { name } else { None }
    }

    /// The question for the next page was asked.
    pub fn asked(&mut self, ticket: Ticket) {
        self.waits_for = Some(ticket);
    }

    /// Takes a page, or the reason why it cannot be had, if it was requested. Returns whether it was.
    pub fn answer(&mut self, ticket: Ticket, answer: Result<Entries, Trouble>) -> bool {
        if self.waits_for != Some(ticket) {
            return false;
        }
        self.waits_for = None;
        match answer {
            Ok(page) => {
                self.trouble = None;
                // A server that sends the same page for ever would otherwise be asked for ever.
                self.more = page.more && !page.entries.is_empty();
                // Only what is new is looked at: there may be many pages.
                let first = self.entries.len();
                self.names += page.entries.iter().map(|entry| entry.name.len()).sum::<usize>();
                self.entries.extend(page.entries);
                for (index, entry) in (first..).zip(&self.entries[first..]) {
                    self.by_name.entry(entry.name.clone()).or_insert(index);
                }
                if self.sort == FileSort::Name || !self.is_read() {
                    let new: Vec<usize> = self.shown(first).collect();
                    self.list.append(new);
                } else {
                    self.arrange_from_top();
                }
                if let Some(name) = &self.wanted
                    && let Some(index) = self.entries[first..].iter().position(|entry| entry.name == *name)
                {
                    self.list.select(first + index);
                    self.wanted = None;
                }
            }
            Err(trouble) => self.trouble = Some(trouble.message),
        }
        true
    }

    /// Server and path, for the title of the panel.
    pub fn place(&self) -> String {
        SafeText::new(&format!("{}/{}", self.directory.host(), self.directory.path())).to_string()
    }

    /// The note of the panel's rule.
    pub fn note(&self) -> String {
        if self.entries.is_empty() && self.has_failed() {
            return "not read".to_owned();
        }
        let count = units::count(self.list.keys().len() as u64);
        let mut note = match (self.waits_for.is_some(), self.more) {
            (true, _) if self.entries.is_empty() => "asking".to_owned(),
            (true, _) if self.is_deferring() || self.sort != FileSort::Name => {
                return format!("reading all, {} so far", self.read());
            }
            (true, true) if !self.filter.is_empty() => {
                return format!("{count} with \"{}\" in the first {}", self.filter, self.read());
            }
            (_, true) if self.filter.is_empty() || !self.is_full() => format!("first {count} entries"),
            _ if count == "1" => "1 entry".to_owned(),
            _ => format!("{count} entries"),
        };
        if !self.filter.is_empty() {
            note = format!("{note} with \"{}\"", self.filter);
        }
        if self.more && self.is_full() {
            note = match self.filter.as_str() {
                "" => format!("{note}, the rest is not read"),
                _ => format!("{note} in the first {}, the rest is not read", self.read()),
            };
        }
        if self.list.marked() > 0 {
            note = format!("{note}, {}", self.marked());
        }
        note
    }

    /// How many are marked, and their bytes.
    fn marked(&self) -> String {
        let entries = self.list.marks().filter_map(|index| self.entries.get(*index));
        let (bytes, folders) = entries.fold((0_u64, 0_u64), |(bytes, folders), entry| match entry.kind {
            Kind::Directory => (bytes, folders + 1),
            _ => (bytes.saturating_add(entry.size.unwrap_or(0)), folders),
        });
        let mut text = format!("{} marked", units::count(self.list.marked() as u64));
        if bytes > 0 {
            text = format!("{text}, {}", units::bytes(bytes));
        }
        match folders {
            0 => text,
            _ if bytes == 0 => text,
            1 => format!("{text} and a folder"),
            _ => format!("{text} and {} folders", units::count(folders)),
        }
    }

    /// How many entries there are, whatever the filter shows.
    fn read(&self) -> String {
        units::count(self.entries.len() as u64)
    }

    /// The visible entries, with their indices.
    pub fn visible(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.list.visible().iter().filter_map(|index| Some((*index, self.entries.get(*index)?)))
    }

    /// Why there are no entries.
    pub fn trouble(&self) -> Option<&SafeText> {
        self.trouble.as_ref()
    }

    /// What is in the place of the rows, if there are none.
    pub fn emptiness(&self) -> Option<String> {
        if !self.list.keys().is_empty() {
            return None;
        }
        Some(match (self.waits_for.is_some(), self.filter.is_empty()) {
            (true, _) => "asking the server".to_owned(),
            (false, true) => "empty".to_owned(),
            (false, false) if self.more && self.is_full() => {
                format!("none of the first {} has that in its name", self.read())
            }
            (false, false) => "nothing here has that in its name".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
