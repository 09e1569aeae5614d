//! Turns the changed cells of a frame into the fewest bytes that a terminal needs, and into no byte that a
//! cell could smuggle in.
//!
//! The stock backend ends each frame with a reset of everything and flushes for each cursor movement; over a
//! slow link that is most of what a small change costs. This one remembers pen and cursor between frames, so
//! that a frame in which nothing changed has no bytes at all. It asks the terminal nothing.
//!
//! Terminals disagree on how many columns some characters take. A row in which such a character appears or disappears is erased
//! and drawn as a whole, with a position for each cell after such a character, so that nothing of another row is left.

use std::{collections::BTreeSet, convert::Infallible, io::Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::{Cell, CellWidth},
    layout::{Position, Size},
    style::{Color, Modifier},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::is_unsafe;

/// Bytes of a whole frame of a large window, so that it grows at most once.
const INITIAL_CAPACITY: usize = 64 * 1024;

/// What the terminal's pen is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    const RESET: Pen = Pen { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };
}

/// A backend that collects a frame's bytes.
#[derive(Debug)]
pub struct FrameBackend {
    bytes: Vec<u8>,
    size: Size,
    ascii: bool,
    /// What the terminal shows, row after row.
    shown: Vec<Cell>,
    /// `None`: not known, so that the next use sets it.
    pen: Option<Pen>,
    cursor: Option<Position>,
    cursor_shown: Option<bool>,
}

impl FrameBackend {
    /// For a terminal of this size, which shows ASCII only if `ascii`.
    pub fn new(size: Size, ascii: bool) -> FrameBackend {
        FrameBackend {
            bytes: Vec::with_capacity(INITIAL_CAPACITY),
            size,
            ascii,
            shown: blank(size),
            pen: None,
            cursor: None,
            cursor_shown: None,
        }
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        // It is cleared before the next frame.
        self.shown = blank(size);
        // Where a terminal leaves the cursor when it reflows is its own affair.
        self.cursor = None;
    }

    /// Forgets what is known of the terminal: another process wrote to it.
    pub fn forget(&mut self) {
        self.pen = None;
        self.cursor = None;
        self.cursor_shown = None;
    }

    /// The bytes since the last call; empty when nothing changed.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.bytes, Vec::with_capacity(INITIAL_CAPACITY.min(4096)))
    }

    fn put(&mut self, sequence: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.bytes.write_fmt(sequence);
    }

    fn move_to(&mut self, to: Position) {
        if self.cursor == Some(to) {
            return;
        }
        match self.cursor {
            // A short step to the right is shorter as a step.
            Some(from) if from.y == to.y && from.x < to.x => match to.x - from.x {
                1 => self.put(format_args!("\x1b[C")),
                step => self.put(format_args!("\x1b[{step}C")),
            },
            _ if to == Position::ORIGIN => self.put(format_args!("\x1b[H")),
            _ if to.x == 0 => self.put(format_args!("\x1b[{}H", u32::from(to.y) + 1)),
            _ => self.put(format_args!("\x1b[{};{}H", u32::from(to.y) + 1, u32::from(to.x) + 1)),
        }
        self.cursor = Some(to);
    }

    fn set_pen(&mut self, to: Pen) {
        if self.pen == Some(to) {
            return;
        }
        let mut codes: Vec<u8> = Vec::with_capacity(8);
        let mut from = self.pen.unwrap_or(Pen::RESET);
        // Modifiers that are taken away cost a code each, and the terminals disagree about some of them
        // (22 ends bold and dim, 21 is no end of bold): a reset is one code and certain.
        if self.pen.is_none() || !to.modifier.contains(from.modifier) || to == Pen::RESET {
            codes.push(0);
            from = Pen::RESET;
        }
        for (flag, code) in MODIFIERS {
            if to.modifier.contains(flag) && !from.modifier.contains(flag) {
                codes.push(code);
            }
        }
        if to.fg != from.fg {
            codes.push(colour_code(to.fg));
        }
        if to.bg != from.bg {
            codes.push(colour_code(to.bg) + 10);
        }
        if codes == [0] {
            self.put(format_args!("\x1b[m"));
        } else {
            for (index, code) in codes.iter().enumerate() {
                self.put(format_args!("{}{code}", if index == 0 { "\x1b[" } else { ";" }));
            }
            self.put(format_args!("m"));
        }
        self.pen = Some(to);
    }

    /// Takes note of a cell that is to be shown. Whether its row has to be drawn as a whole.
    fn show(&mut self, at: Position, cell: &Cell) -> bool {
        let row = usize::from(at.y) * usize::from(self.size.width);
        let Some(old) = self.shown.get_mut(row..row + usize::from(self.size.width)) else { return false };
        let x = usize::from(at.x);
        let unsure = old.get(x).is_some_and(|old| is_unsure(old.symbol(), self.ascii))
            || is_unsure(cell.symbol(), self.ascii);
        for (column, shown) in old.iter_mut().skip(x).take(columns_of(cell)).enumerate() {
            // What is beneath the rest of a wide character has its style and no text.
            shown.clone_from(cell);
            if column > 0 {
                shown.set_symbol(" ");
            }
        }
        unsure
    }

    /// Erases a row and draws all of it.
    fn draw_row(&mut self, y: u16) {
        self.move_to(Position { x: 0, y });
        self.set_pen(Pen::RESET);
        self.put(format_args!("\x1b[2K"));
        let width = usize::from(self.size.width);
        let Some(row) = self.shown.get(usize::from(y) * width..(usize::from(y) + 1) * width) else { return };
        let row = row.to_vec();
        // Up to here a character may have been drawn that is wider in the terminal than here.
        let mut reached = 0;
        let mut x = 0;
        while let Some(cell) = row.get(x) {
            if !is_blank(cell) || x < reached {
                let most = x + most_columns(cell.symbol());
                let unsure = is_unsure(cell.symbol(), self.ascii);
                // Beyond the last column it would continue in the next row.
                self.draw_cell(Position { x: x as u16, y }, cell, unsure && most > width);
                if unsure {
                    self.cursor = None;
                    reached = reached.max(most);
                }
            }
            x += columns_of(cell);
        }
    }

    /// Draws one cell; `replaced`: something of the same width in the place of its symbol.
    fn draw_cell(&mut self, at: Position, cell: &Cell, replaced: bool) {
        self.move_to(at);
        self.set_pen(Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier });
        let symbol = cell.symbol();
        let columns = symbol.width();
        if replaced {
            self.bytes.extend(std::iter::repeat_n(b'?', columns.clamp(1, 2)));
        } else {
            self.print(symbol);
        }
        // Where the cursor is after a wide character, or in the last column, differs between terminals.
        let after = at.x.saturating_add(1);
        let plain = symbol.len() == 1 || columns == 1;
        self.cursor = (plain && after < self.size.width).then_some(Position { x: after, ..at });
    }

    /// Prints a cell's symbol. Text is made safe where it is received; this is the last check, and it holds for
    /// whatever a widget may put into a cell.
    fn print(&mut self, symbol: &str) {
        let width = symbol.width();
        if symbol.is_empty() || symbol.contains(is_unsafe) || (self.ascii && !symbol.is_ascii()) {
            let replacement = if symbol.trim().is_empty() { b' ' } else { b'?' };
            self.bytes.extend(std::iter::repeat_n(replacement, width.clamp(1, 2)));
        } else {
            self.bytes.extend_from_slice(symbol.as_bytes());
        }
    }
}

/// Columns that a cell's symbol is counted as.
fn columns_of(cell: &Cell) -> usize {
    usize::from(cell.symbol().cell_width()).max(1)
}

/// Whether a cell looks as if it had been erased.
fn is_blank(cell: &Cell) -> bool {
    let visible = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::SLOW_BLINK | Modifier::CROSSED_OUT;
    cell.symbol() == " " && cell.bg == Color::Reset && !cell.modifier.intersects(visible)
}

fn blank(size: Size) -> Vec<Cell> {
    vec![Cell::default(); usize::from(size.width) * usize::from(size.height)]
}

/// Whether terminals may take another number of columns for a symbol than it is counted as. With `ascii`, whether it is
/// replaced by several characters, each of which stays when the next is overwritten.
fn is_unsure(symbol: &str, ascii: bool) -> bool {
    if symbol.is_ascii() {
        return false;
    }
    if ascii {
        return symbol.width() > 1;
    }
    let mut characters = symbol.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => !is_sure(character),
        // A letter with accents; everything else of several characters is drawn as one by some terminals only.
        (Some(letter), Some(mark)) => {
            !is_sure(letter)
                || !is_accent(mark)
                || !characters.all(is_accent)
                || letter.width() != Some(symbol.width())
        }
        (None, _) => false,
    }
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether all terminals count the same columns for a character: scripts that are as old as the terminals, and what this
/// program draws with.
fn is_sure(c: char) -> bool {
    matches!(c,
        '\u{20}'..='\u{7e}'
        | '\u{a0}'..='\u{ac}'
        | '\u{ae}'..='\u{2ff}'
        | '\u{370}'..='\u{482}'
        | '\u{48a}'..='\u{556}'
        | '\u{1e00}'..='\u{1fff}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}'
        | '\u{2070}'..='\u{20bf}'
        | '\u{2100}'..='\u{2319}'
        | '\u{2400}'..='\u{2426}'
        | '\u{2500}'..='\u{25fc}'
        | '\u{2800}'..='\u{28ff}'
        | '\u{2e80}'..='\u{2fd5}'
        | '\u{3001}'..='\u{3029}'
        | '\u{3041}'..='\u{3096}'
        | '\u{30a0}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff01}'..='\u{ff9d}'
        | '\u{fffd}'
        | '\u{20000}'..='\u{2fa1d}')
}

/// The columns that a symbol takes in a terminal that draws each of its characters by itself.
fn most_columns(symbol: &str) -> usize {
    let columns = |c: char| if c >= '\u{1f000}' { 2 } else { c.width().unwrap_or(0).max(1) };
    symbol.chars().map(columns).sum()
}

const MODIFIERS: [(Modifier, u8); 8] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// The SGR code of a foreground colour. The theme has the 16 ANSI colours only; others become the default.
fn colour_code(colour: Color) -> u8 {
    match colour {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => 39,
    }
}

impl Backend for FrameBackend {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let changed: Vec<_> = content.collect();
        let mut whole = BTreeSet::new();
        for (x, y, cell) in &changed {
            if self.show(Position { x: *x, y: *y }, cell) {
                whole.insert(*y);
            }
        }
        for (x, y, cell) in changed {
            if !whole.contains(&y) {
                self.draw_cell(Position { x, y }, cell, false);
            }
        }
        whole.into_iter().for_each(|y| self.draw_row(y));
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        if self.cursor_shown != Some(false) {
            self.put(format_args!("\x1b[?25l"));
            self.cursor_shown = Some(false);
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        if self.cursor_shown != Some(true) {
            self.put(format_args!("\x1b[?25h"));
            self.cursor_shown = Some(true);
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.cursor.unwrap_or(Position::ORIGIN))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.move_to(position.into());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), Infallible> {
        // What is erased takes the pen's background.
        self.set_pen(Pen::RESET);
        match clear_type {
            ClearType::All => {
                self.shown = blank(self.size);
                self.put(format_args!("\x1b[2J"));
            }
            ClearType::AfterCursor => self.put(format_args!("\x1b[J")),
            ClearType::BeforeCursor => self.put(format_args!("\x1b[1J")),
            ClearType::CurrentLine => self.put(format_args!("\x1b[2K")),
            ClearType::UntilNewLine => self.put(format_args!("\x1b[K")),
        }
        Ok(())
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
