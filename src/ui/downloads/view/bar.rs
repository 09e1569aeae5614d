//! The last line: a question, a prompt, a notice, or what can be done now.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{alarm, header, offers, trust};
use crate::ui::{
    actions::{
        Action, Context,
        hints::{self, Hint},
    },
    downloads::{
        dialog::{Dialog, Prompt, Purpose, Question},
        model::{Focus, Model},
    },
    widgets::{clip, put, put_line, width, wrap, wrap_in},
};

/// Most rows of a question, a notice or a problem.
const MOST_ROWS: usize = 3;

/// Columns for text in a bar of this width.
pub fn columns(width: u16) -> usize {
    usize::from(width.saturating_sub(2)).max(1)
}

/// Rows that the bar wants at a width.
pub fn rows(model: &Model, columns: u16) -> u16 {
    let columns = self::columns(columns);
    alarm::rows(model, columns) + below(model, columns)
}

/// Rows of what changes with each key.
fn below(model: &Model, columns: usize) -> u16 {
    let text = |text: &str| wrap(text, columns).len().clamp(1, MOST_ROWS) as u16;
    if let Some(server) = trust::asked(model) {
        return 1 + trust::rows(server, columns, &model.look.glyphs).len() as u16;
    }
    match (&model.dialog, &model.notice) {
        // The answers stand below, where they do not fit behind it.
        (Dialog::Question(question), _) => {
            let rows = text(&question.text);
            let answers = answers(model, columns).width() + 2;
            if rows == 1 && width(&question.text) + answers <= columns { 1 } else { rows + 1 }
        }
        (Dialog::Prompt(Prompt { problem: Some(problem), .. }), _) => 1 + text(problem),
        (Dialog::Prompt(_), _) | (Dialog::Help(_), _) | (Dialog::None, None) => 1,
        (Dialog::None, Some(notice)) => text(&notice.text),
    }
}

/// Draws it; where the cursor stands, if something is typed there.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let look = &model.look;
    let area = alarm::render(model, area, buf);
    if area.is_empty() {
        return None;
    }
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let columns = columns(area.width);
    let glyphs = &look.glyphs;
    match (&model.dialog, &model.notice) {
        (Dialog::Question(question), _) => {
            let answers = answers(model, columns);
            if inner.height == 1 {
                // The answers stay in sight, whatever becomes of the question.
                let room = columns.saturating_sub(answers.width() + 2);
                let text = clip(&question.text, room, &look.glyphs);
                let x = put(buf, inner, inner.x, inner.y, &text, look.theme.strong);
                let rest = Rect { x: x + 2, width: inner.right().saturating_sub(x + 2), ..inner };
                put_line(buf, rest, inner.y, &answers);
            } else {
                let lines = wrap_in(&question.text, columns, inner.height - 1, glyphs);
                for (y, line) in (inner.y..).zip(&lines) {
                    put(buf, inner, inner.x, y, line, look.theme.strong);
                }
                put_line(buf, inner, inner.bottom() - 1, &answers);
            }
            None
        }
        (Dialog::Prompt(prompt), _) => {
            let above = match (trust::asked(model), &prompt.problem) {
                (Some(server), _) => trust::rows(server, columns, glyphs),
                (None, Some(problem)) => wrap_in(problem, columns, inner.height - 1, glyphs),
                (None, None) => Vec::new(),
            };
            // Only a question about a server is longer than its room: without a part of it, it is another one.
            if above.len() >= usize::from(inner.height) {
                no_room(model, inner, buf);
                return None;
            }
            let mut y = inner.y;
            for line in &above {
                put(buf, inner, inner.x, y, line, look.theme.bad);
                y += 1;
            }
            typed(model, prompt, Rect { y, height: 1, ..inner }, buf)
        }
        (_, Some(notice)) => {
            let style = if notice.bad { look.theme.bad } else { look.theme.plain };
            let lines = wrap_in(&notice.text, columns, inner.height, glyphs);
            let mut end = inner.x;
            for (y, line) in (inner.y..).zip(&lines) {
                end = put(buf, inner, inner.x, y, line, style);
            }
            // What was said must not hide for long what can be done.
            let room = usize::from(inner.right().saturating_sub(end + 3));
            if lines.len() == 1 && !notice.bad {
                let rest = Rect { x: end + 3, width: room as u16, ..inner };
                put_line(buf, rest, inner.y, &offers::line(model, room));
            }
            None
        }
        _ => {
            put_line(buf, inner, inner.y, &offers::line(model, columns));
            None
        }
    }
}

/// Says that somebody is asked about who has no room here, and how to leave that.
fn no_room(model: &Model, area: Rect, buf: &mut Buffer) {
    let look = &model.look;
    let text = trust::no_room(usize::from(area.width), &look.glyphs);
    let end = put(buf, area, area.x, area.y, &text, look.theme.bad);
    let rest = Rect { x: end + 2, width: area.right().saturating_sub(end + 2), ..area };
    let dismiss = [Action::Dismiss.into()];
    let hints = hints::bar(&model.keys, Context::Prompt, &dismiss, &[], usize::from(rest.width), look);
    put_line(buf, rest, area.y, &hints);
}

fn typed(model: &Model, prompt: &Prompt, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let look = &model.look;
    let label = |words: &str| format!("{words} {} ", look.glyphs.prompt).trim_start().to_owned();
    // With little room what is typed goes before what it is for.
    let words = match &prompt.problem {
        Some(problem) if prompt.purpose == Purpose::Trust => problem,
        _ => prompt.purpose.words(),
    };
    let [most, fewer] = [words, prompt.purpose.few_words()].map(label);
    let label = if width(&most) + 8 > usize::from(area.width) { fewer } else { most };
    let x = put(buf, area, area.x, area.y, &label, look.theme.accent);
    let columns = usize::from(area.right().saturating_sub(x));
    let (visible, cursor) = prompt.line.window(columns);
    let end = put(buf, area, x, area.y, &visible, look.theme.plain);
    let hints = hints::bar(
        &model.keys,
        Context::Prompt,
        &[Action::Accept.into(), Action::Dismiss.into()],
        &[],
        columns,
        look,
    );
    // Twice the room that they need: they must not crowd what is typed.
    let left = area.right().saturating_sub(hints.width() as u16);
    if end + 2 + hints.width() as u16 <= left {
        put_line(buf, Rect { x: left, width: area.right() - left, ..area }, area.y, &hints);
    }
    let x = x + cursor as u16;
    (x < area.right()).then_some(Position { x, y: area.y })
}

fn answers(model: &Model, columns: usize) -> Line<'static> {
    let answers = match &model.dialog {
        Dialog::Question(Question { pending, .. }) => pending.words(),
        _ => None,
    };
    let answers = match answers {
        Some((yes, no)) => [Hint::saying(Action::Yes, yes), Hint::saying(Action::No, no)],
        None => [Action::Yes.into(), Action::No.into()],
    };
    hints::bar(&model.keys, Context::Question, &[], &answers, columns, &model.look)
}

/// The whole screen in one line.
pub fn line(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let look = &model.look;
    if area.is_empty() {
        return None;
    }
    if alarm::line(model, area, buf) {
        return None;
    }
    let columns = usize::from(area.width);
    match (&model.dialog, &model.notice) {
        (Dialog::Question(question), _) => {
            let mut spans = answers(model, columns).spans;
            spans.push(Span::raw("  "));
            spans.push(Span::styled(question.text.clone(), look.theme.strong));
            put_line(buf, area, area.y, &Line::from(spans));
            None
        }
        (Dialog::Prompt(_), _) if trust::asked(model).is_some() => {
            no_room(model, area, buf);
            None
        }
        (Dialog::Prompt(prompt), _) => typed(model, prompt, area, buf),
        (_, Some(notice)) => {
            put(buf, area, area.x, area.y, &clip(&notice.text, columns, &look.glyphs), look.theme.plain);
            None
        }
        _ if model.focus == Focus::Input && !model.input.is_empty() => {
            let (visible, cursor) = model.input.window(columns);
            put(buf, area, area.x, area.y, &visible, look.theme.plain);
            Some(Position { x: area.x + cursor as u16, y: area.y })
        }
        _ => {
            put_line(buf, area, area.y, &header::one_line(model, columns));
            None
        }
    }
}
