//! The address line: submitting, completing, history.

use super::{browser, reach::reach};
use crate::{
    client::{Command, NewJob, Trouble},
    protocol::{address::without_token, message::Entries},
    text::units,
    ui::{
        actions::InputAction,
        downloads::{
            effect::Effect,
            model::{Focus, Model},
            remote::complete::Completion,
            remote::target,
        },
    },
};

pub(super) fn act(model: &mut Model, action: InputAction) -> Vec<Effect> {
    match action {
        InputAction::Submit => return submit(model),
        InputAction::Complete if model.input.is_empty() => model.move_focus(1),
        InputAction::Complete => return complete(model),
        InputAction::HistoryPrevious => model.input.recall_previous(),
        // Below the line that is being typed there is only the queue.
        InputAction::HistoryNext => {
            if !model.input.recall_next() {
                model.focus = Focus::Queue;
            }
        }
        InputAction::Browse => return browser::open(model),
    }
    Vec::new()
}

fn submit(model: &mut Model) -> Vec<Effect> {
    let text = model.input.value().trim().to_owned();
    if text.is_empty() {
        return Vec::new();
    }
    let address = match target::read(&text, model.defaults.server.as_ref()) {
        Ok(address) => address,
        // What was typed stays, to be corrected.
        Err(problem) => {
            let waits = model.defaults.named.as_ref().filter(|_| model.defaults.server.is_none());
            let problem = match waits {
                Some(named) if !text.contains("://") => {
                    format!("{named} has not answered yet; wait until it has, or type the whole address")
                }
                _ => problem,
            };
            model.complain(problem);
            return Vec::new();
        }
    };
    model.input.take();
    let mut effects = vec![Effect::Remember];
    effects.extend(reach(model, &address.server()));
    // A server without a path is opened for browsing: its whole content is hardly meant.
    if address.is_root() {
        effects.extend(browser::open_at(model, address));
        return effects;
    }
    let job = target::job(address, model.defaults.form, &model.defaults);
    effects.push(Effect::Engine(Command::Add(vec![job])));
    effects
}

/// Queues the lines of a paste; those that are not addresses are reported and skipped.
pub(super) fn add_all(model: &mut Model, lines: &[String]) -> Vec<Effect> {
    let mut jobs = Vec::new();
    let mut effects = vec![Effect::Remember];
    let mut problem = None;
    let mut refused = 0;
    // A path belongs to the address above it.
    let mut above = None;
    for line in lines {
        let is_path = !line.contains("://");
        let server = model.defaults.server.clone().or_else(|| above.clone().filter(|_| is_path));
        match target::read(line, server.as_ref()) {
            Ok(address) => {
                if !jobs.iter().any(|job: &NewJob| job.address.server() == address.server()) {
                    effects.extend(reach(model, &address.server()));
                }
                model.input.remember(line);
                above = Some(address.server());
                jobs.push(target::job(address, model.defaults.form, &model.defaults));
            }
            Err(error) => {
                refused += 1;
                problem.get_or_insert_with(|| format!("'{}': {error}", without_token(line)));
            }
        }
    }
    if let Some(problem) = problem {
        model.complain(format!("{} queued, {refused} not: {problem}", jobs.len()));
    }
    if jobs.is_empty() {
        return Vec::new();
    }
    effects.push(Effect::Engine(Command::Add(jobs)));
    effects
}

fn complete(model: &mut Model) -> Vec<Effect> {
    let ticket = model.ticket();
    let (line, cursor) = (model.input.value(), model.input.before_cursor().len());
    match Completion::begin(ticket, line, cursor, model.defaults.server.as_ref()) {
        Ok(completion) => {
            let effects = ask(&completion);
            model.completion = Some(completion);
            effects
        }
        Err(problem) => {
            model.complain(problem);
            Vec::new()
        }
    }
}

fn ask(completion: &Completion) -> Vec<Effect> {
    vec![Effect::List {
        ticket: completion.ticket,
        directory: completion.directory.clone(),
        after: completion.after().map(str::to_owned),
    }]
}

pub(super) fn completed(model: &mut Model, answer: Result<Entries, Trouble>) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(mut completion) = model.completion.take() else { return Vec::new() };
    if model.input.value() != completion.typed {
        return Vec::new();
    }
    match answer.map(|page| completion.take(&page)) {
        Ok(Some(completed)) => {
            model.notice = None;
            if let Some(text) = completed.text {
                model.input.set_around_cursor(&text, &completion.tail);
            }
            if let Some(say) = completed.say {
                model.say(say);
            }
        }
        Ok(None) => {
            completion.ticket = ticket;
            model.say(format!("reading the folder: {} entries", units::count(completion.read() as u64)));
            let effects = ask(&completion);
            model.completion = Some(completion);
            return effects;
        }
        Err(trouble) => model.complain(trouble.message.as_str()),
    }
    Vec::new()
}
