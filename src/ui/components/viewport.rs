//! A selected row and the window of visible rows around it, of rows that are only counted.

use std::ops::Range;

use crate::ui::actions::MoveAction;

/// Where a key leads from a row or from the first visible line, in a pane of this height. Two pages have a row in common.
pub fn moved(from: usize, action: MoveAction, height: usize, last: usize) -> usize {
    let page = height.saturating_sub(1).max(1);
    let to = match action {
        MoveAction::Up => from.saturating_sub(1),
        MoveAction::Down => from.saturating_add(1),
        MoveAction::PageUp => from.saturating_sub(page),
        MoveAction::PageDown => from.saturating_add(page),
        MoveAction::First => 0,
        MoveAction::Last => last,
    };
    to.min(last)
}

/// A selection that is always visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// Rows in all.
    len: usize,
    /// Visible rows, at least 1.
    height: usize,
    cursor: usize,
    offset: usize,
}

impl Default for Viewport {
    fn default() -> Self {
        Viewport { len: 0, height: 1, cursor: 0, offset: 0 }
    }
}

impl Viewport {
    /// The number of the selected row.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The visible rows.
    pub fn window(&self) -> Range<usize> {
        self.offset..self.len.min(self.offset + self.height)
    }

    /// Visible rows, if there are as many.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Sets how many rows there are.
    pub fn set_len(&mut self, len: usize) {
        self.len = len;
        self.go(self.cursor);
    }

    /// Sets how many rows are visible.
    pub fn set_height(&mut self, height: usize) {
        self.height = height.max(1);
        self.scroll();
    }

    /// Selects the row with this number, or the last one.
    pub fn go(&mut self, row: usize) {
        self.cursor = row.min(self.len.saturating_sub(1));
        self.scroll();
    }

    /// Selects the row whose number was that of the cursor until rows before it went; it stays where it is on the screen.
    pub fn follow(&mut self, row: usize) {
        self.offset = self.offset.saturating_sub(self.cursor.saturating_sub(row));
        self.go(row);
    }

    /// Moves the selection by rows.
    pub fn step(&mut self, rows: isize) {
        self.go(self.cursor.saturating_add_signed(rows));
    }

    /// Moves the selection as a key says.
    pub fn travel(&mut self, action: MoveAction) {
        self.go(moved(self.cursor, action, self.height, self.len.saturating_sub(1)));
    }

    /// Scrolls as little as keeps the selected row visible and no row empty that could be filled.
    fn scroll(&mut self) {
        let last = self.len.saturating_sub(self.height);
        let least = (self.cursor + 1).saturating_sub(self.height);
        self.offset = self.offset.clamp(least, self.cursor.max(least)).min(last);
    }
}
