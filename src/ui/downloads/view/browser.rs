//! The listing of a server's directory.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    protocol::message::{Entry, Kind},
    text::{SafeText, dates, units},
    ui::{
        components::{
            columns::{Header, Sorted, header},
            widgets::{clip, clip_middle, mark_selected, put, put_right, width, wrap_in},
        },
        downloads::{
            model::layout::MARGIN,
            remote::browser::{Browser, FileSort, Known},
        },
        theme::Look,
    },
};

/// Columns of a title that is cut, at least.
const MIN_TITLE_COLUMNS: usize = 16;
/// Columns of a rule that neither title nor note has.
const RULE_COLUMNS: usize = 11;
/// The title of the panel beside a note: server and path, the two ends if there is little room.
pub fn title(browser: &Browser, note: &str, columns: u16, look: &Look) -> String {
    let room = usize::from(columns).saturating_sub(RULE_COLUMNS + width(note)).max(MIN_TITLE_COLUMNS);
    let place = browser.place();
    let long = format!("Remote files: {place}");
    if width(&long) <= room { long } else { clip_middle(&place, room, &look.glyphs) }
}

/// The places of the columns in a row.
struct Cells {
    name: Rect,
    state: Rect,
    size: Rect,
    date: Rect,
}

impl Cells {
    fn new(area: Rect) -> Cells {
        let mut right = area.right().saturating_sub(1).max(area.x);
        let mut take = |width: u16| {
            let x = right.saturating_sub(width).max(area.x);
            let cell = Rect { x, width: right - x, ..area };
            right = x.saturating_sub(u16::from(width > 0)).max(area.x);
            cell
        };
        let date = take(if area.width >= 60 { 11 } else { 0 });
        let size = take(if area.width >= 30 { 10 } else { 0 });
        let state = take(if area.width >= 60 { 8 } else { 1 });
        let x = (area.x + MARGIN).min(right);
        Cells { name: Rect { x, width: right - x, ..area }, state, size, date }
    }
}

/// Draws the headers of the columns.
pub fn headers(browser: &Browser, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
    let Cells { name, state, size, date } = Cells::new(area);
    let by = |sort, sorted| if browser.sort() == sort { sorted } else { Sorted::No };
    let all = [
        Header { area: name, word: "NAME", right: false, sorted: by(FileSort::Name, Sorted::Up) },
        Header { area: state, word: "STATE", right: false, sorted: Sorted::No },
        Header { area: size, word: "SIZE", right: true, sorted: by(FileSort::Size, Sorted::Down) },
        Header { area: date, word: "DATE", right: true, sorted: by(FileSort::Date, Sorted::Down) },
    ];
    all.into_iter().for_each(|one| header(one, focused, buf, look));
}

/// Draws the rows, or what is in their place.
pub fn render(browser: &Browser, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
    let theme = &look.theme;
    let columns = usize::from(area.width.saturating_sub(MARGIN + 1));
    if let Some(trouble) = browser.trouble() {
        let lines = wrap_in(trouble.as_str(), columns.max(1), area.height, &look.glyphs);
        for (y, line) in (area.y..).zip(&lines) {
            put(buf, area, area.x + MARGIN, y, line, theme.bad);
        }
        return;
    }
    if let Some(text) = browser.emptiness() {
        put(buf, area, area.x + MARGIN, area.y, &clip(&text, columns, &look.glyphs), theme.dim);
        return;
    }
    for (y, (index, entry)) in (area.y..area.bottom()).zip(browser.visible()) {
        let line = Rect { y, height: 1, ..area };
        let selected = browser.list.selected() == Some(index);
        row(browser, (index, entry), line, buf, look);
        if selected {
            mark_selected(buf, line, None, focused, look);
        }
    }
}

fn row(browser: &Browser, (index, entry): (usize, &Entry), area: Rect, buf: &mut Buffer, look: &Look) {
    let Look { theme, glyphs } = look;
    let Cells { name, state, size, date } = Cells::new(area);
    let y = area.y;
    if browser.list.is_marked(index) {
        put(buf, area, area.x, y, glyphs.marked, theme.accent);
    }
    put_right(
        buf,
        date,
        y,
        &dates::of_unix(entry.modified.seconds).map(dates::day).unwrap_or_default(),
        theme.dim,
    );
    let (end, style, words) = match entry.kind {
        Kind::Directory => ("/", theme.strong, "folder".to_owned()),
        Kind::File => ("", theme.plain, entry.size.map(units::bytes).unwrap_or_default()),
        Kind::Other => ("", theme.dim, "not served".to_owned()),
    };
    put_right(buf, size, y, &words, theme.dim);
    let known = match browser.known(index) {
        None => None,
        Some(Known::Queued) => Some((glyphs.queued, "queued", theme.accent)),
        Some(Known::Local) => Some((glyphs.local, "local", theme.good)),
    };
    if let Some((glyph, word, style)) = known {
        // Without room for the word the glyph is alone.
        let text = if state.width > 1 { format!("{glyph} {word}") } else { glyph.to_owned() };
        put(buf, state, state.x, y, &text, style);
    }
    let text = format!("{}{end}", SafeText::new(&entry.name));
    put(buf, name, name.x, y, &clip_middle(&text, usize::from(name.width), glyphs), style);
}
