//! Draws the dashboard: a pure function of its model.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};

use super::{
    details,
    layout::{Form, Layout},
    model::{Dialog, Focus, Model},
    table,
};
use crate::{
    text::units,
    ui::{
        actions::{
            Context, DashboardAction, GlobalAction, LogAction, MoveAction,
            hints::{self, Hint},
        },
        components::{
            bar, help, palette,
            widgets::{
                clip, clip_middle, inset, put, put_line, put_right, rule, sparkline, transport, width,
                wrap_in,
            },
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
            rules(model, &layout, buf);
            panes(model, &layout, buf);
        }
    }
    let typed = last_line(model, layout.hints, buf);
    let cursor = match &model.dialog {
        Dialog::Palette(open) => palette::render(area, buf, open, &model.keys, &model.look),
        _ => typed,
    };
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
}

fn panes(model: &Model, layout: &Layout, buf: &mut Buffer) {
    table::render(model, layout.table, buf);
    details::render(model, layout.details, buf);
    let focused = model.focus == Focus::Log;
    if model.log.hides_all() {
        let area = inset(layout.log);
        put(buf, area, area.x, area.y, "no line matches", model.look.theme.dim);
    }
    model.log.render(inset(layout.log), buf, focused, &model.look);
}

/// The smallest form: `3 clients  84.2 MB/s`.
fn line(model: &Model, area: Rect, buf: &mut Buffer) {
    let live = model.picture.snapshot.live;
    let clients = if live == 1 { "client" } else { "clients" };
    let rate = units::rate(model.picture.throughput.rate());
    let state = state(model).map_or(String::new(), |word| format!("  {word}"));
    let text = format!("{} {clients}  {rate}{state}", units::count(live as u64));
    put(buf, area, area.x, area.y, &clip(&text, usize::from(area.width), &model.look.glyphs), Style::new());
}

/// What of the server's state deserves a word.
fn state(model: &Model) -> Option<&'static str> {
    let snapshot = &model.picture.snapshot;
    match (snapshot.stopped, snapshot.draining) {
        (true, _) => Some("stopped"),
        (_, true) => Some("draining"),
        _ => None,
    }
}

fn counts(model: &Model) -> String {
    let snapshot = &model.picture.snapshot;
    let mut counts = format!(
        "{} of {}",
        units::count(snapshot.live as u64),
        units::count(model.about.max_connections as u64)
    );
    if snapshot.waiting > 0 {
        counts.push_str(&format!(", {} waiting", units::count(snapshot.waiting as u64)));
    }
    if let Some(state) = state(model) {
        counts.push_str(&format!(", {state}"));
    }
    counts
}

/// The first line of the compact form.
fn totals(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let theme = &model.look.theme;
    let left = put_right(buf, area, area.y, &units::rate(model.picture.throughput.rate()), theme.strong);
    let room = usize::from(left.saturating_sub(area.x + 1));
    let text = match &model.frozen {
        Some(frozen) => format!("Clients {}, frozen {}", counts(model), frozen.since),
        None => format!("Clients {}", counts(model)),
    };
    put(buf, area, area.x, area.y, &clip(&text, room, &model.look.glyphs), theme.strong);
}

fn header(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let (theme, glyphs) = (&model.look.theme, &model.look.glyphs);
    let throughput = &model.picture.throughput;
    let rate_columns = 9;
    let rate = format!("{:>rate_columns$}", units::rate(throughput.rate()));
    let mut right = put_right(buf, area, area.y, &rate, theme.strong);
    let columns = if area.width >= 100 { 24 } else { 8 };
    let spark = sparkline(throughput.past(columns), glyphs);
    right = right.saturating_sub(1 + columns as u16);
    put(buf, area, right + (columns - width(&spark)) as u16, area.y, &spark, theme.gauge);

    let arch = model.about.arch;
    let since = since(model);
    let room = usize::from(right.saturating_sub(area.x + 2));
    let others = format!("Serving {}   {arch}      up since {since}", model.about.root);
    let transport = transport(model.about.security.is_encrypted(), room.saturating_sub(width(&others)));
    let facts = format!("{arch}   {transport}   up since {since}");
    let folder_room = room.saturating_sub(width(&facts) + 3 + "Serving ".len());
    let folder = clip_middle(model.about.root.as_str(), folder_room, glyphs);
    let mut x = put(buf, area, area.x, area.y, "Serving ", theme.plain);
    x = put(buf, area, x, area.y, &folder, theme.accent);
    put(buf, area, x + 3, area.y, &clip(&facts, room, glyphs), theme.plain);
}

/// When the server was started. Not how long ago: that would be drawn again each minute on an idle server,
/// or be wrong.
fn since(model: &Model) -> String {
    let since = model.about.since;
    let started_today = model.picture.snapshot.uptime < since_midnight(model);
    let clock = format!("{:02}:{:02}", since.hour(), since.minute());
    if started_today { clock } else { format!("{} {} {clock}", since.day(), month(since.month())) }
}

/// The time from midnight before the start to the start, turned around: how long a server that was started
/// then has been up when its first day ends.
fn since_midnight(model: &Model) -> std::time::Duration {
    let since = model.about.since;
    let seconds = u64::from(since.hour()) * 3600 + u64::from(since.minute()) * 60 + u64::from(since.second());
    std::time::Duration::from_secs(86_400 - seconds)
}

fn month(month: time::Month) -> &'static str {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    NAMES[usize::from(u8::from(month)) - 1]
}

fn address(model: &Model, area: Rect, buf: &mut Buffer) {
    let area = inset(area);
    let theme = &model.look.theme;
    let hint = model
        .keys
        .shown(Context::Connections, GlobalAction::Copy)
        .map_or(String::new(), |key| format!("   {} copies it", key.label(model.look.glyphs.ascii)));
    let address = model.about.address.as_str();
    let room = usize::from(area.width);
    if area.height > 1 {
        let (mut x, mut last) = (area.x, area.y);
        let glyphs = &model.look.glyphs;
        let others = model.about.others.as_str();
        let rows = area.height - u16::from(!others.is_empty());
        for (y, line) in (area.y..area.bottom()).zip(wrap_in(address, room, rows, glyphs)) {
            (x, last) = (put(buf, area, area.x, y, &line, theme.accent), y);
        }
        put(buf, area, x, last, &hint, theme.dim);
        put(buf, area, area.x, last + 1, &clip(others, room, glyphs), theme.dim);
        return;
    }
    // An address that is cut off can still be copied; the hint shows it.
    let least = if width(address) > room { 2 } else { 3 };
    let hint = if width(&hint) * least <= room { hint } else { String::new() };
    let shown = clip(address, room - width(&hint), &model.look.glyphs);
    let x = put(buf, area, area.x, area.y, &shown, theme.accent);
    put(buf, area, x, area.y, &hint, theme.dim);
}

fn rules(model: &Model, layout: &Layout, buf: &mut Buffer) {
    let snapshot = &model.picture.snapshot;
    let title = format!("Connections {}", counts(model));
    let mut parts = Vec::new();
    if let Some(frozen) = &model.frozen {
        parts.push(format!("frozen at {}", frozen.since));
    }
    if !model.filter.is_empty() {
        parts.push(format!("{} with \"{}\"", units::count(model.picture.total as u64), model.filter));
    }
    parts.push(format!("{} served", units::count(snapshot.served)));
    if snapshot.refused > 0 {
        parts.push(format!("{} refused", units::count(snapshot.refused)));
    }
    parts.push(format!("{} sent", units::bytes(snapshot.sent)));
    let room = usize::from(layout.table_rule.width).saturating_sub(width(&title) + 11);
    let note = (0..=parts.len()).rev().map(|some| parts[..some].join(", ")).find(|note| width(note) <= room);
    let note = note.unwrap_or_default();
    rule(buf, layout.table_rule, &title, &note, model.focus == Focus::Connections, &model.look);
    rule(buf, layout.log_rule, "Log", &model.log.note(), model.focus == Focus::Log, &model.look);
}

/// Draws the last line: a prompt, a question, what just happened, or what can be done. Returns the place of the cursor, if there is one.
fn last_line(model: &Model, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let area = inset(area);
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
            let answers = bar::answers(&model.keys, question.pending.words(), room, &model.look);
            bar::question(&question.text, theme.warn, &answers, area, buf, &model.look);
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
    match model.focus {
        Focus::Connections if model.picture.total > 0 => hints.extend([
            DashboardAction::ConnectionDetails.into(),
            DashboardAction::Disconnect.into(),
            freeze,
            DashboardAction::Drain.into(),
            GlobalAction::Filter.into(),
            GlobalAction::FocusNext.into(),
        ]),
        Focus::Connections => {
            hints.extend([
                Hint::from(DashboardAction::Drain),
                GlobalAction::FocusNext.into(),
                LogAction::Level.into(),
            ]);
        }
        Focus::Log => hints.extend([
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
