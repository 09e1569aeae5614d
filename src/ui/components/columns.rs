//! The headers of a table's columns, the sorted one marked.

use ratatui::{buffer::Buffer, layout::Rect};

use super::widgets::{put, put_right, width};
use crate::ui::theme::Look;

/// Which way the rows of a column are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// Not by this column.
    No,
    /// The smallest first.
    Up,
    /// The largest first.
    Down,
}

/// A header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Where: a row of the column's width.
    pub area: Rect,
    /// The word.
    pub word: &'static str,
    /// Whether the column's values end at its right end.
    pub right: bool,
    /// Whether the rows are sorted by it.
    pub sorted: Sorted,
}

/// Draws a header; one that has no room is left out. `focused`: the table has the keys.
pub fn header(header: Header, focused: bool, buf: &mut Buffer, look: &Look) {
    let Header { area, word, right, sorted } = header;
    let mark = match sorted {
        Sorted::No => "",
        Sorted::Up => look.glyphs.ascending,
        Sorted::Down => look.glyphs.descending,
    };
    let text = format!("{word}{mark}");
    if width(&text) > usize::from(area.width) {
        return;
    }
    let is_marked = sorted != Sorted::No;
    let style = if is_marked || focused { look.theme.accent } else { look.theme.dim };
    if right {
        put_right(buf, area, area.y, &text, style);
    } else {
        put(buf, area, area.x, area.y, &text, style);
    }
}
