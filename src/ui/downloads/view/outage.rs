//! Draws the banner of a server that cannot be reached.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::ui::{
    actions::{
        QueueAction,
        hints::{self, Hint},
    },
    components::widgets::{clip, put, put_line, width},
    downloads::{content::outage, model::Model},
};

/// Draws it at the top; the rest of the area. The key stays visible, however long the rest is.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    let Some((short, long)) = outage::text(model).filter(|_| area.height > 1) else { return area };
    let look = &model.look;
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), height: 1, ..area };
    let hint = [Hint::saying(QueueAction::Retry, "try now")];
    let hint = hints::bar(&model.keys, model.context(), &hint, &[], usize::from(inner.width), look);
    let columns = usize::from(inner.width).saturating_sub(hint.width() + 2);
    let text = if width(&long) <= columns { long } else { short };
    put(buf, inner, inner.x, inner.y, &clip(&text, columns, &look.glyphs), look.theme.warn);
    let x = inner.right().saturating_sub(hint.width() as u16);
    put_line(buf, Rect { x, width: inner.right() - x, ..inner }, inner.y, &hint);
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}
