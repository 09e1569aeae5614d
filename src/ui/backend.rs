//! Turns the changed cells of a frame into the fewest bytes that a terminal needs, and into no byte that a
//! cell could smuggle in.
//!
//! The stock backend ends each frame with a reset of everything and flushes for each cursor movement; over a
//! slow link that is most of what a small change costs. This one remembers pen and cursor between frames, so
//! that a frame in which nothing changed has no bytes at all. It asks the terminal nothing.

use std::{convert::Infallible, io::Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr;

use crate::text::is_unsafe;

/// Room for a whole frame of a large window, so that it grows once at most.
const CAPACITY: usize = 64 * 1024;

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
    /// `None`: not known, so that the next use sets it.
    pen: Option<Pen>,
    cursor: Option<Position>,
    cursor_shown: Option<bool>,
}

impl FrameBackend {
    /// For a terminal of this size, which shows ASCII only if `ascii`.
    pub fn new(size: Size, ascii: bool) -> FrameBackend {
        FrameBackend {
            bytes: Vec::with_capacity(CAPACITY),
            size,
            ascii,
            pen: None,
            cursor: None,
            cursor_shown: None,
        }
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        // Where a terminal leaves the cursor when it reflows is its own affair.
        self.cursor = None;
    }

    /// Forgets what is known of the terminal: somebody else wrote to it.
    pub fn forget(&mut self) {
        self.pen = None;
        self.cursor = None;
        self.cursor_shown = None;
    }

    /// The bytes since the last call; empty when nothing changed.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.bytes, Vec::with_capacity(CAPACITY.min(4096)))
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

    /// Prints a cell's symbol. Text is made safe where it comes in; this is the last gate, and it holds for
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
        for (x, y, cell) in content {
            self.move_to(Position { x, y });
            self.set_pen(Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier });
            self.print(cell.symbol());
            // Where the cursor is after a wide character, or in the last column, differs between terminals.
            let after = x.saturating_add(1);
            let plain = cell.symbol().len() == 1 || cell.symbol().width() == 1;
            self.cursor = (plain && after < self.size.width).then_some(Position { x: after, y });
        }
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
        // What is erased takes the pen's background.
        self.set_pen(Pen::RESET);
        self.put(format_args!("\x1b[2J"));
        Ok(())
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), Infallible> {
        self.set_pen(Pen::RESET);
        match clear_type {
            ClearType::All => self.put(format_args!("\x1b[2J")),
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
