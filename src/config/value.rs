//! Values of settings: what a file or the environment holds, read as what a setting needs.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use toml::de::DeValue;

use crate::{text::SafeText, units};

/// A value as written.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// A string of a file.
    Text(&'a str),
    /// A whole number of a file.
    Integer(i64),
    /// A number of a file.
    Float(f64),
    /// A truth value of a file.
    Boolean(bool),
    /// Anything else of a file: what kind it is.
    Other(&'static str),
    /// The environment knows text only.
    Environment(&'a str),
}

/// What the setting should have been, and what it is instead.
pub(super) type Read<T> = Result<T, String>;

impl<'a> Value<'a> {
    pub(super) fn from_toml(value: &'a DeValue<'_>) -> Value<'a> {
        match value {
            DeValue::String(text) => Value::Text(text),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number out of range"), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or(Value::Other("a number out of range"), Value::Float)
            }
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(_) => Value::Other("a list"),
            DeValue::Table(_) => Value::Other("a table"),
        }
    }

    /// A whole number.
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Read<u64> {
        let number = match self {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Environment(text) => text.parse().ok(),
            _ => None,
        };
        let expected = || match *range.end() {
            u64::MAX => format!("a whole number from {}", range.start()),
            end => format!("a whole number from {} to {end}", range.start()),
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| self.not(&expected()))
    }

    /// A port.
    pub(super) fn port(&self, lowest: u16) -> Read<u16> {
        self.count(u64::from(lowest)..=u64::from(u16::MAX)).map(|port| port as u16)
    }

    /// A time in seconds, up to a day.
    pub(super) fn seconds(&self) -> Read<Duration> {
        let number = match self {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Environment(text) => text.parse().ok(),
            _ => None,
        };
        number.and_then(seconds).ok_or_else(|| self.not(SECONDS))
    }

    /// Seconds; `None` is no limit.
    pub(super) fn seconds_or_zero(&self) -> Read<Option<Duration>> {
        let is_zero = match self {
            Value::Integer(number) => *number == 0,
            Value::Float(number) => *number == 0.0,
            Value::Environment(text) => text.parse() == Ok(0.0),
            _ => false,
        };
        if is_zero { Ok(None) } else { self.seconds().map(Some) }
    }

    /// Bytes a second; `None` is unlimited.
    pub(super) fn rate(&self) -> Read<Option<u64>> {
        let rate = match self {
            Value::Integer(number) => u64::try_from(*number).ok().map(|rate| (rate > 0).then_some(rate)),
            Value::Text(text) | Value::Environment(text) => units::parse_rate(text).ok(),
            _ => None,
        };
        rate.ok_or_else(|| {
            self.not("a rate in bytes a second such as 500_000, \"500k\" or \"2M\", or 0 for no limit")
        })
    }

    /// Yes or no.
    pub(super) fn boolean(&self) -> Read<bool> {
        match self {
            Value::Boolean(value) => Ok(*value),
            Value::Environment("true" | "1" | "yes") => Ok(true),
            Value::Environment("false" | "0" | "no" | "") => Ok(false),
            _ => Err(self.not("true or false")),
        }
    }

    /// Text; `None` where it is empty.
    pub(super) fn text(&self) -> Read<Option<String>> {
        match self {
            Value::Text(text) | Value::Environment(text) => {
                Ok(Some(*text).filter(|text| !text.is_empty()).map(str::to_owned))
            }
            _ => Err(self.not("text")),
        }
    }

    /// A path; a leading `~/` is the home folder; `None` where it is empty.
    pub(super) fn path(&self) -> Read<Option<PathBuf>> {
        let Some(text) = self.text()? else { return Ok(None) };
        Ok(Some(match text.strip_prefix("~/") {
            Some(below) => {
                etcetera::home_dir().map_err(|_| "a path without ~/, there is no home folder")?.join(below)
            }
            None => PathBuf::from(text),
        }))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let found = match self {
            Value::Text(text) | Value::Environment(text) => choices.iter().find(|(word, _)| word == text),
            _ => None,
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let (last, others) = words.split_last().expect("a choice has choices");
            self.not(&format!("{} or {last}", others.join(", ")))
        })
    }

    fn not(&self, expected: &str) -> String {
        let found = match self {
            Value::Text(text) => format!("\"{}\"", SafeText::new(text)),
            Value::Environment(text) => format!("'{}'", SafeText::new(text)),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::Other(kind) => (*kind).to_owned(),
        };
        format!("{expected}, not {found}")
    }
}

/// What [`seconds`] takes.
pub(crate) const SECONDS: &str = "a number of seconds above 0, at most 86400";

/// A time above nothing and up to a day.
pub(crate) fn seconds(number: f64) -> Option<Duration> {
    (number > 0.0 && number <= 86_400.0).then(|| Duration::from_secs_f64(number))
}
