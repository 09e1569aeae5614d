//! The types of settings. Each parses values of the file, the environment and the command line by the same rules.

use std::{num::ParseIntError, path::PathBuf, str::FromStr, time::Duration};

use super::value::{Setting, Value, quoted};
use crate::{
    client::{Proxy, ProxyAddress},
    text::units,
};

/// An invalid value of the command line: what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0}")]
pub struct Expected(String);

impl Expected {
    pub(super) fn new(expected: String) -> Expected {
        Expected(expected)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// This number, clamped to the bounds.
    pub const fn nearest(number: u64) -> Self {
        match number {
            number if number < MIN => Bounded(MIN),
            number if number > MAX => Bounded(MAX),
            number => Bounded(number),
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a count of things in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The number, at most `u32::MAX`.
    pub fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    fn expected() -> String {
        match MAX {
            u64::MAX => format!("a whole number from {MIN}"),
            _ => format!("a whole number from {MIN} to {MAX}"),
        }
    }

    fn checked(number: u64) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Bounded(number))
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Bounded<MIN, MAX> {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let number: Result<u64, ParseIntError> = text.parse();
        number.ok().and_then(Self::checked).ok_or_else(|| Expected(Self::expected()))
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Bounded<MIN, MAX> {
    fn read(value: &Value<'_>) -> Result<Self, String> {
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok().and_then(Self::checked),
            Value::Environment(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| value.not(&Self::expected()))
    }

    fn written(&self) -> String {
        self.0.to_string()
    }
}

/// Bytes a second; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u64>);

impl Rate {
    /// Bytes a second, where 0 is no limit.
    pub fn bytes(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl FromStr for Rate {
    type Err = units::RateError;

    fn from_str(text: &str) -> Result<Rate, units::RateError> {
        units::parse_rate(text).map(Rate)
    }
}

impl Setting for Rate {
    fn read(value: &Value<'_>) -> Result<Rate, String> {
        let rate = match value {
            Value::Integer(number) => {
                u64::try_from(*number).ok().map(|rate| Rate(Some(rate).filter(|rate| *rate > 0)))
            }
            Value::Text(text) | Value::Environment(text) => text.parse().ok(),
            _ => None,
        };
        rate.ok_or_else(|| {
            value.not("a rate in bytes a second such as 500_000, \"500k\" or \"2M\", or 0 for no limit")
        })
    }

    fn written(&self) -> String {
        self.bytes().to_string()
    }
}

/// Names of a host, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(pub Vec<String>);

impl FromStr for HostNames {
    type Err = Expected;

    fn from_str(text: &str) -> Result<HostNames, Expected> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let names: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        match names.iter().all(|name| name.bytes().all(is_of_name)) {
            true => Ok(HostNames(names.into_iter().map(str::to_owned).collect())),
            false => {
                Err(Expected("names such as files.example, separated by commas, without ports".to_owned()))
            }
        }
    }
}

impl Setting for HostNames {
    fn read(value: &Value<'_>) -> Result<HostNames, String> {
        let names = match value {
            Value::Text(text) | Value::Environment(text) => text.parse().ok(),
            _ => None,
        };
        names.ok_or_else(|| value.not("names such as \"files.example\", separated by commas, without ports"))
    }

    fn written(&self) -> String {
        quoted(&self.0.join(","))
    }
}

/// A time in seconds: above 0, at most a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(Duration);

impl Seconds {
    const EXPECTED: &str = "a number of seconds above 0, at most 86400";

    /// The time.
    pub fn get(self) -> Duration {
        self.0
    }

    fn checked(number: f64) -> Option<Seconds> {
        (number > 0.0 && number <= 86_400.0).then(|| Seconds(Duration::from_secs_f64(number)))
    }
}

impl From<Duration> for Seconds {
    fn from(time: Duration) -> Seconds {
        Seconds(time)
    }
}

impl FromStr for Seconds {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Seconds, Expected> {
        let number = text.parse().ok();
        number.and_then(Seconds::checked).ok_or_else(|| Expected(Seconds::EXPECTED.to_owned()))
    }
}

impl Setting for Seconds {
    fn read(value: &Value<'_>) -> Result<Seconds, String> {
        value.number().and_then(Seconds::checked).ok_or_else(|| value.not(Seconds::EXPECTED))
    }

    fn written(&self) -> String {
        self.0.as_secs_f64().to_string()
    }
}

/// A time in seconds, where 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondsOrZero(pub Option<Duration>);

impl FromStr for SecondsOrZero {
    type Err = Expected;

    fn from_str(text: &str) -> Result<SecondsOrZero, Expected> {
        match text.parse() {
            Ok(0.0) => Ok(SecondsOrZero(None)),
            _ => text.parse().map(|seconds: Seconds| SecondsOrZero(Some(seconds.get()))),
        }
    }
}

impl Setting for SecondsOrZero {
    fn read(value: &Value<'_>) -> Result<SecondsOrZero, String> {
        match value.number() {
            Some(0.0) => Ok(SecondsOrZero(None)),
            _ => Seconds::read(value).map(|seconds| SecondsOrZero(Some(seconds.get()))),
        }
    }

    fn written(&self) -> String {
        self.0.unwrap_or_default().as_secs_f64().to_string()
    }
}

/// A text or a path that may be absent, for which the file and the environment have the empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl FromStr for Optional<String> {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Optional<String>, Expected> {
        match text {
            "" => Err(Expected("more than an empty text".to_owned())),
            text => Ok(Optional(Some(text.to_owned()))),
        }
    }
}

impl Setting for Optional<String> {
    fn read(value: &Value<'_>) -> Result<Optional<String>, String> {
        Ok(Optional(Some(String::read(value)?).filter(|text| !text.is_empty())))
    }

    fn written(&self) -> String {
        quoted(self.0.as_deref().unwrap_or_default())
    }
}

impl Setting for Optional<PathBuf> {
    fn read(value: &Value<'_>) -> Result<Optional<PathBuf>, String> {
        Ok(Optional(Some(PathBuf::read(value)?).filter(|path| !path.as_os_str().is_empty())))
    }

    fn written(&self) -> String {
        self.0.clone().unwrap_or_default().written()
    }
}

/// The proxy of web servers; the empty text is that of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyChoice(pub Proxy);

impl ProxyChoice {
    /// Without the text that was given: it may have a password.
    const EXPECTED: &str = "none, or an address such as http://HOST:PORT or socks5://HOST:PORT";
}

impl FromStr for ProxyChoice {
    type Err = Expected;

    fn from_str(text: &str) -> Result<ProxyChoice, Expected> {
        match text {
            "none" => Ok(ProxyChoice(Proxy::None)),
            text => ProxyAddress::parse(text)
                .map(|address| ProxyChoice(Proxy::Url(address)))
                .ok_or_else(|| Expected(ProxyChoice::EXPECTED.to_owned())),
        }
    }
}

impl Setting for ProxyChoice {
    fn read(value: &Value<'_>) -> Result<ProxyChoice, String> {
        match String::read(value)?.as_str() {
            "" => Ok(ProxyChoice(Proxy::Environment)),
            text => text.parse().map_err(|error: Expected| error.to_string()),
        }
    }

    /// Without its password.
    fn written(&self) -> String {
        match &self.0 {
            Proxy::Environment => quoted(""),
            Proxy::None => quoted("none"),
            Proxy::Url(address) => quoted(&address.without_password()),
        }
    }
}

/// The value of a header field: visible ASCII and blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldText(pub String);

impl FieldText {
    const EXPECTED: &str = "letters, digits, signs and blanks of ASCII";

    fn checked(text: &str) -> Option<FieldText> {
        let is_valid = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        (!text.trim().is_empty() && text.bytes().all(is_valid)).then(|| FieldText(text.to_owned()))
    }
}

impl FromStr for Optional<FieldText> {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Optional<FieldText>, Expected> {
        let text = FieldText::checked(text).ok_or_else(|| Expected(FieldText::EXPECTED.to_owned()))?;
        Ok(Optional(Some(text)))
    }
}

impl Setting for Optional<FieldText> {
    fn read(value: &Value<'_>) -> Result<Optional<FieldText>, String> {
        match String::read(value)?.as_str() {
            "" => Ok(Optional(None)),
            text => text.parse().map_err(|_: Expected| value.not(FieldText::EXPECTED)),
        }
    }

    fn written(&self) -> String {
        quoted(self.0.as_ref().map_or("", |text| &text.0))
    }
}
