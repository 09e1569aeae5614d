//! Draws all about the selected job.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::ui::{
    components::widgets::{put, put_line},
    downloads::{
        content::details::{Detail, LABEL_COLUMNS, lines},
        model::Model,
    },
};

/// Note of the panel's rule.
pub fn note(model: &Model) -> String {
    let (rows, lines) = model.details_extent();
    match lines.saturating_sub(model.details_offset + rows) {
        0 => String::new(),
        below => format!("{below} more below"),
    }
}

/// Draws it.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &model.look.theme;
    let lines = lines(model, model.layout().panel);
    let rows = usize::from(area.height);
    let offset = model.details_offset.min(lines.len().saturating_sub(rows));
    for (y, Detail { label, line }) in (area.y..area.bottom()).zip(&lines[offset..]) {
        let x = area.x + 3;
        put(buf, area, x, y, label, theme.dim);
        let x = (x + LABEL_COLUMNS).min(area.right());
        put_line(buf, Rect { x, width: area.right() - x, ..area }, y, line);
    }
}
