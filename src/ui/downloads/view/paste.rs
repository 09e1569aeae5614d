//! The lines of a paste, and what each of them is.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::ui::{
    components::widgets::{clip, clip_middle, put, width},
    downloads::{model::layout::MARGIN, remote::paste::Paste},
    theme::Look,
};

/// Columns of a line, at least.
const MIN_COLUMNS: usize = 12;

/// Draws the visible lines.
pub fn render(paste: &Paste, area: Rect, buf: &mut Buffer, look: &Look) {
    let Look { theme, glyphs } = look;
    let columns = usize::from(area.width.saturating_sub(MARGIN + 1));
    let lines = paste.visible().iter().take(usize::from(area.height));
    let longest = lines.clone().map(|line| width(line.shown().as_str())).max().unwrap_or(0);
    // Why a line is skipped needs more room than the line.
    let room = longest.min(columns * 2 / 5).max(MIN_COLUMNS.min(columns));
    for (y, line) in (area.y..).zip(lines) {
        let (mark, style) = if line.is_taken() { (glyphs.marked, theme.plain) } else { (" ", theme.warn) };
        put(buf, area, area.x + 1, y, mark, theme.accent);
        let x = area.x + MARGIN;
        let text = clip_middle(line.shown().as_str(), room, glyphs);
        put(buf, area, x, y, &text, if line.is_taken() { theme.strong } else { theme.dim });
        let words = clip(&line.words(), columns.saturating_sub(room + 2), glyphs);
        put(buf, area, x + room as u16 + 2, y, &words, style);
    }
}
