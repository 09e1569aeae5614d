//! The table of connections: the visible rows only.

use ratatui::{buffer::Buffer, layout::Rect};

use super::model::{Focus, Model, coarse, state_word};
use crate::{
    server::{ConnectionState, ConnectionView},
    text::units,
    ui::components::widgets::{clip, clip_middle, gauge, put, put_line, width},
};

/// Widths of the columns; 0 leaves a column out. The path has what is left.
#[derive(Clone, Copy)]
struct Columns {
    peer: u16,
    dialect: u16,
    gauge: u16,
    state: u16,
    rate: u16,
    age: u16,
}

impl Columns {
    fn of(width: u16) -> Columns {
        match width {
            110.. => Columns { peer: 28, dialect: 14, gauge: 16, state: 8, rate: 9, age: 4 },
            72.. => Columns { peer: 21, dialect: 7, gauge: 0, state: 8, rate: 9, age: 4 },
            56.. => Columns { peer: 15, dialect: 0, gauge: 0, state: 8, rate: 9, age: 4 },
            // The path, or the peer while there is none.
            _ => Columns { peer: 0, dialect: 0, gauge: 0, state: 8, rate: 9, age: 0 },
        }
    }

    /// Columns of the path, once all others have theirs with a space before each.
    fn path(self, width: u16) -> u16 {
        let Columns { peer, dialect, gauge, state, rate, age } = self;
        let others = [peer, dialect, gauge, state, rate, age].into_iter().filter(|columns| *columns > 0);
        width.saturating_sub(MARKER + others.map(|columns| columns + 1).sum::<u16>())
    }
}

/// The marker of the selected row, and a space on either side of it.
const MARKER: u16 = 3;

/// Draws the visible rows.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if model.picture.total == 0 {
        return empty(model, area, buf);
    }
    for (y, number) in (area.y..area.bottom()).zip(model.rows.window()) {
        // A row that was scrolled to is read for this very frame; only a client that left just now is not there.
        if let Some(row) = model.row(number) {
            draw_row(model, row, number == model.rows.cursor(), Rect { y, height: 1, ..area }, buf);
        }
    }
}

fn empty(model: &Model, area: Rect, buf: &mut Buffer) {
    let text = match (model.filter.is_empty(), model.picture.snapshot.served) {
        (true, 0) => "No client yet. Give the address above to tui on another machine.",
        (true, _) => "No client at the moment.",
        (false, _) => "No connection contains the filter's text.",
    };
    let mut lines = vec![text.to_owned()];
    if model.filter.is_empty() && model.picture.snapshot.served == 0 {
        lines.push(format!("For browsers and curl: {}", model.about.web));
    }
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        let line = clip(&line, usize::from(area.width).saturating_sub(4), &model.look.glyphs);
        put(buf, area, area.x + MARKER, y, &line, model.look.theme.dim);
    }
}

fn draw_row(model: &Model, row: &ConnectionView, selected: bool, area: Rect, buf: &mut Buffer) {
    let (theme, glyphs) = (&model.look.theme, &model.look.glyphs);
    // The last column stays free, so that no terminal wraps.
    let area = Rect { width: area.width.saturating_sub(1), ..area };
    let columns = Columns::of(area.width);
    let y = area.y;
    let base = match row.state {
        ConnectionState::Sending => theme.plain,
        ConnectionState::Refused => theme.warn,
        _ => theme.dim,
    };
    if selected {
        put(buf, area, area.x + 1, y, glyphs.selected, theme.accent);
    }
    let mut x = area.x + MARKER;
    let peer = row.peer.to_string();
    if columns.peer > 0 {
        put(buf, area, x, y, &clip_middle(&peer, usize::from(columns.peer), glyphs), base);
        x += columns.peer + 1;
    }
    if columns.dialect > 0 {
        let dialect = match row.dialect {
            Some("classic-select") if columns.dialect < 14 => "select",
            Some(dialect) => dialect,
            None => glyphs.unknown,
        };
        put(buf, area, x, y, &clip(dialect, usize::from(columns.dialect), glyphs), base);
        x += columns.dialect + 1;
    }
    let path = columns.path(area.width);
    let what = match row.path.as_str() {
        "" if columns.peer == 0 => peer.as_str(),
        path => path,
    };
    put(buf, area, x, y, &clip_middle(what, usize::from(path), glyphs), base);
    x += path + 1;
    if columns.gauge > 0 {
        if let (ConnectionState::Sending, Some(fraction)) = (row.state, fraction(row)) {
            let cell = Rect { x, width: columns.gauge, ..area }.intersection(area);
            put_line(buf, cell, y, &gauge(fraction, columns.gauge, &model.look));
        }
        x += columns.gauge + 1;
    }
    let mut right = |columns: u16, text: &str, style| {
        if columns > 0 {
            let indent = columns.saturating_sub(u16::try_from(width(text)).unwrap_or(columns));
            put(buf, area, x + indent, y, text, style);
            x += columns + 1;
        }
    };
    right(columns.state, &state(row), base);
    let rate = match (row.state, model.rate(row)) {
        (ConnectionState::Sending, Some(rate)) if rate < 1.0 => "stalled".to_owned(),
        (ConnectionState::Sending, Some(rate)) => units::rate(rate),
        (ConnectionState::Sending, None) => glyphs.unknown.to_owned(),
        _ => String::new(),
    };
    right(columns.rate, &rate, base);
    // The system does not report how long a client has been waiting.
    let age = if row.state == ConnectionState::Waiting { String::new() } else { coarse(row.age) };
    right(columns.age, &age, theme.dim);
    if selected {
        let style = if model.focus == Focus::Connections { theme.selected } else { theme.selected_idle };
        buf.set_style(area, style);
    }
}

/// How much of the running answer is sent; below 1 until all of it is.
fn fraction(row: &ConnectionView) -> Option<f64> {
    let (done, total) = row.progress?;
    (total > 0).then(|| done as f64 / total as f64)
}

/// The share sent while something is being sent, else the state's word.
fn state(row: &ConnectionView) -> String {
    match (row.state, fraction(row)) {
        // The last percent is not shown before the answer is over.
        (ConnectionState::Sending, Some(fraction)) => {
            format!("{:.0} %", (fraction * 100.0).floor().min(99.0))
        }
        (state, _) => state_word(state).to_owned(),
    }
}
