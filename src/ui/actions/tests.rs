//! The table is sound, keys can be read back, conflicts are named, and the bar fits.

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::text::Line;

use super::{
    Action, Context, GlobalAction, Key, KeyError, KeyMap, QueueAction, Section, TABLE, docs,
    hints::{self, Hint},
};
use crate::ui::theme::Look;

fn key(text: &str) -> Key {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

const NONE: [(&str, [&str; 0]); 0] = [];

#[test]
fn the_table_has_no_conflict_and_every_row_is_its_actions() {
    KeyMap::new(NONE).unwrap_or_else(|error| panic!("{error}"));
    let mut names = HashSet::new();
    for spec in TABLE {
        assert_eq!(spec.action.name(), spec.name);
        assert_eq!(Action::named(spec.name), Some(spec.action));
        assert!(names.insert(spec.name), "{} twice", spec.name);
        assert!(!spec.contexts.is_empty() && !spec.keys.is_empty(), "{}", spec.name);
        assert!(spec.help.len() < 90 && !spec.help.ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn keys_that_terminals_and_multiplexers_take_are_not_used() {
    for spec in TABLE {
        for taken in ["ctrl-s", "ctrl-q", "ctrl-a", "ctrl-b"] {
            assert!(!spec.keys.iter().any(|name| key(name) == key(taken)), "{} uses {taken}", spec.name);
        }
    }
}

#[test]
fn every_action_can_be_reached_where_it_is_said_to_work() {
    let keys = KeyMap::default();
    for spec in TABLE {
        for &context in spec.contexts {
            assert!(keys.shown(context, spec.action).is_some(), "{} in the {}", spec.name, context.title());
        }
    }
}

#[test]
fn vi_keys_stand_beside_the_arrows() {
    let keys = KeyMap::default();
    for (vi, arrow) in [("k", "up"), ("j", "down"), ("g", "home"), ("G", "end")] {
        assert_eq!(keys.action(Context::Queue, key(vi)), keys.action(Context::Queue, key(arrow)));
    }
}

#[test]
fn characters_are_typed_in_text_contexts() {
    let keys = KeyMap::default();
    assert_eq!(keys.action(Context::Input, key("q")), None);
    assert_eq!(keys.action(Context::Input, key("ctrl-c")), Some(GlobalAction::Quit.into()));
    assert_eq!(keys.action(Context::Queue, key("q")), Some(GlobalAction::Quit.into()));
}

#[test]
fn key_names_can_be_read_back() {
    for name in
        ["a", "A", "?", "-", "ctrl-c", "ctrl--", "alt-x", "shift-tab", "shift-up", "space", "f12", "é"]
    {
        assert_eq!(key(name).to_string(), name);
    }
    assert_eq!(key("Ctrl-C"), key("ctrl-c"));
    assert_eq!(key("shift-a"), key("A"));
    for wrong in ["", " ", "ctrl-", "f0", "f13", "hyper-x", "ab", "\u{1b}", "ctrlé"] {
        let error = wrong.parse::<Key>().expect_err(wrong);
        assert!(error.to_string().contains("names no key"), "{error}");
    }
}

#[test]
fn what_terminals_report_in_several_ways_is_one_key() {
    assert_eq!(Key::new(KeyCode::BackTab, KeyModifiers::SHIFT), key("shift-tab"));
    assert_eq!(Key::new(KeyCode::BackTab, KeyModifiers::NONE), key("shift-tab"));
    assert_eq!(Key::new(KeyCode::Char('J'), KeyModifiers::SHIFT), key("J"));
    assert_eq!(Key::new(KeyCode::Char('j'), KeyModifiers::SHIFT), key("J"));
    assert_eq!(Key::new(KeyCode::Char('C'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), key("ctrl-c"));
}

#[test]
fn the_configuration_replaces_an_actions_keys() {
    let keys = KeyMap::new([("pause", ["ctrl-p", "U"])]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(keys.action(Context::Queue, key("U")), Some(QueueAction::Pause.into()));
    assert_eq!(keys.action(Context::Queue, key("p")), None);
    let keys = KeyMap::new([("pause", [""; 0])]).unwrap_or_else(|error| panic!("{error}"));
    assert!(keys.keys(QueueAction::Pause).is_empty());
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let conflict = KeyMap::new([("pause", ["x"])]).expect_err("x cancels");
    assert!(matches!(&conflict, KeyError::Conflict { key, .. } if key == "x"));
    assert_eq!(
        conflict.to_string(),
        "keys.cancel: the key x already means pause in the queue; give one of the two another key"
    );
    let unknown = KeyMap::new([("dance", ["x"])]).expect_err("no such action");
    assert!(unknown.to_string().starts_with("keys.dance: there is no such action"));
    let unreadable = KeyMap::new([("pause", ["meta-x"])]).expect_err("no such key");
    assert!(unreadable.to_string().starts_with("keys.pause: \"meta-x\" names no key"));
}

#[test]
fn the_bar_fits_every_width_and_keeps_help_and_quit_longest() {
    let keys = KeyMap::default();
    let offered: Vec<Hint> = [QueueAction::Open, QueueAction::Mark, QueueAction::Pause, QueueAction::Cancel]
        .map(Hint::from)
        .into();
    let always = [GlobalAction::Help, GlobalAction::Quit].map(Hint::from);
    for width in 0..120 {
        let line = hints::bar(&keys, Context::Queue, &offered, &always, width, &Look::default());
        assert!(line.width() <= width, "{width}: {line}");
    }
    let text = |line: Line<'_>| line.to_string();
    let bar = |width| text(hints::bar(&keys, Context::Queue, &offered, &always, width, &Look::default()));
    assert_eq!(bar(80), "Enter details  Space mark  p pause  x cancel  ? help  q quit");
    assert_eq!(bar(30), "Enter details  ? help  q quit");
    assert_eq!(bar(14), "? help  q quit");
}

#[test]
fn no_hint_says_its_key_twice_and_no_bar_has_a_key_twice() {
    for spec in TABLE {
        for key in KeyMap::default().keys(spec.action) {
            for label in [key.label(true), key.label(false)] {
                assert!(!label.eq_ignore_ascii_case(spec.word), "{label} {}", spec.word);
            }
        }
    }
    let offered = [
        Hint::from(QueueAction::Pause),
        QueueAction::Cancel.into(),
        Hint::saying(QueueAction::Pause, "wait"),
    ];
    let always = [GlobalAction::Quit.into()];
    let bar = hints::bar(&KeyMap::default(), Context::Queue, &offered, &always, 80, &Look::default());
    assert_eq!(bar.to_string(), "p pause  x cancel  q quit");
}

#[test]
fn every_section_is_listed_and_the_help_page_has_the_keys_in_force() {
    let keys = KeyMap::new([("pause", ["ctrl-p"])]).unwrap_or_else(|error| panic!("{error}"));
    let mut entries =
        docs::help(&keys, &Section::DOWNLOADS, "", true).into_iter().flat_map(|section| section.entries);
    assert!(entries.any(|(keys, _)| keys == "^P"));
    for spec in TABLE {
        assert!(Section::DOWNLOADS.contains(&spec.section) || Section::DASHBOARD.contains(&spec.section));
        assert!(docs::markdown().contains(&format!("`{}`", spec.name)));
    }
}

#[test]
fn the_sample_section_uncommented_is_what_is_in_force_anyway() {
    let uncommented: String = docs::toml()
        .lines()
        .filter(|line| line.contains(" = [\""))
        .filter(|line| !line.contains('…'))
        .map(|line| format!("{}\n", line.trim_start_matches("# ")))
        .collect();
    let table: std::collections::BTreeMap<String, Vec<String>> =
        toml::from_str(&uncommented).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(table.len(), TABLE.len());
    let keys = KeyMap::new(table).unwrap_or_else(|error| panic!("{error}"));
    for spec in TABLE {
        assert_eq!(keys.keys(spec.action), KeyMap::default().keys(spec.action));
    }
}
