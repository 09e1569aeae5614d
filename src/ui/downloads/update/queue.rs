//! What is done to jobs: to the marked ones, else to the selected one.

use std::collections::HashSet;

use super::{browser, decision};
use crate::{
    client::{Command, JobId, JobState, JobView, Question, QuestionKind, Sort, Trouble, TroubleKind},
    text::units,
    ui::{
        actions::{Context, QueueAction},
        components::widgets::clip_middle,
        downloads::{
            effect::Effect,
            model::decision::question,
            model::dialog::{Pending, Purpose},
            model::jobs::{has_failed, has_partial_file, is_pausable, is_retryable, is_unfinished, pick},
            model::rows::Row,
            model::{Focus, Model, Panel},
            queue::Queue,
        },
    },
};

/// Columns of a name in a question, at most.
const MAX_NAME_COLUMNS: usize = 40;

pub(super) fn act(model: &mut Model, queue: &impl Queue, action: QueueAction) -> Vec<Effect> {
    match action {
        QueueAction::Open if model.queue.selected() == Some(Row::Done) => model.toggle_done(queue),
        QueueAction::Open if asks(model) => decision::open(model, queue),
        QueueAction::Open => toggle_details(model),
        QueueAction::Decide => decision::open(model, queue),
        QueueAction::Edit | QueueAction::EditAddress => match model.current.clone() {
            Some(row) => decision::edit(model, &row, action == QueueAction::EditAddress || is_gone(&row)),
            None => model.say("the queue is empty"),
        },
        QueueAction::Undo if !queue.can_undo() => model.say("nothing to undo"),
        QueueAction::Undo => return engine(Command::Undo),
        QueueAction::Sort => model.sort_next(queue),
        QueueAction::FocusInput => model.focus = Focus::Input,
        QueueAction::Mark if model.focus == Focus::Panel => return browser::mark(model),
        QueueAction::Mark => model.queue.toggle_mark(),
        QueueAction::MarkAll if model.focus == Focus::Panel => return browser::mark_all(model),
        QueueAction::MarkAll => model.queue.toggle_all(),
        QueueAction::Limit => {
            let limit = model.totals.limit.map(units::limit_as_typed).unwrap_or_default();
            model.prompt(Purpose::Limit, &limit);
        }
        QueueAction::JobLimit => return on_targets(model, queue, ask_job_limit),
        QueueAction::Jobs => model.prompt(Purpose::Jobs, &model.jobs.to_string()),
        QueueAction::Segments => model.prompt(Purpose::Segments, &model.segments.to_string()),
        QueueAction::CopyHash => return copy_hashes(model, queue),
        QueueAction::ClearFinished if model.totals.done == 0 => model.say("nothing is done yet"),
        QueueAction::ClearFinished => {
            say_undoable(model, model.totals.done, "removed");
            return engine(Command::ClearFinished);
        }
        QueueAction::RetryFailed if model.totals.failed == 0 && !asks_for_trust(queue) => {
            model.say("nothing has failed")
        }
        QueueAction::RetryFailed => return engine(Command::RetryFailed),
        QueueAction::PauseAll if model.totals.running + model.totals.waiting + model.totals.paused == 0 => {
            model.say("nothing runs, waits or is paused");
        }
        QueueAction::PauseAll => return engine(Command::PauseAll),
        QueueAction::Pause => {
            return on_targets(model, queue, |model, rows| pause(model, rows, "nothing here can be paused"));
        }
        QueueAction::Retry => return on_targets(model, queue, retry),
        QueueAction::Cancel => return on_targets(model, queue, cancel),
        QueueAction::Remove => return on_targets(model, queue, remove),
        QueueAction::MoveUp | QueueAction::MoveDown | QueueAction::MoveTop if model.sort != Sort::Queue => {
            let key = model.keys.shown(Context::Queue, QueueAction::Sort);
            let key = key.map(|key| key.label(model.look.glyphs.ascii)).unwrap_or_default();
            model.say(format!("rows move in the order of the queue only; {key} sorts"));
        }
        QueueAction::MoveUp => return on_targets(model, queue, |_, rows| move_by(rows, -1)),
        QueueAction::MoveDown => return on_targets(model, queue, |_, rows| move_by(rows, 1)),
        QueueAction::MoveTop => {
            let places = isize::try_from(model.totals.jobs).unwrap_or(isize::MAX);
            return on_targets(model, queue, |_, rows| move_by(rows, -places));
        }
    }
    Vec::new()
}

/// Whether a download waits until its server is trusted: such ones are retried with those that failed.
fn asks_for_trust(queue: &impl Queue) -> bool {
    queue.undecided().iter().any(|(_, kind)| *kind == QuestionKind::Trust)
}

/// Acts on the marked jobs, else on the selected one.
fn on_targets(
    model: &mut Model,
    queue: &impl Queue,
    act: impl FnOnce(&mut Model, &[JobView]) -> Vec<Effect>,
) -> Vec<Effect> {
    let rows = queue.rows(&model.targets());
    if rows.is_empty() {
        model.say("the queue is empty");
        return Vec::new();
    }
    act(model, &rows)
}

fn retry(model: &mut Model, rows: &[JobView]) -> Vec<Effect> {
    let again = pick(rows, is_retryable);
    if again.is_empty() && !model.lost.is_empty() {
        return engine(Command::TryServers);
    }
    if again.is_empty() {
        model.say("nothing here to try again");
        return Vec::new();
    }
    model.queue.clear_marks();
    engine(Command::Retry(again))
}

fn cancel(model: &mut Model, rows: &[JobView]) -> Vec<Effect> {
    // A failed download may have left a partial file.
    let is_open = |row: &JobView| is_unfinished(row) || has_failed(row);
    let open = pick(rows, is_open);
    match (open.len(), pick(rows, |row| is_open(row) && has_partial_file(row)).len()) {
        (0, _) => model.say("nothing here to cancel"),
        (count, 0) => {
            model.queue.clear_marks();
            say_undoable(model, count, "cancelled");
            return engine(Command::Cancel(open));
        }
        (_, count) => {
            let what = described(model, rows, &open);
            let text = format!("Cancel {what} and delete {}?", partial_files(count));
            model.ask(text, Pending::Cancel(open));
        }
    }
    Vec::new()
}

fn remove(model: &mut Model, rows: &[JobView]) -> Vec<Effect> {
    let all = pick(rows, |_| true);
    let open = pick(rows, |row| is_unfinished(row) && has_partial_file(row)).len();
    let failed = pick(rows, |row| has_failed(row) && row.received > 0).len();
    let what = described(model, rows, &all);
    let text = match (open, failed) {
        (0, 0) => {
            model.queue.clear_marks();
            say_undoable(model, all.len(), "removed");
            return engine(Command::Remove(all));
        }
        (open, 0) if open == all.len() => {
            format!("Remove {what} and delete {}?", partial_files(open))
        }
        (open, 0) => {
            let count = units::count(open as u64);
            format!("Remove {what} and delete {} of {count} unfinished?", partial_files(open))
        }
        (0, failed) => {
            let key = model.keys.shown(Context::Queue, QueueAction::Cancel);
            let key = key.map(|key| key.label(model.look.glyphs.ascii));
            let deletes = if failed == 1 { "deletes it" } else { "deletes them" };
            let key = key.map(|key| format!("; {key} {deletes}")).unwrap_or_default();
            let stay = if failed == 1 { "Its partial file stays" } else { "Their partial files stay" };
            format!("Remove {what}? {stay}{key}.")
        }
        (open, failed) => format!(
            "Remove {what} and delete {} of {} unfinished? Those of {} failed stay.",
            partial_files(open),
            units::count(open as u64),
            units::count(failed as u64),
        ),
    };
    model.ask(text, Pending::Remove(all));
    Vec::new()
}

/// Asks for a limit of each of these; one that all of them have is there to be changed.
fn ask_job_limit(model: &mut Model, rows: &[JobView]) -> Vec<Effect> {
    let open = pick(rows, |row| is_unfinished(row) || has_failed(row));
    let limits: HashSet<_> = rows.iter().filter(|row| open.contains(&row.id)).map(|row| row.limit).collect();
    if open.is_empty() {
        model.say("all of this is done or cancelled");
        return Vec::new();
    }
    let one = if limits.len() == 1 { limits.into_iter().next().flatten() } else { None };
    model.prompt(Purpose::JobLimit(open), &one.map(units::limit_as_typed).unwrap_or_default());
    Vec::new()
}

fn move_by(rows: &[JobView], places: isize) -> Vec<Effect> {
    engine(Command::Move(pick(rows, |_| true), places))
}

/// Says what was done, and the key that undoes it.
pub(super) fn say_undoable(model: &mut Model, count: usize, done: &str) {
    let what = if count == 1 {
        "1 download".to_owned()
    } else {
        format!("{} downloads", units::count(count as u64))
    };
    let key = model.keys.shown(Context::Queue, QueueAction::Undo);
    let key = key.map(|key| format!("; {} undoes that", key.label(model.look.glyphs.ascii)));
    model.say(format!("{what} {done}{}", key.unwrap_or_default()));
}

fn engine(command: Command) -> Vec<Effect> {
    vec![Effect::Engine(command)]
}

fn partial_files(count: usize) -> &'static str {
    if count == 1 { "the partial file" } else { "the partial files" }
}

/// Pauses the jobs that wait or run; if none does, resumes the paused ones.
fn pause(model: &mut Model, rows: &[JobView], nothing: &str) -> Vec<Effect> {
    let pausable = pick(rows, is_pausable);
    if !pausable.is_empty() {
        return engine(Command::Pause(pausable));
    }
    let paused = pick(rows, |row| row.state == JobState::Paused);
    if !paused.is_empty() {
        return engine(Command::Resume(paused));
    }
    model.say(nothing);
    Vec::new()
}

/// What is asked about. A long name must leave room for the question.
fn described(model: &Model, rows: &[JobView], ids: &[JobId]) -> String {
    let short = |row: &JobView| clip_middle(row.name.as_str(), MAX_NAME_COLUMNS, &model.look.glyphs);
    match ids {
        [id] => rows.iter().find(|row| row.id == *id).map(short).unwrap_or_default(),
        ids => format!("{} downloads", units::count(ids.len() as u64)),
    }
}

/// Whether the selected download needs a decision, and its details are not open.
fn asks(model: &Model) -> bool {
    model.panel != Panel::Details && model.current.as_ref().is_some_and(|row| question(row).is_some())
}

/// Whether the server does not have its path. Another address may help.
fn is_gone(row: &JobView) -> bool {
    let not_found = matches!(&row.state, JobState::Failed(Trouble { kind: TroubleKind::NotFound, .. }));
    not_found || matches!(question(row), Some(Question::Gone | Question::Expired))
}

fn toggle_details(model: &mut Model) {
    if model.panel == Panel::Details {
        model.close_panel();
    } else if model.queue.selected().is_some() {
        model.panel = Panel::Details;
        model.details_offset = 0;
        // A small screen shows one pane: the details are of use only there.
        if model.layout().panel.is_empty() {
            model.focus = Focus::Panel;
        }
    }
}

pub(super) fn copy(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let rows = queue.rows(&model.targets());
    let addresses: Vec<_> = rows.iter().map(|row| row.address.as_str()).collect();
    send(model, &addresses, "address", "addresses")
}

fn copy_hashes(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let rows = queue.rows(&model.targets());
    let hashes: Vec<_> = rows.iter().filter_map(hash).collect();
    if hashes.is_empty() {
        model.say("the BLAKE3 is known once a download is done");
        return Vec::new();
    }
    send(model, &hashes, "BLAKE3", "BLAKE3 sums")
}

fn hash(row: &JobView) -> Option<&str> {
    match &row.state {
        JobState::Done(finished) => Some(finished.blake3.as_str()),
        _ => None,
    }
}

/// Whether the terminal takes it is not known, so it is reported as sent and not as copied.
fn send(model: &mut Model, texts: &[&str], one: &str, several: &str) -> Vec<Effect> {
    match texts.len() {
        0 => return Vec::new(),
        1 => model.say(format!("{one} sent to the terminal's clipboard")),
        count => model.say(format!("{count} {several} sent to the terminal's clipboard")),
    }
    vec![Effect::Copy(texts.join("\n"))]
}
