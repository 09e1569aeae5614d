//! Answers to the questions of downloads, and what is edited of a download.

use crate::{
    client::{
        Answer, Command, Edit, JobId, JobState, JobView, Locator, Question, QuestionKind, REDACTED, Server,
    },
    protocol::trust::token::Token,
    text::SafeText,
    ui::{
        actions::DecisionAction,
        downloads::{
            effect::Effect,
            model::{Model, decision, dialog::Purpose, jobs::is_editable},
            queue::Queue,
            remote::browser::Browser,
        },
    },
};

use super::{browser, reach::reach};

pub(super) fn act(model: &mut Model, queue: &impl Queue, action: DecisionAction) -> Vec<Effect> {
    let Some(open) = &model.deciding else { return Vec::new() };
    let (id, row) = (open.row.id, open.row.clone());
    let (answer, for_all) = match action {
        DecisionAction::Update => (Answer::Update, false),
        DecisionAction::UpdateAll => (Answer::Update, true),
        DecisionAction::Replace => (Answer::Replace, false),
        DecisionAction::ReplaceAll => (Answer::Replace, true),
        DecisionAction::Keep => (Answer::Keep, false),
        DecisionAction::KeepAll => (Answer::Keep, true),
        DecisionAction::Skip => (Answer::Skip, false),
        DecisionAction::SkipAll => (Answer::Skip, true),
        DecisionAction::Change => {
            model.deciding = None;
            edit(model, &row, matches!(decision::question(&row), Some(Question::Gone | Question::Expired)));
            return Vec::new();
        }
        DecisionAction::Next => {
            model.decide_next(queue, Some(id), |_, _| false);
            return Vec::new();
        }
        DecisionAction::Later => {
            model.deciding = None;
            return Vec::new();
        }
    };
    let Some(question) = open.question().filter(|question| question.takes(answer)) else { return Vec::new() };
    let kind = question.kind();
    model.decide_next(queue, Some(id), |other, asks| other == id || for_all && asks == kind);
    vec![Effect::Engine(Command::Answer { ids: vec![id], answer, for_all })]
}

/// Opens the first question, or says that no question is open.
pub(super) fn open(model: &mut Model, queue: &impl Queue) {
    if queue.undecided().is_empty() {
        return model.say("nothing needs a decision");
    }
    let selected = model.current.as_ref().filter(|row| decision::question(row).is_some()).map(|row| row.id);
    match selected {
        Some(id) => model.decide(queue, id),
        None => model.decide_next(queue, None, |_, _| false),
    }
}

/// Prompts for another place of a download, or for another address.
pub(super) fn edit(model: &mut Model, row: &JobView, address: bool) {
    if !is_editable(row) {
        let why = if matches!(row.state, JobState::Done(_)) { "it is done" } else { "it was cancelled" };
        return model.say(format!("{} cannot be changed: {why}", row.name));
    }
    match address {
        true => model.prompt(Purpose::Address(row.id), row.address.as_str()),
        false => {
            let path = place(row);
            let path = model.defaults.short_path(&path);
            model.prompt(Purpose::SaveAs(row.id), &path);
        }
    }
}

/// Where a row is saved. Before the server is asked, only the folder may be known.
fn place(row: &JobView) -> String {
    let target = row.target.as_str();
    if is_named(row) { target.to_owned() } else { format!("{}/{}", target.trim_end_matches('/'), row.name) }
}

fn is_named(row: &JobView) -> bool {
    row.target.as_str().rsplit('/').next() == Some(row.name.as_str())
}

/// Takes the path that was typed for a download.
pub(super) fn save_as(
    model: &mut Model,
    queue: &impl Queue,
    id: JobId,
    (before, text): (&str, &str),
) -> Result<Vec<Effect>, String> {
    let text = text.trim();
    if text == before {
        return Ok(Vec::new());
    }
    if text.is_empty() || text == "~" || text.chars().all(|c| c == '/') {
        return Err("type a path with a name, or a folder with a slash at its end".to_owned());
    }
    let path = match (text.strip_prefix("~/"), &model.defaults.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => text.into(),
    };
    // The server may still announce another name.
    let is_open = queue.rows(&[id]).pop().is_some_and(|row| !is_named(&row));
    let path = match path.parent() {
        Some(folder) if is_open && text.rsplit('/').next() == before.rsplit('/').next() => folder.join(""),
        _ => path,
    };
    model.say(format!("saved as {}", SafeText::from_path(&path)));
    Ok(vec![Effect::Engine(Command::Edit(id, Edit::Path(path)))])
}

/// Takes the address that was typed for a download: what it was before, and what it is now.
pub(super) fn address(id: JobId, (before, text): (&str, &str)) -> Result<Vec<Effect>, String> {
    let text = text.trim();
    if text == before {
        return Ok(Vec::new());
    }
    if text.contains(&format!("={REDACTED}")) {
        return Err(format!("type the secret in the place of {REDACTED}, or paste the whole address"));
    }
    let address = Locator::parse(text).map_err(|error| error.to_string())?;
    if address.is_root() {
        return Err("type the address of a file or a folder".to_owned());
    }
    Ok(vec![Effect::Engine(Command::Edit(id, Edit::Address(address)))])
}

/// Takes the token that was typed for a server: for all its downloads, and for the listing if that was refused.
pub(super) fn token(
    model: &mut Model,
    queue: &impl Queue,
    server: &Server,
    text: &str,
) -> Result<Vec<Effect>, String> {
    let token = Token::parse(text.trim()).map_err(|error| error.to_string())?;
    let server = server.clone().with_token(Some(token));
    let reached = reach(model, &server).unwrap_or_else(|| Effect::Engine(Command::Reach(server.clone())));
    let mut effects = vec![reached];
    let is_refused = |browser: &Browser| browser.has_failed() && browser.directory.host() == server.host();
    if model.browser.as_ref().is_some_and(is_refused) {
        effects.extend(browser::reload(model));
    }
    let asks_same = |other: JobId| {
        let row = queue.rows(&[other]).pop();
        let question = row.as_ref().and_then(decision::question);
        matches!(question, Some(Question::Token(other)) if other.host() == server.host())
    };
    // The listing was asked for: no question of a download goes before it.
    if effects.len() == 1 {
        model.decide_next(queue, None, |other, kind| kind == QuestionKind::Token && asks_same(other));
    }
    Ok(effects)
}
