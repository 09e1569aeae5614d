//! Answers to prompts and questions, and the help page.

use crossterm::event::KeyEvent;

use super::input;
use crate::{
    client::Command,
    protocol::{
        address::{Address, Authority, Security},
        pin::Pin,
        token::Token,
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
            apply(model, queue, prompt.purpose, &prompt.before)
        }
        // A no, or a closed page: it is gone already.
        _ => Vec::new(),
    }
}

/// A key in a prompt. A filter is applied while it is typed.
pub(super) fn typed(model: &mut Model, queue: &impl Queue, key: KeyEvent) -> Vec<Effect> {
    if let Dialog::Prompt(prompt) = &mut model.dialog {
        prompt.problem = None;
        if prompt.line.key(key) {
            return changed(model, queue);
        }
    }
    Vec::new()
}

/// The prompt's text has changed.
pub(super) fn changed(model: &mut Model, queue: &impl Queue) -> Vec<Effect> {
    let Dialog::Prompt(prompt) = &model.dialog else { return Vec::new() };
    let (purpose, text) = (prompt.purpose, prompt.line.value().to_owned());
    apply(model, queue, purpose, &text)
}

fn apply(model: &mut Model, queue: &impl Queue, purpose: Purpose, text: &str) -> Vec<Effect> {
    match purpose {
        Purpose::QueueFilter if model.filter != text => {
            text.clone_into(&mut model.filter);
            model.reread(queue);
        }
        Purpose::BrowserFilter => {
            if let Some(browser) = &mut model.browser {
                browser.set_filter(text);
            }
            return super::browser::read_on(model);
        }
        Purpose::LogFilter if model.log.filter() != text => model.log.set_filter(text),
        Purpose::QueueFilter
        | Purpose::LogFilter
        | Purpose::Limit
        | Purpose::Jobs
        | Purpose::Segments
        | Purpose::Trust => {}
    }
    Vec::new()
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
        _ => match shown_by_server(text.trim()) {
            Some((pin, token)) if pin == server.pin => {
                // The certificate says that it is this one, however its address is spelled there. What waits for it asks
                // with its token then.
                let security = Security::Tls { pin: Some(pin) };
                let named = Authority { token, security, ..server.authority.clone() };
                let reached = named.token.is_some().then(|| input::reach(model, &named)).flatten();
                return reached.into_iter().chain(trust(model)).collect();
            }
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

/// The pin, and with it the token, of what a server shows of itself: of its address, or of the pin alone.
fn shown_by_server(text: &str) -> Option<(Pin, Option<Token>)> {
    let address = || match Address::parse(text).ok()?.authority {
        Authority { security: Security::Tls { pin }, token, .. } => Some((pin?, token)),
        _ => None,
    };
    Pin::parse(text).ok().map(|pin| (pin, None)).or_else(address)
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
        Purpose::QueueFilter | Purpose::BrowserFilter | Purpose::LogFilter | Purpose::Trust => {
            return Ok(Vec::new());
        }
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
