//! Draws the selected download beside the queue, where the window is wide enough.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::ui::{
    components::{
        segments,
        widgets::{clip, put, put_line, rule},
    },
    downloads::{
        content::{
            details::{Detail, LABEL_COLUMNS, facts},
            pictures,
        },
        model::{Model, Panel, layout::map_rows},
    },
};

/// Draws it.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let look = &model.look;
    let title = model.current.as_ref().map_or("Details", |row| row.name.as_str());
    rule(buf, area, title, "", false, look);
    let inner = Rect {
        x: area.x + 3,
        width: area.width.saturating_sub(4),
        y: area.y + 1,
        height: area.height.saturating_sub(1),
    };
    let columns = usize::from(inner.width);
    let mut y = inner.y;
    let graph = pictures::speed(model, columns, usize::from(inner.height / 4).clamp(2, 8));
    if !graph.is_empty() {
        let caption = pictures::caption(model).unwrap_or_default();
        put(buf, inner, inner.x, y, &clip(&caption, columns, &look.glyphs), look.theme.dim);
        y += 1;
    }
    for line in &graph {
        put_line(buf, inner, y, line);
        y += 1;
    }
    y += u16::from(!graph.is_empty());
    let map = pictures::map(model, columns);
    for line in map.iter().take(usize::from(map_rows(area.height))) {
        put_line(buf, inner, y, line);
        y += 1;
    }
    if !map.is_empty() {
        put_line(buf, inner, y, &segments::legend(look));
        y += 2;
    }
    if model.panel == Panel::Details {
        return;
    }
    for Detail { label, line } in facts(model, inner.width.saturating_sub(LABEL_COLUMNS)) {
        put(buf, inner, inner.x, y, label, look.theme.dim);
        let x = inner.x + LABEL_COLUMNS;
        put_line(buf, Rect { x, width: inner.right().saturating_sub(x), ..inner }, y, &line);
        y += 1;
    }
}
