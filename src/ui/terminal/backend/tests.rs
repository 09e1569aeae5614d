//! The bytes of frames, read by an independent terminal emulator.

use proptest::prelude::*;
use ratatui::{
    Frame, Terminal,
    layout::{Position, Rect, Size},
    style::{Color, Modifier, Style},
};

use super::*;
use crate::ui::testing::strip_sequences;

fn terminal(width: u16, height: u16, ascii: bool) -> Terminal<FrameBackend> {
    let Ok(terminal) = Terminal::new(FrameBackend::new(Size { width, height }, ascii));
    terminal
}

fn bytes(terminal: &mut Terminal<FrameBackend>, view: impl FnOnce(&mut Frame<'_>)) -> Vec<u8> {
    let Ok(_) = terminal.draw(view);
    terminal.backend_mut().take()
}

/// One cell of a frame: where, what, how.
type Stroke = (u16, u16, String, u8, u8, u16);

fn stroke(symbols: &'static [&'static str]) -> impl Strategy<Value = Stroke> {
    let symbol = prop::sample::select(symbols).prop_map(str::to_owned);
    (0_u16..20, 0_u16..6, symbol, 0_u8..17, 0_u8..17, 0_u16..16)
}

fn colour(number: u8) -> Color {
    const ALL: [Color; 17] = [
        Color::Reset,
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    ALL[usize::from(number)]
}

fn modifier(bits: u16) -> Modifier {
    let known = [Modifier::BOLD, Modifier::DIM, Modifier::UNDERLINED, Modifier::REVERSED];
    let mut all: Modifier = known
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, flag)| flag)
        .collect();
    if all.contains(Modifier::BOLD) {
        // This reader has one of the two at a time.
        all.remove(Modifier::DIM);
    }
    all
}

fn paint(frame: &mut Frame<'_>, strokes: &[Stroke]) {
    let area = frame.area();
    for (x, y, symbol, fg, bg, bits) in strokes {
        let style = Style::reset().fg(colour(*fg)).bg(colour(*bg)).add_modifier(modifier(*bits));
        let width = area.width.saturating_sub(*x);
        if area.contains(Position { x: *x, y: *y }) {
            // A part of a wide character under the first one would be two characters in one place, which no view draws.
            if let Some(before) = covering(frame.buffer_mut(), *x, *y) {
                frame.buffer_mut()[(before, *y)].reset();
            }
            frame.buffer_mut().set_stringn(*x, *y, symbol, usize::from(width), style);
        }
    }
}

/// The column of the symbol that is wide enough to cover this one.
fn covering(buffer: &ratatui::buffer::Buffer, x: u16, y: u16) -> Option<u16> {
    (x.saturating_sub(8)..x).find(|before| buffer[(*before, y)].symbol().cell_width() > x - before)
}

fn ansi(colour: Color) -> vt100::Color {
    match (0..17).find(|number| self::colour(*number) == colour) {
        None | Some(0) => vt100::Color::Default,
        Some(number) => vt100::Color::Idx(number - 1),
    }
}

fn assert_same(screen: &vt100::Screen, frame: &ratatui::buffer::Buffer) {
    let Rect { width, height, .. } = frame.area;
    for y in 0..height {
        for x in 0..width {
            let (cell, wanted) = (screen.cell(y, x).expect("inside"), &frame[(x, y)]);
            if cell.is_wide_continuation() {
                continue;
            }
            let shown = if cell.has_contents() { cell.contents() } else { " " };
            assert_eq!(shown, wanted.symbol(), "at {x}, {y}");
            let seen = wanted.symbol() != " ";
            if seen {
                assert_eq!(cell.fgcolor(), ansi(wanted.fg), "foreground at {x}, {y}");
            }
            assert_eq!(cell.bgcolor(), ansi(wanted.bg), "background at {x}, {y}");
            let modifiers = [
                (cell.underline(), Modifier::UNDERLINED, true),
                (cell.inverse(), Modifier::REVERSED, true),
                (cell.bold(), Modifier::BOLD, seen),
                (cell.dim(), Modifier::DIM, seen),
            ];
            for (shown, flag, seen) in modifiers {
                assert!(!seen || shown == wanted.modifier.contains(flag), "{flag:?} at {x}, {y}");
            }
        }
    }
}

fn assert_shown(frames: &[Vec<Stroke>]) {
    let mut ours = terminal(20, 6, false);
    let mut theirs = vt100::Parser::new(6, 20, 0);
    for strokes in frames {
        theirs.process(&bytes(&mut ours, |frame| paint(frame, strokes)));
        let Ok(mut wanted) = Terminal::new(ratatui::backend::TestBackend::new(20, 6));
        let Ok(wanted) = wanted.draw(|frame| paint(frame, strokes));
        assert_same(theirs.screen(), wanted.buffer);
    }
}

proptest! {
    #[test]
    fn a_terminal_shows_what_was_drawn(
        frames in prop::collection::vec(
            prop::collection::vec(stroke(&["a", "word", " ", "é", "─", "e\u{301}", "█▏"]), 0..12), 1..6),
    ) {
        assert_shown(&frames);
    }

    // Without backgrounds and reversal: what half a wide character leaves when it is overwritten differs
    // between terminals in its style.
    #[test]
    fn a_terminal_shows_wide_characters(
        mut frames in prop::collection::vec(
            prop::collection::vec(stroke(&["a", "word", " ", "文", "文件", "größe 文件"]), 0..12), 1..6),
    ) {
        for (_, _, _, _, bg, bits) in frames.iter_mut().flatten() {
            (*bg, *bits) = (0, *bits & 0b11);
        }
        assert_shown(&frames);
    }

    #[test]
    fn a_frame_that_changed_nothing_has_no_bytes(
        strokes in prop::collection::vec(stroke(&["a", "word", "─", "文件"]), 0..12), cursor: bool,
    ) {
        let mut ours = terminal(20, 6, false);
        let view = |frame: &mut Frame<'_>| {
            paint(frame, &strokes);
            if cursor {
                frame.set_cursor_position((3, 3));
            }
        };
        bytes(&mut ours, view);
        prop_assert_eq!(bytes(&mut ours, view), b"");
    }

    #[test]
    fn no_cell_can_smuggle_bytes_in(symbols in prop::collection::vec(any::<String>(), 1..8), ascii: bool) {
        let mut ours = terminal(20, 6, ascii);
        let wire = bytes(&mut ours, |frame| {
            for (x, symbol) in (0..).zip(&symbols) {
                frame.buffer_mut()[(x, 0)].set_symbol(symbol);
            }
        });
        let text = strip_sequences(&wire);
        prop_assert!(!text.contains(is_unsafe), "{text:?}");
        prop_assert!(!ascii || text.is_ascii());
    }
}

/// Symbols of which this terminal and ours do not count the same columns, or others do not.
const UNSURE: &[&str] =
    &["👨\u{200d}👩\u{200d}👧", "🇩🇪", "กำ", "क्षि", "🫩", "❤\u{fe0f}", "x", "word", " ", "文件", "größe"];

/// Asserts that letters are shown where the frame has them, and nowhere else.
fn assert_letters(ascii: bool, frames: &[Vec<Stroke>]) {
    let mut ours = terminal(20, 6, ascii);
    let mut theirs = vt100::Parser::new(6, 20, 0);
    for strokes in frames {
        theirs.process(&bytes(&mut ours, |frame| paint(frame, strokes)));
        let Ok(mut wanted) = Terminal::new(ratatui::backend::TestBackend::new(20, 6));
        let Ok(wanted) = wanted.draw(|frame| paint(frame, strokes));
        for (y, x) in (0..6).flat_map(|y| (0..20).map(move |x| (y, x))) {
            let letter = |symbol: &str| {
                let is_letter = symbol.len() == 1 && symbol.chars().all(char::is_alphabetic);
                is_letter.then(|| symbol.to_owned())
            };
            let shown = theirs.screen().cell(y, x).expect("inside").contents().to_owned();
            let screen = theirs.screen().contents();
            assert_eq!(letter(&shown), letter(wanted.buffer[(x, y)].symbol()), "at {x}, {y} of\n{screen}");
            let blank = wanted.buffer[(x, y)].symbol() == " " && covering(wanted.buffer, x, y).is_none();
            assert!(!ascii || !blank || shown.trim().is_empty(), "{shown:?} at {x}, {y} of\n{screen}");
        }
    }
}

proptest! {
    #[test]
    fn no_letter_of_another_row_stays_where_terminals_count_otherwise(
        frames in prop::collection::vec(prop::collection::vec(stroke(UNSURE), 0..12), 1..6), ascii: bool,
    ) {
        assert_letters(ascii, &frames);
    }
}

#[test]
fn rows_with_unsure_symbols_that_scroll_leave_nothing() {
    let rows = ["👨\u{200d}👩\u{200d}👧 family.jpg", "plain name.txt", "文件 a.iso", "🫩🫩 tired", "b", ""];
    let frames: Vec<Vec<Stroke>> = (0..12)
        .map(|first| {
            let row = |y: u16| (1, y, rows[(first + usize::from(y)) % rows.len()].to_owned(), 0, 0, 0);
            (0..6).map(row).collect()
        })
        .collect();
    for ascii in [false, true] {
        assert_letters(ascii, &frames);
    }
}

/// A gauge beside a name is drawn as cheaply as beside any other.
#[test]
fn what_changes_beside_an_unsure_symbol_costs_little() {
    let mut ours = terminal(80, 24, false);
    let mut frame = |percent: &str| {
        let name = (1, 3, "🫩 tired.iso".to_owned(), 0, 0, 0);
        bytes(&mut ours, |frame| paint(frame, &[name, (40, 3, percent.to_owned(), 7, 0, 1)]))
    };
    frame("58 %");
    assert_eq!(String::from_utf8_lossy(&frame("59 %")), "\x1b[4;42H9");
}

#[test]
fn the_cursor_is_where_the_frame_wants_it() {
    let mut ours = terminal(20, 6, false);
    let mut theirs = vt100::Parser::new(6, 20, 0);
    theirs.process(&bytes(&mut ours, |frame| {
        paint(frame, &[(19, 5, "x".to_owned(), 0, 0, 0)]);
        frame.set_cursor_position((4, 2));
    }));
    assert_eq!((theirs.screen().cursor_position(), theirs.screen().hide_cursor()), ((2, 4), false));
    theirs.process(&bytes(&mut ours, |_| {}));
    assert!(theirs.screen().hide_cursor());
}

#[test]
fn a_small_change_costs_little() {
    let mut ours = terminal(80, 24, false);
    let mut frame =
        |percent: &str| bytes(&mut ours, |frame| paint(frame, &[(10, 3, percent.to_owned(), 7, 0, 1)]));
    frame("58 %");
    let change = frame("59 %");
    assert_eq!(String::from_utf8_lossy(&change), "\x1b[4;12H9", "the pen is still the same");
}
