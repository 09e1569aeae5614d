//! All about one client, connection or blocked address.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    clients::RowKey,
    model::{Details, Model},
    row::State,
};
use crate::{
    text::units::{self, counted},
    ui::components::widgets::{inset, put, rule, wrap},
};

/// Columns of the names of the facts.
const NAME_COLUMNS: u16 = 10;

/// Draws the details under a rule.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    let (Some(Details { key, row, alive }), false) = (&model.details, area.is_empty()) else { return };
    let unknown = model.look.glyphs.unknown;
    let (title, note) = match key {
        RowKey::Client(address) => (address.to_string(), counted(row.connections as u64, "connection")),
        RowKey::Connection(id, peer) => {
            (peer.to_string(), id.map_or(String::new(), |id| format!("connection {}", id.0)))
        }
        RowKey::Block(_) => (row.name.clone(), String::new()),
    };
    rule(buf, area, &title, &note, false, &model.look);
    let state = if *alive { row.state.word() } else { "ended" };
    let rate = row.rate.filter(|_| *alive).map_or(String::new(), |rate| format!(", {}", units::rate(rate)));
    let progress = match row.progress {
        Some((done, total)) => units::bytes_of(done, total),
        None => unknown.to_owned(),
    };
    let age = row.age.map_or(unknown.to_owned(), units::duration);
    let facts = match row.state {
        State::Blocked if *alive => {
            vec![("State", state.to_owned()), ("Left", age), ("Since then", row.what.clone())]
        }
        _ => vec![
            ("State", state.to_owned() + &rate),
            ("Progress", progress),
            ("Sent", format!("{} in all", units::bytes(row.sent))),
            ("Path", row.what.clone()),
            ("Protocol", row.dialect.unwrap_or(unknown).to_owned()),
            ("Age", age),
        ],
    };
    let body = inset(area);
    let mut y = area.y + 1;
    let columns = usize::from(body.width.saturating_sub(NAME_COLUMNS + 2)).max(1);
    for (name, value) in facts {
        for (index, line) in wrap(&value, columns).into_iter().enumerate() {
            if y >= area.bottom() {
                return;
            }
            if index == 0 {
                put(buf, body, body.x + 2, y, name, model.look.theme.dim);
            }
            put(buf, body, body.x + 2 + NAME_COLUMNS, y, line, model.look.theme.plain);
            y += 1;
        }
    }
}
