//! The question whether an unknown server is trusted. The user compares its pin: it is shown whole, or the question is not
//! shown at all, and then no yes is accepted.

use crate::{
    client::NewServer,
    ui::{
        components::widgets::{clip, clip_middle, width, wrap},
        downloads::{
            model::Model,
            model::dialog::{Dialog, Purpose},
        },
        theme::Glyphs,
    },
};

/// Rows of a question with a whole long name, at most.
const MAX_ROWS: usize = 4;

/// Shown in place of a question that has no room, the longest first.
const NO_ROOM: [&str; 3] = [
    "A server is not known yet: make the window larger to see which",
    "make the window larger to see which",
    "enlarge the window",
];

/// The server that is asked about, if one is.
pub fn asked(model: &Model) -> Option<&NewServer> {
    match &model.dialog {
        Dialog::Prompt(prompt) if prompt.purpose == Purpose::Trust => model.newcomers.first(),
        _ => None,
    }
}

/// The rows of the question, without the one that is typed in. The pin has rows of its own. The middle of a long name is left
/// out, but no part of the pin.
pub fn rows(server: &NewServer, columns: usize, glyphs: &Glyphs) -> Vec<String> {
    let NewServer { server, pin } = server;
    let rows = |name: &str| -> Vec<String> {
        let (words, pin) = (format!("{name} is not known yet. Does it show"), format!("{pin}?"));
        [wrap(&words, columns), wrap(&pin, columns)].concat().into_iter().map(str::to_owned).collect()
    };
    let name = server.to_string();
    match rows(&name) {
        whole if whole.len() <= MAX_ROWS => whole,
        // One row, with the space after it.
        _ => rows(&clip_middle(&name, columns.saturating_sub(1), glyphs)),
    }
}

/// What is shown if the question has no room.
pub fn no_room(columns: usize, glyphs: &Glyphs) -> String {
    let fitting = NO_ROOM.into_iter().find(|text| width(text) <= columns);
    fitting.map_or_else(|| clip(NO_ROOM[NO_ROOM.len() - 1], columns, glyphs), str::to_owned)
}
