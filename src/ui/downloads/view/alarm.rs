//! What nobody is to overlook: a server that is not the one that it should be. It stays above the last line until it was
//! put away, whatever is typed there; only a prompt or a question that somebody has opened comes
//! before it, and then it comes back.

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};

use super::bar;
use crate::{
    protocol::address::Authority,
    ui::{
        downloads::{dialog::Dialog, model::Model},
        theme::Glyphs,
        widgets::{clip, clip_middle, put, wrap, wrap_in},
    },
};

/// Most rows.
const MOST_ROWS: usize = 3;

/// The server that is warned of, unless something is asked.
pub fn shown(model: &Model) -> Option<&Authority> {
    model.alarms.first().filter(|_| matches!(model.dialog, Dialog::None))
}

/// The warning comes first, so that no name pushes it out.
fn text(server: &Authority, columns: usize, glyphs: &Glyphs) -> String {
    let name = clip_middle(&server.to_string(), columns, glyphs);
    format!("SERVER IDENTITY CHANGED: {name}. Nothing was sent or received.")
}

/// Rows that it wants in so many columns.
pub fn rows(model: &Model, columns: usize) -> u16 {
    let rows = |server| wrap(&text(server, columns, &model.look.glyphs), columns).len();
    shown(model).map_or(0, |server| rows(server).min(MOST_ROWS) as u16)
}

/// Draws it at the top; the rest of the area.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    let Some(server) = shown(model) else { return area };
    let (columns, glyphs) = (bar::columns(area.width), &model.look.glyphs);
    let rows = rows(model, columns).min(area.height);
    let style = model.look.theme.bad.add_modifier(Modifier::BOLD);
    let text = text(server, columns, glyphs);
    for (y, line) in (area.y..).zip(wrap_in(&text, columns, rows, glyphs)) {
        put(buf, area, area.x + 1, y, &line, style);
    }
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Draws it as the only line that there is; whether there was anything to be said.
pub fn line(model: &Model, area: Rect, buf: &mut Buffer) -> bool {
    let Some(server) = shown(model) else { return false };
    let (columns, glyphs) = (usize::from(area.width), &model.look.glyphs);
    let text = clip(&text(server, columns, glyphs), columns, glyphs);
    put(buf, area, area.x, area.y, &text, model.look.theme.bad);
    true
}
