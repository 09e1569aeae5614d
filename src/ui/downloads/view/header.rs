//! The header line and the rule below the queue: the server and the sums.

use std::time::Duration;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    client::{Sort, TimeOfDay, Totals},
    text::{SafeText, units},
    ui::{
        components::widgets::{clip_middle, put, put_line, sparkline, transport, width},
        downloads::{
            model::{Model, SPARKLINE_COLUMNS, layout::Form, rows::Marked},
            status::percent,
        },
    },
};

/// Columns that the server gets before the sums get theirs.
const SERVER_COLUMNS: usize = 24;

/// A part of the line; parts with the highest rank are left out first where the room is short.
struct Part {
    rank: u8,
    text: String,
    /// What is shown of it before it is left out.
    short: Option<String>,
    style: Style,
}

/// The header.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer, form: Form) {
    let columns = usize::from(area.width.saturating_sub(2));
    let server_columns = if form == Form::Full && columns > 2 * SERVER_COLUMNS { SERVER_COLUMNS } else { 0 };
    let parts = sums(model, form, columns - server_columns);
    let right = line(&parts);
    let columns = right.width() as u16;
    let x = area.right().saturating_sub(columns + 1).max(area.x);
    put_line(buf, Rect { x, width: area.right() - x, ..area }, area.y, &right);
    let room = usize::from(x.saturating_sub(area.x + 3));
    if form == Form::Full && room >= 16 {
        server(model, area, buf, room);
    }
}

fn server(model: &Model, area: Rect, buf: &mut Buffer, room: usize) {
    let look = &model.look;
    let Some(server) = &model.defaults.server else {
        put(buf, area, area.x + 1, area.y, &clip_middle("no server yet", room, &look.glyphs), look.theme.dim);
        return;
    };
    let name = SafeText::new(&server.to_string());
    let transport = transport(server.is_encrypted(), room.saturating_sub(width(name.as_str()) + 2));
    let name = clip_middle(name.as_str(), room.saturating_sub(2 + width(transport)), &look.glyphs);
    let x = put(buf, area, area.x + 1, area.y, &name, look.theme.strong);
    put(buf, area, x + 2, area.y, transport, look.theme.dim);
}

/// All of it in one line, for the smallest screens.
pub fn one_line(model: &Model, columns: usize) -> Line<'static> {
    line(&sums(model, Form::Line, columns))
}

fn line(parts: &[Part]) -> Line<'static> {
    let mut spans = Vec::new();
    for part in parts {
        if !spans.is_empty() {
            spans.push(Span::raw("  "));
        }
        spans.push(Span::styled(part.text.clone(), part.style));
    }
    Line::from(spans)
}

fn sums(model: &Model, form: Form, columns: usize) -> Vec<Part> {
    let Totals { jobs, running, waiting, paused, done, failed, undecided, speed, limit, limit_until, .. } =
        model.totals;
    let theme = &model.look.theme;
    let mut parts = Vec::new();
    let mut part = |rank, text: String, style| parts.push(Part { rank, text, short: None, style });
    let mut count = |rank, number: usize, word: &str, style| {
        if number > 0 {
            part(rank, format!("{} {word}", units::count(number as u64)), style);
        }
    };
    count(1, running, "running", theme.strong);
    count(1, undecided, "to decide", theme.accent);
    count(5, waiting, "waiting", theme.plain);
    count(6, paused, "paused", theme.plain);
    count(2, failed, "failed", theme.bad);
    if running + waiting == 0 {
        count(7, done, "done", theme.good);
    }
    if form != Form::Full
        && let Some(percent) = percent(&model.totals)
    {
        part(1, format!("{percent} %"), theme.plain);
    }
    let limit_text = |limit| match form {
        Form::Full => format!("limit {}", limit_rate(limit)),
        _ => format!("{}{}", model.look.glyphs.limited, limit_rate(limit)),
    };
    let until = limit_until.filter(|_| form == Form::Full);
    if let Some(text) = limit_in_force(limit.map(limit_text), until) {
        let short = limit.filter(|_| until.is_some()).map(limit_text);
        parts.push(Part { rank: 3, text, short, style: theme.dim });
    }
    let mut part = |rank, text: String, style| parts.push(Part { rank, text, short: None, style });
    if form == Form::Full && running > 0 && !model.throughput.is_empty() {
        let spark = sparkline(model.throughput.iter().copied(), &model.look.glyphs);
        part(4, format!("{spark:>SPARKLINE_COLUMNS$}"), theme.gauge);
    }
    match (jobs, running) {
        (0, _) => part(0, "nothing queued".to_owned(), theme.dim),
        (_, 0) => part(0, "idle".to_owned(), theme.dim),
        _ => part(0, format!("{:>9}", units::rate(speed)), theme.strong),
    }
    let cost =
        |parts: &[Part]| parts.iter().map(|part| width(&part.text) + 2).sum::<usize>().saturating_sub(2);
    while cost(&parts) > columns && parts.len() > 1 {
        let Some(last) = parts.iter().enumerate().max_by_key(|(_, part)| part.rank).map(|(index, _)| index)
        else {
            break;
        };
        match parts[last].short.take() {
            Some(short) => parts[last].text = short,
            None => drop(parts.remove(last)),
        }
    }
    parts
}

/// Without digits that say nothing: `2 MB/s`.
fn limit_rate(limit: u64) -> String {
    units::rate(limit as f64).replace(".0 ", " ")
}

fn limit_in_force(limit: Option<String>, until: Option<TimeOfDay>) -> Option<String> {
    match until {
        Some(until) => Some(format!("{} until {until}", limit.as_deref().unwrap_or("no limit"))),
        None => limit,
    }
}

/// Title and note of the rule below the queue: its sums, and what is marked, filtered and visible. What does not fit is left out,
/// the least important part first.
pub fn queue_rule(model: &Model) -> (String, String) {
    let columns = usize::from(model.layout().queue.width).saturating_sub(12);
    let separator = format!(" {} ", model.look.glyphs.separator);
    let note = fitting(notes(model), ", ", columns / 2);
    let title = fitting(sums_of_queue(model), &separator, columns.saturating_sub(width(&note)));
    // The row's number is only of use where there is room left.
    let note = fitting(notes(model).into_iter().chain(place(model)).collect(), ", ", columns - width(&title));
    (if title.is_empty() { "Queue".to_owned() } else { title }, note)
}

/// With each part, how much it may be missed.
fn sums_of_queue(model: &Model) -> Vec<(u8, String)> {
    let Totals { jobs, running, done, unknown, progress, eta, .. } = model.totals;
    let mut parts = Vec::new();
    if jobs > 0 {
        parts.push((0, format!("{} of {} done", units::count(done as u64), units::count(jobs as u64))));
    }
    if progress.1 > 0 {
        parts.push((1, units::bytes_of(progress.0, progress.1)));
    }
    if unknown > 0 && progress.1 > 0 {
        parts.push((3, format!("{} of unknown size", units::count(unknown as u64))));
    } else if running > 0
        && let Some(eta) = eta.and_then(|eta| Duration::try_from_secs_f64(eta).ok())
    {
        parts.push((2, format!("{} left", units::duration(eta))));
    }
    parts
}

fn notes(model: &Model) -> Vec<(u8, String)> {
    let mut parts = Vec::new();
    let Marked { jobs, bytes, unknown } = model.marked;
    if jobs > 0 {
        parts.push((0, format!("{} marked", units::count(jobs as u64))));
        match unknown {
            0 => parts.push((2, units::bytes(bytes))),
            _ if bytes > 0 => parts.push((2, format!("{} and more", units::bytes(bytes)))),
            _ => {}
        }
    }
    if !model.filter.is_empty() {
        let shown = units::count(model.queue.keys().len() as u64);
        let all = units::count(model.totals.jobs as u64);
        parts.push((1, format!("{shown} of {all} with \"{}\"", SafeText::new(&model.filter))));
    }
    if model.sort == Sort::Added {
        parts.push((3, "newest first".to_owned()));
    }
    parts
}

/// Which row is selected, if not all of them are visible.
fn place(model: &Model) -> Option<(u8, String)> {
    let shown = model.queue.keys().len();
    let row = units::count(model.queue.cursor() as u64 + 1);
    let is_cut = model.filter.is_empty() && model.queue.visible().len() < shown;
    is_cut.then(|| (4, format!("row {row} of {}", units::count(shown as u64))))
}

/// The parts that fit, in their order.
fn fitting(mut parts: Vec<(u8, String)>, separator: &str, columns: usize) -> String {
    loop {
        let text = parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(separator);
        let last = parts.iter().enumerate().max_by_key(|(_, (rank, _))| *rank).map(|(index, _)| index);
        match last {
            Some(last) if width(&text) > columns => drop(parts.remove(last)),
            _ => return text,
        }
    }
}
