//! The terminal: set up, drawn to, and given back as it was found, whatever happens in between.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    thread::ThreadId,
    time::Duration,
};

use crossterm::{Command, clipboard::CopyToClipboard};
use ratatui::{Frame, layout::Size};

use crate::text::SafeText;

use super::{
    attention::{Attention, Shown, Status},
    backend::FrameBackend,
    output::{Gate, Output},
};

/// Alternate screen; bracketed paste; the wheel as arrow keys (so that the mouse stays the terminal's own
/// and text can be selected), remembering how it was; no cursor.
const SET_UP: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?1007s\x1b[?1007h\x1b[?25l\x1b[m\x1b[2J";
/// The same backwards, after the end of an update and of a style that a broken frame may have left open.
/// Where the terminal remembers modes, the wheel is as it was; elsewhere it is off.
const RESTORE: &[u8] = b"\x1b[?2026l\x1b[m\x1b[?25h\x1b[?1007l\x1b[?1007r\x1b[?2004l\x1b[?1049l";

/// How long the terminal is given to take the bytes that set it up or restore it.
pub const RESTORE_TIMEOUT: Duration = Duration::from_secs(3);
/// The same when the process has to be gone within a second.
pub const FAST_RESTORE_TIMEOUT: Duration = Duration::from_millis(300);

/// The size that is assumed if the terminal reports none.
const DEFAULT_SIZE: Size = Size { width: 80, height: 24 };

/// The screen on this process's terminal, while that is set up; for the panic hook.
static SCREEN: Mutex<Option<Screen>> = Mutex::new(None);

#[derive(Debug)]
struct Screen {
    /// What restores the terminal.
    restore: Vec<u8>,
    /// The thread that draws: a panic of any other one does not end the screen.
    thread: ThreadId,
    gate: Arc<Gate>,
}

fn screen() -> MutexGuard<'static, Option<Screen>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal that a screen is drawn to.
#[derive(Debug)]
pub struct Terminal {
    inner: ratatui::Terminal<FrameBackend>,
    output: Output,
    attention: Attention,
    /// What it shows outside of the frames.
    shown: Shown,
    /// Whether this is the process's own terminal, with modes of its own, and not a test's recorder.
    real: bool,
    up: bool,
}

impl Terminal {
    /// Sets up the terminal of this process.
    ///
    /// # Errors
    /// There is no terminal, or it takes no settings.
    pub fn open(ascii: bool, attention: Attention) -> io::Result<Terminal> {
        let stdout = io::stdout();
        if !rustix::termios::isatty(io::stdin()) {
            // What is read is then the same open file in every case, see `events::hang_up`.
            rustix::stdio::dup2_stdin(File::open("/dev/tty")?)?;
        }
        let writer = File::from(stdout.as_fd().try_clone_to_owned()?);
        install_panic_hook();
        let mut terminal = Terminal::new(writer, (size_now(), ascii), attention, true)?;
        terminal.set_up()?;
        Ok(terminal)
    }

    /// Draws to a writer as if it were a terminal of this size.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn on(
        writer: impl Write + Send + 'static,
        size: Size,
        ascii: bool,
        attention: Attention,
    ) -> io::Result<Terminal> {
        let mut terminal = Terminal::new(writer, (size, ascii), attention, false)?;
        terminal.set_up()?;
        Ok(terminal)
    }

    fn new(
        writer: impl Write + Send + 'static,
        (size, ascii): (Size, bool),
        attention: Attention,
        real: bool,
    ) -> io::Result<Terminal> {
        let Ok(inner) = ratatui::Terminal::new(FrameBackend::new(size, ascii));
        let output = Output::start(writer)?;
        Ok(Terminal { inner, output, attention, shown: Shown::default(), real, up: false })
    }

    /// The bytes that restore the terminal.
    fn restoring(&self) -> Vec<u8> {
        [self.attention.restore().as_bytes(), RESTORE].concat()
    }

    /// Sets up what [`restore`](Self::restore) gave back; the next frame is a whole one.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn set_up(&mut self) -> io::Result<()> {
        if self.real {
            let thread = std::thread::current().id();
            *screen() = Some(Screen { restore: self.restoring(), thread, gate: self.output.gate() });
            crossterm::terminal::enable_raw_mode()?;
        }
        self.up = true;
        let set_up = [self.attention.set_up().as_bytes(), SET_UP].concat();
        self.output.plain_and_wait(&set_up, RESTORE_TIMEOUT);
        self.shown.forget();
        self.redraw();
        Ok(())
    }

    /// Sets up everything again after the process was stopped without having been asked to.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn set_up_again(&mut self) -> io::Result<()> {
        if self.up {
            // `set_up` saves the title again, which must not be this program's.
            self.output.plain_and_wait(self.attention.restore().as_bytes(), RESTORE_TIMEOUT);
        }
        if self.real && self.up {
            // Another process has changed the modes: crossterm must read them again.
            crossterm::terminal::disable_raw_mode()?;
        }
        self.set_up()
    }

    /// Restores the terminal, once it has received what is on its way, for at most `timeout`.
    ///
    /// # Errors
    /// The terminal is gone; it has no modes any more that could be wrong.
    pub fn restore(&mut self, patience: Duration) -> io::Result<()> {
        if !std::mem::take(&mut self.up) {
            return Ok(());
        }
        // A second time would move the cursor back over the report of the panic that did it first.
        if self.real && screen().take().is_none() {
            return Ok(());
        }
        self.output.plain_and_wait(&self.restoring(), patience);
        if self.real {
            crossterm::terminal::disable_raw_mode()?;
        }
        Ok(())
    }

    /// Makes the next frame a whole one.
    pub fn redraw(&mut self) {
        self.inner.backend_mut().forget();
        // Asks nothing: our backend answers from memory.
        let Ok(()) = self.inner.clear();
    }

    /// Takes over the terminal's size; whether it is another one than before.
    pub fn resize(&mut self) -> bool {
        self.resize_to(size_now())
    }

    /// Takes over a size; whether it is another one than before.
    pub fn resize_to(&mut self, size: Size) -> bool {
        let changed = self.size() != size;
        self.inner.backend_mut().resize(size);
        changed
    }

    /// The size that frames have.
    pub fn size(&self) -> Size {
        let Ok(size) = self.inner.size();
        size
    }

    /// What the screen works on, for the title and the progress. Shown with the next frame.
    pub fn set_status(&mut self, status: Status) {
        self.shown.set(status);
    }

    /// Draws a frame and hands it to the terminal; gives its bytes, 0 if nothing changed.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> usize {
        let Ok(_) = self.inner.draw(view);
        let mut bytes = self.inner.backend_mut().take();
        bytes.extend_from_slice(self.shown.changes(self.attention).as_bytes());
        if !bytes.is_empty() {
            self.output.frame(&bytes);
        }
        bytes.len()
    }

    /// Waits until the frame that was drawn is written, or until anything could not be.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn written(&mut self) -> io::Result<()> {
        self.output.written().await
    }

    /// Sends text to the terminal's clipboard (OSC 52). Whether the terminal takes it is not known.
    pub fn copy(&self, text: &str) {
        let mut sequence = String::new();
        // Writing to memory does not fail.
        let _ = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut sequence);
        self.output.plain(sequence.as_bytes());
    }

    /// Waits until the terminal has everything that was handed to it.
    #[cfg(test)]
    pub(crate) fn settle(&self) {
        self.output.plain_and_wait(b"", Duration::from_secs(10));
    }

    /// Shows a notification, if the terminal is to show any.
    pub fn notify(&self, text: &SafeText) {
        let sequence = self.attention.notification(text);
        if !sequence.is_empty() {
            self.output.plain(sequence.as_bytes());
        }
    }

    /// Rings the bell.
    pub fn bell(&self) {
        self.output.plain(b"\x07");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nothing left to do about a terminal that is gone.
        let _ = self.restore(FAST_RESTORE_TIMEOUT);
    }
}

fn size_now() -> Size {
    match rustix::termios::tcgetwinsize(io::stdout().as_fd()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { width: size.ws_col, height: size.ws_row },
        _ => DEFAULT_SIZE,
    }
}

/// A panic of the drawing thread gives the terminal back before its report is printed. One of another thread
/// is logged: the report would be printed over the screen, which stays.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let mut shown = screen();
            if shown.is_none() {
                drop(shown);
                return previous(info);
            }
            let ended = shown.take_if(|screen| screen.thread == thread.id());
            drop(shown);
            if let Some(screen) = ended {
                // Not through the output thread, which may be stuck, and nothing here may panic again.
                screen.gate.close(FAST_RESTORE_TIMEOUT);
                let _ = rustix::io::write(io::stdout().as_fd(), &screen.restore);
                let _ = crossterm::terminal::disable_raw_mode();
                previous(info);
            } else {
                tracing::error!("internal error in {}: {info}", thread.name().unwrap_or("a thread"));
            }
        }));
    });
}

#[cfg(test)]
mod tests;
