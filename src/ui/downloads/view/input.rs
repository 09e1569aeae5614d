//! The address line.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::ui::{
    components::widgets::{clip, put},
    downloads::model::{Focus, Model},
};

/// Draws it; returns the place of the cursor if keys go there.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let look = &model.look;
    let focused = model.focus == Focus::Input;
    let style = if focused { look.theme.accent } else { look.theme.dim };
    let label = format!("Fetch {} ", look.glyphs.prompt);
    let x = put(buf, area, area.x + 1, area.y, &label, style);
    let columns = usize::from(area.right().saturating_sub(x + 1));
    if model.input.is_empty() {
        let hint = match model.defaults.server {
            Some(_) => "a path on the server, or an address",
            None => "fdsp://HOST[:PORT]/PATH",
        };
        put(buf, area, x, area.y, &clip(hint, columns, &look.glyphs), look.theme.dim);
    }
    let (visible, cursor) = model.input.window(columns);
    let text_style = if focused { look.theme.plain } else { look.theme.dim };
    put(buf, area, x, area.y, &visible, text_style);
    let x = x.saturating_add(cursor as u16);
    (focused && x < area.right()).then_some(Position { x, y: area.y })
}
