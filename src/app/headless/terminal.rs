//! The terminal of the bars: each redraw is one write, and leaves the cursor at the beginning of
//! its last line.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use indicatif::TermLike;

/// Stderr for bars. The cursor is never left at the end of a bar: the `^C` that a terminal shows would go to the next
/// line, and the bar would remain.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    waiting: Mutex<Vec<u8>>,
}

impl Stderr {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, text: &str) -> io::Result<()> {
        self.waiting().extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Moves the cursor with the control sequence that ends with `way`.
    fn moves(&self, count: usize, way: char) -> io::Result<()> {
        if count > 0 { self.put(&format!("\x1b[{count}{way}")) } else { Ok(()) }
    }
}

/// Columns and rows; `None` if stderr is not a terminal, or does not report them.
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        size().map_or(80, |(width, _)| width)
    }

    fn height(&self) -> u16 {
        size().map_or(24, |(_, height)| height)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.moves(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.moves(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.moves(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.moves(count, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.put(line)?;
        self.put("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut picture = std::mem::take(&mut *self.waiting());
        if picture.is_empty() {
            return Ok(());
        }
        picture.push(b'\r');
        let mut stderr = io::stderr().lock();
        let written = stderr.write_all(&picture).and_then(|()| stderr.flush());
        drop(stderr);
        // Errors are ignored.
        super::output::note("stderr", written);
        Ok(())
    }
}
