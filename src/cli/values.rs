//! Values of options: text in, what the program works with out, or a sentence that says what is wrong.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    client::{Checksum, Speak},
    config::{self, When},
    protocol::{classic::Dialect, message::Form},
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

pub(super) fn checksum(text: &str) -> Result<Checksum, String> {
    let (algorithm, digest) = text.split_once(':').ok_or("it must be blake3:HEX, sha256:HEX or md5:HEX")?;
    match algorithm.to_ascii_lowercase().as_str() {
        "blake3" => Ok(Checksum::Blake3(hex(digest)?)),
        "sha256" => Ok(Checksum::Sha256(hex(digest)?)),
        "md5" => Ok(Checksum::Md5(hex(digest)?)),
        _ => Err("the algorithm must be blake3, sha256 or md5".into()),
    }
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let wrong = || format!("the digest must have {} hexadecimal digits", 2 * N);
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
    }
    Ok(bytes)
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

pub(super) fn dialect() -> impl TypedValueParser<Value = Dialect> {
    choice(&[("classic", Dialect::Classic), ("classic-select", Dialect::ClassicSelect)])
}

pub(super) fn when() -> impl TypedValueParser<Value = When> {
    choice(config::WHEN)
}
