//! The last line of both screens: a prompt, a question, or a notice and what can be done.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};

use super::{
    input::LineEdit,
    widgets::{clip, put, put_line},
};
use crate::ui::{
    actions::{
        Context, DialogAction, KeyMap,
        hints::{self, Hint},
    },
    theme::Look,
};

/// Draws a prompt in one line, with its keys where they have room. Returns the place of the cursor.
pub fn prompt(
    label: &str,
    line: &LineEdit,
    keys: &KeyMap,
    area: Rect,
    buf: &mut Buffer,
    look: &Look,
) -> Option<Position> {
    let hints = [DialogAction::Accept.into(), DialogAction::Dismiss.into()];
    typing(label, line, (Context::Prompt, &hints), keys, area, buf, look)
}

/// Draws a line that is typed, with these hints where they have room. Returns the place of the cursor.
pub fn typing(
    label: &str,
    line: &LineEdit,
    (context, hints): (Context, &[Hint]),
    keys: &KeyMap,
    area: Rect,
    buf: &mut Buffer,
    look: &Look,
) -> Option<Position> {
    let x = put(buf, area, area.x, area.y, label, look.theme.accent);
    let columns = usize::from(area.right().saturating_sub(x));
    let (visible, cursor) = line.window(columns);
    let end = put(buf, area, x, area.y, &visible, look.theme.plain);
    let hints = hints::bar(keys, context, hints, &[], columns, look);
    // Twice the room that they need: they must not crowd what is typed.
    let left = area.right().saturating_sub(hints.width() as u16);
    if end + 2 + hints.width() as u16 <= left {
        put_line(buf, Rect { x: left, width: area.right() - left, ..area }, area.y, &hints);
    }
    let x = x + cursor as u16;
    (x < area.right()).then_some(Position { x, y: area.y })
}

/// The keys of the answers, with the verbs of what they do.
pub fn answers(keys: &KeyMap, answers: &[Hint], columns: usize, look: &Look) -> Line<'static> {
    hints::bar(keys, Context::Question, &[], answers, columns, look)
}

/// Draws a question in one line. The answers stay visible, however long the question is.
pub fn question(text: &str, style: Style, answers: &Line<'_>, area: Rect, buf: &mut Buffer, look: &Look) {
    let room = usize::from(area.width).saturating_sub(answers.width() + 2);
    let x = put(buf, area, area.x, area.y, &clip(text, room, &look.glyphs), style);
    let rest = Rect { x: x + 2, width: area.right().saturating_sub(x + 2), ..area };
    put_line(buf, rest, area.y, answers);
}

/// Draws a notice in one line, and after it the hints that have room.
pub fn notice(
    text: &str,
    style: Style,
    hints: impl FnOnce(usize) -> Line<'static>,
    area: Rect,
    buf: &mut Buffer,
    look: &Look,
) {
    let text = clip(text, usize::from(area.width), &look.glyphs);
    let end = put(buf, area, area.x, area.y, &text, style);
    let rest = area.right().saturating_sub(end + 3);
    let rest = Rect { x: end + 3, width: rest, ..area };
    put_line(buf, rest, area.y, &hints(usize::from(rest.width)));
}
