//! What is done to jobs: to the marked ones, else to the selected one.

use super::{ask, prompt};
use crate::{
    client::{Command, JobId, JobState, JobView},
    ui::{
        actions::{Action, Context},
        downloads::{
            dialog::{Pending, Purpose},
            effect::Effect,
            model::{Focus, Model, Panel},
            queue::Queue,
        },
        widgets::clip_middle,
    },
    units,
};

/// Most columns of a name in a question.
const MOST_NAME: usize = 40;

pub(super) fn act(model: &mut Model, queue: &impl Queue, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => toggle_details(model),
        Action::Copy => return copy(model, queue),
        Action::CopyHash => return copy_hashes(model, queue),
        Action::Limit => {
            let limit = model.totals.limit.map(units::limit_as_typed).unwrap_or_default();
            prompt(model, Purpose::Limit, &limit);
        }
        Action::Jobs => {
            let jobs = model.jobs.to_string();
            prompt(model, Purpose::Jobs, &jobs);
        }
        Action::Segments => {
            let segments = model.segments.to_string();
            prompt(model, Purpose::Segments, &segments);
        }
        Action::ClearFinished if model.totals.done == 0 => model.say("nothing is done yet"),
        Action::ClearFinished => return engine(Command::ClearFinished),
        Action::RetryFailed if model.totals.failed == 0 => model.say("nothing has failed"),
        Action::RetryFailed => {
            let failed = queue.rows(&queue.ids(""));
            return engine(Command::Retry(pick(&failed, |row| matches!(row.state, JobState::Failed(_)))));
        }
        Action::PauseAll => {
            let all = queue.rows(&queue.ids(""));
            return pause(model, &all, "nothing runs, waits or is paused");
        }
        _ => {
            let ids = model.queue.targets();
            let rows = queue.rows(&ids);
            if rows.is_empty() {
                model.say("the queue is empty");
                return Vec::new();
            }
            return act_on(model, action, &rows);
        }
    }
    Vec::new()
}

fn act_on(model: &mut Model, action: Action, rows: &[JobView]) -> Vec<Effect> {
    let all: Vec<JobId> = rows.iter().map(|row| row.id).collect();
    match action {
        Action::Pause => return pause(model, rows, "nothing here can be paused"),
        Action::Retry => {
            let again = pick(rows, |row| {
                matches!(
                    row.state,
                    JobState::Failed(_)
                        | JobState::Cancelled
                        | JobState::Waiting { .. }
                        | JobState::Unreachable { .. }
                )
            });
            if again.is_empty() {
                model.say("nothing here to try again");
            } else {
                model.queue.clear_marks();
                return engine(Command::Retry(again));
            }
        }
        Action::Cancel => {
            // Also what has failed may have left something.
            let open = pick(rows, |row| unfinished(row) || matches!(row.state, JobState::Failed(_)));
            match open.len() {
                0 => model.say("nothing here to cancel"),
                count => {
                    let what = described(model, rows, &open);
                    let text = format!("Cancel {what} and delete {}?", partial_files(count));
                    ask(model, text, Pending::Cancel(open));
                }
            }
        }
        Action::Remove => {
            let open = pick(rows, unfinished).len();
            let failed = pick(rows, |row| matches!(row.state, JobState::Failed(_)) && row.received > 0).len();
            let what = described(model, rows, &all);
            let text = match (open, failed) {
                (0, 0) => {
                    model.queue.clear_marks();
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
                    let key = model.keys.shown(Context::Queue, Action::Cancel);
                    let key = key.map(|key| key.label(model.look.glyphs.ascii));
                    let deletes = if failed == 1 { "deletes it" } else { "deletes them" };
                    let key = key.map(|key| format!("; {key} {deletes}")).unwrap_or_default();
                    let stay =
                        if failed == 1 { "Its partial file stays" } else { "Their partial files stay" };
                    format!("Remove {what}? {stay}{key}.")
                }
                (open, failed) => format!(
                    "Remove {what} and delete {} of {} unfinished? Those of {} failed stay.",
                    partial_files(open),
                    units::count(open as u64),
                    units::count(failed as u64),
                ),
            };
            ask(model, text, Pending::Remove(all));
        }
        Action::MoveUp => return engine(Command::Move(all, -1)),
        Action::MoveDown => return engine(Command::Move(all, 1)),
        Action::MoveTop => {
            let places = isize::try_from(model.totals.jobs).unwrap_or(isize::MAX);
            return engine(Command::Move(all, -places));
        }
        _ => {}
    }
    Vec::new()
}

fn engine(command: Command) -> Vec<Effect> {
    vec![Effect::Engine(command)]
}

fn pick(rows: &[JobView], which: impl Fn(&JobView) -> bool) -> Vec<JobId> {
    rows.iter().filter(|row| which(row)).map(|row| row.id).collect()
}

fn partial_files(count: usize) -> &'static str {
    if count == 1 { "the partial file" } else { "the partial files" }
}

/// Whether something could still come of it, so that giving up loses something.
fn unfinished(row: &JobView) -> bool {
    !matches!(row.state, JobState::Done(_) | JobState::Failed(_) | JobState::Cancelled)
}

/// Whether it waits or runs.
pub fn pausable(row: &JobView) -> bool {
    unfinished(row) && !matches!(row.state, JobState::Paused | JobState::Verifying)
}

/// Pauses what waits or runs; if nothing does, resumes what is paused.
fn pause(model: &mut Model, rows: &[JobView], nothing: &str) -> Vec<Effect> {
    let going = pick(rows, pausable);
    if !going.is_empty() {
        return engine(Command::Pause(going));
    }
    let paused = pick(rows, |row| row.state == JobState::Paused);
    if !paused.is_empty() {
        return engine(Command::Resume(paused));
    }
    model.say(nothing);
    Vec::new()
}

/// What is asked about. A long name must leave room for the question, whoever chose it.
fn described(model: &Model, rows: &[JobView], ids: &[JobId]) -> String {
    let short = |row: &JobView| clip_middle(row.name.as_str(), MOST_NAME, &model.look.glyphs);
    match ids {
        [id] => rows.iter().find(|row| row.id == *id).map(short).unwrap_or_default(),
        ids => format!("{} downloads", units::count(ids.len() as u64)),
    }
}

fn toggle_details(model: &mut Model) {
    if model.panel == Panel::Details {
        super::close_panel(model);
    } else if model.queue.selected().is_some() {
        model.panel = Panel::Details;
        model.details_offset = 0;
        // A small screen shows one pane: the details are of use only there.
        if model.layout().panel.is_empty() {
            model.focus = Focus::Panel;
        }
    }
}

fn copy(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let rows = queue.rows(&model.queue.targets());
    let addresses: Vec<_> = rows.iter().map(|row| row.address.as_str()).collect();
    send(model, &addresses, "address", "addresses")
}

fn copy_hashes(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let rows = queue.rows(&model.queue.targets());
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

/// Nobody learns whether the terminal takes it, so it is called sent and not copied.
fn send(model: &mut Model, texts: &[&str], one: &str, several: &str) -> Vec<Effect> {
    match texts.len() {
        0 => return Vec::new(),
        1 => model.say(format!("{one} sent to the terminal's clipboard")),
        count => model.say(format!("{count} {several} sent to the terminal's clipboard")),
    }
    vec![Effect::Copy(texts.join("\n"))]
}
