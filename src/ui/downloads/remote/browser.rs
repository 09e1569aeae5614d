//! The listing of a server's directory: the pages received so far, and what is selected in it.

use ratatui::{buffer::Buffer, layout::Rect};
use time::OffsetDateTime;

use crate::{
    client::{Locator, Trouble},
    protocol::message::{Entries, Entry, Kind},
    text::{SafeText, units},
    ui::{
        actions::{BrowserAction, MoveAction},
        components::{
            list::List,
            widgets::{clip, clip_middle, put, put_right, width, wrap_in},
        },
        downloads::effect::Ticket,
        theme::Look,
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

/// A directory of a server.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The directory.
    pub directory: Locator,
    /// Indices into the entries, which only grow while the directory stays the same.
    pub list: List<usize>,
    entries: Vec<Entry>,
    /// Bytes of the names of the entries.
    names: usize,
    filter: String,
    more: bool,
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
            names: 0,
            filter: String::new(),
            more: false,
            waits_for: Some(ticket),
            pending: Vec::new(),
            trouble: None,
            wanted: None,
        }
    }

    /// Goes to another directory of the same server, to select `wanted` there.
    pub fn go(&mut self, directory: Locator, wanted: Option<String>, ticket: Ticket) {
        *self = Browser { wanted, ..Browser::new(directory, ticket) };
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
        self.list.set_keys(self.shown(0).collect());
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

    /// After which name the next page begins, if it is time to ask for it. A filter is on the whole folder.
    pub fn wants_more(&self) -> Option<&str> {
        let near = self.list.keys().len().saturating_sub(self.list.cursor()) < MIN_ROWS_AHEAD
            || self.is_deferring()
            || !self.filter.is_empty();
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
                let new: Vec<usize> = self.shown(first).collect();
                self.list.append(new);
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

    /// The title of the panel.
    pub fn title(&self) -> String {
        format!("Remote files: {}/{}", self.directory.server().name(), SafeText::new(self.directory.path()))
    }

    /// The note of the panel's rule.
    pub fn note(&self) -> String {
        let count = units::count(self.list.keys().len() as u64);
        let mut note = match (self.waits_for.is_some(), self.more) {
            (true, _) if self.entries.is_empty() => "asking".to_owned(),
            (true, _) if self.is_deferring() => return format!("reading all, {} so far", self.read()),
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
            note = format!("{note}, {} marked", units::count(self.list.marked() as u64));
        }
        note
    }

    /// How many entries there are, whatever the filter shows.
    fn read(&self) -> String {
        units::count(self.entries.len() as u64)
    }

    /// Draws the rows.
    pub fn render(&self, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
        let theme = &look.theme;
        let columns = usize::from(area.width.saturating_sub(4));
        if let Some(trouble) = &self.trouble {
            let lines = wrap_in(trouble.as_str(), columns.max(1), area.height, &look.glyphs);
            for (y, line) in (area.y..).zip(&lines) {
                put(buf, area, area.x + 3, y, line, theme.bad);
            }
            return;
        }
        if self.list.keys().is_empty() {
            let text = match (self.waits_for.is_some(), self.filter.is_empty()) {
                (true, _) => "asking the server".to_owned(),
                (false, true) => "empty".to_owned(),
                (false, false) if self.more && self.is_full() => {
                    format!("none of the first {} has that in its name", self.read())
                }
                (false, false) => "nothing here has that in its name".to_owned(),
            };
            put(buf, area, area.x + 3, area.y, &clip(&text, columns, &look.glyphs), theme.dim);
            return;
        }
        let keys = self.list.visible();
        for (y, index) in (area.y..area.bottom()).zip(keys) {
            let Some(entry) = self.entries.get(*index) else { continue };
            let row = Rect { y, height: 1, ..area };
            let selected = self.list.selected() == Some(*index);
            self.row(row, buf, entry, (selected, self.list.is_marked(*index)), look);
            if selected {
                buf.set_style(row, if focused { theme.selected } else { theme.selected_idle });
            }
        }
    }

    fn row(
        &self,
        area: Rect,
        buf: &mut Buffer,
        entry: &Entry,
        (selected, marked): (bool, bool),
        look: &Look,
    ) {
        let Look { theme, glyphs } = look;
        let y = area.y;
        if marked {
            put(buf, area, area.x, y, glyphs.marked, theme.accent);
        }
        if selected {
            put(buf, area, area.x + 1, y, glyphs.selected, theme.accent);
        }
        let mut right = Rect { width: area.width.saturating_sub(1), ..area };
        if area.width >= 60 {
            put_right(buf, right, y, &date(entry.modified.seconds), theme.dim);
            right.width -= 12;
        }
        let (end, style, size) = match entry.kind {
            Kind::Directory => ("/", theme.strong, "directory".to_owned()),
            Kind::File => ("", theme.plain, entry.size.map(units::bytes).unwrap_or_default()),
            Kind::Other => ("", theme.dim, "not served".to_owned()),
        };
        if area.width >= 30 {
            put_right(buf, right, y, &size, theme.dim);
            right.width -= 11;
        }
        let name = format!("{}{end}", SafeText::new(&entry.name));
        let columns = usize::from(right.width).saturating_sub(4);
        let name = clip_middle(&name, columns, glyphs);
        debug_assert!(width(&name) <= columns);
        put(buf, area, area.x + 3, y, &name, style);
    }
}

fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| String::new(),
        |at| format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day()),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::message::Timestamp;

    fn browser() -> Browser {
        Browser::new(Locator::parse("fdsp+plain://nas").expect("an address"), Ticket(0))
    }

    fn page(names: impl IntoIterator<Item = String>) -> Entries {
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        let entry = |name| Entry { name, kind: Kind::File, size: None, modified };
        Entries { entries: names.into_iter().map(entry).collect(), more: true }
    }

    /// Answers as long as more is asked for; how many pages that were.
    fn read(browser: &mut Browser, page_after: impl Fn(u64) -> Entries) -> u64 {
        for number in 0.. {
            assert!(number < 2_000, "it reads for ever");
            assert!(browser.answer(Ticket(number), Ok(page_after(number))));
            if browser.wants_more().is_none() {
                return number + 1;
            }
            browser.asked(Ticket(number + 1));
        }
        0
    }

    fn shown(browser: &Browser) -> String {
        let area = Rect::new(0, 0, 60, 1);
        let mut buf = Buffer::empty(area);
        browser.render(area, &mut buf, true, &Look::default());
        (0..60).map(|x| buf[(x, 0)].symbol()).collect::<String>().trim().to_owned()
    }

    #[test]
    fn a_listing_without_end_is_not_read_for_ever() {
        let mut browser = browser();
        browser.set_filter("zzz");
        let thousand = |number| page((0..1000).map(|name| format!("{:09}", number * 1000 + name)));
        assert_eq!(read(&mut browser, thousand), 200);
        assert_eq!(browser.note(), "0 entries with \"zzz\" in the first 200,000, the rest is not read");
        assert_eq!(shown(&browser), "none of the first 200,000 has that in its name");
        browser.set_filter("");
        browser.list.go(usize::MAX);
        assert_eq!(browser.wants_more(), None, "nor by hand");
        assert_eq!(browser.note(), "first 200,000 entries, the rest is not read");
    }

    #[test]
    fn a_listing_of_long_names_is_not_read_for_ever() {
        let mut browser = browser();
        browser.set_filter("zzz");
        let pages = read(&mut browser, |number| page([format!("{number:060000}")]));
        assert_eq!(pages, (MAX_NAME_BYTES as u64).div_ceil(60_000));
    }

    #[test]
    fn what_was_selected_before_is_found_in_a_later_page() {
        let mut browser = browser();
        browser.go(browser.directory.clone(), Some("c".to_owned()), Ticket(0));
        browser.answer(Ticket(0), Ok(page(["a".to_owned(), "b".to_owned()])));
        browser.asked(Ticket(1));
        browser.answer(Ticket(1), Ok(page(["c".to_owned(), "d".to_owned()])));
        assert_eq!(browser.selected().map(|entry| entry.name.as_str()), Some("c"));
    }

    #[test]
    fn what_is_about_the_whole_folder_waits_until_it_is_read() {
        let names = |from: u32| page((from..from + 1000).map(|name| format!("{name:04}")));
        let mut browser = browser();
        assert!(!browser.defer(Deferred::Mark), "that is about one entry");
        assert!(browser.defer(Deferred::MarkAll), "nothing is read yet");
        browser.answer(Ticket(0), Ok(names(0)));
        assert!(browser.defer(Deferred::Act(BrowserAction::Enter)), "it follows an action that waits");
        assert_eq!(browser.wants_more(), Some("0999"));
        assert_eq!(browser.take_pending(), []);
        browser.asked(Ticket(1));
        assert_eq!(browser.note(), "reading all, 1,000 so far");
        browser.answer(Ticket(1), Ok(Entries { more: false, ..names(1000) }));
        assert_eq!(browser.take_pending(), [Deferred::MarkAll, Deferred::Act(BrowserAction::Enter)]);
        assert!(!browser.defer(Deferred::MarkAll), "all of it is read");
    }

    proptest! {
        #[test]
        fn the_filter_shows_the_same_whether_it_or_the_pages_came_first(
            pages in prop::collection::vec(prop::collection::vec("[a-cA-C]{1,3}", 1..5), 1..5),
            filter in "[a-c]{0,2}",
        ) {
            let [mut before, mut after] = [browser(), browser()];
            before.set_filter(&filter);
            for (ticket, names) in (0..).map(Ticket).zip(pages) {
                for browser in [&mut before, &mut after] {
                    browser.asked(ticket);
                    browser.answer(ticket, Ok(page(names.clone())));
                }
            }
            after.set_filter(&filter);
            prop_assert_eq!(before.list.keys(), after.list.keys());
        }
    }
}
