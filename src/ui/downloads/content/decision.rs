//! The question of a download: what it says, and the keys of the answers.

use std::path::Path;

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    client::{Answer, Claimed, Conflict, ConflictKind, Facts, Question, QuestionKind},
    text::{SafeText, dates, units},
    ui::{
        actions::{
            Context, DecisionAction,
            hints::{self, Hint},
        },
        components::widgets::{clip_middle, width, wrap},
        downloads::model::{Model, decision::Decision},
    },
};

/// Columns of the words in front of size and time.
const SIDE_COLUMNS: usize = 7;
/// Columns of a path in a question, at least.
const MIN_PATH_COLUMNS: usize = 12;

/// The lines of the open question; empty if there is none.
pub fn lines(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let Some(decision) = &model.deciding else { return Vec::new() };
    let Some(question) = decision.question() else { return Vec::new() };
    let theme = &model.look.theme;
    let mut lines: Vec<_> = sentences(model, decision, question, columns)
        .iter()
        .flat_map(|text| wrap(text, columns))
        .map(|line| Line::styled(line.to_owned(), theme.strong))
        .collect();
    if let Question::Exists(conflict) = question {
        lines.extend(facts(conflict, theme.plain, columns));
    }
    lines.extend(keys(model, &answers(question, decision.of), columns));
    if decision.of > 1 {
        let place = format!("{} of {}", units::count(decision.at as u64), units::count(decision.of as u64));
        lines.push(Line::styled(place + &for_all(model, decision, question), theme.dim));
    }
    lines
}

/// The keys that answer all that ask the same.
fn for_all(model: &Model, decision: &Decision, question: &Question) -> String {
    let label = |answer| {
        let key = model.keys.shown(Context::Decision, actions(answer).1)?;
        Some(key.label(model.look.glyphs.ascii))
    };
    let taken = Answer::ALL.into_iter().filter(|answer| decision.same > 1 && question.takes(*answer));
    let keys: Vec<_> = taken.filter_map(label).collect();
    match keys.as_slice() {
        [] => String::new(),
        keys => format!("  {} for all {}", keys.join(" "), units::count(decision.same as u64)),
    }
}

/// The open question in one line, the keys of the answers first.
pub fn line(model: &Model) -> Option<Line<'static>> {
    let decision = model.deciding.as_ref()?;
    let question = decision.question()?;
    let mut line = keys(model, &answers(question, 1), usize::MAX >> 1).pop()?;
    for text in sentences(model, decision, question, usize::MAX >> 1) {
        line.spans.push(Span::raw("  "));
        line.spans.push(Span::styled(text, model.look.theme.strong));
    }
    Some(line)
}

/// What is asked. Each path has a line at most.
fn sentences(model: &Model, decision: &Decision, question: &Question, columns: usize) -> Vec<String> {
    let name = &decision.row.name;
    let clipped = |text: &str, words: usize| {
        clip_middle(text, columns.saturating_sub(words).max(MIN_PATH_COLUMNS), &model.look.glyphs)
    };
    let short = |path: &Path| model.defaults.short_path(SafeText::from_path(path).as_str());
    let text = match question {
        Question::Exists(Conflict { path, kind, .. }) => {
            let words = match kind {
                ConflictKind::File | ConflictKind::Archive | ConflictKind::Folder => " exists and differs",
                ConflictKind::Unpacked => " exists and is another folder",
                ConflictKind::Fixed => " is in the way",
            };
            clipped(&short(path), width(words)) + words
        }
        Question::Claimed(Claimed { path, other, .. }) => {
            let words = "another download saves to ";
            return vec![
                format!("{words}{}", clipped(&short(path), width(words))),
                clipped(other.as_str(), 0),
            ];
        }
        Question::Gone => {
            let received = units::bytes(decision.row.received);
            format!("{name}: the server no longer has it; the {received} that were received stay")
        }
        Question::Expired => {
            let received = units::bytes(decision.row.received);
            format!("{name}: the link has expired: paste a new one; the {received} that were received stay")
        }
        Question::Changed { part, received } => format!(
            "{name} changed on the server: the {} in {} cannot be continued",
            units::bytes(*received),
            clipped(&short(part), 0)
        ),
        // They have dialogs of their own.
        Question::Token(_) | Question::Trust(_) => String::new(),
    };
    vec![text]
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
            let modified = facts.modified.and_then(|at| dates::of_unix(at.seconds));
            let time = modified.map(|at| dates::minute(at) + " UTC").unwrap_or_default();
            let newer = if newer && columns > 40 { "  newer" } else { "" };
            Line::styled(format!("{side:<SIDE_COLUMNS$}{size:>8}  {time}{newer}"), style)
        })
        .collect()
}

/// The actions of an answer: for this download, and for all that ask the same.
fn actions(answer: Answer) -> (DecisionAction, DecisionAction) {
    match answer {
        Answer::Update => (DecisionAction::Update, DecisionAction::UpdateAll),
        Answer::Replace => (DecisionAction::Replace, DecisionAction::ReplaceAll),
        Answer::Keep => (DecisionAction::Keep, DecisionAction::KeepAll),
        Answer::Skip => (DecisionAction::Skip, DecisionAction::SkipAll),
    }
}

/// What can be done about the question. `of`: how many are open.
fn answers(question: &Question, of: usize) -> Vec<Hint> {
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
    let taken = Answer::ALL.into_iter().filter(|answer| question.takes(*answer));
    let mut hints: Vec<_> = taken.map(|answer| Hint::saying(actions(answer).0, word(answer))).collect();
    let change = if question.kind() == QuestionKind::Gone { "edit the address" } else { "rename" };
    hints.push(Hint::saying(DecisionAction::Change, change));
    if of > 1 {
        hints.push(DecisionAction::Next.into());
    }
    hints.push(DecisionAction::Later.into());
    hints
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
