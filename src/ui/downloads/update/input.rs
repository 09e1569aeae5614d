//! The address line: submitting, completing, history.

use super::{browser, focus};
use crate::{
    client::{Command, NewJob, Trouble},
    protocol::{
        address::{Authority, untold},
        message::Entries,
    },
    ui::{
        actions::Action,
        downloads::{
            complete::Completion,
            effect::Effect,
            model::{Focus, Model},
            target,
        },
    },
    units,
};

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Submit => return submit(model),
        Action::Complete if model.input.is_empty() => focus(model, 1),
        Action::Complete => return complete(model),
        Action::HistoryPrevious => model.input.recall_previous(),
        // There is nothing below what is being typed but the queue.
        Action::HistoryNext if !model.input.recall_next() => model.focus = Focus::Queue,
        Action::Browse => return browser::open(model),
        _ => {}
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
        // What was typed stays, to be mended.
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
    effects.extend(reach(model, &address.authority));
    // A server without a path is a place to look around in; nobody means its whole content by it.
    if address.path.is_root() {
        effects.extend(browser::open_at(model, address));
        return effects;
    }
    let job = target::job(address, model.defaults.form, &model.defaults);
    effects.push(Effect::Engine(Command::Add(vec![job])));
    effects
}

/// Takes what a server is reached with from an address that was typed: what it has refused goes on with that.
pub(super) fn reach(model: &mut Model, typed: &Authority) -> Option<Effect> {
    let defaults = &mut model.defaults;
    let at_hand = defaults.server.as_ref().is_none_or(|server| server.is_at(typed));
    let news = match &defaults.server {
        _ if defaults.named.as_ref() == Some(typed) => false,
        Some(server) if server.is_at(typed) => server.clone().follow(typed),
        _ => true,
    };
    if at_hand && news {
        defaults.named = Some(typed.clone());
    }
    if let Some(browser) = &mut model.browser {
        browser.authority.follow(typed);
    }
    (news && typed.has_credentials()).then(|| Effect::Engine(Command::Reach(typed.clone())))
}

/// Queues the lines of a paste; those that are no addresses are told and left out.
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
                if !jobs.iter().any(|job: &NewJob| job.address.authority == address.authority) {
                    effects.extend(reach(model, &address.authority));
                }
                model.input.remember(line);
                above = Some(address.authority.clone());
                jobs.push(target::job(address, model.defaults.form, &model.defaults));
            }
            Err(error) => {
                refused += 1;
                problem.get_or_insert_with(|| format!("'{}': {error}", untold(line)));
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
        authority: completion.authority.clone(),
        path: completion.directory.clone(),
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
