//! What nobody is to overlook: a server that is not the one that it should be. It stays above the last line until it was
//! put away, whatever else is typed or happens.

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};

use super::bar;
use crate::ui::{
    downloads::{dialog::Dialog, model::Model},
    widgets::{clip, put, wrap, wrap_in},
};

/// Most rows.
const MOST_ROWS: usize = 3;

/// The first of them, unless something is asked, which comes before.
fn text(model: &Model) -> Option<String> {
    let alarm = model.alarms.first().filter(|_| matches!(model.dialog, Dialog::None))?;
    Some(format!("{alarm}. Nothing was taken from it."))
}

/// Rows that it wants in so many columns.
pub fn rows(model: &Model, columns: usize) -> u16 {
    text(model).map_or(0, |text| wrap(&text, columns).len().min(MOST_ROWS) as u16)
}

/// Draws it at the top; the rest of the area.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    let Some(text) = text(model) else { return area };
    let columns = bar::columns(area.width);
    let rows = rows(model, columns).min(area.height);
    let style = model.look.theme.bad.add_modifier(Modifier::BOLD);
    for (y, line) in (area.y..).zip(wrap_in(&text, columns, rows, &model.look.glyphs)) {
        put(buf, area, area.x + 1, y, &line, style);
    }
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Draws it as the only line that there is; whether there was anything to be said.
pub fn line(model: &Model, area: Rect, buf: &mut Buffer) -> bool {
    let Some(text) = text(model) else { return false };
    let text = clip(&text, usize::from(area.width), &model.look.glyphs);
    put(buf, area, area.x, area.y, &text, model.look.theme.bad);
    true
}
