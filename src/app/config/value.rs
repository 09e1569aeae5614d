//! A value of the file or the environment, and how it is parsed.

use std::{fmt::Write as _, path::PathBuf};

use toml::de::DeValue;

use crate::text::{SafeText, is_unsafe};

/// A value before it is parsed.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// A string of a file.
    Text(&'a str),
    /// A whole number of a file.
    Integer(i64),
    /// A number of a file.
    Float(f64),
    /// A boolean of a file.
    Boolean(bool),
    /// A list of a file.
    List(Vec<Value<'a>>),
    /// A table of a file: its members.
    Table(Vec<(&'a str, Value<'a>)>),
    /// Any other value of a file: its type.
    Other(&'static str),
    /// A value of the environment, always text.
    Environment(&'a str),
}

/// The type of a setting.
pub(super) trait Setting: Sized {
    /// Parses a value. The error names the expected and the actual value.
    fn read(value: &Value<'_>) -> Result<Self, String>;

    /// The value as a file has it.
    fn written(&self) -> String;
}

/// A text of a file, in quotes. What a terminal must not get is escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_unsafe(c) => {
                write!(quoted, "\\U{:08X}", u32::from(c)).expect("a String takes any text");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

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
            DeValue::Array(list) => {
                Value::List(list.iter().map(|value| Value::from_toml(value.get_ref())).collect())
            }
            DeValue::Table(table) => {
                let member = |(name, value): (&'a toml::Spanned<_>, &'a toml::Spanned<_>)| {
                    (std::convert::AsRef::<str>::as_ref(name.get_ref()), Value::from_toml(value.get_ref()))
                };
                Value::Table(table.iter().map(member).collect())
            }
        }
    }

    /// The number, whole or not.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Environment(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The error message: the expected and the actual value.
    pub(super) fn not(&self, expected: &str) -> String {
        let found = match self {
            Value::Text(text) => format!("\"{}\"", SafeText::new(text)),
            Value::Environment(text) => format!("'{}'", SafeText::new(text)),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(kind) => (*kind).to_owned(),
        };
        format!("{expected}, not {found}")
    }
}

impl Setting for bool {
    fn read(value: &Value<'_>) -> Result<bool, String> {
        match value {
            Value::Boolean(value) => Ok(*value),
            Value::Environment("true" | "1" | "yes") => Ok(true),
            Value::Environment("false" | "0" | "no" | "") => Ok(false),
            _ => Err(value.not("true or false")),
        }
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn read(value: &Value<'_>) -> Result<String, String> {
        match value {
            Value::Text(text) | Value::Environment(text) => Ok((*text).to_owned()),
            _ => Err(value.not("text")),
        }
    }

    fn written(&self) -> String {
        quoted(self)
    }
}

/// A path below the home folder, if there is one.
pub fn below_home(path: &str) -> Option<PathBuf> {
    etcetera::home_dir().ok().map(|home| home.join(path))
}

/// A leading `~/` is the home folder.
impl Setting for PathBuf {
    fn read(value: &Value<'_>) -> Result<PathBuf, String> {
        let text = String::read(value)?;
        match text.strip_prefix("~/") {
            Some(below) => {
                below_home(below).ok_or_else(|| "a path without ~/: there is no home folder".to_owned())
            }
            None => Ok(PathBuf::from(text)),
        }
    }

    fn written(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}
