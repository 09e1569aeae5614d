//! The listing of a server's directory: what came of it so far, page by page, and what is selected in it.

use ratatui::{buffer::Buffer, layout::Rect};
use time::OffsetDateTime;

use super::{
    downloads::{Ticket, list::List, target},
    theme::Look,
    widgets::{self, clip, clip_middle, put, put_right, width},
};
use crate::{
    client::Trouble,
    protocol::{
        address::Authority,
        message::{Entries, Entry, Kind},
        path::RemotePath,
    },
    text::SafeText,
    units,
};

/// With fewer rows than this below the selected one, the next page is asked for.
const AHEAD: usize = 64;

/// A directory of a server.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The server.
    pub authority: Authority,
    /// The directory.
    pub path: RemotePath,
    /// Indices into the entries, which only grow while the directory stays the same.
    pub list: List<usize>,
    entries: Vec<Entry>,
    filter: String,
    more: bool,
    waits_for: Option<Ticket>,
    trouble: Option<SafeText>,
    /// A name to select once it has come.
    wanted: Option<String>,
}

impl Browser {
    /// A directory of which nothing is known yet; `ticket` is that of the question for its first page.
    pub fn new(authority: Authority, path: RemotePath, ticket: Ticket) -> Browser {
        Browser {
            authority,
            path,
            list: List::default(),
            entries: Vec::new(),
            filter: String::new(),
            more: false,
            waits_for: Some(ticket),
            trouble: None,
            wanted: None,
        }
    }

    /// Goes to another directory of the same server, to select `wanted` there.
    pub fn go(&mut self, path: RemotePath, wanted: Option<String>, ticket: Ticket) {
        *self = Browser { wanted, ..Browser::new(self.authority.clone(), path, ticket) };
    }

    /// The selected entry.
    pub fn selected(&self) -> Option<&Entry> {
        self.entries.get(self.list.selected()?)
    }

    /// The marked entries, else the selected one.
    pub fn targets(&self) -> Vec<&Entry> {
        self.list.targets().into_iter().filter_map(|index| self.entries.get(index)).collect()
    }

    /// The path of an entry; `None` if its name is none that could be asked for.
    pub fn path_of(&self, entry: &Entry) -> Option<RemotePath> {
        target::child(&self.path, &entry.name)
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
        self.refill();
    }

    fn refill(&mut self) {
        let shows =
            |entry: &Entry| self.filter.is_empty() || entry.name.to_lowercase().contains(&self.filter);
        let shown = (0..).zip(&self.entries).filter(|(_, entry)| shows(entry)).map(|(index, _)| index);
        self.list.set_keys(shown.collect());
    }

    /// Says how many rows are visible.
    pub fn set_height(&mut self, rows: usize) {
        self.list.set_height(rows);
    }

    /// After which name the next page begins, if it is time to ask for it.
    pub fn wants_more(&self) -> Option<&str> {
        let near = self.list.keys().len().saturating_sub(self.list.cursor()) < AHEAD;
        let name = self.entries.last().map(|entry| entry.name.as_str());
        if self.more && near && self.waits_for.is_none() && self.trouble.is_none() { name } else { None }
    }

    /// The question for the next page was asked.
    pub fn asked(&mut self, ticket: Ticket) {
        self.waits_for = Some(ticket);
    }

    /// Takes a page, or what kept it from coming, if it is the one that was asked for; whether it was.
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
                self.entries.extend(page.entries);
                self.refill();
                if let Some(name) = &self.wanted
                    && let Some(index) = self.entries.iter().position(|entry| entry.name == *name)
                {
                    self.list.select(index);
                    self.wanted = None;
                }
            }
            Err(trouble) => self.trouble = Some(trouble.message),
        }
        true
    }

    /// The title of the panel.
    pub fn title(&self) -> String {
        format!("Remote files: {}{}", self.authority.host, SafeText::new(&self.path.to_string()))
    }

    /// What the panel's rule says.
    pub fn note(&self) -> String {
        let count = units::count(self.list.keys().len() as u64);
        let mut note = match (self.waits_for.is_some(), self.more) {
            (true, _) if self.entries.is_empty() => "asking".to_owned(),
            (_, true) => format!("first {count} entries"),
            (_, false) if count == "1" => "1 entry".to_owned(),
            (_, false) => format!("{count} entries"),
        };
        if !self.filter.is_empty() {
            note = format!("{note} with \"{}\"", self.filter);
        }
        if self.list.marked() > 0 {
            note = format!("{note}, {} marked", units::count(self.list.marked() as u64));
        }
        note
    }

    /// Draws the rows.
    pub fn render(&self, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
        let theme = &look.theme;
        let columns = usize::from(area.width.saturating_sub(4));
        if let Some(trouble) = &self.trouble {
            for (y, line) in (area.y..area.bottom()).zip(widgets::wrap(trouble.as_str(), columns.max(1))) {
                put(buf, area, area.x + 3, y, line, theme.bad);
            }
            return;
        }
        if self.list.keys().is_empty() {
            let text = match (self.waits_for.is_some(), self.filter.is_empty()) {
                (true, _) => "asking the server",
                (false, true) => "empty",
                (false, false) => "nothing here has that in its name",
            };
            put(buf, area, area.x + 3, area.y, &clip(text, columns, &look.glyphs), theme.dim);
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
