//! The listing: going about in it and queueing what it shows.

use super::close_panel;
use crate::{
    client::{Command, Form, NewJob},
    protocol::{address::Address, message::Kind, path::RemotePath},
    text::SafeText,
    ui::{
        actions::Action,
        browser::Browser,
        downloads::{
            effect::Effect,
            model::{Focus, Model, Panel},
            target,
        },
    },
};

/// Opens the listing where it was, else at the directory that is being typed, else at the top.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let server = model.defaults.server.clone();
    let typed = model.input.value();
    let typed = typed.rfind('/').map(|slash| &typed[..=slash]);
    let typed = typed.and_then(|directory| target::read(directory, server.as_ref()).ok());
    match (typed, &model.browser, server) {
        (Some(address), Some(browser), _) if browser.path != address.path => open_at(model, address),
        (Some(address), None, _) => open_at(model, address),
        (_, Some(_), _) => {
            show(model);
            read_on(model)
        }
        (None, None, Some(authority)) => open_at(model, Address { authority, path: RemotePath::default() }),
        (None, None, None) => {
            model.complain("no server yet: type an address such as fdsp://HOST/PATH");
            Vec::new()
        }
    }
}

/// Opens the listing at a directory.
pub(super) fn open_at(model: &mut Model, address: Address) -> Vec<Effect> {
    let ticket = model.ticket();
    let Address { authority, path } = address;
    model.browser = Some(Browser::new(authority.clone(), path.clone(), ticket));
    show(model);
    vec![Effect::List { ticket, authority, path, after: None }]
}

fn show(model: &mut Model) {
    model.panel = Panel::Browser;
    model.focus = Focus::Panel;
}

pub(super) fn back(model: &mut Model) {
    let Some(browser) = &mut model.browser else { return close_panel(model) };
    if browser.list.clear_marks() {
        return;
    }
    if browser.filter().is_empty() {
        close_panel(model);
    } else {
        browser.set_filter("");
    }
}

pub(super) fn mark(model: &mut Model, action: Action) {
    let Some(browser) = &mut model.browser else { return };
    match action {
        Action::Mark => browser.list.toggle_mark(),
        _ => browser.list.toggle_all(),
    }
}

pub(super) fn travel(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let list = &mut browser.list;
    match action {
        Action::Up => list.step(-1),
        Action::Down => list.step(1),
        Action::PageUp => list.page(-1),
        Action::PageDown => list.page(1),
        Action::First => list.go(0),
        _ => list.go(usize::MAX),
    }
    read_on(model)
}

/// Asks for the next page when the selection comes near the end of what is there.
pub(super) fn read_on(model: &mut Model) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let Some(after) = browser.wants_more().map(str::to_owned) else { return Vec::new() };
    browser.asked(ticket);
    let (authority, path) = (browser.authority.clone(), browser.path.clone());
    vec![Effect::List { ticket, authority, path, after: Some(after) }]
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(browser) = &model.browser else { return Vec::new() };
    match action {
        Action::Parent => {
            let Some(above) = target::parent(&browser.path) else {
                model.say("this is all that the server serves");
                return Vec::new();
            };
            let from = browser.path.name().map(str::to_owned);
            go(model, above, from)
        }
        Action::Reload => {
            let (path, selected) = (browser.path.clone(), browser.selected().map(|entry| entry.name.clone()));
            go(model, path, selected)
        }
        Action::Zip => fetch(model, Some(Form::Zip)),
        Action::Tree => fetch(model, Some(Form::Tree)),
        Action::Enter if browser.list.marked() > 0 => fetch(model, None),
        Action::Enter => match browser.selected() {
            Some(entry) if entry.kind == Kind::Directory => match browser.path_of(entry) {
                Some(path) => go(model, path, None),
                None => refuse(model),
            },
            Some(_) => fetch(model, None),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn go(model: &mut Model, path: RemotePath, wanted: Option<String>) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(browser) = &mut model.browser else { return Vec::new() };
    browser.go(path.clone(), wanted, ticket);
    vec![Effect::List { ticket, authority: browser.authority.clone(), path, after: None }]
}

fn refuse(model: &mut Model) -> Vec<Effect> {
    model.complain("that name is none that a path may have");
    Vec::new()
}

/// Queues the marked entries, else the selected one. `asked` is the form of directories, where it is not the usual one: a file
/// comes as itself.
fn fetch(model: &mut Model, asked: Option<Form>) -> Vec<Effect> {
    let Some(browser) = &model.browser else { return Vec::new() };
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut name = SafeText::default();
    let mut left_out = 0;
    let entries = browser.targets();
    let single = entries.len() == 1;
    let directories = asked.unwrap_or(model.defaults.form);
    for entry in entries {
        let (Some(path), Kind::File | Kind::Directory) = (browser.path_of(entry), entry.kind) else {
            left_out += 1;
            continue;
        };
        if let Some(form) = asked
            && single
            && entry.kind == Kind::File
        {
            let as_what = if form == Form::Tree { "as the files in it" } else { "as a zip" };
            model.say(format!("only a directory comes {as_what}; Enter fetches the file"));
            return Vec::new();
        }
        let form = if entry.kind == Kind::File { Form::File } else { directories };
        name = SafeText::new(&entry.name);
        let address = Address { authority: browser.authority.clone(), path };
        jobs.push(target::job(address, form, &model.defaults));
    }
    match (jobs.len(), left_out) {
        (0, 0) => return Vec::new(),
        (0, _) => {
            model.complain("the server does not serve that: it is neither a file nor a directory");
            return Vec::new();
        }
        (1, 0) => model.say(format!("queued {name}")),
        (queued, 0) => model.say(format!("queued {}", crate::units::count(queued as u64))),
        (queued, left_out) => model.complain(format!("queued {queued}; {left_out} are not served")),
    }
    if let Some(browser) = &mut model.browser
        && !browser.list.clear_marks()
    {
        browser.list.step(1);
    }
    vec![Effect::Engine(Command::Add(jobs))]
}
