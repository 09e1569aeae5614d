//! The warning that a server's identity changed. It is shown above the last line until it is dismissed; only a prompt or a question
//! that the user has opened is shown before it.

use crate::{
    client::Server,
    ui::{
        components::widgets::{clip_middle, wrap},
        downloads::model::{Model, dialog::Dialog},
        theme::Glyphs,
    },
};

/// Rows, at most.
const MAX_ROWS: usize = 3;

/// The server that is warned of, unless something is asked.
pub fn shown(model: &Model) -> Option<&Server> {
    model.alarms.first().filter(|_| matches!(model.dialog, Dialog::None))
}

/// The text. The warning is first, so that a long name cannot push it out.
pub fn text(server: &Server, columns: usize, glyphs: &Glyphs) -> String {
    let name = clip_middle(&server.to_string(), columns, glyphs);
    format!("SERVER IDENTITY CHANGED: {name}. Nothing was sent or received.")
}

/// Rows that it wants in this many columns.
pub fn rows(model: &Model, columns: usize) -> u16 {
    let rows = |server| wrap(&text(server, columns, &model.look.glyphs), columns).len();
    shown(model).map_or(0, |server| rows(server).min(MAX_ROWS) as u16)
}
