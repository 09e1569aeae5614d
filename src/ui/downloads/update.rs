//! What keys, pastes and answers do: `update(model, queue, message)` changes the model and returns what is to
//! be done outside of it. It reads the queue, and neither waits nor does anything.

mod browser;
mod decision;
mod dialog;
mod input;
mod palette;
mod queue;
mod reach;

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    effect::{Effect, Ticket},
    model::dialog::{Dialog, Pending, Purpose},
    model::{AtQuit, Focus, Model, Panel},
    queue::Queue,
    remote::{browser::Browser, paste::Paste},
};
use crate::{
    client::{self, CurlCommand, Doubt, Totals, Trouble},
    protocol::message::Entries,
    text::units,
    ui::{
        actions::{
            Action, BrowserAction, Context, GlobalAction, InputAction, LogAction, MoveAction, QueueAction,
            Section,
        },
        components::{dialog::Question, help::Page, input::pasted_lines, log::Scroll, viewport::moved},
    },
};

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// A paste, with all its newlines.
    Paste(String),
    /// A download failed because its server is not trusted.
    Doubt(Doubt),
    /// The answer to [`Effect::List`].
    Listed {
        /// That of the question.
        ticket: Ticket,
        /// A page, or the reason why it cannot be listed.
        answer: Result<Entries, Trouble>,
    },
    /// The answer to [`Effect::Present`].
    Present {
        /// That of the question.
        ticket: Ticket,
        /// The index of the first entry.
        first: usize,
        /// For each entry from that one on, whether the download folder has it.
        present: Vec<bool>,
    },
}

/// What is to be done first.
pub fn start(model: &mut Model) -> Vec<Effect> {
    let Some(directory) = model.defaults.listing.take() else { return Vec::new() };
    // The engine has the token of the command line already.
    let _ = reach::reach(model, &directory.server());
    browser::open_at(model, directory)
}

/// Handles what happened.
pub fn update(model: &mut Model, queue: &impl Queue, message: Message) -> Vec<Effect> {
    let effects = handle(model, queue, message);
    model.introduce();
    effects
}

fn handle(model: &mut Model, queue: &impl Queue, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => {
            model.notice = None;
            self::key(model, queue, key)
        }
        Message::Paste(text) => {
            model.notice = None;
            paste(model, queue, &text)
        }
        Message::Doubt(doubt) => {
            model.meet(doubt);
            Vec::new()
        }
        Message::Listed { ticket, answer } => {
            if let Err(trouble) = &answer
                && let Some(doubt) = trouble.doubt()
            {
                model.meet(doubt.clone());
            }
            listed(model, ticket, answer)
        }
        Message::Present { ticket, first, present } => {
            if let Some(browser) = &mut model.browser {
                browser.set_local(ticket, first, &present);
            }
            Vec::new()
        }
    }
}

fn key(model: &mut Model, queue: &impl Queue, key: KeyEvent) -> Vec<Effect> {
    let context = model.context();
    let question_mark = key.code == KeyCode::Char('?');
    if context == Context::Input && question_mark && model.input.is_empty() {
        return act(model, queue, GlobalAction::Help.into());
    }
    match model.keys.action(context, key) {
        Some(action) => act(model, queue, action),
        None if context == Context::Input => {
            model.input.key(key);
            Vec::new()
        }
        None if context.is_text() => dialog::typed(model, queue, key),
        // Keys that answer a question go before those that scroll what it is about.
        None if context == Context::Question => match model.keys.action(Context::Page, key) {
            Some(Action::Moving(action)) => travel(model, action),
            _ => Vec::new(),
        },
        None => Vec::new(),
    }
}

/// Does what a key means where it was pressed.
pub fn act(model: &mut Model, queue: &impl Queue, action: Action) -> Vec<Effect> {
    if asks_again(action) {
        model.declined.clear();
        model.silenced.clear();
    }
    match action {
        Action::Everywhere(action) => everywhere(model, queue, action),
        Action::Moving(action) => travel(model, action),
        Action::Input(action) => input::act(model, action),
        Action::Queue(action) => queue::act(model, queue, action),
        Action::Browser(action) => browser::act(model, action),
        Action::Log(action) => log(model, action),
        Action::Decisions(action) => decision::act(model, queue, action),
        Action::Dialogs(action) => dialog::act(model, queue, action),
        // The other screen's.
        Action::Dashboard(_) => Vec::new(),
    }
}

/// Whether servers that were declined, and warnings that were dismissed, may be shown again: the user tries again.
fn asks_again(action: Action) -> bool {
    let again: [Action; 5] = [
        QueueAction::Retry.into(),
        QueueAction::RetryFailed.into(),
        InputAction::Submit.into(),
        InputAction::Browse.into(),
        BrowserAction::Reload.into(),
    ];
    again.contains(&action)
}

fn everywhere(model: &mut Model, queue: &impl Queue, action: GlobalAction) -> Vec<Effect> {
    match action {
        GlobalAction::Help => model.dialog = Dialog::Help(Page::new(&Section::DOWNLOADS, model.context())),
        GlobalAction::Palette => model.dialog = Dialog::Palette(palette::open(model)),
        GlobalAction::Quit => return quit(model),
        GlobalAction::FocusNext => model.move_focus(1),
        GlobalAction::FocusPrevious => model.move_focus(-1),
        GlobalAction::Back => back(model, queue),
        GlobalAction::Filter => filter(model),
        GlobalAction::Copy => return queue::copy(model, queue),
        GlobalAction::Suspend => return vec![Effect::Suspend],
        GlobalAction::Redraw => return vec![Effect::Redraw],
    }
    Vec::new()
}

fn log(model: &mut Model, action: LogAction) -> Vec<Effect> {
    match action {
        LogAction::Level => {
            model.log.next_level();
            model.say(format!("the log shows {}", model.log.level_word()));
        }
        LogAction::Size => model.large_log = !model.large_log,
        LogAction::CopyLine => return copy_line(model),
    }
    Vec::new()
}

/// Without a session, paused downloads count as well: they would be lost.
fn quit(model: &mut Model) -> Vec<Effect> {
    let Totals { running, waiting, paused, undecided, .. } = model.totals;
    let at_quit = model.defaults.at_quit;
    let is_lost = at_quit == AtQuit::Lost;
    let paused = if is_lost { paused } else { 0 };
    let undecided = if is_lost { undecided } else { 0 };
    let counts = [(running, "running"), (undecided, "to decide"), (waiting, "waiting"), (paused, "paused")];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", units::count(number as u64)))
        .collect();
    if counts.is_empty() {
        return vec![Effect::Quit];
    }
    let then = match at_quit {
        AtQuit::Lost => "Stop and quit?",
        AtQuit::Saved => "Quit? Downloads resume at the next start.",
        AtQuit::Ask => "Quit?",
        AtQuit::Background => return vec![Effect::LeaveRunning],
    };
    model.ask(format!("{}. {then}", counts.join(", ")), Pending::Quit { background: at_quit == AtQuit::Ask });
    Vec::new()
}

/// One step back: closes or clears what was opened, marked or filtered last, where that is known.
fn back(model: &mut Model, queue: &impl Queue) {
    if let Dialog::Help(page) = &mut model.dialog {
        if !page.back() {
            model.dialog = Dialog::None;
        }
        return;
    }
    if model.seen.alarm.is_some() && model.seen.alarm.as_ref() == model.alarms.first() {
        let seen = model.alarms.remove(0);
        model.silenced.push(seen);
        return;
    }
    match model.context() {
        // What is typed next must not become keys of the queue.
        Context::Input if model.input.is_empty() => {}
        Context::Input => {
            model.input.clear();
            let key = model.keys.shown(Context::Input, InputAction::HistoryPrevious);
            let key = key.map(|key| format!("; {} brings it back", key.label(model.look.glyphs.ascii)));
            model.say(format!("cleared{}", key.unwrap_or_default()));
        }
        Context::Browser => browser::back(model),
        Context::Details => model.close_panel(),
        Context::Log => {
            if !model.log.filter().is_empty() {
                model.log.set_filter("");
            } else if !model.log.follows() {
                scroll_log(model, Scroll::Bottom);
            } else {
                model.focus = Focus::Queue;
            }
        }
        Context::Queue
        | Context::Connections
        | Context::Page
        | Context::Prompt
        | Context::Palette
        | Context::Question
        | Context::Decision => {
            if model.panel == Panel::Details {
                model.close_panel();
            } else if model.queue.clear_marks() {
            } else if !model.filter.is_empty() {
                model.filter.clear();
                model.reread(queue);
            } else if model.panel != Panel::Closed {
                model.close_panel();
            }
        }
    }
}

/// Sends the marked line of the log to the clipboard.
fn copy_line(model: &mut Model) -> Vec<Effect> {
    let Some(line) = model.log.current() else {
        model.say("there is no line");
        return Vec::new();
    };
    model.say("line sent to the terminal's clipboard");
    vec![Effect::Copy(line)]
}

fn filter(model: &mut Model) {
    if let Dialog::Help(page) = &mut model.dialog {
        return page.search();
    }
    let (purpose, text) = match model.context() {
        Context::Browser => {
            if model.browser.as_ref().is_some_and(Browser::is_deferring) {
                return model.say("the folder is still being read; Esc stops that");
            }
            let text = model.browser.as_ref().map_or("", |browser| browser.filter());
            (Purpose::BrowserFilter, text.to_owned())
        }
        Context::Log => (Purpose::LogFilter, model.log.filter().to_owned()),
        Context::Input
        | Context::Queue
        | Context::Details
        | Context::Connections
        | Context::Page
        | Context::Prompt
        | Context::Palette
        | Context::Question
        | Context::Decision => (Purpose::QueueFilter, model.filter.clone()),
    };
    model.prompt(purpose, &text);
}

/// Moves in the pane that has the focus.
fn travel(model: &mut Model, action: MoveAction) -> Vec<Effect> {
    match model.context() {
        Context::Page | Context::Palette => dialog::travel(model, action),
        Context::Browser => return browser::travel(model, action),
        Context::Log => {
            let rows = model.log_rows();
            model.log.travel(action, rows);
        }
        Context::Details => {
            let (rows, lines) = model.details_extent();
            let last = lines.saturating_sub(rows);
            model.details_offset = moved(model.details_offset, action, rows, last);
        }
        Context::Question => {
            let rows = model.panel_rows();
            if let Dialog::Question(Question { pending: Pending::Add(paste), .. }) = &mut model.dialog {
                paste.scroll(action, rows);
            }
        }
        Context::Queue | Context::Input | Context::Connections | Context::Prompt | Context::Decision => {
            model.queue.travel(action);
            model.details_offset = 0;
        }
    }
    Vec::new()
}

fn scroll_log(model: &mut Model, scroll: Scroll) {
    let rows = model.log_rows();
    model.log.scroll(scroll, rows);
}

/// A paste goes to the line that is being typed. A newline does not submit: several lines are asked about.
fn paste(model: &mut Model, queue: &impl Queue, text: &str) -> Vec<Effect> {
    let lines = pasted_lines(text);
    match (&mut model.dialog, lines.as_slice()) {
        (_, []) | (Dialog::Question(_), _) => {}
        (Dialog::Help(page), lines) => page.paste(&lines.join(" ")),
        (Dialog::Palette(palette), lines) => palette.paste(&lines.join(" ")),
        (Dialog::Prompt(prompt), lines) => {
            prompt.problem = None;
            prompt.line.paste(&lines.join(" "));
            return dialog::changed(model, queue);
        }
        (Dialog::None, [line]) if !CurlCommand::is_meant(line) => {
            model.focus = Focus::Input;
            model.input.paste(line);
        }
        (Dialog::None, lines) => {
            let paste = Paste::new(lines.to_vec(), &model.defaults);
            match paste.problem() {
                Some(problem) => model.complain(problem),
                None => model.ask(paste.question(), Pending::Add(paste)),
            }
        }
    }
    Vec::new()
}

fn listed(model: &mut Model, ticket: Ticket, answer: Result<Entries, Trouble>) -> Vec<Effect> {
    if model.completion.as_ref().is_some_and(|completion| completion.ticket == ticket) {
        return input::completed(model, answer);
    }
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let first = browser.received();
    let asks = answer.as_ref().err().and_then(|trouble| trouble.question.as_deref().cloned());
    if !browser.answer(ticket, answer) {
        return Vec::new();
    }
    if let Some(client::Question::Token(server)) = asks
        && model.panel == Panel::Browser
        && matches!(model.dialog, Dialog::None)
    {
        model.deciding = None;
        model.ask_for_token(server);
        return Vec::new();
    }
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let files = browser.files(first);
    let folder = model.defaults.folder.clone();
    let present = (!files.is_empty()).then_some(Effect::Present { ticket, folder, first, files });
    browser::continue_reading(model).into_iter().chain(present).collect()
}

#[cfg(test)]
mod tests;
