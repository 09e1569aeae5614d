//! What a key does to the dashboard: a pure function from a model and an action to a model and effects.

use crossterm::event::KeyEvent;

use super::model::{Focus, Model, Over, Question};
use crate::{
    server::Command,
    ui::{
        actions::{Action, Key, Section},
        help,
        input::{LineEdit, pasted_lines},
        log::Scroll,
    },
};

/// What is to be done outside the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the server.
    Command(Command),
    /// Put text into the terminal's clipboard.
    Copy(String),
    /// Read all rows, then hold the picture still.
    Freeze,
    /// To the shell.
    Suspend,
    /// Redraw the screen.
    Repaint,
    /// Leave.
    Quit,
}

/// A key was pressed.
pub fn press(model: &mut Model, event: KeyEvent) -> Vec<Effect> {
    model.notice = None;
    let pressed = Key::from(event);
    if let Some(action) = model.keys.action(model.context(), pressed) {
        return update(model, action);
    }
    if let Over::Prompt(focus, line) = &mut model.over
        && line.key(event)
    {
        let (focus, text) = (*focus, line.value().to_owned());
        filter(model, focus, &text);
    }
    Vec::new()
}

/// Text was pasted. Only a prompt takes any; its newlines are blanks there.
pub fn paste(model: &mut Model, text: &str) {
    if let Over::Prompt(focus, line) = &mut model.over {
        line.paste(&pasted_lines(text).join(" "));
        let (focus, text) = (*focus, line.value().to_owned());
        filter(model, focus, &text);
    }
}

/// Does an action.
pub fn update(model: &mut Model, action: Action) -> Vec<Effect> {
    match (&model.over, action) {
        (_, Action::Suspend) => return vec![Effect::Suspend],
        (_, Action::Redraw) => return vec![Effect::Repaint],
        (Over::Help(_), Action::Close) => model.over = Over::Nothing,
        (Over::Help(top), _) => {
            let sections = &Section::DASHBOARD;
            let top = help::scroll(action, *top, model.size, &model.keys, sections, &model.look);
            model.over = Over::Help(top);
        }
        (Over::Question(question), _) => {
            let question = *question;
            return answer(model, question, action);
        }
        (Over::Prompt(focus, _), _) => {
            let focus = *focus;
            match action {
                Action::Accept => model.over = Over::Nothing,
                Action::Dismiss => {
                    filter(model, focus, "");
                    model.over = Over::Nothing;
                }
                _ => {}
            }
        }
        (Over::Nothing, _) => return on_screen(model, action),
    }
    Vec::new()
}

fn on_screen(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Help => model.over = Over::Help(0),
        Action::Quit => return quit(model),
        Action::FocusNext | Action::FocusPrevious => {
            model.focus = match model.focus {
                Focus::Connections => Focus::Log,
                Focus::Log => Focus::Connections,
            }
        }
        Action::Back => back(model),
        Action::Filter => {
            let text = match model.focus {
                Focus::Connections => model.filter.clone(),
                Focus::Log => model.log.filter().to_owned(),
            };
            model.over = Over::Prompt(model.focus, Box::new(LineEdit::new(&text)));
        }
        Action::LogLevel => model.log.next_level(),
        Action::Copy => {
            model.notice = Some("address sent to the terminal's clipboard".to_owned());
            return vec![Effect::Copy(model.about.address.to_string())];
        }
        Action::ConnectionDetails => {
            model.details = match model.details {
                Some(_) => None,
                None => model.selected_row().map(|row| (row.clone(), true)),
            };
            model.select(model.selected);
        }
        Action::Disconnect => disconnect(model),
        Action::Freeze => match model.frozen.take() {
            Some(_) => {}
            None => return vec![Effect::Freeze],
        },
        Action::Drain if model.picture.snapshot.draining => {
            model.notice = Some("already draining: it stops when what runs is finished".to_owned());
        }
        Action::Drain => model.over = Over::Question(Question::Drain),
        moving => go(model, moving),
    }
    Vec::new()
}

/// Leaving stops the server, which is asked for only if somebody would notice.
fn quit(model: &mut Model) -> Vec<Effect> {
    let snapshot = &model.picture.snapshot;
    if snapshot.live == 0 && snapshot.waiting == 0 {
        return vec![Effect::Command(Command::Stop), Effect::Quit];
    }
    model.over = Over::Question(Question::Quit);
    Vec::new()
}

fn back(model: &mut Model) {
    if model.details.take().is_some() {
        model.select(model.selected);
    } else {
        filter(model, model.focus, "");
    }
}

fn disconnect(model: &mut Model) {
    let row = match &model.details {
        Some((row, alive)) => alive.then_some(row),
        None => model.selected_row(),
    };
    match row.map(|row| (row.id, row.peer)) {
        Some((Some(id), peer)) => model.over = Over::Question(Question::Disconnect(id, peer)),
        Some((None, _)) => {
            model.notice = Some("not accepted yet: it waits until the present client is done".to_owned());
        }
        None => model.notice = Some("there is no connection to disconnect".to_owned()),
    }
}

fn filter(model: &mut Model, focus: Focus, text: &str) {
    match focus {
        Focus::Connections if model.filter != text => {
            model.set_filter(text);
        }
        Focus::Log if model.log.filter() != text => model.log.set_filter(text),
        _ => {}
    }
}

fn answer(model: &mut Model, question: Question, action: Action) -> Vec<Effect> {
    match action {
        Action::Yes => {
            model.over = Over::Nothing;
            let mut effects = vec![Effect::Command(Model::command(question))];
            match question {
                Question::Disconnect(..) => {}
                // What is held still would hide what was asked for.
                Question::Drain => model.frozen = None,
                Question::Quit => effects.push(Effect::Quit),
            }
            effects
        }
        Action::No => {
            model.over = Over::Nothing;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn go(model: &mut Model, action: Action) {
    let layout = model.layout();
    match model.focus {
        Focus::Connections => {
            let page = usize::from(layout.table.height).max(1);
            let to = match action {
                Action::Up => model.selected.saturating_sub(1),
                Action::Down => model.selected + 1,
                Action::PageUp => model.selected.saturating_sub(page),
                Action::PageDown => model.selected + page,
                Action::First => 0,
                Action::Last => usize::MAX,
                _ => return,
            };
            model.select(to);
            if model.details.is_some() {
                model.details = model.selected_row().map(|row| (row.clone(), true)).or(model.details.take());
            }
        }
        Focus::Log => {
            let height = usize::from(layout.log.height);
            let scroll = match action {
                Action::Up => Scroll::Up(1),
                Action::Down => Scroll::Down(1),
                Action::PageUp => Scroll::Up(height.max(1)),
                Action::PageDown => Scroll::Down(height.max(1)),
                Action::First => Scroll::Top,
                Action::Last => Scroll::Bottom,
                _ => return,
            };
            model.log.scroll(scroll, height);
        }
    }
}
