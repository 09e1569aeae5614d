//! Values of options: text in, what the program works with out, or a sentence that says what is wrong.

use std::{convert::Infallible, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    client::{Checksum, ChecksumError, Form, Names, Speak},
    config::{self, When},
    protocol::{
        classic::Dialect,
        token::{Token, TokenError},
    },
    storage::root::Links,
    units,
};

/// A rate; clap gives `Option<Option<u64>>` a meaning of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u64>);

pub(super) fn rate(text: &str) -> Result<Rate, units::RateError> {
    units::parse_rate(text).map(Rate)
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a whole number from 0 to 65535".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().and_then(config::seconds);
    number.ok_or_else(|| format!("it must be {}", config::SECONDS))
}

/// Seconds, or 0 for no limit.
pub(super) fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    if text.parse() == Ok(0.0) { Ok(Duration::ZERO) } else { seconds(text) }
}

pub(super) fn checksum(text: &str) -> Result<Checksum, ChecksumError> {
    text.parse()
}

/// A token as it was typed: what is wrong with one must not repeat it, as clap would.
#[derive(Clone, Debug)]
pub struct Typed(pub Result<Token, TokenError>);

pub(super) fn token(text: &str) -> Result<Typed, Infallible> {
    Ok(Typed(Token::parse(text)))
}

/// A parser for one of some words, which completions and messages know.
fn choice<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(choices.iter().map(|(word, _)| *word)).map(|text| {
        let found = choices.iter().find(|(word, _)| *word == text);
        found.expect("clap lets only these words through").1
    })
}

pub(super) fn form() -> impl TypedValueParser<Value = Form> {
    choice(config::FORMS)
}

pub(super) fn protocol() -> impl TypedValueParser<Value = Speak> {
    choice(config::PROTOCOLS)
}

pub(super) fn links() -> impl TypedValueParser<Value = Links> {
    choice(config::LINKS)
}

pub(super) fn names() -> impl TypedValueParser<Value = Names> {
    choice(config::NAMES)
}

pub(super) fn hidden() -> impl TypedValueParser<Value = bool> {
    choice(config::HIDDEN)
}

pub(super) fn dialect() -> impl TypedValueParser<Value = Dialect> {
    choice(&[("classic", Dialect::Classic), ("classic-select", Dialect::ClassicSelect)])
}

pub(super) fn when() -> impl TypedValueParser<Value = When> {
    choice(config::WHEN)
}
