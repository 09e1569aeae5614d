//! The address line: submitting, completing, history.

use std::collections::HashSet;

use super::{browser, reach::reach};
use crate::{
    client::{
        Command, CurlCommand, Trouble,
        typed::{self, Request},
    },
    protocol::message::Entries,
    text::{SafeText, units},
    ui::{
        actions::InputAction,
        downloads::{
            effect::Effect,
            model::{Focus, Model},
            remote::{complete::Completion, paste::Paste, target},
        },
    },
};

pub(super) fn act(model: &mut Model, action: InputAction) -> Vec<Effect> {
    match action {
        InputAction::Submit => return submit(model),
        InputAction::Complete if model.input.is_empty() => model.move_focus(1),
        InputAction::Complete => return complete(model),
        InputAction::HistoryPrevious => {
            if !model.input.recall_previous() && !model.input.is_recalled() && !model.input.is_empty() {
                let typed = SafeText::new(model.input.value());
                model.say(format!("no earlier entry starts with \"{typed}\""));
            }
        }
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
    let requests = match target::requests(&text, model.defaults.server.as_ref(), &model.defaults) {
        Ok(requests) => requests,
        // What was typed stays, to be corrected.
        Err(problem) => {
            model.complain(problem);
            return Vec::new();
        }
    };
    match typed::without_secrets(&text).filter(|_| CurlCommand::is_meant(&text)) {
        // Its secrets are not displayed again.
        Some(address) => {
            model.input.set("");
            model.input.remember(&address);
        }
        None => drop(model.input.take()),
    }
    let mut effects = vec![Effect::Remember];
    let servers: HashSet<_> = requests.iter().map(|request| request.address.server()).collect();
    for server in servers {
        effects.extend(reach(model, &server));
    }
    // A server without a path is opened for browsing: its whole content is hardly meant.
    if let [Request { address, .. }] = requests.as_slice()
        && address.is_root()
    {
        effects.extend(browser::open_at(model, address.clone()));
        return effects;
    }
    let jobs = requests.into_iter().map(|request| target::requested(request, &model.defaults)).collect();
    effects.push(Effect::Engine(Command::Add(jobs)));
    effects
}

/// Queues the lines of a paste, and lists its server.
pub(super) fn add_all(model: &mut Model, paste: &Paste) -> Vec<Effect> {
    let mut effects = vec![Effect::Remember];
    paste.taken().for_each(|line| model.input.remember(&line));
    let mut reached = HashSet::new();
    for address in paste.contents().map(|request| &request.address).chain(paste.listing()) {
        if reached.insert(address.server()) {
            effects.extend(reach(model, &address.server()));
        }
    }
    let jobs: Vec<_> =
        paste.contents().map(|request| target::requested(request.clone(), &model.defaults)).collect();
    if !jobs.is_empty() {
        effects.push(Effect::Engine(Command::Add(jobs)));
    }
    if let Some(server) = paste.listing() {
        effects.extend(browser::open_at(model, server.clone()));
    }
    effects
}

fn complete(model: &mut Model) -> Vec<Effect> {
    let ticket = model.ticket();
    let (line, cursor) = (model.input.value(), model.input.before_cursor().len());
    match Completion::begin(ticket, line, cursor, &model.defaults) {
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
