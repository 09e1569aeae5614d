//! How many rows the last line needs: a question, a prompt, a notice, or what can be done now.

use ratatui::text::Line;

use super::{alarm, columns, decision, outage, trust};
use crate::ui::{
    components::{
        bar,
        widgets::{width, wrap},
    },
    downloads::model::{Model, dialog::Dialog},
};

/// Rows of a question, a notice or a problem, at most.
const MAX_ROWS: usize = 3;

/// Rows that the bar wants at a width.
pub fn rows(model: &Model, width: u16) -> u16 {
    let columns = columns(width);
    alarm::rows(model, columns) + outage::rows(model) + below(model, columns)
}

/// Rows of what changes with each key.
fn below(model: &Model, columns: usize) -> u16 {
    let text = |text: &str| wrap(text, columns).len().clamp(1, MAX_ROWS) as u16;
    if let Some(server) = trust::asked(model) {
        return 1 + trust::rows(server, columns, &model.look.glyphs).len() as u16;
    }
    if matches!(model.dialog, Dialog::None) && model.deciding.is_some() {
        return decision::lines(model, columns).len() as u16;
    }
    match (&model.dialog, &model.notice) {
        // The answers are below the question if they do not fit after it.
        (Dialog::Question(question), _) => {
            let rows = text(&question.text);
            let answers = answers(model, columns).width() + 2;
            if rows == 1 && width(&question.text) + answers <= columns { 1 } else { rows + 1 }
        }
        (Dialog::Prompt(prompt), _) => 1 + prompt.problem.as_deref().map_or(0, text),
        (Dialog::Help(_) | Dialog::Palette(_), _) | (Dialog::None, None) => 1,
        (Dialog::None, Some(notice)) => text(&notice.text),
    }
}

/// The keys of the answers to a question.
pub fn answers(model: &Model, columns: usize) -> Line<'static> {
    match &model.dialog {
        Dialog::Question(question) => {
            bar::answers(&model.keys, &question.pending.answers(), columns, &model.look)
        }
        Dialog::None | Dialog::Help(_) | Dialog::Palette(_) | Dialog::Prompt(_) => Line::default(),
    }
}
