//! Settings that are one of a few words.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing::Level;

use super::value::{Setting, Value};
use crate::{
    client::{Existing, Form, Names, Speak},
    protocol::classic::Dialect,
    server::Arch,
    storage::root::Links,
};

/// A type whose values have words.
pub(super) trait Words: Copy + Send + Sync + 'static {
    /// The words and their values.
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Words> Setting for T {
    fn read(value: &Value<'_>) -> Result<T, String> {
        let found = match value {
            Value::Text(text) | Value::Environment(text) => T::WORDS.iter().find(|(word, _)| word == text),
            _ => None,
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let (last, others) = words.split_last().expect("a type with words");
            value.not(&format!("{} or {last}", others.join(", ")))
        })
    }
}

/// Reads a word of the command line; completions and messages list the words.
pub(super) fn words<T: Words>() -> impl TypedValueParser<Value = T> {
    word_of(T::WORDS)
}

fn word_of<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).map(|text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.expect("clap accepts only these words").1
    })
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// As the terminal and the environment ask for.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Words for When {
    const WORDS: &'static [(&'static str, When)] =
        &[("auto", When::Auto), ("always", When::Always), ("never", When::Never)];
}

/// Whether names that begin with a dot are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden(pub bool);

impl Words for Hidden {
    const WORDS: &'static [(&'static str, Hidden)] = &[("serve", Hidden(true)), ("never", Hidden(false))];
}

/// A dialect of the original programs; `None` is that of the server's architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassicDialect(pub Option<Dialect>);

impl Words for ClassicDialect {
    const WORDS: &'static [(&'static str, ClassicDialect)] = &[
        ("auto", ClassicDialect(None)),
        ("classic", ClassicDialect(Some(Dialect::Classic))),
        ("classic-select", ClassicDialect(Some(Dialect::ClassicSelect))),
    ];
}

/// Reads a dialect of the command line, where leaving the option out is "auto".
pub(super) fn dialect() -> impl TypedValueParser<Value = ClassicDialect> {
    word_of(&ClassicDialect::WORDS[1..])
}

impl Words for Form {
    const WORDS: &'static [(&'static str, Form)] =
        &[("auto", Form::Auto), ("zip", Form::Zip), ("tree", Form::Tree)];
}

impl Words for Speak {
    const WORDS: &'static [(&'static str, Speak)] = &[
        ("v1", Speak::V1),
        ("classic", Speak::Classic(Dialect::Classic)),
        ("classic-select", Speak::Classic(Dialect::ClassicSelect)),
    ];
}

impl Words for Names {
    const WORDS: &'static [(&'static str, Names)] = &[("exact", Names::Exact), ("portable", Names::Portable)];
}

impl Words for Existing {
    const WORDS: &'static [(&'static str, Existing)] = &[
        ("keep", Existing::Keep),
        ("overwrite", Existing::Overwrite),
        ("rename", Existing::Rename),
        ("update", Existing::Update),
    ];
}

impl Words for Links {
    const WORDS: &'static [(&'static str, Links)] = &[("inside", Links::Inside), ("never", Links::Never)];
}

impl Words for Arch {
    const WORDS: &'static [(&'static str, Arch)] = &[
        ("single", Arch::Single),
        ("threads", Arch::Threads),
        ("select", Arch::Select),
        ("async", Arch::Async),
    ];
}

impl Words for Level {
    const WORDS: &'static [(&'static str, Level)] = &[
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
}
