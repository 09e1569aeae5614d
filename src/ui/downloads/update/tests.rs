//! What each action does, by its subject.

mod browser;
mod decision;
mod dialog;
mod input;
mod panes;
mod paste;
mod queue;
mod trust;

use ratatui::layout::Size;

use crate::{
    client::{
        Command, Doubt, Event, Form, JobId, JobState, Locator, LostServer, NewJob, NewServer, Sort, Trouble,
        TroubleKind,
    },
    protocol::{message::Entries, trust::pin::Pin},
    text::SafeText,
    ui::{
        actions::Context,
        downloads::{
            Defaults, Effect, Message, Model, Ticket,
            model::dialog::{Dialog, Pending, Prompt, Purpose},
            model::rows::Row,
            model::{Focus, Panel},
            start,
            testing::{self, Fake, HASH, draw, entries, every_state, keys, model, row},
            update,
        },
        testing::text,
    },
};

/// A queue with every state, and the screen of it with the focus on the first row.
fn ready() -> (Model, Fake) {
    let queue = every_state();
    let mut model = model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    assert_eq!(model.context(), Context::Queue);
    (model, queue)
}

fn type_in(model: &mut Model, queue: &Fake, text: &str) {
    for c in text.chars() {
        let name = if c == ' ' { "space".to_owned() } else { c.to_string() };
        keys(model, queue, &name);
    }
}

/// The one command among the effects; what is typed may be remembered with it.
fn command(effects: Vec<Effect>) -> Command {
    let mut effects = effects.into_iter().filter(|effect| !matches!(effect, Effect::Remember));
    match (effects.next(), effects.next()) {
        (Some(Effect::Engine(command)), None) => command,
        other => panic!("{other:?}"),
    }
}

fn added(effects: Vec<Effect>) -> Vec<NewJob> {
    match command(effects) {
        Command::Add(jobs) => jobs,
        other => panic!("{other:?}"),
    }
}

fn notice(model: &Model) -> &str {
    model.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

fn ids(numbers: &[u64]) -> Vec<JobId> {
    numbers.iter().copied().map(JobId).collect()
}
