//! What a key does to the dashboard: a pure function from a model and an action to a model and effects.

use crossterm::event::KeyEvent;

use super::{
    clients::RowKey,
    model::{Dialog, Focus, Model, Pending, Target},
    sort::Sort,
};
use crate::{
    server::Command,
    ui::{
        actions::{
            Action, Context, DashboardAction, DialogAction, GlobalAction, Key, LogAction, MoveAction,
            Section, Spec, TABLE,
        },
        components::{
            dialog::{Prompt, Question},
            help::Page,
            input::pasted_lines,
            palette::Palette,
        },
    },
};

/// What is to be done outside the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a command to the server.
    Command(Command),
    /// Send text to the terminal's clipboard.
    Copy(String),
    /// Read all rows, then freeze the display.
    Freeze,
    /// Go to the shell.
    Suspend,
    /// Redraw the screen.
    Repaint,
    /// Quit.
    Quit,
}

/// A key was pressed.
pub fn press(model: &mut Model, event: KeyEvent) -> Vec<Effect> {
    model.notice = None;
    let pressed = Key::from(event);
    if let Some(action) = model.keys.action(model.context(), pressed) {
        return update(model, action);
    }
    match &mut model.dialog {
        Dialog::Prompt(Prompt { purpose, line, .. }) => {
            if line.key(event) {
                let (focus, text) = (*purpose, line.value().to_owned());
                filter(model, focus, &text);
            }
        }
        Dialog::Help(page) if page.context().is_text() => page.key(event),
        Dialog::Palette(palette) => palette.key(event),
        Dialog::None | Dialog::Help(_) | Dialog::Question(_) => {}
    }
    Vec::new()
}

/// Text was pasted. Only a line that is typed takes any; its newlines are blanks there.
pub fn paste(model: &mut Model, text: &str) {
    let text = pasted_lines(text).join(" ");
    match &mut model.dialog {
        Dialog::Prompt(Prompt { purpose, line, .. }) => {
            line.paste(&text);
            let (focus, text) = (*purpose, line.value().to_owned());
            filter(model, focus, &text);
        }
        Dialog::Help(page) => page.paste(&text),
        Dialog::Palette(palette) => palette.paste(&text),
        Dialog::None | Dialog::Question(_) => {}
    }
}

/// Does an action.
pub fn update(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Everywhere(action) => return everywhere(model, action),
        Action::Moving(action) => travel(model, action),
        Action::Dashboard(action) => return dashboard(model, action),
        Action::Log(action) => return log(model, action),
        Action::Dialogs(action) => return dialog(model, action),
        // The download screen's.
        Action::Input(_) | Action::Queue(_) | Action::Browser(_) | Action::Decisions(_) => {}
    }
    Vec::new()
}

fn everywhere(model: &mut Model, action: GlobalAction) -> Vec<Effect> {
    match action {
        GlobalAction::Help => model.dialog = Dialog::Help(Page::new(&Section::DASHBOARD, model.context())),
        GlobalAction::Palette => model.dialog = Dialog::Palette(palette(model)),
        GlobalAction::Quit => return quit(model),
        GlobalAction::FocusNext | GlobalAction::FocusPrevious => {
            model.focus = match model.focus {
                Focus::Connections => Focus::Log,
                Focus::Log => Focus::Connections,
            }
        }
        GlobalAction::Back => back(model),
        GlobalAction::Filter => {
            if let Dialog::Help(page) = &mut model.dialog {
                page.search();
                return Vec::new();
            }
            let text = match model.focus {
                Focus::Connections => &model.filter,
                Focus::Log => model.log.filter(),
            };
            model.dialog = Dialog::Prompt(Prompt::new(model.focus, text));
        }
        GlobalAction::Copy => {
            model.notice = Some("address sent to the terminal's clipboard".to_owned());
            return vec![Effect::Copy(model.about.address.to_string())];
        }
        GlobalAction::Suspend => return vec![Effect::Suspend],
        GlobalAction::Redraw => return vec![Effect::Repaint],
    }
    Vec::new()
}

fn log(model: &mut Model, action: LogAction) -> Vec<Effect> {
    match action {
        LogAction::Level => {
            model.log.next_level();
            model.notice = Some(format!("the log shows {}", model.log.level_word()));
        }
        LogAction::Size => model.large_log = !model.large_log,
        LogAction::CopyLine => match model.log.current() {
            Some(line) => {
                model.notice = Some("line sent to the terminal's clipboard".to_owned());
                return vec![Effect::Copy(line)];
            }
            None => model.notice = Some("there is no line".to_owned()),
        },
    }
    Vec::new()
}

/// The palette. Moves, and what belongs to a dialog, are left out.
fn palette(model: &Model) -> Palette {
    let is_offered = |spec: &&Spec| {
        Section::DASHBOARD.contains(&spec.section)
            && !matches!(spec.section, Section::Moving | Section::Dialogs)
            && spec.action != GlobalAction::Palette.into()
            && [Context::Connections, Context::Log].iter().any(|pane| spec.contexts.contains(pane))
    };
    Palette::new(TABLE.iter().filter(is_offered), model.context())
}

/// Does an action of the palette in the pane that it is for.
fn run(model: &mut Model, action: Action) -> Vec<Effect> {
    model.dialog = Dialog::None;
    let is_for = |context| action.spec().is_some_and(|spec| spec.contexts.contains(&context));
    if !is_for(model.context()) {
        model.focus = if is_for(Context::Connections) { Focus::Connections } else { Focus::Log };
    }
    update(model, action)
}

fn dashboard(model: &mut Model, action: DashboardAction) -> Vec<Effect> {
    match action {
        DashboardAction::ConnectionDetails => enter(model),
        DashboardAction::OpenClient => {
            if let Some(RowKey::Client(address)) = model.rows.selected()
                && !model.open(address)
            {
                model.notice = Some("this client has one connection".to_owned());
            }
        }
        DashboardAction::CloseClient => {
            let address = match model.rows.selected() {
                Some(RowKey::Client(address)) => Some(address),
                Some(RowKey::Connection(_, peer)) => Some(peer.ip()),
                Some(RowKey::Block(_)) | None => None,
            };
            if let Some(address) = address {
                model.close(address);
            }
        }
        DashboardAction::SortClients => sort(model, model.view.sort.next()),
        DashboardAction::ReverseClients => sort(model, model.view.sort.reversed()),
        DashboardAction::Disconnect => disconnect(model),
        DashboardAction::Unblock => match model.rows.selected() {
            Some(RowKey::Block(address)) => return vec![Effect::Command(Command::Unblock(address))],
            _ => model.notice = Some("select a blocked address to lift its block".to_owned()),
        },
        DashboardAction::QrCode => {
            model.shows_code = !model.shows_code && !matches!(model.dialog, Dialog::Help(_));
        }
        DashboardAction::Freeze => match model.frozen.take() {
            Some(_) => {}
            None => return vec![Effect::Freeze],
        },
        DashboardAction::Drain if model.picture.snapshot.draining => {
            model.notice = Some("already draining: no new clients, current transfers finish".to_owned());
        }
        DashboardAction::Drain => model.ask(Pending::Drain),
    }
    Vec::new()
}

/// Opens or closes a client with several connections; of another row the details.
fn enter(model: &mut Model) {
    if let Some(RowKey::Client(address)) = model.rows.selected()
        && model.details.is_none()
        && (model.close(address) || model.open(address))
    {
        return;
    }
    model.details = match model.details {
        Some(_) => None,
        None => model.selected_details(),
    };
    model.measure();
}

fn sort(model: &mut Model, sort: Sort) {
    model.sort(sort);
    let first = if sort.descends() { "largest" } else { "smallest" };
    model.notice = Some(format!("sorted by {}, the {first} first", sort.column.word()));
}

/// Quitting stops the server; that is asked only while clients are connected.
fn quit(model: &mut Model) -> Vec<Effect> {
    let snapshot = &model.picture.snapshot;
    if snapshot.live == 0 && snapshot.waiting == 0 {
        return vec![Effect::Command(Command::Stop), Effect::Quit];
    }
    model.ask(Pending::Quit);
    Vec::new()
}

fn back(model: &mut Model) {
    if model.shows_code {
        model.shows_code = false;
    } else if let Dialog::Help(page) = &mut model.dialog {
        if !page.back() {
            model.dialog = Dialog::None;
        }
    } else if model.details.take().is_some() {
        model.measure();
    } else {
        filter(model, model.focus, "");
    }
}

fn disconnect(model: &mut Model) {
    let key = match &model.details {
        Some(details) => details.alive.then_some(details.key),
        None => model.rows.selected(),
    };
    let waits = "not accepted yet: it waits until the present client is done";
    match key {
        Some(RowKey::Client(address)) if model.picture.clients.of(address).all(|row| row.id.is_none()) => {
            model.notice = Some(waits.to_owned());
        }
        Some(RowKey::Client(address)) => model.ask(Pending::Disconnect(Target::Client(address))),
        Some(RowKey::Connection(Some(id), peer)) => {
            model.ask(Pending::Disconnect(Target::Connection(id, peer)));
        }
        Some(RowKey::Connection(None, _)) => model.notice = Some(waits.to_owned()),
        Some(RowKey::Block(_)) => model.notice = Some("already blocked, and disconnected".to_owned()),
        None => model.notice = Some("there is no connection to disconnect".to_owned()),
    }
}

fn filter(model: &mut Model, focus: Focus, text: &str) {
    match focus {
        Focus::Connections if model.filter == text => {}
        Focus::Connections => model.set_filter(text),
        Focus::Log if model.log.filter() == text => {}
        Focus::Log => model.log.set_filter(text),
    }
}

/// The keys of a dialog. One that the open dialog has no use for leaves it open: no question takes Enter.
fn dialog(model: &mut Model, action: DialogAction) -> Vec<Effect> {
    if model.shows_code {
        model.shows_code = action != DialogAction::Close;
        return Vec::new();
    }
    if let Dialog::Help(page) = &mut model.dialog {
        if !page.act(action) {
            model.dialog = Dialog::None;
        }
        return Vec::new();
    }
    if let (Dialog::Palette(palette), DialogAction::Accept) = (&model.dialog, action) {
        return palette.selected().map(|action| run(model, action)).unwrap_or_default();
    }
    match (&model.dialog, action) {
        (Dialog::Question(Question { pending, .. }), DialogAction::Yes) => {
            let pending = *pending;
            return confirmed(model, pending, pending.command());
        }
        (Dialog::Question(Question { pending, .. }), DialogAction::Other) => {
            let pending = *pending;
            return match pending.block() {
                Some(command) => confirmed(model, pending, command),
                None => Vec::new(),
            };
        }
        (Dialog::Prompt(Prompt { purpose, .. }), DialogAction::Dismiss) => filter(model, *purpose, ""),
        (Dialog::Question(_), DialogAction::No)
        | (Dialog::Prompt(_), DialogAction::Accept)
        | (Dialog::Palette(_), DialogAction::Dismiss) => {}
        (
            Dialog::None | Dialog::Help(_) | Dialog::Palette(_) | Dialog::Prompt(_) | Dialog::Question(_),
            _,
        ) => return Vec::new(),
    }
    model.dialog = Dialog::None;
    Vec::new()
}

fn confirmed(model: &mut Model, pending: Pending, command: Command) -> Vec<Effect> {
    model.dialog = Dialog::None;
    let mut effects = vec![Effect::Command(command)];
    match pending {
        Pending::Disconnect(_) => {}
        // A frozen display would hide what was asked for.
        Pending::Drain => model.frozen = None,
        Pending::Quit => effects.push(Effect::Quit),
    }
    effects
}

fn travel(model: &mut Model, action: MoveAction) {
    if model.shows_code {
        return;
    }
    match &mut model.dialog {
        Dialog::Help(page) => return page.scroll(action, model.size, &model.keys, &model.look),
        Dialog::Palette(palette) => return palette.travel(action),
        Dialog::None | Dialog::Prompt(_) | Dialog::Question(_) => {}
    }
    match model.focus {
        Focus::Connections => {
            model.travel(action);
        }
        Focus::Log => {
            let height = usize::from(model.layout().log.height);
            model.log.travel(action, height);
        }
    }
}
