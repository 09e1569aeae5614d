//! The hint bar: what can be done now, as much of it as the width takes.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{
    context::Context,
    keymap::KeyMap,
    table::{
        Action, BrowserAction, DashboardAction, DecisionAction, DialogAction, GlobalAction, InputAction,
        LogAction, MoveAction, QueueAction,
    },
};
use crate::ui::theme::Look;

/// Something that can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What.
    pub action: Action,
    /// Another word than the table's, where the present state asks for one (`resume` for `pause`).
    pub word: Option<&'static str>,
}

macro_rules! hint_of {
    ($($kind:ident)*) => {$(
        impl From<$kind> for Hint {
            fn from(action: $kind) -> Hint {
                Hint { action: action.into(), word: None }
            }
        }
    )*};
}

hint_of!(GlobalAction MoveAction InputAction QueueAction BrowserAction DashboardAction LogAction DecisionAction DialogAction);

impl Hint {
    /// With another word than the table's.
    pub fn saying(action: impl Into<Action>, word: &'static str) -> Hint {
        Hint { action: action.into(), word: Some(word) }
    }
}

/// The bar: `hints` from the most to the least useful, then `always` (help and quit), within `width`
/// columns. A hint that does not fit is left out, and so is one whose key is there already.
pub fn bar(
    keys: &KeyMap,
    context: Context,
    hints: &[Hint],
    always: &[Hint],
    width: usize,
    look: &Look,
) -> Line<'static> {
    let label = |hint: &Hint| {
        let key = keys.shown(context, hint.action)?.label(look.glyphs.ascii);
        Some((key, hint.word.unwrap_or(hint.action.word())))
    };
    let cost = |(key, word): &(String, &str)| key.width() + 1 + word.width();
    let tail: Vec<_> = always.iter().filter_map(label).collect();
    let mut room = width;
    let mut shown = Vec::new();
    let reserved: usize = tail.iter().map(|part| cost(part) + 2).sum::<usize>();
    for part in hints.iter().filter_map(label) {
        let needed = cost(&part) + 2;
        let is_there = shown.iter().chain(&tail).any(|(key, _)| *key == part.0);
        if is_there || needed + reserved > room + 2 {
            continue;
        }
        room = room.saturating_sub(needed);
        shown.push(part);
    }
    for part in tail {
        let needed = cost(&part) + 2;
        if needed > room + 2 {
            break;
        }
        room = room.saturating_sub(needed);
        shown.push(part);
    }
    let mut spans = Vec::with_capacity(shown.len() * 4);
    for (key, word) in shown {
        if !spans.is_empty() {
            spans.push(Span::raw("  "));
        }
        spans.push(Span::styled(key, look.theme.key));
        spans.push(Span::raw(" "));
        spans.push(Span::styled(word, look.theme.dim));
    }
    Line::from(spans)
}
