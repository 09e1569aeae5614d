//! Answers to prompts and questions, and the help page.

use crossterm::event::KeyEvent;

use super::{browser, decision, input, palette, queue, reach::reach};
use crate::{
    client::{Command, Locator, Server},
    protocol::trust::pin::Pin,
    text::units,
    ui::{
        actions::{DialogAction, MoveAction},
        downloads::{
            effect::Effect,
            model::{
                Model,
                dialog::{Dialog, Pending, Prompt, Purpose},
            },
            queue::Queue,
        },
    },
};

/// Downloads at the same time, at most: more would not be faster, and each has its connections.
const MAX_JOBS: usize = 64;
/// Connections for one file, at most: servers accept fewer.
const MAX_SEGMENTS: usize = 16;

pub(super) fn act(model: &mut Model, jobs: &impl Queue, action: DialogAction) -> Vec<Effect> {
    match std::mem::take(&mut model.dialog) {
        Dialog::None => Vec::new(),
        Dialog::Help(mut page) => {
            if page.act(action) {
                model.dialog = Dialog::Help(page);
            }
            Vec::new()
        }
        Dialog::Palette(palette) => match (action, palette.selected()) {
            (DialogAction::Accept, Some(chosen)) => palette::run(model, jobs, chosen),
            (DialogAction::Accept, None) => {
                model.dialog = Dialog::Palette(palette);
                Vec::new()
            }
            _ => Vec::new(),
        },
        Dialog::Question(question) => match action {
            // It may have been meant for what was there a moment ago.
            DialogAction::Accept if question.pending.deletes() => {
                model.dialog = Dialog::Question(question);
                Vec::new()
            }
            DialogAction::Yes | DialogAction::Accept => confirmed(model, question.pending),
            DialogAction::Other if question.pending == (Pending::Quit { background: true }) => {
                vec![Effect::LeaveRunning]
            }
            DialogAction::Other => {
                model.dialog = Dialog::Question(question);
                Vec::new()
            }
            DialogAction::No | DialogAction::Dismiss | DialogAction::Close => Vec::new(),
        },
        Dialog::Prompt(prompt) => match action {
            DialogAction::Accept => accepted(model, jobs, prompt),
            DialogAction::Dismiss => {
                if prompt.purpose == Purpose::Trust {
                    decline(model);
                }
                apply(model, jobs, &prompt.purpose, &prompt.before)
            }
            DialogAction::Yes | DialogAction::Other | DialogAction::No | DialogAction::Close => {
                model.dialog = Dialog::Prompt(prompt);
                Vec::new()
            }
        },
    }
}

fn confirmed(model: &mut Model, pending: Pending) -> Vec<Effect> {
    match pending {
        Pending::Quit { .. } => vec![Effect::Quit],
        Pending::Cancel(ids) => {
            model.queue.clear_marks();
            queue::say_undoable(model, ids.len(), "cancelled");
            vec![Effect::Engine(Command::Cancel(ids))]
        }
        Pending::Remove(ids) => {
            model.queue.clear_marks();
            queue::say_undoable(model, ids.len(), "removed");
            vec![Effect::Engine(Command::Remove(ids))]
        }
        Pending::Add(paste) => input::add_all(model, &paste),
    }
}

fn accepted(model: &mut Model, jobs: &impl Queue, prompt: Prompt) -> Vec<Effect> {
    let text = prompt.line.value().to_owned();
    if prompt.purpose == Purpose::Trust {
        return answer(model, &text);
    }
    let accepted = match &prompt.purpose {
        Purpose::Token(server) => decision::token(model, jobs, server, &text),
        Purpose::SaveAs(id) => decision::save_as(model, jobs, *id, (&prompt.before, &text)),
        Purpose::Address(id) => decision::address(*id, (&prompt.before, &text)),
        purpose => accept(model, purpose, &text),
    };
    accepted.unwrap_or_else(|problem| {
        model.dialog = Dialog::Prompt(Prompt { problem: Some(problem), ..prompt });
        Vec::new()
    })
}

/// A key where text is typed. A filter is applied while it is typed.
pub(super) fn typed(model: &mut Model, queue: &impl Queue, key: KeyEvent) -> Vec<Effect> {
    match &mut model.dialog {
        Dialog::Prompt(prompt) => {
            prompt.problem = None;
            if prompt.line.key(key) {
                return changed(model, queue);
            }
        }
        Dialog::Help(page) => page.key(key),
        Dialog::Palette(palette) => palette.key(key),
        Dialog::None | Dialog::Question(_) => {}
    }
    Vec::new()
}

/// The prompt's text has changed.
pub(super) fn changed(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let Dialog::Prompt(prompt) = &model.dialog else { return Vec::new() };
    let (purpose, text) = (prompt.purpose.clone(), prompt.line.value().to_owned());
    apply(model, queue, &purpose, &text)
}

fn apply(model: &mut Model, queue: &impl Queue, purpose: &Purpose, text: &str) -> Vec<Effect> {
    match purpose {
        Purpose::QueueFilter if model.filter != text => {
            text.clone_into(&mut model.filter);
            model.reread(queue);
        }
        Purpose::BrowserFilter => {
            if let Some(browser) = &mut model.browser {
                browser.set_filter(text);
            }
            return browser::read_on(model);
        }
        Purpose::LogFilter if model.log.filter() != text => model.log.set_filter(text),
        Purpose::QueueFilter
        | Purpose::LogFilter
        | Purpose::Limit
        | Purpose::JobLimit(_)
        | Purpose::Jobs
        | Purpose::Segments
        | Purpose::Token(_)
        | Purpose::SaveAs(_)
        | Purpose::Address(_)
        | Purpose::Trust => {}
    }
    Vec::new()
}

/// Handles the answer about an unknown server: yes, if its pin was on the screen, no, or the pin or address that the server shows.
/// After any other answer it is asked again, with a hint.
fn answer(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(server) = model.newcomers.first() else { return Vec::new() };
    let problem = match text.trim().to_lowercase().as_str() {
        "yes" if model.seen.newcomer.as_ref() == Some(server) => return trust(model),
        "no" => {
            decline(model);
            return Vec::new();
        }
        _ => match shown_by_server(text.trim()) {
            Some((pin, shown)) if pin == server.pin => {
                // The certificate proves that it is this server, whatever its address is there. Waiting downloads use its token then.
                let shown = shown.filter(Server::has_token);
                let named = shown.map(|shown| server.server.with_credentials_of(&shown));
                let reached = named.and_then(|named| reach(model, &named));
                return reached.into_iter().chain(trust(model)).collect();
            }
            Some(_) => "Another pin! Type no",
            None => "Type yes or no",
        },
    };
    model.prompt(Purpose::Trust, "");
    if let Dialog::Prompt(prompt) = &mut model.dialog {
        prompt.problem = Some(problem.to_owned());
    }
    Vec::new()
}

/// The pin of a server's address, and the server; or a pin alone.
fn shown_by_server(text: &str) -> Option<(Pin, Option<Server>)> {
    let address = || {
        let server = Locator::parse(text).ok()?.server();
        Some((server.pin()?, Some(server)))
    };
    Pin::parse(text).ok().map(|pin| (pin, None)).or_else(address)
}

fn trust(model: &mut Model) -> Vec<Effect> {
    let server = model.newcomers.remove(0);
    // The user has compared one pin, and not another one of the same address.
    model.newcomers.retain(|other| other.server.host() != server.server.host());
    let mut effects = vec![Effect::Engine(Command::Trust(server))];
    if model.browser.as_ref().is_some_and(|browser| browser.has_failed()) {
        effects.extend(browser::reload(model));
    }
    effects
}

fn decline(model: &mut Model) {
    if !model.newcomers.is_empty() {
        let server = model.newcomers.remove(0);
        // The same with any other certificate: a server may have one for each connection.
        model.newcomers.retain(|other| other.server.host() != server.server.host());
        model.declined.push(server);
    }
}

fn accept(model: &mut Model, purpose: &Purpose, text: &str) -> Result<Vec<Effect>, String> {
    let command = match purpose {
        // Applied while it was typed, or answered.
        Purpose::QueueFilter
        | Purpose::BrowserFilter
        | Purpose::LogFilter
        | Purpose::Token(_)
        | Purpose::SaveAs(_)
        | Purpose::Address(_)
        | Purpose::Trust => return Ok(Vec::new()),
        Purpose::Limit => Command::SetLimit(limit(text)?),
        Purpose::JobLimit(ids) => {
            let limit = limit(text)?;
            model.queue.clear_marks();
            Command::SetJobLimit(ids.clone(), limit)
        }
        Purpose::Jobs => match text.trim().parse() {
            Ok(jobs @ 1..=MAX_JOBS) => {
                model.jobs = jobs;
                Command::SetJobs(jobs)
            }
            _ => return Err(format!("write a number from 1 to {MAX_JOBS}")),
        },
        Purpose::Segments => match text.trim().parse() {
            Ok(segments @ 1..=MAX_SEGMENTS) => {
                model.segments = segments;
                Command::SetSegments(segments)
            }
            _ => return Err(format!("write a number from 1 to {MAX_SEGMENTS}")),
        },
    };
    Ok(vec![Effect::Engine(command)])
}

/// A rate that was typed; `None` for nothing or 0.
fn limit(text: &str) -> Result<Option<u64>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    units::parse_rate(text).map_err(|error| error.to_string())
}

/// Moves in the help page or in the palette.
pub(super) fn travel(model: &mut Model, action: MoveAction) {
    match &mut model.dialog {
        Dialog::Help(page) => page.scroll(action, model.size, &model.keys, &model.look),
        Dialog::Palette(palette) => palette.travel(action),
        Dialog::None | Dialog::Prompt(_) | Dialog::Question(_) => {}
    }
}
