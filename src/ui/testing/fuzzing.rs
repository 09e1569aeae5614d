//! The screen under fuzzing: text of a peer, a file name or a paste is drawn, and never acts on the terminal.

use ratatui::{Frame, Terminal, layout::Size, style::Style};
use tracing::Level;

use super::{LOOKS, strip_sequences};
use crate::{
    fuzzing::{Fuzz, assert_harmless},
    logging::{LogRing, Record},
    text::SafeText,
    ui::{
        Look,
        components::{
            input::{LineEdit, pasted_lines},
            log::LogPane,
            widgets,
        },
        terminal::backend::FrameBackend,
    },
};

const SIZE: Size = Size { width: 40, height: 8 };

/// The bytes of a frame, without the sequences that are the encoder's own.
fn drawn(ascii: bool, view: impl FnOnce(&mut Frame<'_>)) -> String {
    let Ok(mut terminal) = Terminal::new(FrameBackend::new(SIZE, ascii));
    let Ok(_) = terminal.draw(view);
    strip_sequences(&terminal.backend_mut().take())
}

fn log(text: &SafeText, look: &Look) -> String {
    let ring = LogRing::with_capacity(4);
    ring.push(Record { time: time::OffsetDateTime::UNIX_EPOCH, level: Level::WARN, text: text.clone() });
    let mut pane = LogPane::new(ring);
    pane.refresh();
    drawn(false, |frame| pane.render(frame.area(), frame.buffer_mut(), true, look))
}

#[test]
fn the_terminal_is_fuzzed() {
    let (_, look) = LOOKS[0];
    Fuzz::new("text").rounds(1500).run(|input| {
        let (raw, safe) = (String::from_utf8_lossy(input), SafeText::from_bytes(input));
        let mut line = LineEdit::new(&raw);
        line.paste(&raw);
        line.set_before_cursor(&raw);
        assert_harmless(line.value());
        let lines = pasted_lines(&raw);
        lines.iter().for_each(|line| assert_harmless(line));
        for columns in [0, 1, 7, 40] {
            let (window, cursor) = line.window(columns);
            assert!(widgets::width(&window) <= columns && cursor <= columns, "{window:?}");
            assert!(widgets::width(&widgets::clip(safe.as_str(), columns, &look.glyphs)) <= columns);
            assert!(widgets::width(&widgets::clip_middle(safe.as_str(), columns, &look.glyphs)) <= columns);
        }
        assert_harmless(&log(&safe, &look));
        for ascii in [false, true] {
            let shown = drawn(ascii, |frame| {
                let area = frame.area();
                widgets::put(frame.buffer_mut(), area, 0, 0, safe.as_str(), Style::new());
                widgets::put_right(frame.buffer_mut(), area, 1, line.value(), Style::new());
            });
            assert_harmless(&shown);
            // Text that was not made safe can look odd, but cannot act.
            let shown = drawn(ascii, |frame| {
                let area = frame.area();
                widgets::put(frame.buffer_mut(), area, 0, 0, &raw, Style::new());
            });
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        (lines.len().min(5), line.value().len().min(64), safe.as_str() == raw)
    });
}
