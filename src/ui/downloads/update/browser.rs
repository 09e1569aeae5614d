//! The listing of remote files: moving in it, and queueing entries.

use super::reach::reach;
use crate::{
    client::{Command, Form, Locator, NewJob},
    protocol::message::Kind,
    text::{SafeText, units},
    ui::{
        actions::{BrowserAction, MoveAction},
        downloads::{
            effect::Effect,
            model::{Focus, Model, Panel},
            remote::browser::{Browser, Deferred, FileSort},
            remote::target,
        },
    },
};

/// Opens the listing at what is typed; if nothing is, where it was, else at the top of the server.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let typed = model.input.value().trim().to_owned();
    let reopens = typed.is_empty() && model.browser.as_ref().is_some_and(|browser| !browser.has_failed());
    if reopens {
        show(model);
        return read_on(model);
    }
    // A listing that was typed with the wrong encryption failed, and by now it is known how the server is reached.
    let is_outdated = |browser: &&Browser| {
        let failed = browser.directory.server();
        let mut known = model.defaults.server.iter();
        known.any(|server| server.host() == failed.host() && server.is_encrypted() != failed.is_encrypted())
    };
    let last = model.browser.as_ref().filter(|browser| typed.is_empty() && !is_outdated(browser));
    let address = match last.map(|browser| browser.directory.clone()) {
        Some(directory) => directory,
        None => match target::directory(&typed, &model.defaults) {
            Ok(address) => address,
            Err(problem) => {
                model.complain(problem);
                return Vec::new();
            }
        },
    };
    let is_open =
        model.browser.as_ref().is_some_and(|browser| !browser.has_failed() && browser.directory == address);
    let mut effects: Vec<Effect> = reach(model, &address.server()).into_iter().collect();
    if is_open {
        show(model);
        effects.extend(read_on(model));
    } else {
        effects.extend(open_at(model, address));
    }
    effects
}

/// Opens the listing at a directory, sorted as the last one.
pub(super) fn open_at(model: &mut Model, directory: Locator) -> Vec<Effect> {
    let ticket = model.ticket();
    match &mut model.browser {
        Some(browser) => browser.go(directory.clone(), None, ticket),
        None => model.browser = Some(Browser::new(directory.clone(), ticket)),
    }
    show(model);
    vec![Effect::List { ticket, directory, after: None }]
}

fn show(model: &mut Model) {
    model.panel = Panel::Browser;
    model.focus = Focus::Panel;
}

pub(super) fn back(model: &mut Model) {
    let Some(browser) = &mut model.browser else { return model.close_panel() };
    let is_sorting = browser.cancel_sort();
    if !browser.cancel_pending().is_empty() || is_sorting {
        return model.say("stopped reading the folder");
    }
    if browser.list.clear_marks() {
        return;
    }
    if browser.filter().is_empty() {
        model.close_panel();
    } else {
        browser.set_filter("");
    }
}

/// Marks or unmarks the selected entry.
pub(super) fn mark(model: &mut Model) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    if browser.defer(Deferred::Mark) {
        return read_on(model);
    }
    browser.list.toggle_mark();
    Vec::new()
}

/// Marks all entries that the filter shows, or clears all marks.
pub(super) fn mark_all(model: &mut Model) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    if browser.defer(Deferred::MarkAll) {
        return read_on(model);
    }
    browser.list.toggle_all();
    if let Some(read) = browser.cut_at() {
        let (marked, read) = (units::count(browser.list.marked() as u64), units::count(read as u64));
        model.complain(format!("{marked} marked, of the first {read} entries: the folder has more"));
    }
    Vec::new()
}

pub(super) fn travel(model: &mut Model, action: MoveAction) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    if !browser.defer(Deferred::Move(action)) {
        browser.list.travel(action);
    }
    read_on(model)
}

/// Asks for the next page when the selection is near the end of what was read.
pub(super) fn read_on(model: &mut Model) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let Some(after) = browser.wants_more().map(str::to_owned) else { return Vec::new() };
    browser.asked(ticket);
    vec![Effect::List { ticket, directory: browser.directory.clone(), after: Some(after) }]
}

/// Asks for the next page if it is needed, else does what has waited for the whole folder.
pub(super) fn continue_reading(model: &mut Model) -> Vec<Effect> {
    let effects = read_on(model);
    if !effects.is_empty() {
        return effects;
    }
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let pending = browser.take_pending();
    if browser.has_failed() {
        if !pending.is_empty() {
            model.complain("the folder was not read to its end: nothing was marked or queued");
        }
        return Vec::new();
    }
    let act = |action| match action {
        Deferred::Move(action) => travel(model, action),
        Deferred::Mark => mark(model),
        Deferred::MarkAll => mark_all(model),
        Deferred::Act(action) => act(model, action),
    };
    pending.into_iter().flat_map(act).collect()
}

pub(super) fn act(model: &mut Model, action: BrowserAction) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    match action {
        BrowserAction::Parent => {
            let Some(above) = browser.directory.parent() else {
                model.say("this is all that the server serves");
                return Vec::new();
            };
            let from = browser.directory.name().map(str::to_owned);
            go(model, above, from)
        }
        BrowserAction::Reload => reload(model),
        BrowserAction::SortFiles => sort(model),
        BrowserAction::Zip | BrowserAction::Tree | BrowserAction::Enter
            if browser.defer(Deferred::Act(action)) =>
        {
            read_on(model)
        }
        BrowserAction::Zip => fetch(model, Some(Form::Zip)),
        BrowserAction::Tree => fetch(model, Some(Form::Tree)),
        BrowserAction::Enter if browser.list.marked() > 0 => fetch(model, None),
        BrowserAction::Enter => match browser.selected() {
            Some(entry) if entry.kind == Kind::Directory => match browser.address_of(entry) {
                Some(directory) => go(model, directory, None),
                None => refuse(model),
            },
            Some(_) => fetch(model, None),
            None => Vec::new(),
        },
    }
}

/// Sorts by the next column, once the whole folder is read.
fn sort(model: &mut Model) -> Vec<Effect> {
    let Some(browser) = &mut model.browser else { return Vec::new() };
    let (sort, words) = match browser.sort() {
        FileSort::Name => (FileSort::Size, "sorted by size, largest first"),
        FileSort::Size => (FileSort::Date, "sorted by date, newest first"),
        FileSort::Date => (FileSort::Name, "sorted by name"),
    };
    browser.set_sort(sort);
    model.say(words);
    read_on(model)
}

/// Reads the directory again.
pub(super) fn reload(model: &mut Model) -> Vec<Effect> {
    let Some(browser) = &model.browser else { return Vec::new() };
    let (directory, selected) =
        (browser.directory.clone(), browser.selected().map(|entry| entry.name.clone()));
    go(model, directory, selected)
}

fn go(model: &mut Model, directory: Locator, wanted: Option<String>) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(browser) = &mut model.browser else { return Vec::new() };
    browser.go(directory.clone(), wanted, ticket);
    vec![Effect::List { ticket, directory, after: None }]
}

fn refuse(model: &mut Model) -> Vec<Effect> {
    model.complain("that name cannot be in a path");
    Vec::new()
}

/// Queues the marked entries, else the selected one. `asked` is the form of directories, if it is not the usual one; it does not
/// apply to a file.
fn fetch(model: &mut Model, asked: Option<Form>) -> Vec<Effect> {
    let Some(browser) = &model.browser else { return Vec::new() };
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut name = SafeText::default();
    let mut left_out = 0;
    let entries = browser.targets();
    let single = entries.len() == 1;
    let directories = asked.unwrap_or(model.defaults.form);
    for entry in entries {
        let (Some(address), Kind::File | Kind::Directory) = (browser.address_of(entry), entry.kind) else {
            left_out += 1;
            continue;
        };
        if let Some(form) = asked
            && single
            && entry.kind == Kind::File
        {
            let as_what = if form == Form::Tree { "as the files in it" } else { "as a zip" };
            model.say(format!("only a directory can be fetched {as_what}; Enter fetches the file"));
            return Vec::new();
        }
        let form = if entry.kind == Kind::File { Form::File } else { directories };
        name = SafeText::new(&entry.name);
        let listed = entry.size.filter(|_| form == Form::File);
        jobs.push(NewJob { listed, ..target::job(address, form, &model.defaults) });
    }
    match (jobs.len(), left_out) {
        (0, 0) => return Vec::new(),
        (0, _) => {
            model.complain("the server does not serve that: it is neither a file nor a directory");
            return Vec::new();
        }
        (1, 0) => model.say(format!("queued {name}")),
        (queued, 0) => model.say(format!("queued {}", units::count(queued as u64))),
        (queued, left_out) => model.complain(format!(
            "queued {queued}; {left_out} are not served",
            queued = units::count(queued as u64)
        )),
    }
    if let Some(browser) = &mut model.browser
        && !browser.list.clear_marks()
    {
        browser.list.step(1);
    }
    vec![Effect::Engine(Command::Add(jobs))]
}
