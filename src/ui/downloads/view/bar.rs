//! Draws the last line: a question, a prompt, a notice, or what can be done now.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{alarm, header, offers, outage};
use crate::ui::{
    actions::{Context, DialogAction, hints},
    components::{
        bar,
        widgets::{clip, put, put_line, width, wrap_in},
    },
    downloads::{
        content::{self, bar::answers, decision, trust},
        model::dialog::{Dialog, Prompt, Purpose},
        model::{Focus, Model},
    },
};

/// Draws it; returns the place of the cursor if something is typed there.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let look = &model.look;
    let area = outage::render(model, alarm::render(model, area, buf), buf);
    if area.is_empty() {
        return None;
    }
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let columns = content::columns(area.width);
    let glyphs = &look.glyphs;
    if matches!(model.dialog, Dialog::None) && model.deciding.is_some() {
        for (y, line) in (inner.y..inner.bottom()).zip(decision::lines(model, columns)) {
            put_line(buf, inner, y, &line);
        }
        return None;
    }
    match (&model.dialog, &model.notice) {
        (Dialog::Question(question), _) => {
            let answers = answers(model, columns);
            if inner.height == 1 {
                bar::question(&question.text, look.theme.strong, &answers, inner, buf, look);
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
            // Only a question about a server is longer than its room: a part of it would be another question.
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
            match lines.as_slice() {
                [line] if !notice.bad => {
                    bar::notice(line, style, |columns| offers::line(model, columns), inner, buf, look);
                }
                lines => {
                    for (y, line) in (inner.y..).zip(lines) {
                        put(buf, inner, inner.x, y, line, style);
                    }
                }
            }
            None
        }
        _ => {
            put_line(buf, inner, inner.y, &offers::line(model, columns));
            None
        }
    }
}

/// Says that a question has no room, and how to dismiss it.
fn no_room(model: &Model, area: Rect, buf: &mut Buffer) {
    let look = &model.look;
    let text = trust::no_room(usize::from(area.width), &look.glyphs);
    let end = put(buf, area, area.x, area.y, &text, look.theme.bad);
    let rest = Rect { x: end + 2, width: area.right().saturating_sub(end + 2), ..area };
    let dismiss = [DialogAction::Dismiss.into()];
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
    let hidden = matches!(prompt.purpose, Purpose::Token(_)).then(|| prompt.line.hidden(look.glyphs.ascii));
    bar::prompt(&label, hidden.as_ref().unwrap_or(&prompt.line), &model.keys, area, buf, look)
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
    if matches!(model.dialog, Dialog::None)
        && let Some(line) = decision::line(model)
    {
        put_line(buf, area, area.y, &line);
        return None;
    }
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
