//! What the hint bar offers: what can be done now, the most wanted first.

use ratatui::text::Line;

use crate::{
    client::{JobState, JobView, Sort, Totals},
    protocol::message::Kind,
    ui::{
        actions::{
            BrowserAction, Context, GlobalAction, InputAction, LogAction, MoveAction, QueueAction,
            hints::{self, Hint},
        },
        downloads::{
            model::decision::question,
            model::jobs::is_pausable,
            model::rows::Row,
            model::{Model, Panel},
        },
    },
};

/// The bar, in this many columns.
pub fn line(model: &Model, columns: usize) -> Line<'static> {
    let context = model.context();
    let mut hints = match context {
        Context::Input => input(model),
        Context::Browser => browser(model),
        Context::Log => log(model),
        Context::Details => details(model),
        Context::Queue
        | Context::Connections
        | Context::Page
        | Context::Prompt
        | Context::Palette
        | Context::Question
        | Context::Decision => queue(model),
    };
    if model.totals.undecided > 0 {
        hints.insert(0, QueueAction::Decide.into());
    }
    if !model.alarms.is_empty() {
        hints.insert(0, Hint::saying(GlobalAction::Back, "dismiss"));
    }
    let always = [Hint::from(GlobalAction::Help), Hint::from(GlobalAction::Quit)];
    hints::bar(&model.keys, context, &hints, &always, columns, &model.look)
}

fn input(model: &Model) -> Vec<Hint> {
    let mut hints = Vec::new();
    if model.input.is_empty() {
        hints.push(InputAction::Browse.into());
        hints.push(Hint::saying(InputAction::Complete, "next pane"));
    } else {
        hints.push(InputAction::Submit.into());
        hints.push(InputAction::Complete.into());
        hints.push(InputAction::Browse.into());
    }
    if model.input.has_history() {
        hints.push(InputAction::HistoryPrevious.into());
    }
    hints
}

fn browser(model: &Model) -> Vec<Hint> {
    let Some(browser) = &model.browser else { return Vec::new() };
    let mut hints = Vec::new();
    let marked = browser.list.marked();
    match browser.selected().map(|entry| entry.kind) {
        _ if marked > 0 => hints.push(Hint::saying(BrowserAction::Enter, "fetch marked")),
        Some(Kind::Directory) => {
            hints.push(Hint::saying(BrowserAction::Enter, "open"));
            hints.push(Hint::saying(BrowserAction::Zip, "zip"));
            hints.push(Hint::saying(BrowserAction::Tree, "tree"));
        }
        Some(Kind::File) => hints.push(Hint::saying(BrowserAction::Enter, "fetch")),
        Some(Kind::Other) | None => {}
    }
    if !browser.list.keys().is_empty() {
        hints.push(QueueAction::Mark.into());
    }
    if !browser.directory.is_root() {
        hints.push(BrowserAction::Parent.into());
    }
    if !browser.list.keys().is_empty() {
        hints.push(GlobalAction::Filter.into());
        hints.push(BrowserAction::SortFiles.into());
    } else {
        hints.push(BrowserAction::Reload.into());
    }
    hints.push(Hint::saying(GlobalAction::Back, back_word(!browser.filter().is_empty(), marked)));
    hints.push(Hint::saying(GlobalAction::FocusNext, "next pane"));
    hints.push(QueueAction::FocusInput.into());
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
        hints.push(Hint::saying(MoveAction::Last, "follow"));
    }
    hints.push(Hint::saying(MoveAction::Up, "scroll"));
    let size = if model.large_log { "shrink" } else { "enlarge" };
    hints.push(Hint::saying(LogAction::Size, size));
    hints.push(LogAction::CopyLine.into());
    hints.push(LogAction::Level.into());
    hints.push(GlobalAction::Filter.into());
    hints.push(GlobalAction::FocusNext.into());
    hints
}

fn details(model: &Model) -> Vec<Hint> {
    let mut hints = vec![Hint::saying(GlobalAction::Back, "close")];
    hints.extend(job(model));
    hints.push(GlobalAction::Copy.into());
    if matches!(model.current.as_ref().map(|row| &row.state), Some(JobState::Done(_))) {
        hints.push(QueueAction::CopyHash.into());
    }
    hints
}

fn queue(model: &Model) -> Vec<Hint> {
    if model.queue.keys().is_empty() {
        let mut hints = vec![QueueAction::FocusInput.into(), InputAction::Browse.into()];
        if !model.filter.is_empty() {
            hints.insert(0, Hint::saying(GlobalAction::Back, "show all"));
        }
        return hints;
    }
    let mut hints = Vec::new();
    let marked = model.queue.marked() > 0;
    // The notice about what was done has the key.
    if model.can_undo && model.notice.is_none() {
        hints.push(QueueAction::Undo.into());
    }
    if model.queue.selected() == Some(Row::Done) {
        hints.push(Hint::saying(QueueAction::Open, if model.unfolded { "hide" } else { "show all" }));
    } else if model.panel == Panel::Details {
        hints.push(Hint::saying(QueueAction::Open, "close details"));
    } else if !marked && model.current.as_ref().is_none_or(|row| question(row).is_none()) {
        hints.push(QueueAction::Open.into());
    }
    hints.extend(job(model));
    if marked {
        hints.push(Hint::saying(GlobalAction::Back, "unmark"));
    }
    hints.push(QueueAction::Mark.into());
    if model.totals.failed > 1 {
        hints.push(QueueAction::RetryFailed.into());
    }
    if !marked && !model.filter.is_empty() {
        hints.push(Hint::saying(GlobalAction::Back, "show all"));
    }
    hints.push(GlobalAction::Filter.into());
    hints.push(InputAction::Browse.into());
    if model.queue.keys().len() > 1 {
        hints.push(QueueAction::Sort.into());
        if model.sort == Sort::Queue {
            hints.push(QueueAction::MoveUp.into());
        }
    }
    if model.totals.done > 0 {
        hints.push(QueueAction::ClearFinished.into());
    }
    hints.push(QueueAction::FocusInput.into());
    hints
}

/// Whether nothing that is marked waits or runs, and something is paused. Of marked jobs out of sight only the sums are known.
fn resumes(model: &Model) -> bool {
    let seen: Vec<_> = model.rows.iter().filter(|row| model.queue.is_marked(Row::Job(row.id))).collect();
    let is_paused = |row: &&JobView| row.state == JobState::Paused;
    if seen.iter().any(|row| is_pausable(row)) {
        return false;
    }
    if seen.len() == model.queue.marked() {
        return seen.iter().any(is_paused);
    }
    let Totals { running, waiting, paused, .. } = model.totals;
    running + waiting == 0 && paused > 0
}

/// Whether all that is marked is done. Of marked jobs out of sight nothing is known.
fn marks_only_done(model: &Model) -> bool {
    let is_done = |row: &&JobView| matches!(row.state, JobState::Done(_));
    let seen = model.rows.iter().filter(|row| model.queue.is_marked(Row::Job(row.id)));
    let done = seen.filter(is_done).count() + usize::from(model.queue.is_marked(Row::Done));
    done == model.queue.marked()
}

/// What can be done to the marked jobs, else to the selected one.
fn job(model: &Model) -> Vec<Hint> {
    if model.queue.marked() > 0 && marks_only_done(model) {
        return vec![QueueAction::Remove.into()];
    }
    if model.queue.marked() > 0 {
        let pause = if resumes(model) {
            Hint::saying(QueueAction::Pause, "resume")
        } else {
            QueueAction::Pause.into()
        };
        return vec![
            pause,
            QueueAction::Cancel.into(),
            QueueAction::Retry.into(),
            QueueAction::Remove.into(),
        ];
    }
    let Some(row) = &model.current else {
        let is_done = model.queue.selected() == Some(Row::Done);
        return if is_done { vec![QueueAction::Remove.into()] } else { Vec::new() };
    };
    let mut hints = Vec::new();
    match &row.state {
        JobState::Failed(_) | JobState::Cancelled => hints.push(QueueAction::Retry.into()),
        // The first hint has the key.
        JobState::Undecided(_) => {}
        // The banner has the key.
        JobState::Unreachable { .. } if !model.lost.is_empty() => {}
        JobState::Waiting { .. } | JobState::Unreachable { .. } => {
            hints.push(Hint::saying(QueueAction::Retry, "try now"));
        }
        JobState::Paused => hints.push(Hint::saying(QueueAction::Pause, "resume")),
        _ => {}
    }
    if is_pausable(row) {
        hints.push(QueueAction::Pause.into());
    }
    if matches!(row.state, JobState::Failed(_) | JobState::Paused) {
        hints.push(QueueAction::Edit.into());
    }
    match &row.state {
        JobState::Done(_) | JobState::Failed(_) | JobState::Cancelled => {
            hints.push(QueueAction::Remove.into())
        }
        _ => hints.push(QueueAction::Cancel.into()),
    }
    hints
}
