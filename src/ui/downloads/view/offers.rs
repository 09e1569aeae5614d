//! What the hint bar offers: what can be done now, the most wanted first.

use ratatui::text::Line;

use crate::{
    client::{JobState, JobView, Totals},
    protocol::message::Kind,
    ui::{
        actions::{
            Action, Context,
            hints::{self, Hint},
        },
        downloads::{
            model::{Model, Panel},
            update::{context, pausable},
        },
    },
};

/// The bar, in so many columns.
pub fn line(model: &Model, columns: usize) -> Line<'static> {
    let context = context(model);
    let mut hints = match context {
        Context::Input => input(model),
        Context::Browser => browser(model),
        Context::Log => log(model),
        Context::Details => details(model),
        _ => queue(model),
    };
    if !model.alarms.is_empty() {
        hints.insert(0, Hint::saying(Action::Back, "dismiss"));
    }
    let always = [Hint::from(Action::Help), Hint::from(Action::Quit)];
    hints::bar(&model.keys, context, &hints, &always, columns, &model.look)
}

fn input(model: &Model) -> Vec<Hint> {
    let mut hints = Vec::new();
    if model.input.is_empty() {
        hints.push(Action::Browse.into());
        hints.push(Hint::saying(Action::Complete, "next pane"));
    } else {
        hints.push(Action::Submit.into());
        hints.push(Action::Complete.into());
        hints.push(Action::Browse.into());
    }
    if model.input.has_history() {
        hints.push(Action::HistoryPrevious.into());
    }
    hints
}

fn browser(model: &Model) -> Vec<Hint> {
    let Some(browser) = &model.browser else { return Vec::new() };
    let mut hints = Vec::new();
    let marked = browser.list.marked();
    match browser.selected().map(|entry| entry.kind) {
        _ if marked > 0 => hints.push(Hint::saying(Action::Enter, "fetch marked")),
        Some(Kind::Directory) => {
            hints.push(Hint::saying(Action::Enter, "open"));
            hints.push(Hint::saying(Action::Zip, "zip"));
            hints.push(Hint::saying(Action::Tree, "tree"));
        }
        Some(Kind::File) => hints.push(Hint::saying(Action::Enter, "fetch")),
        Some(Kind::Other) | None => {}
    }
    if !browser.list.keys().is_empty() {
        hints.push(Action::Mark.into());
    }
    if !browser.path.is_root() {
        hints.push(Action::Parent.into());
    }
    if !browser.list.keys().is_empty() {
        hints.push(Action::Filter.into());
    } else {
        hints.push(Action::Reload.into());
    }
    hints.push(Hint::saying(Action::Back, back_word(!browser.filter().is_empty(), marked)));
    hints.push(Hint::saying(Action::FocusNext, "next pane"));
    hints.push(Action::FocusInput.into());
    hints
}

fn back_word(filtered: bool, marked: usize) -> &'static str {
    match (marked > 0, filtered) {
        (true, _) => "unmark",
        (false, true) => "all files",
        (false, false) => "close",
    }
}

fn log(model: &Model) -> Vec<Hint> {
    let mut hints = Vec::new();
    if !model.log.follows() {
        hints.push(Hint::saying(Action::Last, "follow"));
    }
    hints.push(Action::Up.into());
    hints.push(Action::LogLevel.into());
    hints.push(Action::Filter.into());
    hints.push(Action::FocusNext.into());
    hints
}

fn details(model: &Model) -> Vec<Hint> {
    let mut hints = vec![Hint::saying(Action::Back, "close")];
    hints.extend(job(model));
    hints.push(Action::Copy.into());
    if matches!(model.current.as_ref().map(|row| &row.state), Some(JobState::Done(_))) {
        hints.push(Action::CopyHash.into());
    }
    hints
}

fn queue(model: &Model) -> Vec<Hint> {
    if model.queue.keys().is_empty() {
        let mut hints = vec![Action::FocusInput.into(), Action::Browse.into()];
        if !model.filter.is_empty() {
            hints.insert(0, Hint::saying(Action::Back, "show all"));
        }
        return hints;
    }
    let mut hints = Vec::new();
    if model.panel == Panel::Details {
        hints.push(Hint::saying(Action::Open, "close details"));
    } else {
        hints.push(Action::Open.into());
    }
    hints.extend(job(model));
    hints.push(Action::Mark.into());
    if model.totals.failed > 1 {
        hints.push(Action::RetryFailed.into());
    }
    if model.queue.marked() > 0 {
        hints.push(Hint::saying(Action::Back, "unmark"));
    } else if !model.filter.is_empty() {
        hints.push(Hint::saying(Action::Back, "show all"));
    }
    hints.push(Action::Filter.into());
    hints.push(Action::Browse.into());
    if model.queue.keys().len() > 1 {
        hints.push(Action::MoveUp.into());
    }
    if model.totals.done > 0 {
        hints.push(Action::ClearFinished.into());
    }
    hints.push(Action::FocusInput.into());
    hints
}

/// Whether nothing that is marked waits or runs, and something is paused. Of marked jobs out of sight only the sums are known.
fn resumes(model: &Model) -> bool {
    let seen: Vec<_> = model.rows.iter().filter(|row| model.queue.is_marked(row.id)).collect();
    let is_paused = |row: &&JobView| row.state == JobState::Paused;
    if seen.iter().any(|row| pausable(row)) {
        return false;
    }
    if seen.len() == model.queue.marked() {
        return seen.iter().any(is_paused);
    }
    let Totals { running, waiting, paused, .. } = model.totals;
    running + waiting == 0 && paused > 0
}

/// What can be done to the marked jobs, else to the selected one.
fn job(model: &Model) -> Vec<Hint> {
    if model.queue.marked() > 0 {
        let pause = if resumes(model) { Hint::saying(Action::Pause, "resume") } else { Action::Pause.into() };
        return vec![pause, Action::Cancel.into(), Action::Retry.into(), Action::Remove.into()];
    }
    let Some(row) = &model.current else { return Vec::new() };
    let mut hints = Vec::new();
    match &row.state {
        JobState::Failed(_) | JobState::Cancelled => hints.push(Action::Retry.into()),
        JobState::Waiting { .. } | JobState::Unreachable { .. } => {
            hints.push(Hint::saying(Action::Retry, "try now"));
        }
        JobState::Paused => hints.push(Hint::saying(Action::Pause, "resume")),
        _ => {}
    }
    if pausable(row) {
        hints.push(Action::Pause.into());
    }
    match &row.state {
        JobState::Done(_) | JobState::Failed(_) | JobState::Cancelled => hints.push(Action::Remove.into()),
        _ => hints.push(Action::Cancel.into()),
    }
    hints
}
