//! What keys, pastes and answers do: `update(model, queue, message)` changes the model and says what is to
//! be done outside of it. It reads the queue, and neither waits nor does anything.

mod browser;
mod dialog;
mod input;
mod queue;

pub(super) use queue::pausable;

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    dialog::{Dialog, Pending, Prompt, Purpose, Question},
    effect::{Effect, Ticket},
    model::{Focus, Model, Panel},
    queue::Queue,
};
use crate::{
    client::{Doubt, Totals, Trouble},
    protocol::message::Entries,
    ui::{
        actions::{Action, Context},
        browser::Browser,
        input::{LineEdit, pasted_lines},
        log::Scroll,
    },
    units,
};

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// A paste, with all its newlines.
    Paste(String),
    /// A download failed because its server is not believed.
    Doubt(Doubt),
    /// The answer to [`Effect::List`].
    Listed {
        /// That of the question.
        ticket: Ticket,
        /// A page, or what kept it from coming.
        answer: Result<Entries, Trouble>,
    },
}

/// What is to be done first.
pub fn start(model: &mut Model) -> Vec<Effect> {
    if model.defaults.browse && model.defaults.server.is_some() {
        return browser::open(model);
    }
    Vec::new()
}

/// Takes in what happened.
pub fn update(model: &mut Model, queue: &impl Queue, message: Message) -> Vec<Effect> {
    let effects = take(model, queue, message);
    model.introduce();
    effects
}

fn take(model: &mut Model, queue: &impl Queue, message: Message) -> Vec<Effect> {
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
            if let Err(Trouble { doubt: Some(doubt), .. }) = &answer {
                model.meet((**doubt).clone());
            }
            listed(model, ticket, answer)
        }
    }
}

/// Where a key is pressed now.
pub fn context(model: &Model) -> Context {
    match (&model.dialog, model.focus) {
        (Dialog::Help(_), _) => Context::Page,
        (Dialog::Prompt(_), _) => Context::Prompt,
        (Dialog::Question(_), _) => Context::Question,
        (Dialog::None, Focus::Input) => Context::Input,
        (Dialog::None, Focus::Queue) => Context::Queue,
        (Dialog::None, Focus::Log) => Context::Log,
        (Dialog::None, Focus::Panel) => match model.panel {
            Panel::Browser => Context::Browser,
            Panel::Details => Context::Details,
            Panel::Closed => Context::Queue,
        },
    }
}

fn key(model: &mut Model, queue: &impl Queue, key: KeyEvent) -> Vec<Effect> {
    let context = context(model);
    let question_mark = key.code == KeyCode::Char('?');
    if context == Context::Input && question_mark && model.input.is_empty() {
        return act(model, queue, Action::Help);
    }
    match model.keys.action(context, key) {
        Some(action) => act(model, queue, action),
        None if context == Context::Input => {
            model.input.key(key);
            Vec::new()
        }
        None if context == Context::Prompt => dialog::typed(model, queue, key),
        None => Vec::new(),
    }
}

/// Does what a key means where it was pressed.
pub fn act(model: &mut Model, queue: &impl Queue, action: Action) -> Vec<Effect> {
    if matches!(
        action,
        Action::Retry | Action::RetryFailed | Action::Submit | Action::Browse | Action::Reload
    ) {
        // Who tries again wants to be asked, and warned, again.
        model.declined.clear();
        model.silenced.clear();
    }
    match action {
        Action::Help => model.dialog = Dialog::Help(0),
        Action::Quit => return quit(model),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::FocusNext => focus(model, 1),
        Action::FocusPrevious => focus(model, -1),
        Action::FocusInput => model.focus = Focus::Input,
        Action::Back => back(model, queue),
        Action::Filter => filter(model),
        Action::LogLevel => model.log.next_level(),
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
            return travel(model, action);
        }
        Action::Submit
        | Action::Complete
        | Action::HistoryPrevious
        | Action::HistoryNext
        | Action::Browse => return input::act(model, action),
        Action::Open
        | Action::Copy
        | Action::CopyHash
        | Action::Pause
        | Action::PauseAll
        | Action::Cancel
        | Action::Retry
        | Action::RetryFailed
        | Action::Remove
        | Action::MoveUp
        | Action::MoveDown
        | Action::MoveTop
        | Action::ClearFinished
        | Action::Limit
        | Action::Jobs
        | Action::Segments => return queue::act(model, queue, action),
        Action::Mark | Action::MarkAll if model.focus == Focus::Panel => return browser::mark(model, action),
        Action::Mark => model.queue.toggle_mark(),
        Action::MarkAll => model.queue.toggle_all(),
        Action::Enter | Action::Zip | Action::Tree | Action::Parent | Action::Reload => {
            return browser::act(model, action);
        }
        Action::Accept | Action::Dismiss | Action::Yes | Action::No | Action::Close => {
            return dialog::act(model, queue, action);
        }
        // The dashboard's.
        Action::ConnectionDetails | Action::Disconnect | Action::Freeze | Action::Drain => {}
    }
    Vec::new()
}

/// Where the queue does not outlive the program, what is paused counts as well.
fn quit(model: &mut Model) -> Vec<Effect> {
    let Totals { running, waiting, paused, .. } = model.totals;
    let kept = model.defaults.kept;
    let paused = if kept { 0 } else { paused };
    let counts = [(running, "running"), (waiting, "waiting"), (paused, "paused")];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", units::count(number as u64)))
        .collect();
    if counts.is_empty() {
        return vec![Effect::Quit];
    }
    let then = if kept { "Quit? Downloads resume at the next start." } else { "Stop and quit?" };
    ask(model, format!("{}. {then}", counts.join(", ")), Pending::Quit);
    Vec::new()
}

fn ask(model: &mut Model, text: String, pending: Pending) {
    model.dialog = Dialog::Question(Question { text, pending });
}

fn prompt(model: &mut Model, purpose: Purpose, text: &str) {
    let line = LineEdit::new(text);
    model.dialog = Dialog::Prompt(Prompt { purpose, line, before: text.to_owned(), problem: None });
}

/// Moves the focus through what can have it.
fn focus(model: &mut Model, by: isize) {
    let mut order = vec![Focus::Input, Focus::Queue];
    if model.panel != Panel::Closed {
        order.push(Focus::Panel);
    }
    order.push(Focus::Log);
    let at = order.iter().position(|focus| *focus == model.focus).unwrap_or_default();
    let next = at.checked_add_signed(by).unwrap_or(order.len() - 1) % order.len();
    model.focus = order[next];
}

/// One step back: what was opened or narrowed last, as far as that can be told.
fn back(model: &mut Model, queue: &impl Queue) {
    if model.seen.alarm.is_some() && model.seen.alarm.as_ref() == model.alarms.first() {
        let seen = model.alarms.remove(0);
        model.silenced.push(seen);
        return;
    }
    match context(model) {
        Context::Input => model.focus = Focus::Queue,
        Context::Browser => browser::back(model),
        Context::Details => close_panel(model),
        Context::Log => {
            if !model.log.filter().is_empty() {
                model.log.set_filter("");
            } else if !model.log.follows() {
                scroll_log(model, Scroll::Bottom);
            } else {
                model.focus = Focus::Queue;
            }
        }
        _ => {
            if model.panel == Panel::Details {
                close_panel(model);
            } else if model.queue.clear_marks() {
            } else if !model.filter.is_empty() {
                model.filter.clear();
                model.reread(queue);
            } else if model.panel != Panel::Closed {
                close_panel(model);
            }
        }
    }
}

fn close_panel(model: &mut Model) {
    model.panel = Panel::Closed;
    if model.focus == Focus::Panel {
        model.focus = Focus::Queue;
    }
}

fn filter(model: &mut Model) {
    let (purpose, text) = match context(model) {
        Context::Browser => {
            if model.browser.as_ref().is_some_and(Browser::is_deferring) {
                return model.say("the folder is still being read; Esc stops that");
            }
            let text = model.browser.as_ref().map_or("", |browser| browser.filter());
            (Purpose::BrowserFilter, text.to_owned())
        }
        Context::Log => (Purpose::LogFilter, model.log.filter().to_owned()),
        _ => (Purpose::QueueFilter, model.filter.clone()),
    };
    prompt(model, purpose, &text);
}

/// Up, down, pages and ends, in whatever has the focus.
fn travel(model: &mut Model, action: Action) -> Vec<Effect> {
    match context(model) {
        Context::Page => dialog::scroll_help(model, action),
        Context::Browser => return browser::travel(model, action),
        Context::Log => {
            let rows = model.log_rows();
            let scroll = match action {
                Action::Up => Scroll::Up(1),
                Action::Down => Scroll::Down(1),
                Action::PageUp => Scroll::Up(rows.saturating_sub(1).max(1)),
                Action::PageDown => Scroll::Down(rows.saturating_sub(1).max(1)),
                Action::First => Scroll::Top,
                _ => Scroll::Bottom,
            };
            scroll_log(model, scroll);
        }
        Context::Details => {
            let (rows, lines) = super::view::details::extent(model);
            let page = rows.saturating_sub(1).max(1);
            let offset = match action {
                Action::Up => model.details_offset.saturating_sub(1),
                Action::Down => model.details_offset + 1,
                Action::PageUp => model.details_offset.saturating_sub(page),
                Action::PageDown => model.details_offset + page,
                Action::First => 0,
                _ => usize::MAX,
            };
            model.details_offset = offset.min(lines.saturating_sub(rows));
        }
        _ => {
            let list = &mut model.queue;
            match action {
                Action::Up => list.step(-1),
                Action::Down => list.step(1),
                Action::PageUp => list.page(-1),
                Action::PageDown => list.page(1),
                Action::First => list.go(0),
                _ => list.go(usize::MAX),
            }
            model.details_offset = 0;
        }
    }
    Vec::new()
}

fn scroll_log(model: &mut Model, scroll: Scroll) {
    let rows = model.log_rows();
    model.log.scroll(scroll, rows);
}

/// A paste goes to what is typed in. A newline submits nothing: several lines are asked about.
fn paste(model: &mut Model, queue: &impl Queue, text: &str) -> Vec<Effect> {
    let lines = pasted_lines(text);
    match (&mut model.dialog, lines.as_slice()) {
        (_, []) | (Dialog::Help(_) | Dialog::Question(_), _) => {}
        (Dialog::Prompt(prompt), lines) => {
            prompt.problem = None;
            prompt.line.paste(&lines.join(" "));
            return dialog::changed(model, queue);
        }
        (Dialog::None, [line]) => {
            model.focus = Focus::Input;
            model.input.paste(line);
        }
        (Dialog::None, lines) => {
            let text = format!("Queue the {} lines that were pasted?", lines.len());
            let pending = Pending::Add(lines.to_vec());
            ask(model, text, pending);
        }
    }
    Vec::new()
}

fn listed(model: &mut Model, ticket: Ticket, answer: Result<Entries, Trouble>) -> Vec<Effect> {
    if model.completion.as_ref().is_some_and(|completion| completion.ticket == ticket) {
        return input::completed(model, answer);
    }
    if let Some(browser) = &mut model.browser
        && browser.answer(ticket, answer)
    {
        return browser::go_on(model);
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
