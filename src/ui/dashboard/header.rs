//! The first rows: what is served, at which address, and how fast.

use std::time::Duration;

use ratatui::{buffer::Buffer, layout::Rect};
use time::OffsetDateTime;

use super::{layout::Form, model::Model};
use crate::{
    text::{
        dates,
        units::{self, counted},
    },
    ui::{
        actions::{Context, DashboardAction, GlobalAction},
        components::{
            graph::{self, round_up},
            widgets::{clip, clip_middle, inset, put, put_right, sparkline, transport, width, wrap_in},
        },
    },
};

/// Columns of the scale beside the graph.
const SCALE_COLUMNS: u16 = 10;
/// Seconds that the graph goes back at most.
const GRAPH_SECONDS: usize = 600;

/// The first line of the compact form.
pub fn totals(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let theme = &model.look.theme;
    let left = put_right(buf, area, area.y, &units::rate(model.picture.throughput.rate()), theme.strong);
    let room = usize::from(left.saturating_sub(area.x + 1));
    let snapshot = &model.picture.snapshot;
    let mut parts = vec![counted(model.picture.clients.len() as u64, "client")];
    parts.extend(model.frozen.as_ref().map(|since| format!("frozen {since}")));
    parts.extend(state(model).map(str::to_owned));
    if snapshot.errors > 0 {
        parts.push(counted(snapshot.errors, "error"));
    }
    if snapshot.waiting > 0 {
        parts.push(format!("{} waiting", units::count(snapshot.waiting as u64)));
    }
    parts.push(counted(snapshot.live as u64, "connection"));
    let text = (1..=parts.len()).rev().map(|some| parts[..some].join(", ")).find(|text| width(text) <= room);
    let text = text.unwrap_or_else(|| clip(&parts[0], room, &model.look.glyphs));
    put(buf, area, area.x, area.y, &text, theme.strong);
}

/// Columns that a long path of the folder has at least.
const FOLDER_COLUMNS: usize = 16;

/// What is served, and the throughput. With a graph below there is no sparkline.
pub fn header(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let (theme, glyphs) = (&model.look.theme, &model.look.glyphs);
    let throughput = &model.picture.throughput;
    let rate_columns = 9;
    let rate = format!("{:>rate_columns$}", units::rate(throughput.rate()));
    let mut right = put_right(buf, area, area.y, &rate, theme.strong);
    let columns = match model.layout() {
        layout if layout.form == Form::Full && !layout.graph.is_empty() => 0,
        // It would be empty, and the words beside it would be shorter than with the graph.
        _ if throughput.past(GRAPH_SECONDS).all(|bytes| bytes < 1.0) => 0,
        _ if area.width >= 100 => 24,
        _ => 8,
    };
    if columns > 0 {
        let spark = sparkline(throughput.past(columns), glyphs);
        right = right.saturating_sub(1 + columns as u16);
        put(buf, area, right + (columns - width(&spark)) as u16, area.y, &spark, theme.gauge);
    }

    let arch = model.about.arch;
    let since = since(model);
    let room = usize::from(right.saturating_sub(area.x + 2));
    let others = format!("Serving {}   {arch}      up since {since}", model.about.root);
    let transport = transport(model.about.security.is_encrypted(), room.saturating_sub(width(&others)));
    // The folder is the most important. What is left out is in the log.
    let wanted = width(model.about.root.as_str()).min(FOLDER_COLUMNS);
    let all = format!("{arch}   {transport}   up since {since}");
    let fewer = [format!("{transport}   up since {since}"), transport.to_owned()];
    let fits = |facts: &String| "Serving ".len() + wanted + 3 + width(facts) <= room;
    let facts = [all].into_iter().chain(fewer).find(fits).unwrap_or_default();
    let folder_room = room.saturating_sub(width(&facts) + 3 + "Serving ".len());
    let folder = clip_middle(model.about.root.as_str(), folder_room, glyphs);
    let mut x = put(buf, area, area.x, area.y, "Serving ", theme.plain);
    x = put(buf, area, x, area.y, &folder, theme.accent);
    let room = usize::from(right.saturating_sub(x + 4));
    put(buf, area, x + 3, area.y, &clip(&facts, room, glyphs), theme.plain);
}

/// When the server was started. Not how long ago: that would be drawn again each minute on an idle server,
/// or be wrong.
fn since(model: &Model) -> String {
    let since = model.about.since;
    let started_today = model.picture.snapshot.uptime < until_midnight(since);
    if started_today { dates::short_clock(since) } else { dates::short(since) }
}

/// The time from the start to the end of its day.
fn until_midnight(since: OffsetDateTime) -> Duration {
    let (hours, minutes, seconds) = since.to_hms();
    Duration::from_secs(86_400 - u64::from(hours) * 3600 - u64::from(minutes) * 60 - u64::from(seconds))
}

/// The throughput over the last minutes, and its scale.
pub fn graph(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    if area.is_empty() || area.width <= SCALE_COLUMNS {
        return;
    }
    let theme = &model.look.theme;
    let values: Vec<f64> = model.picture.throughput.past(GRAPH_SECONDS).collect();
    let scale = round_up(values.iter().copied().fold(0.0, f64::max));
    let columns = usize::from(area.width - SCALE_COLUMNS);
    let rows = graph::graph(&values, scale, columns, usize::from(area.height), &model.look.glyphs);
    for (y, row) in (area.y..).zip(&rows) {
        put(buf, area, area.x, y, row, theme.gauge);
    }
    if scale > 1.0 {
        put_right(buf, area, area.y, &units::rate(scale), theme.dim);
    }
    // In minutes, so that it changes rarely.
    let minutes = values.len() / 60;
    if minutes > 0 && area.height > 1 {
        put_right(buf, area, area.bottom() - 1, &format!("{minutes} m"), theme.dim);
    }
}

/// The address, and what can be done with it.
pub fn address(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let theme = &model.look.theme;
    let glyphs = &model.look.glyphs;
    let label = |key: Option<crate::ui::actions::Key>, does: &str| {
        key.map(|key| format!("{} {does}", key.label(glyphs.ascii)))
    };
    let copies = label(model.keys.shown(Context::Connections, GlobalAction::Copy), "copies it");
    let code = label(model.keys.shown(Context::Connections, DashboardAction::QrCode), "shows it as QR code");
    let address = model.about.address.as_str();
    let room = usize::from(area.width);
    if area.height > 1 {
        let (mut x, mut last) = (area.x, area.y);
        let note = model.about.note();
        let rows = area.height - u16::from(!note.is_empty());
        for (y, line) in (area.y..area.bottom()).zip(wrap_in(address, room, rows, glyphs)) {
            (x, last) = (put(buf, area, area.x, y, &line, theme.accent), y);
        }
        for hint in [copies, code].into_iter().flatten() {
            let hint = format!("   {hint}");
            if usize::from(x) + width(&hint) <= usize::from(area.right()) {
                x = put(buf, area, x, last, &hint, theme.dim);
            }
        }
        put(buf, area, area.x, last + 1, &clip(note, room, glyphs), theme.dim);
        return;
    }
    // An address that is cut off can still be copied; the hint shows it.
    let hint = copies.map_or(String::new(), |hint| format!("   {hint}"));
    let least = if width(address) > room { 2 } else { 3 };
    let hint = if width(&hint) * least <= room { hint } else { String::new() };
    let shown = clip(address, room - width(&hint), glyphs);
    let mut x = put(buf, area, area.x, area.y, &shown, theme.accent);
    x = put(buf, area, x, area.y, &hint, theme.dim);
    let code = code.map_or(String::new(), |hint| format!("   {hint}"));
    if usize::from(x) + width(&code) <= usize::from(area.right()) {
        put(buf, area, x, area.y, &code, theme.dim);
    }
}

/// What of the server's state deserves a word.
pub fn state(model: &Model) -> Option<&'static str> {
    let snapshot = &model.picture.snapshot;
    match (snapshot.stopped, snapshot.draining) {
        (true, _) => Some("stopped"),
        (_, true) => Some("draining"),
        _ => None,
    }
}
