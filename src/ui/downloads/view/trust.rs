//! The question whether a server that nobody knows is to be trusted. Its pin is what is compared: it is there as a
//! whole, or the question is not there at all, and then no yes is taken.

use super::bar;
use crate::{
    client::NewServer,
    ui::{
        downloads::{
            dialog::{Dialog, Prompt, Purpose},
            layout::Form,
            model::Model,
        },
        theme::Glyphs,
        widgets::{clip, clip_middle, width, wrap},
    },
};

/// Most rows of a question with all of a long name in it.
const MOST_ROWS: usize = 4;

/// What stands in the place of a question that there is no room for, the longest first.
const NO_ROOM: [&str; 3] = [
    "A server is not known yet: make the window larger to see which",
    "make the window larger to see which",
    "enlarge the window",
];

/// The server that is asked about, if one is.
pub fn asked(model: &Model) -> Option<&NewServer> {
    match &model.dialog {
        Dialog::Prompt(Prompt { purpose: Purpose::Trust, .. }) => model.newcomers.first(),
        _ => None,
    }
}

/// The rows of the question in so many columns, without the one that is typed in. The pin has rows of its own. The middle
/// of a long name is left out, and nothing of the pin ever.
pub fn rows(server: &NewServer, columns: usize, glyphs: &Glyphs) -> Vec<String> {
    let NewServer { authority, pin } = server;
    let rows = |name: &str| -> Vec<String> {
        let (words, pin) = (format!("{name} is not known yet. Does it show"), format!("{pin}?"));
        [wrap(&words, columns), wrap(&pin, columns)].concat().into_iter().map(str::to_owned).collect()
    };
    let name = authority.to_string();
    match rows(&name) {
        whole if whole.len() <= MOST_ROWS => whole,
        // One row, with the space behind it.
        _ => rows(&clip_middle(&name, columns.saturating_sub(1), glyphs)),
    }
}

/// The server whose question has room on the screen as it is, with the row that is typed in.
pub fn shown(model: &Model) -> Option<&NewServer> {
    let server = asked(model)?;
    let layout = model.layout();
    let rows = rows(server, bar::columns(layout.bar.width), &model.look.glyphs).len();
    (layout.form != Form::Line && rows < usize::from(layout.bar.height)).then_some(server)
}

/// What is said where the question has no room.
pub fn no_room(columns: usize, glyphs: &Glyphs) -> String {
    let fitting = NO_ROOM.into_iter().find(|text| width(text) <= columns);
    fitting.map_or_else(|| clip(NO_ROOM[NO_ROOM.len() - 1], columns, glyphs), str::to_owned)
}
