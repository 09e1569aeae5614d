//! The question of a download: what it says, and the keys of the answers.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use time::OffsetDateTime;

use crate::{
    client::{Answer, Claimed, Conflict, ConflictKind, Facts, Question},
    text::{SafeText, units},
    ui::{
        actions::{
            Context, DecisionAction,
            hints::{self, Hint},
        },
        components::widgets::{width, wrap},
        downloads::model::{Model, decision::Decision},
    },
};

/// Columns of the words in front of size and time.
const SIDE_COLUMNS: usize = 7;

/// The lines of the open question; empty without one.
pub fn lines(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let Some(decision) = &model.deciding else { return Vec::new() };
    let Some(question) = decision.question() else { return Vec::new() };
    let theme = &model.look.theme;
    let place =
        if decision.of > 1 { format!(" ({} of {})", decision.at, decision.of) } else { String::new() };
    let text = format!("{}{place}", sentence(model, decision, question));
    let mut lines: Vec<_> =
        wrap(&text, columns).into_iter().map(|line| Line::styled(line.to_owned(), theme.strong)).collect();
    if let Question::Exists(conflict) = question {
        lines.extend(facts(conflict, theme.plain, columns));
    }
    let (one, all) = answers(question, decision.same);
    lines.extend(keys(model, &one, columns));
    if !all.is_empty() {
        let words = format!("all {}: ", units::count(decision.same as u64));
        let mut keys = keys(model, &all, columns.saturating_sub(width(&words)).max(1));
        if let Some(first) = keys.first_mut() {
            first.spans.insert(0, Span::styled(words, theme.dim));
        }
        lines.extend(keys);
    }
    lines
}

/// The open question in one line, the keys of the answers first.
pub fn line(model: &Model) -> Option<Line<'static>> {
    let decision = model.deciding.as_ref()?;
    let question = decision.question()?;
    let mut line = keys(model, &answers(question, 1).0, usize::MAX >> 1).pop()?;
    line.spans.push(Span::raw("  "));
    line.spans.push(Span::styled(sentence(model, decision, question), model.look.theme.strong));
    Some(line)
}

fn sentence(model: &Model, decision: &Decision, question: &Question) -> String {
    let name = &decision.row.name;
    let short = |path: &std::path::Path| model.defaults.short_path(SafeText::from_path(path).as_str());
    match question {
        Question::Exists(Conflict { path, kind, .. }) => {
            let path = short(path);
            match kind {
                ConflictKind::File | ConflictKind::Archive | ConflictKind::Folder => {
                    format!("{path} exists and differs")
                }
                ConflictKind::Unpacked => format!("{name}: the folder {path} exists and differs"),
                ConflictKind::Fixed => format!("{name}: {path} is in the way"),
            }
        }
        Question::Claimed(Claimed { path, other, .. }) => {
            format!("{name}: another download saves to {}, {other}", short(path))
        }
        Question::Gone => {
            let received = units::bytes(decision.row.received);
            format!("{name}: the server no longer has it; the {received} that were received stay")
        }
        Question::Changed { part, received } => format!(
            "{name} changed on the server: the {} in {} cannot be continued",
            units::bytes(*received),
            short(part)
        ),
        // They have dialogs of their own.
        Question::Token(_) | Question::Trust(_) => String::new(),
    }
}

/// Size and time of both; the one that is newer says so.
fn facts(conflict: &Conflict, style: Style, columns: usize) -> Vec<Line<'static>> {
    let Conflict { local, remote, .. } = conflict;
    let newer = |one: &Facts, other: &Facts| one.modified > other.modified && other.modified.is_some();
    [("local", local, newer(local, remote)), ("server", remote, newer(remote, local))]
        .into_iter()
        .filter(|(_, facts, _)| **facts != Facts::default())
        .map(|(side, facts, newer)| {
            let size = facts.size.map(units::bytes).unwrap_or_default();
            let time = facts.modified.map(|at| moment(at.seconds)).unwrap_or_default();
            let newer = if newer && columns > 40 { "  newer" } else { "" };
            Line::styled(format!("{side:<SIDE_COLUMNS$}{size:>8}  {time}{newer}"), style)
        })
        .collect()
}

fn moment(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| String::new(),
        |at| {
            let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
            format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", at.hour(), at.minute())
        },
    )
}

/// The keys for this download, and those for all that ask the same.
fn answers(question: &Question, same: usize) -> (Vec<Hint>, Vec<Hint>) {
    let word = |answer| match (question, answer) {
        (_, Answer::Update) => "update",
        (Question::Claimed(_), Answer::Replace) => "replace the other",
        (Question::Changed { .. }, Answer::Replace) => "start over",
        (_, Answer::Replace) => "overwrite",
        (Question::Changed { .. }, Answer::Keep) => "keep it and stop",
        (_, Answer::Keep) => "keep both",
        (Question::Exists(Conflict { kind: ConflictKind::Unpacked, .. }), Answer::Skip) => "leave it packed",
        (_, Answer::Skip) => "skip",
    };
    let actions = |answer| match answer {
        Answer::Update => (DecisionAction::Update, DecisionAction::UpdateAll),
        Answer::Replace => (DecisionAction::Replace, DecisionAction::ReplaceAll),
        Answer::Keep => (DecisionAction::Keep, DecisionAction::KeepAll),
        Answer::Skip => (DecisionAction::Skip, DecisionAction::SkipAll),
    };
    let taken: Vec<_> = Answer::ALL.into_iter().filter(|answer| question.takes(*answer)).collect();
    let mut one: Vec<_> =
        taken.iter().map(|answer| Hint::saying(actions(*answer).0, word(*answer))).collect();
    let change = if *question == Question::Gone { "edit the address" } else { "edit the name" };
    one.push(Hint::saying(DecisionAction::Change, change));
    if same > 1 || one.len() == 1 {
        one.push(DecisionAction::Next.into());
    }
    one.push(DecisionAction::Later.into());
    let all = taken.into_iter().filter(|_| same > 1);
    let all = all.map(|answer| Hint::saying(actions(answer).1, word(answer))).collect();
    (one, all)
}

/// Keys and words in as many lines as they need.
fn keys(model: &Model, all: &[Hint], columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let line = |count: usize| {
            hints::bar(&model.keys, Context::Decision, &rest[..count], &[], usize::MAX >> 1, &model.look)
        };
        let fitting = (1..=rest.len()).rev().find(|count| line(*count).width() <= columns).unwrap_or(1);
        lines.push(line(fitting));
        rest = &rest[fitting..];
    }
    lines
}
