//! All about the selected job.

use ratatui::style::Style;

use crate::{
    client::{Finished, JobState, JobView},
    text::{SafeText, units},
    ui::{components::widgets::wrap, downloads::model::Model, theme::Theme},
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

/// The lines of the pane: label, text, style.
pub fn lines(model: &Model, columns: u16) -> Vec<(&'static str, String, Style)> {
    let theme = &model.look.theme;
    let Some(row) = &model.current else {
        return vec![("", "nothing is selected".to_owned(), theme.dim)];
    };
    let columns = usize::from(columns.saturating_sub(LABEL_COLUMNS + MARGINS)).max(1);
    let mut lines = Vec::new();
    for (label, value, style) in facts(row, theme) {
        for (index, part) in wrap(&value, columns).into_iter().enumerate() {
            lines.push((if index == 0 { label } else { "" }, part.to_owned(), style));
        }
    }
    lines
}

/// Facts about a job, the most wanted first.
fn facts(row: &JobView, theme: &Theme) -> Vec<(&'static str, String, Style)> {
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
        JobState::Paused => ("paused", theme.warn),
        JobState::Cancelled => ("cancelled", theme.dim),
    };
    facts.push(("State", state.to_owned(), style));
    match &row.state {
        JobState::Failed(trouble) => facts.push(("Error", trouble.message.to_string(), theme.plain)),
        JobState::Waiting { attempt, reason, .. } => {
            facts.push(("Error", reason.to_string(), theme.plain));
            if *attempt > 0 {
                facts.push(("Retry", format!("number {attempt}"), theme.plain));
            }
        }
        JobState::Unreachable { reason, .. } => facts.push(("Error", reason.to_string(), theme.plain)),
        _ => {}
    }
    facts.push(("Address", row.address.to_string(), theme.plain));
    match &row.state {
        JobState::Done(finished) => done(&mut facts, finished, theme),
        _ => {
            if !row.target.as_str().is_empty() {
                facts.push(("Saved as", row.target.to_string(), theme.plain));
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
            if let Some((done, all)) = row.files {
                let text = format!("{} of {} received", units::count(done), units::count(all));
                facts.push(("Files", text, theme.plain));
            }
            if let (Some((done, total)), None) = (row.progress, row.size) {
                let text = format!("{} of {}", units::bytes(done), units::bytes(total));
                facts.push(("Sources", text, theme.plain));
            }
        }
    }
    facts
}

fn done(facts: &mut Vec<(&'static str, String, Style)>, finished: &Finished, theme: &Theme) {
    facts.push(("Saved as", SafeText::from_path(&finished.path).to_string(), theme.plain));
    if let Some(folder) = &finished.extracted {
        facts.push(("Unpacked to", SafeText::from_path(folder).to_string(), theme.plain));
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
    if let Some(origin) = finished.origin.sentence() {
        facts.push(("Origin", origin, theme.plain));
    }
}

fn exact(bytes: u64) -> String {
    match bytes {
        0..1000 => units::bytes(bytes),
        _ => format!("{} ({} bytes)", units::bytes(bytes), units::count(bytes)),
    }
}
