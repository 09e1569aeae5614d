//! The help page of both screens: every key in force and what it does, made from the table of actions. It begins with the section
//! of the pane that had the focus, and can be searched.

use crossterm::event::KeyEvent;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect, Size},
    widgets::{Clear, Widget},
};

use super::{
    bar,
    input::LineEdit,
    viewport::moved,
    widgets::{put, put_line, rule, width, wrap},
};
use crate::ui::{
    actions::{
        Context, DialogAction, GlobalAction, KeyMap, MoveAction, Section, docs,
        hints::{self, Hint},
    },
    theme::Look,
};

/// Columns for keys; those that need more get a line of their own.
const KEY_COLUMNS: usize = 12;
/// Columns of a window in which the page has two columns, at least.
const MIN_TWO_COLUMNS: u16 = 120;

/// The open help page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its sections, in order.
    sections: Vec<Section>,
    /// The first visible line.
    top: usize,
    /// The text that entries must contain.
    search: LineEdit,
    /// Whether that text is being typed.
    typing: bool,
}

/// A line of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    Blank,
    Heading(&'static str),
    Keys(String),
    Text(&'static str),
    Both(String, &'static str),
}

impl Page {
    /// A page of these sections that begins with that of a context.
    pub fn new(sections: &[Section], context: Context) -> Page {
        let first = Section::of(context);
        let mut sections = sections.to_vec();
        // The order of the others stays.
        sections.sort_by_key(|section| *section != first);
        Page { sections, top: 0, search: LineEdit::default(), typing: false }
    }

    /// Where keys are looked up.
    pub fn context(&self) -> Context {
        if self.typing { Context::Prompt } else { Context::Page }
    }

    /// Lets the user type what to search for.
    pub fn search(&mut self) {
        self.typing = true;
    }

    /// Types a key.
    pub fn key(&mut self, key: KeyEvent) {
        if self.search.key(key) {
            self.top = 0;
        }
    }

    /// Types a text.
    pub fn paste(&mut self, text: &str) {
        if self.typing {
            self.search.paste(text);
            self.top = 0;
        }
    }

    /// Goes one step back: shows all entries again. Whether it did so; else the page is to be closed.
    pub fn back(&mut self) -> bool {
        let was_searched = !self.search.is_empty();
        (self.search, self.typing, self.top) = (LineEdit::default(), false, 0);
        was_searched
    }

    /// What a key of a dialog does. Whether the page stays open.
    pub fn act(&mut self, action: DialogAction) -> bool {
        match action {
            DialogAction::Close => false,
            DialogAction::Accept => {
                self.typing = false;
                true
            }
            DialogAction::Dismiss => {
                self.back();
                true
            }
            DialogAction::Yes | DialogAction::No | DialogAction::Other => true,
        }
    }

    /// Scrolls in a window of this size.
    pub fn scroll(&mut self, action: MoveAction, size: Size, keys: &KeyMap, look: &Look) {
        let height = usize::from(size.height).saturating_sub(2).max(1);
        let last = self.lines(keys, size.width, look).1.saturating_sub(height);
        self.top = moved(self.top, action, height, last);
    }

    /// The lines of each column in a window of this width, and how many the longest one has.
    fn lines(&self, keys: &KeyMap, columns: u16, look: &Look) -> (Vec<Vec<Row>>, usize) {
        let count = if columns < MIN_TWO_COLUMNS { 1 } else { 2 };
        let columns = usize::from(columns) / count;
        let mut lines = vec![Vec::new(); count];
        for section in docs::help(keys, &self.sections, self.search.value(), look.glyphs.ascii) {
            // Each section as a whole goes where there is more room.
            if let Some(shortest) = lines.iter_mut().min_by_key(|lines| lines.len()) {
                if !shortest.is_empty() {
                    shortest.push(Row::Blank);
                }
                shortest.extend(rows(section, columns));
            }
        }
        let longest = lines.iter().map(Vec::len).max().unwrap_or_default();
        (lines, longest)
    }
}

/// Draws the page over all of `area`. Returns the place of the cursor, if a text is typed.
pub fn render(area: Rect, buf: &mut Buffer, page: &Page, keys: &KeyMap, look: &Look) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    Clear.render(area, buf);
    let (columns, longest) = page.lines(keys, area.width, look);
    let height = usize::from(area.height).saturating_sub(2).max(1);
    let top = page.top.min(longest.saturating_sub(height));
    let below = longest.saturating_sub(top + height);
    let note = match (page.search.value(), below) {
        ("", 0) => String::new(),
        ("", _) => format!("{below} more below"),
        (text, 0) => format!("\"{text}\""),
        (text, _) => format!("\"{text}\", {below} more below"),
    };
    rule(buf, area, "Help", &note, true, look);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    if longest == 0 && body.height > 0 {
        put(buf, body, body.x + 1, body.y, "no entry contains this", look.theme.dim);
    }
    let width = area.width / columns.len().max(1) as u16;
    for (x, rows) in (area.x..).step_by(usize::from(width.max(1))).zip(&columns) {
        column(Rect { x, width, ..body }, buf, rows.get(top..).unwrap_or_default(), look);
    }
    let last = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
    if area.height < 2 {
        return None;
    }
    if page.typing {
        let hints =
            [Hint::saying(DialogAction::Accept, "keep"), Hint::saying(DialogAction::Dismiss, "show all")];
        let label = format!("Help with {} ", look.glyphs.prompt);
        return bar::typing(&label, &page.search, (Context::Prompt, &hints), keys, last, buf, look);
    }
    let mut hints = vec![Hint::saying(GlobalAction::Filter, "search")];
    if below > 0 {
        hints.push(Hint::saying(MoveAction::PageDown, "more"));
    } else if top > 0 {
        hints.push(Hint::saying(MoveAction::First, "to the top"));
    }
    let back = if page.search.is_empty() { "close" } else { "show all" };
    let always = [Hint::saying(GlobalAction::Back, back)];
    put_line(
        buf,
        last,
        last.y,
        &hints::bar(keys, Context::Page, &hints, &always, usize::from(last.width), look),
    );
    None
}

fn column(area: Rect, buf: &mut Buffer, rows: &[Row], look: &Look) {
    let theme = &look.theme;
    let indent = if text_columns(usize::from(area.width)).1 { KEY_COLUMNS as u16 + 3 } else { 4 };
    for (y, row) in (area.y..area.bottom()).zip(rows) {
        let (keys, text) = match row {
            Row::Blank => continue,
            Row::Heading(title) => {
                put(buf, area, area.x + 1, y, title, theme.accent);
                continue;
            }
            Row::Keys(keys) => (keys.as_str(), ""),
            Row::Text(text) => ("", *text),
            Row::Both(keys, text) => (keys.as_str(), *text),
        };
        put(buf, area, area.x + 2, y, keys, theme.key);
        put(buf, area, area.x + indent, y, text, theme.plain);
    }
}

/// Columns for text, and whether it is beside the keys.
fn text_columns(columns: usize) -> (usize, bool) {
    let beside = columns >= 4 * KEY_COLUMNS;
    let indent = if beside { KEY_COLUMNS + 4 } else { 5 };
    (columns.saturating_sub(indent).max(1), beside)
}

fn rows(section: docs::HelpSection, columns: usize) -> Vec<Row> {
    let (text_columns, beside) = text_columns(columns);
    let mut rows = vec![Row::Heading(section.title)];
    for (keys, help) in section.entries {
        let mut lines = wrap(help, text_columns).into_iter();
        if beside && width(&keys) <= KEY_COLUMNS {
            rows.push(Row::Both(keys, lines.next().unwrap_or_default()));
        } else {
            rows.push(Row::Keys(keys));
        }
        rows.extend(lines.map(Row::Text));
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: Size = Size { width: 80, height: 24 };

    fn text(page: &Page, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        render(area, &mut buf, page, &KeyMap::default(), &Look::default());
        let line =
            |y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
        (0..height).map(line).collect()
    }

    #[test]
    fn the_last_line_can_be_reached_and_not_passed() {
        let mut page = Page::new(&Section::ALL, Context::Queue);
        let mut go = |action| {
            page.scroll(action, SIZE, &KeyMap::default(), &Look::default());
            page.top
        };
        let last = go(MoveAction::Last);
        assert!(last > 0);
        assert_eq!(go(MoveAction::Down), last);
        assert_eq!(go(MoveAction::Up), last - 1);
        assert_eq!(go(MoveAction::First), 0);
    }

    #[test]
    fn it_begins_with_the_section_of_the_pane() {
        for (context, title) in [
            (Context::Queue, "Queue"),
            (Context::Details, "Queue"),
            (Context::Browser, "Remote files"),
            (Context::Input, "Address line"),
            (Context::Log, "Log"),
            (Context::Connections, "Server dashboard"),
        ] {
            let shown = text(&Page::new(&Section::ALL, context), 80, 24);
            assert_eq!(shown.lines().nth(1).map(str::trim), Some(title), "{shown}");
        }
    }

    #[test]
    fn a_wide_window_has_two_columns_of_whole_sections() {
        let shown = text(&Page::new(&Section::DOWNLOADS, Context::Queue), 120, 66);
        let headings = shown.lines().nth(1).expect("a line");
        assert!(headings.starts_with(" Queue") && headings[60..].starts_with(" Everywhere"), "{shown}");
        assert!(!shown.contains("more below"), "all of it fits: {shown}");
        for section in Section::DOWNLOADS {
            assert!(shown.contains(section.title()), "{section:?}");
        }
    }

    #[test]
    fn a_search_shows_matching_entries_and_back_shows_all() {
        let mut page = Page::new(&Section::DOWNLOADS, Context::Queue);
        page.search();
        assert_eq!(page.context(), Context::Prompt);
        page.paste("CLIPBOARD");
        let shown = text(&page, 80, 24);
        assert!(shown.contains("Send the address") && !shown.contains("Move towards"), "{shown}");
        assert!(page.act(DialogAction::Accept), "it stays open");
        assert_eq!(page.context(), Context::Page);
        assert!(text(&page, 80, 24).contains("show all"));
        assert!(page.back() && !page.back(), "once to show all, once to close");
        page.search();
        page.paste("no such entry");
        assert!(text(&page, 80, 24).contains("no entry contains this"));
    }

    proptest! {
        #[test]
        fn it_draws_at_any_size(width in 0_u16..200, height in 0_u16..60, down in 0_usize..9, search in "[a-z]{0,2}") {
            let mut page = Page::new(&Section::ALL, Context::Log);
            page.search();
            page.paste(&search);
            let size = Size { width, height };
            (0..down).for_each(|_| page.scroll(MoveAction::PageDown, size, &KeyMap::default(), &Look::default()));
            text(&page, width, height);
            page.act(DialogAction::Accept);
            text(&page, width, height);
        }
    }
}
