//! Draws the dashboard: a pure function of its model.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};
use time::OffsetDateTime;

use super::{
    clients::RowKey,
    code, details,
    header::{address, graph, header, state, totals},
    layout::{Form, Layout},
    model::{Dialog, Focus, Model, Pending},
    table,
};
use crate::{
    text::{
        dates,
        units::{self, counted},
    },
    ui::{
        actions::{
            DashboardAction, DialogAction, GlobalAction, LogAction, MoveAction,
            hints::{self, Hint},
        },
        components::{
            bar, help, palette,
            widgets::{clip, inset, put, put_line, rule, width},
        },
    },
};

/// Draws all of it.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buf = frame.buffer_mut();
    if let Dialog::Help(page) = &model.dialog {
        if let Some(position) = help::render(area, buf, page, &model.keys, &model.look) {
            frame.set_cursor_position(position);
        }
        return;
    }
    if model.shows_code {
        return code::render(model, area, buf);
    }
    let layout = model.layout();
    match layout.form {
        Form::Line => line(model, layout.header, buf),
        Form::Compact => {
            totals(model, layout.header, buf);
            address(model, layout.address, buf);
            panes(model, &layout, buf);
        }
        Form::Full => {
            header(model, layout.header, buf);
            address(model, layout.address, buf);
            graph(model, layout.graph, buf);
            rules(model, &layout, buf);
            panes(model, &layout, buf);
        }
    }
    let typed = last_line(model, &layout, buf);
    let cursor = match &model.dialog {
        Dialog::Palette(open) => palette::render(area, buf, open, &model.keys, &model.look),
        _ => typed,
    };
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
}

fn panes(model: &Model, layout: &Layout, buf: &mut Buffer) {
    table::heads(model, layout.heads, buf);
    table::render(model, layout.table, buf);
    details::render(model, layout.details, buf);
    problem(model, layout.problem, buf);
    let focused = model.focus == Focus::Log;
    if model.log.hides_all() {
        let area = inset(layout.log);
        put(buf, area, area.x, area.y, "no line matches", model.look.theme.dim);
    }
    model.log.render(inset(layout.log), buf, focused, &model.look);
}

/// The smallest form: `3 clients  84.2 MB/s`.
fn line(model: &Model, area: Rect, buf: &mut Buffer) {
    let clients = counted(model.picture.clients.len() as u64, "client");
    let rate = units::rate(model.picture.throughput.rate());
    let state = state(model).map_or(String::new(), |word| format!("  {word}"));
    let text = format!("{clients}  {rate}{state}");
    put(buf, area, area.x, area.y, &clip(&text, usize::from(area.width), &model.look.glyphs), Style::new());
}

/// The last error, with the number of errors.
fn problem(model: &Model, area: Rect, buf: &mut Buffer) {
    let (Some(error), false) = (&model.picture.snapshot.last_error, area.is_empty()) else { return };
    let area = inset(area);
    let at = OffsetDateTime::from(error.at).to_offset(model.about.since.offset());
    let count = counted(model.picture.snapshot.errors, "error");
    let which = if model.picture.snapshot.errors > 1 { ", the last" } else { "" };
    let text = format!("{count}{which} at {}: {}", dates::clock(at), error.message);
    let text = clip(&text, usize::from(area.width), &model.look.glyphs);
    put(buf, area, area.x, area.y, &text, model.look.theme.bad);
}

fn rules(model: &Model, layout: &Layout, buf: &mut Buffer) {
    let snapshot = &model.picture.snapshot;
    let mut title = counted(model.picture.clients.len() as u64, "client");
    if snapshot.waiting > 0 {
        title.push_str(&format!(", {} waiting", units::count(snapshot.waiting as u64)));
    }
    if let Some(state) = state(model) {
        title.push_str(&format!(", {state}"));
    }
    let mut parts = Vec::new();
    if let Some(since) = &model.frozen {
        parts.push(format!("frozen at {since}"));
    }
    if !model.filter.is_empty() {
        parts.push(format!("{} with \"{}\"", units::count(model.rows.keys().len() as u64), model.filter));
    }
    parts.push(format!("{} sent", units::bytes(snapshot.sent)));
    parts.push(counted(snapshot.requests, "request"));
    let (live, most) = (snapshot.live as u64, model.about.max_connections as u64);
    parts.push(format!("{} of {} connections", units::count(live), units::count(most)));
    if snapshot.refused > 0 {
        parts.push(format!("{} refused", units::count(snapshot.refused)));
    }
    let room = usize::from(layout.table_rule.width).saturating_sub(width(&title) + 11);
    let note = (0..=parts.len()).rev().map(|some| parts[..some].join(", ")).find(|note| width(note) <= room);
    let note = note.unwrap_or_default();
    rule(buf, layout.table_rule, &title, &note, model.focus == Focus::Connections, &model.look);
    rule(buf, layout.log_rule, "Log", &model.log.note(), model.focus == Focus::Log, &model.look);
}

/// Draws the last line: a prompt, a question, what just happened, or what can be done. Returns the place of the cursor, if there is one.
fn last_line(model: &Model, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    let area = inset(layout.hints);
    if area.is_empty() {
        return None;
    }
    let theme = &model.look.theme;
    let room = usize::from(area.width);
    match (&model.dialog, &model.notice) {
        (Dialog::Prompt(prompt), _) => {
            let label = match prompt.purpose {
                Focus::Connections => "Connections with",
                Focus::Log => "Log with",
            };
            let label = format!("{label} {} ", model.look.glyphs.prompt);
            return bar::prompt(&label, &prompt.line, &model.keys, area, buf, &model.look);
        }
        (Dialog::Question(question), _) => {
            let answers = answers(model, question.pending, room);
            // In a small window the question has the line of the log, and the answers this one.
            match layout.form {
                Form::Compact => {
                    let line = inset(layout.log);
                    let text = clip(&question.text, room, &model.look.glyphs);
                    buf.set_style(line, Style::reset());
                    put(buf, line, line.x, line.y, &format!("{text:room$}"), theme.warn);
                    put_line(buf, area, area.y, &answers);
                }
                _ => bar::question(&question.text, theme.warn, &answers, area, buf, &model.look),
            }
        }
        (Dialog::None | Dialog::Help(_) | Dialog::Palette(_), Some(notice)) => {
            bar::notice(notice, theme.good, |columns| hints(model, columns), area, buf, &model.look);
        }
        (Dialog::None | Dialog::Help(_) | Dialog::Palette(_), None) => {
            put_line(buf, area, area.y, &hints(model, room))
        }
    }
    None
}

/// The keys of the answers to a question.
fn answers(model: &Model, pending: Pending, columns: usize) -> Line<'static> {
    let (yes, no) = pending.words();
    let block = pending.block().map(|_| Hint::saying(DialogAction::Other, "block 10 m"));
    let answers =
        [Some(Hint::saying(DialogAction::Yes, yes)), block, Some(Hint::saying(DialogAction::No, no))];
    let answers: Vec<Hint> = answers.into_iter().flatten().collect();
    bar::answers(&model.keys, &answers, columns, &model.look)
}

fn hints(model: &Model, columns: usize) -> Line<'static> {
    let freeze = match model.frozen {
        Some(_) => Hint::saying(DashboardAction::Freeze, "resume"),
        None => DashboardAction::Freeze.into(),
    };
    let filtered = match model.focus {
        Focus::Connections => !model.filter.is_empty(),
        Focus::Log => !model.log.filter().is_empty(),
    };
    let back = match (model.details.is_some(), filtered) {
        (true, _) => Some(Hint::saying(GlobalAction::Back, "close")),
        (false, true) => Some(Hint::saying(GlobalAction::Back, "show all")),
        _ => None,
    };
    let mut hints: Vec<Hint> = back.into_iter().collect();
    let code = Hint::saying(DashboardAction::QrCode, "QR");
    match (model.focus, model.rows.selected()) {
        (Focus::Connections, Some(selected)) => {
            let enter = match selected {
                RowKey::Client(address) if model.view.open.contains(&address) => "close",
                RowKey::Client(address) if model.picture.clients.of(address).len() > 1 => "open",
                _ => "details",
            };
            let disconnect = match selected {
                RowKey::Block(_) => DashboardAction::Unblock.into(),
                _ => Hint::from(DashboardAction::Disconnect),
            };
            // Details are closed with the key for that.
            hints.extend(
                model.details.is_none().then(|| Hint::saying(DashboardAction::ConnectionDetails, enter)),
            );
            hints.extend([
                disconnect,
                DashboardAction::SortClients.into(),
                freeze,
                DashboardAction::Drain.into(),
                GlobalAction::Filter.into(),
                code,
                GlobalAction::FocusNext.into(),
            ]);
        }
        (Focus::Connections, None) => {
            hints.extend([
                code,
                Hint::from(DashboardAction::Drain),
                GlobalAction::FocusNext.into(),
                LogAction::Level.into(),
            ]);
        }
        (Focus::Log, _) => hints.extend([
            LogAction::Level.into(),
            GlobalAction::Filter.into(),
            Hint::saying(MoveAction::Last, "follow"),
            freeze,
            GlobalAction::FocusNext.into(),
        ]),
    }
    let always = [GlobalAction::Help.into(), GlobalAction::Quit.into()];
    hints::bar(&model.keys, model.context(), &hints, &always, columns, &model.look)
}
