//! Editing as people expect.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::{LineEdit, pasted_lines};
use crate::text::is_unsafe;

const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const PLAIN: KeyModifiers = KeyModifiers::NONE;

/// Presses keys in a line that holds `text`; gives the text with `|` at the cursor.
fn after(text: &str, keys: &[(KeyCode, KeyModifiers)]) -> String {
    let mut line = LineEdit::new(text);
    for &(code, modifiers) in keys {
        line.key(KeyEvent::new(code, modifiers));
    }
    shown(&line)
}

fn shown(line: &LineEdit) -> String {
    let before = line.before_cursor();
    format!("{before}|{}", &line.value()[before.len()..])
}

#[test]
fn words_are_passed_and_deleted() {
    use KeyCode::*;
    let path = "/srv/media films";
    assert_eq!(after(path, &[(Char('b'), ALT)]), "/srv/media |films");
    assert_eq!(after(path, &[(Left, CTRL), (Left, ALT)]), "/srv/|media films");
    assert_eq!(after(path, &[(Home, PLAIN), (Char('f'), ALT)]), "/|srv/media films");
    assert_eq!(after(path, &[(Home, PLAIN), (Right, CTRL), (Right, ALT)]), "/srv/|media films");
    assert_eq!(after(path, &[(Char('w'), CTRL)]), "/srv/media |");
    assert_eq!(after(path, &[(Backspace, ALT)]), "/srv/media |");
    assert_eq!(after(path, &[(Char('b'), ALT), (Char('b'), ALT), (Char('d'), ALT)]), "/srv/|films");
}

#[test]
fn lines_are_cut_at_the_cursor() {
    use KeyCode::*;
    let path = "/srv/media";
    assert_eq!(after(path, &[(Char('u'), CTRL)]), "|");
    assert_eq!(after(path, &[(Char('b'), ALT), (Char('u'), CTRL)]), "|media");
    assert_eq!(after(path, &[(Char('b'), ALT), (Char('k'), CTRL)]), "/srv/|");
    assert_eq!(after(path, &[(Char('a'), CTRL), (Delete, PLAIN)]), "|srv/media");
    assert_eq!(after(path, &[(Home, PLAIN), (End, PLAIN), (Backspace, PLAIN)]), "/srv/medi|");
    assert_eq!(after(path, &[(Home, PLAIN), (Char('d'), CTRL)]), "|srv/media");
    assert_eq!(after("ab", &[(Left, PLAIN), (Char('X'), KeyModifiers::SHIFT)]), "aX|b");
}

#[test]
fn what_is_seen_as_one_character_is_one() {
    use KeyCode::*;
    assert_eq!(after("cafe\u{301}", &[(Backspace, PLAIN)]), "caf|");
    assert_eq!(after("文件", &[(Left, PLAIN), (Backspace, PLAIN)]), "|件");
}

#[test]
fn unknown_combinations_type_nothing() {
    let mut line = LineEdit::new("x");
    assert!(!line.key(KeyEvent::new(KeyCode::Char('q'), CTRL | ALT)));
    assert!(!line.key(KeyEvent::new(KeyCode::F(5), PLAIN)));
    assert!(!line.key(KeyEvent::new(KeyCode::Char('x'), ALT)));
    assert_eq!(shown(&line), "x|");
}

#[test]
fn history_keeps_what_was_being_typed() {
    let mut line = LineEdit::default();
    for entry in ["one", "two", "two", " "] {
        line.set(entry);
        line.take();
    }
    assert!(line.recall_previous());
    assert_eq!(shown(&line), "two|");
    assert!(line.recall_previous());
    assert!(!line.recall_previous());
    assert_eq!(shown(&line), "one|");
    assert!(line.recall_next() && line.recall_next());
    assert_eq!(shown(&line), "|");
    line.set("dra");
    assert!(!line.recall_previous() && !line.recall_next());
    assert_eq!(shown(&line), "dra|");
}

#[test]
fn history_is_searched_by_what_was_typed() {
    let entries = ["nas:1/a", "films/a", "films/b", "nas:1/b", "films/a"];
    let mut line = LineEdit::with_history(entries.map(str::to_owned).to_vec());
    line.set("films/");
    let mut recalled = Vec::new();
    while line.recall_previous() {
        recalled.push(line.value().to_owned());
    }
    assert_eq!(recalled, ["films/a", "films/b", "films/a"]);
    assert!(line.recall_next());
    assert_eq!(shown(&line), "films/b|");
    // A changed text starts a new search.
    line.set("nas");
    assert!(line.recall_previous());
    assert_eq!(shown(&line), "nas:1/b|");
    line.key(KeyEvent::new(KeyCode::Backspace, PLAIN));
    assert!(line.recall_previous() && line.recall_previous());
    assert_eq!(shown(&line), "nas:1/a|");
    assert!(line.recall_next() && line.recall_next());
    assert_eq!(shown(&line), "nas:1/|");
    assert!(!line.recall_next());
}

#[test]
fn a_paste_goes_to_the_cursor_and_is_cleaned() {
    let mut line = LineEdit::new("ad");
    line.key(KeyEvent::new(KeyCode::Left, PLAIN));
    line.paste("b\u{1b}[31m\u{202e}\tc\u{7}");
    assert_eq!(shown(&line), "ab[31m c|d");
}

#[test]
fn several_pasted_lines_are_several_entries() {
    assert_eq!(pasted_lines("a\r\nb\n\n  c \x1b\n"), ["a", "b", "c"]);
    assert_eq!(pasted_lines("just one\n"), ["just one"]);
    assert!(pasted_lines("\r\n\n").is_empty());
}

proptest! {
    #[test]
    fn the_window_fits_and_holds_the_cursor(text in "\\PC{0,60}", left in 0_usize..60, columns in 1_usize..40) {
        let mut line = LineEdit::new(&text);
        for _ in 0..left {
            line.key(KeyEvent::new(KeyCode::Left, PLAIN));
        }
        let (visible, cursor) = line.window(columns);
        prop_assert!(cursor < columns, "{cursor} of {columns}");
        prop_assert!(visible.chars().map(|c| c.to_string().width()).sum::<usize>() <= columns);
    }

    #[test]
    fn no_paste_or_key_brings_a_control_character(pasted in any::<String>(), keys in any::<Vec<char>>()) {
        let mut line = LineEdit::default();
        line.paste(&pasted);
        for c in keys {
            line.key(KeyEvent::new(KeyCode::Char(c), PLAIN));
        }
        prop_assert!(!line.value().contains(is_unsafe));
        for entry in pasted_lines(&pasted) {
            prop_assert!(!entry.contains(is_unsafe));
        }
    }
}
