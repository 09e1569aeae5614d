//! All about the selected job.

use ratatui::{layout::Rect, style::Style, text::Line};

use super::pictures;
use crate::{
    client::{Finished, JobState, JobView, SourceShare},
    text::{SafeText, units},
    ui::{
        actions::{Context, QueueAction},
        components::widgets::wrap,
        downloads::{model::Model, model::rows::Row},
        theme::Theme,
    },
};

/// Columns of the labels.
pub const LABEL_COLUMNS: u16 = 10;

/// Columns that stay free at the left and at the right.
const MARGINS: u16 = 4;

/// Title of the panel.
pub fn title(model: &Model) -> String {
    match &model.current {
        Some(row) => format!("Details of {}", row.name),
        None => "Details".to_owned(),
    }
}

/// A line of the pane.
#[derive(Clone, Debug)]
pub struct Detail {
    /// What it is about; empty if it continues the line above it.
    pub label: &'static str,
    /// The rest.
    pub line: Line<'static>,
}

/// Columns for text in a pane of this width.
pub fn columns(width: u16) -> usize {
    usize::from(width.saturating_sub(LABEL_COLUMNS + MARGINS)).max(1)
}

/// The lines of the pane in this area. The pictures are not among them where they are beside the queue.
pub fn lines(model: &Model, area: Rect) -> Vec<Detail> {
    let columns = columns(area.width);
    let Some(row) = &model.current else { return wrapped(nothing(model), columns) };
    let mut lines = wrapped(state(row, &model.look.theme), columns);
    if model.layout().side.is_empty() {
        let rows = if area.height > 8 { 2 } else { 1 };
        let first = |label: &'static str| std::iter::once(label).chain(std::iter::repeat(""));
        let speed = pictures::speed(model, columns, rows);
        lines.extend(first("Speed").zip(speed).map(|(label, line)| Detail { label, line }));
        let map = pictures::map(model, columns);
        lines.extend(first("Content").zip(map).map(|(label, line)| Detail { label, line }));
    }
    lines.extend(about(model, row, columns));
    lines
}

/// The facts about the selected job, in this many columns, for the side.
pub fn facts(model: &Model, columns: u16) -> Vec<Detail> {
    let columns = usize::from(columns).max(1);
    let Some(row) = &model.current else { return wrapped(nothing(model), columns) };
    let theme = &model.look.theme;
    [state(row, theme), rest(model, row)].into_iter().flat_map(|facts| wrapped(facts, columns)).collect()
}

/// What there is to say without a selected job.
fn nothing(model: &Model) -> Vec<(&'static str, String, Style)> {
    let text = match model.queue.selected() {
        Some(Row::Done) => {
            let key = model.keys.shown(Context::Queue, QueueAction::Open);
            let key = key.map(|key| format!("; {} shows them", key.label(model.look.glyphs.ascii)));
            let count = units::count(model.done.len() as u64);
            let verb = if model.unfolded { String::new() } else { key.unwrap_or_default() };
            format!("{count} downloads are done, {}{verb}", units::bytes(model.done_bytes))
        }
        _ => "nothing is selected".to_owned(),
    };
    vec![("", text, model.look.theme.dim)]
}

fn about(model: &Model, row: &JobView, columns: usize) -> Vec<Detail> {
    let theme = &model.look.theme;
    let mut all = rest(model, row);
    if let Some(average) = pictures::average(model).filter(|_| model.layout().side.is_empty()) {
        // Source and destination are more important.
        let at = all.len().min(2);
        all.insert(at, ("Average", average, theme.plain));
    }
    wrapped(all, columns)
}

fn wrapped(facts: Vec<(&'static str, String, Style)>, columns: usize) -> Vec<Detail> {
    let mut lines = Vec::new();
    for (label, value, style) in facts {
        for (index, part) in wrap(&value, columns).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            lines.push(Detail { label, line: Line::styled(part.to_owned(), style) });
        }
    }
    lines
}

/// Where a job stands, and why.
fn state(row: &JobView, theme: &Theme) -> Vec<(&'static str, String, Style)> {
    let mut facts = Vec::new();
    let (state, style) = match &row.state {
        JobState::Queued => ("waiting for its turn", theme.plain),
        JobState::Waiting { .. } => ("waiting to try again", theme.warn),
        JobState::Unreachable { .. } => ("waiting for the server", theme.warn),
        JobState::Connecting if row.prepares => ("the server reads what is asked for", theme.plain),
        JobState::Connecting => ("connecting", theme.plain),
        JobState::Running => ("running", theme.plain),
        JobState::Verifying => ("verifying", theme.plain),
        JobState::Done(finished) if !finished.missing.is_none() => {
            ("incomplete: what was received is verified and in place", theme.warn)
        }
        JobState::Done(finished) if finished.files.is_some() => {
            ("done: every file verified, tree in place", theme.good)
        }
        JobState::Done(_) => ("done: every block verified, file in place", theme.good),
        JobState::Failed(_) => ("failed", theme.bad),
        JobState::Undecided(_) => ("needs a decision", theme.accent),
        JobState::Paused => ("paused", theme.warn),
        JobState::Cancelled => ("cancelled", theme.dim),
    };
    facts.push(("State", state.to_owned(), style));
    match &row.state {
        JobState::Failed(trouble) => facts.push(("Error", trouble.message.to_string(), theme.plain)),
        JobState::Undecided(trouble) => facts.push(("Reason", trouble.message.to_string(), theme.plain)),
        JobState::Waiting { attempt, reason, .. } => {
            facts.push(("Error", reason.to_string(), theme.plain));
            if *attempt > 0 {
                facts.push(("Retry", format!("number {attempt}"), theme.plain));
            }
        }
        JobState::Unreachable { reason, .. } => facts.push(("Error", reason.to_string(), theme.plain)),
        _ => {}
    }
    facts
}

/// All else about a job, the most wanted first.
fn rest(model: &Model, row: &JobView) -> Vec<(&'static str, String, Style)> {
    let theme = &model.look.theme;
    let mut facts = vec![("Address", row.address.to_string(), theme.plain)];
    match &row.state {
        JobState::Done(finished) => {
            done(&mut facts, finished, model);
            if row.attempts > 1 {
                facts.push(("Attempts", units::count(row.attempts.into()), theme.plain));
            }
        }
        _ => {
            if !row.target.as_str().is_empty() {
                // Before the server is asked, only the folder may be known.
                let is_named = row.target.as_str().rsplit('/').next() == Some(row.name.as_str());
                let label = if is_named { "Saved as" } else { "Saved in" };
                facts.push((label, model.defaults.short_path(row.target.as_str()), theme.plain));
            }
            if let Some(size) = row.size {
                facts.push(("Size", exact(size), theme.plain));
            }
            let verified = row.verified.map(|verified| format!(", {} verified", units::bytes(verified)));
            facts.push(("Received", exact(row.received) + &verified.unwrap_or_default(), theme.plain));
            if let Some(segments) = row.segments {
                let text = if segments == 1 {
                    "one connection".to_owned()
                } else {
                    format!("{segments} connections")
                };
                facts.push(("Over", text, theme.plain));
            }
            facts.extend(sources(&row.sources, theme));
            if let Some(limit) = row.limit {
                facts.push(("Limit", units::rate(limit as f64), theme.plain));
            }
            if let Some((done, all)) = row.files {
                let text = format!("{} of {} received", units::count(done), units::count(all));
                facts.push(("Files", text, theme.plain));
            }
            if row.attempts > 0 {
                facts.push(("Attempts", units::count(row.attempts.into()), theme.plain));
            }
            if let (Some((done, total)), None) = (row.progress, row.size) {
                let text = format!("{} of {}", units::bytes(done), units::bytes(total));
                facts.push(("Sources", text, theme.plain));
            }
        }
    }
    facts
}

fn done(facts: &mut Vec<(&'static str, String, Style)>, finished: &Finished, model: &Model) {
    let theme = &model.look.theme;
    let short = |path| model.defaults.short_path(SafeText::from_path(path).as_str());
    facts.push(("Saved as", short(&finished.path), theme.plain));
    if let Some(folder) = &finished.extracted {
        facts.push(("Unpacked to", short(folder), theme.plain));
    }
    facts.push(("Size", exact(finished.bytes), theme.plain));
    if let Some(files) = finished.files {
        facts.push(("Files", units::count(files), theme.plain));
    }
    facts.push(("BLAKE3", finished.blake3.clone(), theme.plain));
    let mut crossed = units::transfer(finished.transferred, finished.seconds);
    if finished.resumed > 0 {
        crossed.push_str(&format!("; {} were local already", units::bytes(finished.resumed)));
    }
    facts.push(("Transfer", crossed, theme.plain));
    if finished.deleted > 0 {
        let text = format!("{} files that the server does not have", units::count(finished.deleted));
        facts.push(("Deleted", text, theme.warn));
    }
    if finished.omitted > 0 {
        let text =
            format!("{} skipped by the server: links, devices or mounts", units::count(finished.omitted));
        facts.push(("Omitted", text, theme.warn));
    }
    if !finished.missing.is_none() {
        let entries = if finished.missing.count == 1 { "entry" } else { "entries" };
        facts.push(("Missing", format!("{} {entries}", units::count(finished.missing.count)), theme.warn));
        for entry in &finished.missing.entries {
            facts.push(("", format!("{} ({})", entry.path, entry.reason), theme.plain));
        }
        if finished.missing.unnamed() > 0 {
            facts.push(("", format!("and {} more", units::count(finished.missing.unnamed())), theme.plain));
        }
    }
    facts.extend(sources(&finished.sources, theme));
    if let Some(proof) = finished.proof {
        facts.push(("Proof", proof.sentence(), theme.plain));
    }
    if let Some(origin) = finished.origin.sentence() {
        facts.push(("Origin", origin, theme.plain));
    }
}

/// What each source of a download with mirrors has contributed.
fn sources(shares: &[SourceShare], theme: &Theme) -> Vec<(&'static str, String, Style)> {
    let labels = std::iter::once("Mirrors").chain(std::iter::repeat(""));
    let style = |share: &SourceShare| if share.dropped.is_some() { theme.warn } else { theme.plain };
    labels.zip(shares).map(|(label, share)| (label, share.sentence(), style(share))).collect()
}

fn exact(bytes: u64) -> String {
    match bytes {
        0..1000 => units::bytes(bytes),
        _ => format!("{} ({} bytes)", units::bytes(bytes), units::count(bytes)),
    }
}
