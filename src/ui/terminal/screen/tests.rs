//! Modes that are set are undone: asserted on the recorded bytes.

use super::*;
use crate::ui::testing::Recorder;

fn parser(bytes: &[u8]) -> vt100::Parser {
    let mut parser = vt100::Parser::new(24, 80, 0);
    parser.process(bytes);
    parser
}

/// The private modes that are set at the end of the bytes; `s` and `r` save and restore one.
fn modes(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut set: Vec<String> = Vec::new();
    for sequence in text.split("\x1b[?").skip(1) {
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';').expect("a sequence ends");
        let (mode, act) = (sequence[..end].to_owned(), &sequence[end..=end]);
        match act {
            "h" => set.push(mode),
            "l" => set.retain(|other| *other != mode),
            "s" | "r" => {}
            other => panic!("{other} of mode {mode}"),
        }
    }
    // The cursor is shown where nothing was set.
    set.retain(|mode| mode != "25");
    set
}

/// Asserts that the title was saved before it was set, set, and restored after that, and that no progress is left. `times`: how often.
fn assert_titles_restored(bytes: &[u8], times: usize) {
    let text = String::from_utf8_lossy(bytes);
    let parts: Vec<_> = text.split("\x1b[22;2t").collect();
    assert_eq!(parts.len(), times + 1, "{text:?}");
    assert!(!parts[0].contains("\x1b]2;"), "{text:?}");
    for part in &parts[1..] {
        assert_eq!(part.matches("\x1b[23;2t").count(), 1, "{text:?}");
        let (before, after) = part.split_once("\x1b[23;2t").expect("restored");
        assert!(before.contains("\x1b]2;") && !after.contains("\x1b]2;"), "{text:?}");
        assert!(before.ends_with("\x1b]9;4;0\x1b\\") && !after.contains("\x1b]9;4;"), "{text:?}");
    }
}

/// Everything that a terminal may take.
const ALL: Attention =
    Attention { title: true, progress: true, notify: Some(crate::ui::Notification::Osc9), ascii: false };

const SIZE: Size = Size { width: 80, height: 24 };

#[test]
fn everything_that_is_set_is_undone() {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    terminal.draw(|frame| frame.set_cursor_position((3, 3)));
    terminal.copy("text");
    terminal.bell();
    terminal.set_status(Status::Running(Some(42), None));
    terminal.notify(&SafeText::new("done"));
    terminal.redraw();
    terminal.draw(|_| {});
    let before = parser(&recorder.bytes_after(&terminal));
    assert!(before.screen().alternate_screen() && before.screen().bracketed_paste());
    assert!(before.screen().hide_cursor());
    terminal.restore(RESTORE_TIMEOUT).expect("a recorder takes everything");
    let bytes = recorder.bytes();
    assert_eq!(modes(&bytes), Vec::<String>::new());
    assert_titles_restored(&bytes, 1);
    let after = parser(&bytes);
    assert!(!after.screen().alternate_screen() && !after.screen().bracketed_paste());
    assert!(!after.screen().hide_cursor());
    assert_eq!(after.screen().fgcolor(), vt100::Color::Default);
    terminal.restore(RESTORE_TIMEOUT).expect("nothing left to do");
    assert_eq!(recorder.bytes(), bytes, "once is enough");
}

#[test]
fn a_dropped_terminal_is_given_back() {
    let recorder = Recorder::default();
    drop(Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread"));
    assert_eq!(modes(&recorder.bytes()), Vec::<String>::new());
}

#[test]
fn after_a_suspension_everything_is_set_and_drawn_again() {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    let view = |frame: &mut Frame<'_>| frame.render_widget("text", frame.area());
    terminal.draw(view);
    terminal.restore(RESTORE_TIMEOUT).expect("a recorder takes everything");
    let shell = recorder.bytes().len();
    terminal.set_up_again().expect("a recorder takes everything");
    assert!(terminal.draw(view) > 0);
    let again = recorder.bytes_after(&terminal)[shell..].to_vec();
    assert!(String::from_utf8_lossy(&again).contains("\x1b]2;tui\x1b\\"), "the title, too");
    assert_eq!(modes(&again), ["1049", "2004", "1007"]);
    assert!(parser(&again).screen().contents().starts_with("text"));
}

#[test]
fn a_stop_without_a_suspension_saves_no_title_of_this_program() {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    terminal.set_status(Status::Running(Some(42), None));
    terminal.draw(|_| {});
    terminal.set_up_again().expect("a recorder takes everything");
    terminal.set_status(Status::Running(Some(43), None));
    terminal.draw(|_| {});
    terminal.restore(RESTORE_TIMEOUT).expect("a recorder takes everything");
    assert_titles_restored(&recorder.bytes(), 2);
}

#[test]
fn a_frame_is_one_synchronized_update_in_one_write() {
    let recorder = Recorder::default();
    let mut terminal =
        Terminal::on(recorder.clone(), Size { width: 200, height: 60 }, false, Attention::default())
            .expect("a thread");
    let writes = recorder.writes();
    terminal.draw(|frame| frame.render_widget("text ".repeat(3000), frame.area()));
    let bytes = recorder.bytes_after(&terminal);
    assert_eq!(recorder.writes(), writes + 1);
    let frame = &bytes[SET_UP.len()..];
    assert!(frame.starts_with(b"\x1b[?2026h") && frame.ends_with(b"\x1b[?2026l"));
}

#[test]
fn a_frame_without_changes_is_not_written() {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    assert!(terminal.draw(|frame| frame.render_widget("text", frame.area())) > 0);
    let before = recorder.bytes_after(&terminal);
    assert_eq!(terminal.draw(|frame| frame.render_widget("text", frame.area())), 0);
    assert_eq!(recorder.bytes_after(&terminal), before);
}

#[test]
fn a_new_size_is_drawn_in_full() {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    terminal.draw(|frame| frame.render_widget("text", frame.area()));
    let before = recorder.bytes_after(&terminal).len();
    assert!(terminal.resize_to(Size { width: 60, height: 10 }));
    assert!(!terminal.resize_to(Size { width: 60, height: 10 }));
    terminal.draw(|frame| {
        assert_eq!(frame.area().as_size(), Size { width: 60, height: 10 });
        frame.render_widget("text", frame.area());
    });
    let frame = recorder.bytes_after(&terminal)[before..].to_vec();
    assert!(String::from_utf8_lossy(&frame).contains("text"));
}

#[test]
fn the_bytes_that_a_panic_writes_undo_everything() {
    assert_eq!(modes(&[SET_UP, RESTORE].concat()), Vec::<String>::new());
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), SIZE, false, ALL).expect("a thread");
    terminal.set_status(Status::Running(Some(42), None));
    terminal.draw(|_| {});
    let panicked = [recorder.bytes_after(&terminal), terminal.restoring()].concat();
    assert_titles_restored(&panicked, 1);
}
