//! What tests of screens share: frames as text, and bytes as frames.

mod fuzzing;
pub mod traffic;

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use ratatui::{
    Frame, Terminal,
    backend::TestBackend,
    buffer::Buffer,
    style::{Modifier, Style},
};

use super::{
    components::widgets,
    theme::{Glyphs, Look, Theme},
};

/// The sizes of snapshots.
pub const SIZES: [(u16, u16); 3] = [(80, 24), (40, 8), (120, 40)];

/// The looks of snapshots, with their names.
pub const LOOKS: [(&str, Look); 4] = [
    ("utf8_colour", Look { theme: Theme::colour(), glyphs: Glyphs::UTF8 }),
    ("utf8_mono", Look { theme: Theme::mono(), glyphs: Glyphs::UTF8 }),
    ("ascii_colour", Look { theme: Theme::colour(), glyphs: Glyphs::ASCII }),
    ("ascii_mono", Look { theme: Theme::mono(), glyphs: Glyphs::ASCII }),
];

/// Draws a frame.
pub fn draw(width: u16, height: u16, view: impl FnOnce(&mut Frame<'_>)) -> Buffer {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(frame) = terminal.draw(view);
    frame.buffer.clone()
}

/// The characters of a frame, line by line.
pub fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut covered = 0;
        for x in 0..buffer.area.width {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            covered = widgets::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The characters and then the styles of a frame: for each line the columns where another style begins.
pub fn picture(buffer: &Buffer) -> String {
    let mut picture = text(buffer);
    picture.push_str("---\n");
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut last = Style::reset();
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            if name(style) != name(last) {
                let _ = write!(line, " {x}:{}", name(style));
            }
            last = style;
        }
        if !line.is_empty() {
            let _ = writeln!(picture, "{y:>2}{line}");
        }
    }
    picture
}

fn name(style: Style) -> String {
    let mut words = Vec::new();
    for colour in [style.fg, style.bg].into_iter().flatten() {
        if colour != ratatui::style::Color::Reset {
            words.push(colour.to_string().to_lowercase());
        }
    }
    for (flag, word) in [
        (Modifier::BOLD, "bold"),
        (Modifier::DIM, "dim"),
        (Modifier::UNDERLINED, "underlined"),
        (Modifier::REVERSED, "reversed"),
    ] {
        if style.add_modifier.contains(flag) {
            words.push(word.to_owned());
        }
    }
    if words.is_empty() { "plain".to_owned() } else { words.join("+") }
}

/// A terminal that remembers what was written to it; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<(Vec<u8>, usize)>>);

impl Recorder {
    /// All bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().0.clone()
    }

    /// All bytes, once everything that was handed to the terminal is written.
    pub fn bytes_after(&self, terminal: &super::Terminal) -> Vec<u8> {
        terminal.settle();
        self.bytes()
    }

    /// Calls of `write`.
    pub fn writes(&self) -> usize {
        self.lock().1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<u8>, usize)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::io::Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut inner = self.lock();
        inner.0.extend_from_slice(bytes);
        inner.1 += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is left of a terminal's bytes without the sequences that the encoder writes.
pub fn strip_sequences(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("frames are UTF-8");
    let mut rest = text.as_str();
    let mut left = String::new();
    while let Some(start) = rest.find("\x1b[") {
        left.push_str(&rest[..start]);
        let sequence = &rest[start + 2..];
        let end = sequence.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == '?'));
        match end.map(|end| (end, &sequence[end..=end])) {
            Some((end, "m" | "H" | "C" | "J" | "K" | "h" | "l")) => rest = &sequence[end + 1..],
            _ => {
                left.push_str("\x1b[");
                rest = sequence;
            }
        }
    }
    left + rest
}
