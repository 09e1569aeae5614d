//! Answers to prompts and questions, and the help page.

use crossterm::event::KeyEvent;

use super::input;
use crate::{
    client::{Command, NewServer},
    protocol::{
        address::{Address, Authority, Security},
        pin::Pin,
    },
    ui::{
        actions::{Action, Section},
        downloads::{
            dialog::{Dialog, Pending, Purpose},
            effect::Effect,
            model::Model,
            queue::Queue,
        },
        help,
    },
    units,
};

/// More would not be faster anywhere, and each is a connection.
const MOST_JOBS: usize = 64;
/// Servers welcome fewer.
const MOST_SEGMENTS: usize = 16;

pub(super) fn act(model: &mut Model, queue: &impl Queue, action: Action) -> Vec<Effect> {
    match (std::mem::take(&mut model.dialog), action) {
        (Dialog::Question(question), Action::Yes) => match question.pending {
            Pending::Quit => vec![Effect::Quit],
            Pending::Cancel(ids) => {
                model.queue.clear_marks();
                vec![Effect::Engine(Command::Cancel(ids))]
            }
            Pending::Remove(ids) => {
                model.queue.clear_marks();
                vec![Effect::Engine(Command::Remove(ids))]
            }
            Pending::Add(lines) => input::add_all(model, &lines),
        },
        (Dialog::Prompt(prompt), Action::Accept) => {
            let (purpose, text) = (prompt.purpose, prompt.line.value().to_owned());
            if purpose == Purpose::Trust {
                return answer(model, &text);
            }
            match accept(model, purpose, &text) {
                Ok(effects) => effects,
                Err(problem) => {
                    model.dialog = Dialog::Prompt(super::Prompt { problem: Some(problem), ..prompt });
                    Vec::new()
                }
            }
        }
        (Dialog::Prompt(prompt), Action::Dismiss) => {
            if prompt.purpose == Purpose::Trust {
                decline(model);
            }
            apply(model, queue, prompt.purpose, &prompt.before);
            Vec::new()
        }
        // A no, or a closed page: it is gone already.
        _ => Vec::new(),
    }
}

/// A key in a prompt. A filter is applied while it is typed.
pub(super) fn typed(model: &mut Model, queue: &impl Queue, key: KeyEvent) {
    if let Dialog::Prompt(prompt) = &mut model.dialog {
        prompt.problem = None;
        if prompt.line.key(key) {
            changed(model, queue);
        }
    }
}

/// The prompt's text has changed.
pub(super) fn changed(model: &mut Model, queue: &impl Queue) {
    if let Dialog::Prompt(prompt) = &model.dialog {
        let (purpose, text) = (prompt.purpose, prompt.line.value().to_owned());
        apply(model, queue, purpose, &text);
    }
}

fn apply(model: &mut Model, queue: &impl Queue, purpose: Purpose, text: &str) {
    match purpose {
        Purpose::QueueFilter if model.filter != text => {
            text.clone_into(&mut model.filter);
            model.reread(queue);
        }
        Purpose::BrowserFilter => {
            if let Some(browser) = &mut model.browser {
                browser.set_filter(text);
            }
        }
        Purpose::LogFilter if model.log.filter() != text => model.log.set_filter(text),
        Purpose::QueueFilter
        | Purpose::LogFilter
        | Purpose::Limit
        | Purpose::Jobs
        | Purpose::Segments
        | Purpose::Trust => {}
    }
}

/// What was typed about the server that nobody knows: yes, if its pin was on the screen, no, or what it should show itself.
/// Anything else leaves it asked about, and says what is waited for.
fn answer(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(server) = model.newcomers.first() else { return Vec::new() };
    let problem = match text.trim().to_lowercase().as_str() {
        "yes" if model.seen.newcomer.as_ref() == Some(server) => return trust(model),
        "no" => {
            decline(model);
            return Vec::new();
        }
        _ => match pin_in(text.trim(), server) {
            Some(pin) if pin == server.pin => return trust(model),
            Some(_) => "Another pin! Type no",
            None => "Type yes or no",
        },
    };
    super::prompt(model, Purpose::Trust, "");
    if let Dialog::Prompt(prompt) = &mut model.dialog {
        prompt.problem = Some(problem.to_owned());
    }
    Vec::new()
}

/// The pin that this says of a server: alone, or in the address that the server shows.
fn pin_in(text: &str, server: &NewServer) -> Option<Pin> {
    let named = || match Address::parse(text).ok()?.authority {
        named if !named.is_at(&server.authority) => None,
        Authority { security: Security::Tls { pin }, .. } => pin,
        _ => None,
    };
    Pin::parse(text).ok().or_else(named)
}

fn trust(model: &mut Model) -> Vec<Effect> {
    let server = model.newcomers.remove(0);
    // Who has compared one pin with a server's does not mean another one that is shown for it.
    model.newcomers.retain(|other| !other.authority.is_at(&server.authority));
    let mut effects = vec![Effect::Engine(Command::Trust(server))];
    if model.browser.as_ref().is_some_and(|browser| browser.has_failed()) {
        effects.extend(super::browser::act(model, Action::Reload));
    }
    effects
}

fn decline(model: &mut Model) {
    if !model.newcomers.is_empty() {
        let server = model.newcomers.remove(0);
        // Nor with any other certificate, of which it may have one for each connection.
        model.newcomers.retain(|other| !other.authority.is_at(&server.authority));
        model.declined.push(server);
    }
}

fn accept(model: &mut Model, purpose: Purpose, text: &str) -> Result<Vec<Effect>, String> {
    let command = match purpose {
        // Applied while it was typed, or answered.
        Purpose::QueueFilter | Purpose::LogFilter | Purpose::Trust => return Ok(Vec::new()),
        // What the filter shows may be so little that more can be asked for.
        Purpose::BrowserFilter => return Ok(super::browser::read_on(model)),
        Purpose::Limit if text.trim().is_empty() => Command::SetLimit(None),
        Purpose::Limit => Command::SetLimit(units::parse_rate(text).map_err(|error| error.to_string())?),
        Purpose::Jobs => match text.trim().parse() {
            Ok(jobs @ 1..=MOST_JOBS) => {
                model.jobs = jobs;
                Command::SetJobs(jobs)
            }
            _ => return Err(format!("write a number from 1 to {MOST_JOBS}")),
        },
        Purpose::Segments => match text.trim().parse() {
            Ok(segments @ 1..=MOST_SEGMENTS) => {
                model.segments = segments;
                Command::SetSegments(segments)
            }
            _ => return Err(format!("write a number from 1 to {MOST_SEGMENTS}")),
        },
    };
    Ok(vec![Effect::Engine(command)])
}

pub(super) fn scroll_help(model: &mut Model, action: Action) {
    let Dialog::Help(top) = model.dialog else { return };
    let top = help::scroll(action, top, model.size, &model.keys, &Section::DOWNLOADS, &model.look);
    model.dialog = Dialog::Help(top);
}
