//! The help page of both screens: every key in force and what it does, made from the table of actions.

use ratatui::{buffer::Buffer, layout::Rect, layout::Size};

use super::widgets::{put, put_line, rule, width, wrap};
use crate::ui::{
    actions::{
        Context, DialogAction, KeyMap, MoveAction, Section,
        docs::{self, HelpLine},
        hints,
    },
    theme::Look,
};

/// Columns for keys; those that need more get a line of their own.
const KEY_COLUMNS: usize = 16;

/// A line of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    Blank,
    Heading(&'static str),
    Keys(String),
    Text(&'static str),
    Both(String, &'static str),
}

/// The first visible line after a scroll of the page.
pub fn scroll(
    action: MoveAction,
    top: usize,
    size: Size,
    keys: &KeyMap,
    sections: &[Section],
    look: &Look,
) -> usize {
    let page = usize::from(size.height).saturating_sub(2).max(1);
    let last = rows(keys, sections, usize::from(size.width), look).len().saturating_sub(page);
    let to = match action {
        MoveAction::Up => top.saturating_sub(1),
        MoveAction::Down => top.saturating_add(1),
        MoveAction::PageUp => top.saturating_sub(page),
        MoveAction::PageDown => top.saturating_add(page),
        MoveAction::First => 0,
        MoveAction::Last => last,
    };
    to.min(last)
}

/// Draws the page over all of `area`, from its line `top` on.
pub fn render(area: Rect, buf: &mut Buffer, top: usize, keys: &KeyMap, sections: &[Section], look: &Look) {
    if area.is_empty() {
        return;
    }
    ratatui::widgets::Widget::render(ratatui::widgets::Clear, area, buf);
    let rows = rows(keys, sections, usize::from(area.width), look);
    let page = usize::from(area.height).saturating_sub(2).max(1);
    let top = top.min(rows.len().saturating_sub(page));
    let below = rows.len().saturating_sub(top + page);
    let note = if below > 0 { format!("{below} more below") } else { String::new() };
    rule(buf, area, "Help", &note, true, look);
    let theme = &look.theme;
    for (y, row) in (area.y + 1..area.bottom().saturating_sub(1)).zip(rows.iter().skip(top)) {
        let (keys, text) = match row {
            Row::Blank => continue,
            Row::Heading(title) => {
                put(buf, area, area.x + 1, y, title, theme.accent);
                continue;
            }
            Row::Keys(keys) => (keys.as_str(), ""),
            Row::Text(text) => ("", *text),
            Row::Both(keys, text) => (keys.as_str(), *text),
        };
        put(buf, area, area.x + 2, y, keys, theme.key);
        let indent = if text_columns(usize::from(area.width)).1 { KEY_COLUMNS as u16 + 3 } else { 4 };
        put(buf, area, area.x + indent, y, text, theme.plain);
    }
    if area.height > 1 {
        let hints = [MoveAction::Down, MoveAction::PageDown].map(Into::into);
        let always = [DialogAction::Close.into()];
        let width = usize::from(area.width).saturating_sub(1);
        let bar = hints::bar(keys, Context::Page, &hints, &always, width, look);
        let last = Rect { x: area.x + 1, width: area.width - 1, ..area };
        put_line(buf, last, area.bottom() - 1, &bar);
    }
}

/// Columns for text, and whether it is beside the keys.
fn text_columns(columns: usize) -> (usize, bool) {
    let beside = columns >= 3 * KEY_COLUMNS;
    let indent = if beside { KEY_COLUMNS + 4 } else { 5 };
    (columns.saturating_sub(indent).max(1), beside)
}

fn rows(keys: &KeyMap, sections: &[Section], columns: usize, look: &Look) -> Vec<Row> {
    let (text_columns, beside) = text_columns(columns);
    let mut rows = Vec::new();
    for line in docs::help(keys, sections, look.glyphs.ascii) {
        match line {
            HelpLine::Blank => rows.push(Row::Blank),
            HelpLine::Heading(title) => rows.push(Row::Heading(title)),
            HelpLine::Entry { keys, help } => {
                let mut lines = wrap(help, text_columns).into_iter();
                if beside && width(&keys) <= KEY_COLUMNS {
                    rows.push(Row::Both(keys, lines.next().unwrap_or_default()));
                } else {
                    rows.push(Row::Keys(keys));
                }
                rows.extend(lines.map(Row::Text));
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_line_can_be_reached_and_not_passed() {
        let (keys, look, size) = (KeyMap::default(), Look::default(), Size { width: 80, height: 24 });
        let go = |action, top| scroll(action, top, size, &keys, &Section::ALL, &look);
        let last = go(MoveAction::Last, 0);
        assert!(last > 0);
        assert_eq!(go(MoveAction::Down, last), last);
        assert_eq!(go(MoveAction::Up, last), last - 1);
        assert_eq!(go(MoveAction::PageUp, 3), 0);
    }

    proptest! {
        #[test]
        fn it_draws_at_any_size(width in 0_u16..200, height in 0_u16..60, top in 0_usize..300) {
            let area = Rect::new(0, 0, width, height);
            render(area, &mut Buffer::empty(area), top, &KeyMap::default(), &Section::ALL, &Look::default());
        }
    }
}
