//! The address line.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::{
    text::SafeText,
    ui::{
        components::widgets::{clip, clip_middle, put, put_right},
        downloads::{
            content::reading,
            model::{Focus, Model},
        },
    },
};

/// Before what is typed.
const LABEL: &str = "Fetch";
/// Columns of a window that shows where downloads go, at least.
const MIN_WIDTH: u16 = 60;

/// Draws it; returns the place of the cursor if keys go there.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let look = &model.look;
    let focused = model.focus == Focus::Input;
    let style = if focused { look.theme.accent } else { look.theme.dim };
    let label = format!("{LABEL} {} ", look.glyphs.prompt);
    let x = put(buf, area, area.x + 1, area.y, &label, style);
    let area = destination(model, area, buf);
    let columns = usize::from(area.right().saturating_sub(x + 1));
    if model.input.is_empty() {
        let hint = match model.defaults.server {
            Some(_) => "a path on the server, or an address",
            None => "HOST:PORT/PATH or fdsp://HOST/PATH",
        };
        put(buf, area, x, area.y, &clip(hint, columns, &look.glyphs), look.theme.dim);
    }
    let (visible, cursor) = model.input.window(columns);
    let text_style = if focused { look.theme.plain } else { look.theme.dim };
    put(buf, area, x, area.y, &visible, text_style);
    let x = x.saturating_add(cursor as u16);
    (focused && x < area.right()).then_some(Position { x, y: area.y })
}

/// Draws what the line is read as, below what is typed.
pub fn reading(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let look = &model.look;
    let label = if area.width < MIN_WIDTH { 0 } else { LABEL.len() + look.glyphs.prompt.chars().count() + 2 };
    let x = area.x + 1 + label as u16;
    let columns = usize::from(area.right().saturating_sub(x + 1));
    let words = SafeText::new(&reading::words(model, columns));
    put(buf, area, x, area.y, &clip(words.as_str(), columns, &look.glyphs), look.theme.dim);
}

/// Draws where downloads go at the right, if there is room; the rest of the area.
fn destination(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    if area.width < MIN_WIDTH {
        return area;
    }
    let look = &model.look;
    let path = model.defaults.short_path(SafeText::from_path(&model.defaults.folder).as_str());
    let path = clip_middle(&path, usize::from(area.width / 3), &look.glyphs);
    let cell = Rect { width: area.width - 1, ..area };
    let x = put_right(buf, cell, area.y, &format!("to {path}"), look.theme.dim);
    Rect { width: (x - area.x).saturating_sub(1), ..area }
}
