//! Draws the warning that a server's identity changed.

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};

use crate::ui::{
    components::widgets::{clip, put, wrap_in},
    downloads::{
        content::{
            self,
            alarm::{rows, shown, text},
        },
        model::Model,
    },
};

/// Draws it at the top; the rest of the area.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    let Some(server) = shown(model) else { return area };
    let (columns, glyphs) = (content::columns(area.width), &model.look.glyphs);
    let rows = rows(model, columns).min(area.height);
    let style = model.look.theme.bad.add_modifier(Modifier::BOLD);
    let text = text(server, columns, glyphs);
    for (y, line) in (area.y..).zip(wrap_in(&text, columns, rows, glyphs)) {
        put(buf, area, area.x + 1, y, &line, style);
    }
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Draws it as the only line; whether there is a warning.
pub fn line(model: &Model, area: Rect, buf: &mut Buffer) -> bool {
    let Some(server) = shown(model) else { return false };
    let (columns, glyphs) = (usize::from(area.width), &model.look.glyphs);
    let text = clip(&text(server, columns, glyphs), columns, glyphs);
    put(buf, area, area.x, area.y, &text, model.look.theme.bad);
    true
}
