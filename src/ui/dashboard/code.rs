//! The address as a QR code, in the whole window.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
};

use super::model::Model;
use crate::ui::{
    actions::{
        Context, GlobalAction,
        hints::{self, Hint},
    },
    components::widgets::{inset, put, put_line, width, wrap},
};

/// Draws the code, or how large the window has to be for it.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, glyphs) = (&model.look.theme, &model.look.glyphs);
    let last = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    let room = Rect { height: area.height.saturating_sub(1), ..area };
    let code = model.about.code.as_ref();
    let rows = code.map(|code| code.rows(usize::from(room.width), usize::from(room.height), glyphs.ascii));
    match rows {
        Some(Ok(rows)) => {
            let columns = rows.first().map_or(0, |row| width(row)) as u16;
            let x = room.x + (room.width - columns) / 2;
            let y = room.y + (room.height - rows.len() as u16) / 2;
            // Readers expect dark on light. Without colours the terminal is taken for a dark one.
            let style = match theme.gauge.fg {
                Some(_) => Style::new().fg(Color::White).bg(Color::Black),
                None => Style::new(),
            };
            for (y, row) in (y..).zip(&rows) {
                // The last row may be half a row, below which there is no code any more.
                let is_half = row.chars().all(|cell| cell == '▀');
                put(buf, room, x, y, row, if is_half { Style { bg: None, ..style } } else { style });
            }
        }
        Some(Err((columns, rows))) => {
            let text = format!(
                "The window is too small for the QR code, which takes {columns} columns and {} rows.",
                rows + 1
            );
            sentence(&text, room, buf, model);
        }
        None => sentence("The address is too long for a QR code.", room, buf, model),
    }
    let hint = hints::bar(
        &model.keys,
        Context::Page,
        &[],
        &[Hint::saying(GlobalAction::Back, "close")],
        usize::from(inset(last).width),
        &model.look,
    );
    put_line(buf, inset(last), last.y, &hint);
}

fn sentence(text: &str, area: Rect, buf: &mut Buffer, model: &Model) {
    let area = inset(area);
    for (y, line) in (area.y..area.bottom()).zip(wrap(text, usize::from(area.width).max(1))) {
        put(buf, area, area.x, y, line, model.look.theme.plain);
    }
}
