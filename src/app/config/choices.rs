//! Settings with a fixed set of values.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing::Level;

use super::value::{Setting, Value, quoted};
use crate::{
    client::{Existing, Form, Names, Speak},
    protocol::classic::Dialect,
    server::{AccessLogFormat, Arch},
    storage::root::Links,
};

/// A type with a fixed set of named values.
pub(super) trait Choice: Copy + PartialEq + Send + Sync + 'static {
    /// The names and the values.
    const CHOICES: &'static [(&'static str, Self)];
}

impl<T: Choice> Setting for T {
    fn read(value: &Value<'_>) -> Result<T, String> {
        let found = match value {
            Value::Text(text) | Value::Environment(text) => T::CHOICES.iter().find(|(word, _)| word == text),
            _ => None,
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let choices: Vec<_> = T::CHOICES.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let (last, others) = choices.split_last().expect("a type with values");
            value.not(&format!("{} or {last}", others.join(", ")))
        })
    }

    fn written(&self) -> String {
        let found = T::CHOICES.iter().find(|(_, value)| value == self);
        quoted(found.expect("each value has a name").0)
    }
}

/// A parser for the command line. Completions and messages list the values.
pub(super) fn choices<T: Choice>() -> impl TypedValueParser<Value = T> {
    choice_of(T::CHOICES)
}

fn choice_of<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(choices.iter().map(|(word, _)| *word)).map(|text| {
        let found = choices.iter().find(|(word, _)| *word == text);
        found.expect("clap accepts only these choices").1
    })
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Depending on the terminal and the environment.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Choice for When {
    const CHOICES: &'static [(&'static str, When)] =
        &[("auto", When::Auto), ("always", When::Always), ("never", When::Never)];
}

/// Whether downloads continue in the background after the screen was left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// The user is asked. They also continue if the terminal is lost.
    #[default]
    Ask,
    /// They always continue.
    Always,
    /// They stop.
    Never,
}

/// One of the 16 ANSI colours by its number, or the terminal's own colour for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub Option<u8>);

impl Choice for Colour {
    const CHOICES: &'static [(&'static str, Colour)] = &[
        ("default", Colour(None)),
        ("black", Colour(Some(0))),
        ("red", Colour(Some(1))),
        ("green", Colour(Some(2))),
        ("yellow", Colour(Some(3))),
        ("blue", Colour(Some(4))),
        ("magenta", Colour(Some(5))),
        ("cyan", Colour(Some(6))),
        ("white", Colour(Some(7))),
        ("bright-black", Colour(Some(8))),
        ("bright-red", Colour(Some(9))),
        ("bright-green", Colour(Some(10))),
        ("bright-yellow", Colour(Some(11))),
        ("bright-blue", Colour(Some(12))),
        ("bright-magenta", Colour(Some(13))),
        ("bright-cyan", Colour(Some(14))),
        ("bright-white", Colour(Some(15))),
    ];
}

/// Whether names that begin with a dot are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden(pub bool);

impl Choice for Hidden {
    const CHOICES: &'static [(&'static str, Hidden)] = &[("serve", Hidden(true)), ("never", Hidden(false))];
}

/// A dialect of the original programs; `None` is the one of the server's architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassicDialect(pub Option<Dialect>);

impl Choice for ClassicDialect {
    const CHOICES: &'static [(&'static str, ClassicDialect)] = &[
        ("auto", ClassicDialect(None)),
        ("classic", ClassicDialect(Some(Dialect::Classic))),
        ("classic-select", ClassicDialect(Some(Dialect::ClassicSelect))),
    ];
}

/// A parser for a dialect of the command line; without the option it is "auto".
pub(super) fn dialect() -> impl TypedValueParser<Value = ClassicDialect> {
    choice_of(&ClassicDialect::CHOICES[1..])
}

impl Choice for AccessLogFormat {
    const CHOICES: &'static [(&'static str, AccessLogFormat)] =
        &[("combined", AccessLogFormat::Combined), ("json", AccessLogFormat::Json)];
}

impl Choice for Form {
    const CHOICES: &'static [(&'static str, Form)] =
        &[("auto", Form::Auto), ("zip", Form::Zip), ("tree", Form::Tree)];
}

impl Choice for Speak {
    const CHOICES: &'static [(&'static str, Speak)] = &[
        ("v1", Speak::V1),
        ("classic", Speak::Classic(Dialect::Classic)),
        ("classic-select", Speak::Classic(Dialect::ClassicSelect)),
    ];
}

impl Choice for Names {
    const CHOICES: &'static [(&'static str, Names)] =
        &[("exact", Names::Exact), ("portable", Names::Portable)];
}

impl Choice for Background {
    const CHOICES: &'static [(&'static str, Background)] =
        &[("ask", Background::Ask), ("always", Background::Always), ("never", Background::Never)];
}

impl Choice for Existing {
    const CHOICES: &'static [(&'static str, Existing)] = &[
        ("keep", Existing::Keep),
        ("overwrite", Existing::Overwrite),
        ("rename", Existing::Rename),
        ("update", Existing::Update),
    ];
}

impl Choice for Links {
    const CHOICES: &'static [(&'static str, Links)] = &[("inside", Links::Inside), ("never", Links::Never)];
}

impl Choice for Arch {
    const CHOICES: &'static [(&'static str, Arch)] = &[
        ("single", Arch::Single),
        ("threads", Arch::Threads),
        ("select", Arch::Select),
        ("async", Arch::Async),
    ];
}

impl Choice for Level {
    const CHOICES: &'static [(&'static str, Level)] = &[
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
}
