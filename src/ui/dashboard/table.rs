//! The table of clients: the headers, and the visible rows only.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    model::{Focus, Model},
    row::{Row, State},
    sort::Column,
};
use crate::{
    server::ConnectionState,
    text::units,
    ui::components::{
        columns::{Header, header},
        widgets::{clip, clip_middle, gauge, mark_selected, put, put_line, put_right, width},
    },
};

/// The marker of the selected row, and a space on either side of it.
const MARKER: u16 = 3;
/// Columns of the progress, as a word or in percent.
const PROGRESS: u16 = 8;
/// Columns of the speed.
const SPEED: u16 = 9;

/// The places of the columns in a row. One that has no room is empty.
#[derive(Clone, Copy)]
struct Cells {
    client: Rect,
    protocol: Rect,
    what: Rect,
    gauge: Rect,
    progress: Rect,
    speed: Rect,
    age: Rect,
}

impl Cells {
    /// The columns of a row, with a space between two of them. What is sent has what is left.
    fn of(area: Rect) -> Cells {
        // The last column stays free, so that no terminal wraps.
        let area = Rect { width: area.width.saturating_sub(1), ..area };
        let (client, protocol, gauge, age) = match area.width {
            110.. => (32, 14, 16, 9),
            72.. => (19, 8, 0, 9),
            56.. => (15, 0, 0, 4),
            // The name of the row is in the place of what is sent, while nothing is.
            _ => (0, 0, 0, 0),
        };
        let others = [client, protocol, gauge, PROGRESS, SPEED, age];
        let taken: u16 = others.into_iter().filter(|columns| *columns > 0).map(|columns| columns + 1).sum();
        let what = area.width.saturating_sub(MARKER + taken);
        let mut x = area.x + MARKER;
        let mut cell = |columns: u16| {
            let cell = Rect { x, width: columns, ..area }.intersection(area);
            x += columns + u16::from(columns > 0);
            cell
        };
        Cells {
            client: cell(client),
            protocol: cell(protocol),
            what: cell(what),
            gauge: cell(gauge),
            progress: cell(PROGRESS),
            speed: cell(SPEED),
            age: cell(age),
        }
    }
}

/// Draws the headers of the columns.
pub fn heads(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let Cells { client, protocol, what, gauge, progress, speed, age } = Cells::of(area);
    let focused = model.focus == Focus::Connections;
    // Beside a gauge its word is above it.
    let (progress, right) = if gauge.is_empty() { (progress, true) } else { (gauge, false) };
    let all = [
        (client, "CLIENT", Column::Client, false),
        (protocol, "PROTOCOL", Column::Protocol, false),
        (what, "PATH", Column::Path, false),
        (progress, "PROGRESS", Column::Progress, right),
        (speed, "SPEED", Column::Speed, true),
        (age, "AGE", Column::Age, true),
    ];
    for (area, word, column, right) in all {
        let sorted = model.view.sort.mark(column);
        header(Header { area, word, right, sorted }, focused, buf, &model.look);
    }
}

/// Draws the visible rows.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if model.rows.keys().is_empty() {
        return empty(model, area, buf);
    }
    for (y, key) in (area.y..area.bottom()).zip(model.rows.visible()) {
        let line = Rect { y, height: 1, ..area };
        if let Some(row) = model.row(*key) {
            draw(model, &row, model.rows.selected() == Some(*key), line, buf);
        }
    }
}

fn empty(model: &Model, area: Rect, buf: &mut Buffer) {
    let text = match (model.filter.is_empty(), model.picture.snapshot.clients) {
        (true, 0) if model.about.is_local => "No client yet. Give the address above to tui on this machine.",
        (true, 0) => "No client yet. Give the address above to tui on another machine.",
        (true, _) => "No client at the moment.",
        (false, _) => "No row contains the filter's text.",
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

fn draw(model: &Model, row: &Row, selected: bool, area: Rect, buf: &mut Buffer) {
    let (theme, glyphs) = (&model.look.theme, &model.look.glyphs);
    let cells = Cells::of(area);
    let y = area.y;
    let base = match row.state {
        State::Live(ConnectionState::Sending) => theme.plain,
        State::Live(ConnectionState::Refused) | State::Blocked => theme.warn,
        State::Live(_) => theme.dim,
    };
    let left = |buf: &mut Buffer, cell: Rect, text: &str, style: Style| {
        put(buf, cell, cell.x, y, text, style);
    };
    left(buf, cells.client, &name(model, row, usize::from(cells.client.width)), base);
    let dialect = match (row.dialect, row.state) {
        (Some("classic-select"), _) if cells.protocol.width < 14 => "select",
        (Some(dialect), _) => dialect,
        (None, State::Blocked) => "",
        (None, _) => glyphs.unknown,
    };
    left(buf, cells.protocol, &clip(dialect, usize::from(cells.protocol.width), glyphs), base);
    let room = usize::from(cells.what.width);
    let what = match row.what.as_str() {
        "" if cells.client.is_empty() => name(model, row, room),
        _ if cells.client.is_empty() && row.state == State::Blocked => name(model, row, room),
        what => clip_middle(what, room, glyphs),
    };
    left(buf, cells.what, &what, base);
    let mut bar = None;
    if let (true, Some(fraction), false) = (row.state.is_sending(), row.fraction(), cells.gauge.is_empty()) {
        put_line(buf, cells.gauge, y, &gauge(fraction, cells.gauge.width, &model.look));
        bar = Some(cells.gauge);
    }
    put_right(buf, cells.progress, y, &progress(row), base);
    put_right(buf, cells.speed, y, &speed(row, glyphs.unknown), base);
    put_right(buf, cells.age, y, &age(row, usize::from(cells.age.width)), theme.dim);
    if selected {
        let focused = model.focus == Focus::Connections;
        let row = Rect { width: area.width.saturating_sub(1), ..area };
        mark_selected(buf, row, bar, focused, &model.look);
    }
}

/// The name of a row in this many columns, with the number of connections if there are several.
fn name(model: &Model, row: &Row, columns: usize) -> String {
    let glyphs = &model.look.glyphs;
    if row.is_member {
        return clip(&format!("  {}", row.name), columns, glyphs);
    }
    let count = match row.connections {
        0 | 1 => String::new(),
        count if glyphs.ascii => format!(" x{count}"),
        count => format!(" ×{count}"),
    };
    clip_middle(&row.name, columns.saturating_sub(width(&count)), glyphs) + &count
}

/// The share sent while something is being sent, else the state's word.
fn progress(row: &Row) -> String {
    match row.fraction() {
        // The last percent is not shown before the answer is over.
        Some(fraction) if row.state.is_sending() => {
            format!("{:.0} %", (fraction * 100.0).floor().min(99.0))
        }
        _ => row.state.word().to_owned(),
    }
}

/// The speed; of a blocked address the time that is left.
fn speed(row: &Row, unknown: &str) -> String {
    match (row.state, row.rate) {
        (State::Blocked, _) => row.age.map_or(String::new(), units::duration),
        (State::Live(ConnectionState::Sending), Some(rate)) if rate < 1.0 => "stalled".to_owned(),
        (State::Live(ConnectionState::Sending), Some(rate)) => units::rate(rate),
        (State::Live(ConnectionState::Sending), None) => unknown.to_owned(),
        _ => String::new(),
    }
}

/// The age, in two units if there is room for them.
fn age(row: &Row, columns: usize) -> String {
    if row.state == State::Blocked {
        return String::new();
    }
    let age = row.age.map_or(String::new(), units::duration);
    match age.match_indices(' ').nth(1) {
        Some((end, _)) if width(&age) > columns => age[..end].to_owned(),
        _ => age,
    }
}
