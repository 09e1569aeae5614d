//! All about one connection.

use ratatui::{buffer::Buffer, layout::Rect};

use super::model::{Model, coarse, state_word};
use crate::{
    text::units,
    ui::components::widgets::{inset, put, rule, wrap},
};

/// Columns of the names of the facts.
const NAME_COLUMNS: u16 = 10;

/// Draws the details under a rule.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    let (Some((row, alive)), false) = (&model.details, area.is_empty()) else { return };
    let unknown = model.look.glyphs.unknown;
    let number = row.id.map_or(String::new(), |id| format!("connection {}", id.0));
    rule(buf, area, &row.peer.to_string(), &number, false, &model.look);
    let state = if *alive { state_word(row.state) } else { "ended" };
    let rate = model.rate(row).map_or(String::new(), |rate| format!(", {}", units::rate(rate)));
    let progress = match row.progress {
        Some((done, total)) => format!("{} of {}", units::bytes(done), units::bytes(total)),
        None => unknown.to_owned(),
    };
    let facts = [
        ("State", if *alive { format!("{state}{rate}") } else { state.to_owned() }),
        ("Progress", progress),
        ("Sent", format!("{} in all", units::bytes(row.sent))),
        ("Path", row.path.to_string()),
        ("Dialect", row.dialect.unwrap_or(unknown).to_owned()),
        ("Age", coarse(row.age)),
    ];
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
