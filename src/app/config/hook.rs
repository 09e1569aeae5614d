//! `on_done`, `on_failed` and `on_idle`: a list of words, or text with words between blanks.

use std::str::FromStr;

use toml::de::DeTable;

use super::{
    types::Expected,
    value::{Setting, Value, quoted},
};
use crate::client::HookCommand;

/// A command that is run, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook(pub Option<HookCommand>);

/// On the command line.
impl FromStr for Hook {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Hook, Expected> {
        Hook::read(&Value::Environment(text)).map_err(Expected::new)
    }
}

impl Setting for Hook {
    fn read(value: &Value<'_>) -> Result<Hook, String> {
        let expected = || value.not("a list of words such as [\"notify-send\", \"{name}\"]");
        let words = match value {
            Value::List(list) => words(list).ok_or_else(expected)?,
            Value::Text(text) | Value::Environment(text) if text.trim_start().starts_with('[') => {
                // A list as in the file, for words with blanks.
                let document = format!("words = {text}");
                let table = DeTable::parse(&document).map_err(|_| expected())?;
                match table.get_ref().get("words").map(|list| Value::from_toml(list.get_ref())) {
                    Some(Value::List(list)) if table.get_ref().len() == 1 => {
                        words(&list).ok_or_else(expected)?
                    }
                    _ => return Err(expected()),
                }
            }
            Value::Text(text) | Value::Environment(text) => {
                text.split_whitespace().map(str::to_owned).collect()
            }
            _ => return Err(expected()),
        };
        HookCommand::new(words).map(Hook).map_err(|error| format!("a program and its arguments: {error}"))
    }

    fn written(&self) -> String {
        let words = self.0.iter().flat_map(HookCommand::words);
        format!("[{}]", words.map(quoted).collect::<Vec<_>>().join(", "))
    }
}

fn words(list: &[Value<'_>]) -> Option<Vec<String>> {
    list.iter().map(|word| String::read(word).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Options;

    fn of_file(value: &str) -> Result<Option<Vec<String>>, String> {
        let content = format!("[client]\non_done = {value}\n");
        let options = Options::from_file(std::path::Path::new("c.toml"), &content);
        let hook = options.map_err(|error| error.to_string())?.client.on_done.expect("it is set");
        Ok(shown(hook))
    }

    fn shown(Hook(command): Hook) -> Option<Vec<String>> {
        let command = command?;
        let program = command.program().to_owned();
        Some(std::iter::once(program).chain(command.arguments().iter().cloned()).collect())
    }

    #[test]
    fn commands_are_lists_or_words() {
        let move_it = Ok(Some(["mv", "{path}", "/my films/"].map(str::to_owned).to_vec()));
        assert_eq!(of_file("[\"mv\", \"{path}\", \"/my films/\"]"), move_it);
        let typed = |text: &str| text.parse().map(shown).map_err(|error: Expected| error.to_string());
        assert_eq!(typed(" [\"mv\", \"{path}\", '/my films/']"), move_it);
        assert_eq!(typed("  mv  {path} x "), Ok(Some(["mv", "{path}", "x"].map(str::to_owned).to_vec())));
        for none in ["[]", "\"\""] {
            assert_eq!(of_file(none), Ok(None));
        }
    }

    #[test]
    fn wrong_commands_are_explained() {
        let cases = [
            ("3", "must be a list of words such as [\"notify-send\", \"{name}\"], not 3"),
            ("[\"a\", 3]", "must be a list of words such as"),
            ("[[\"a\"]]", "must be a list of words such as"),
            ("\"[a\"", "must be a list of words such as"),
            ("\"[]\\nx = 3\"", "must be a list of words such as"),
            ("[\"\"]", "must be a program and its arguments: the program is missing"),
            ("[\"{path}\"]", "the program cannot be a placeholder"),
            ("[\"sh\", \"-c\", \"rm {path}\"]", "write \"$TUI_PATH\" instead, in quotes"),
        ];
        for (value, message) in cases {
            let error = of_file(value).expect_err(value);
            assert!(error.starts_with("c.toml, line 2: 'client.on_done' must be "), "{error}");
            assert!(error.contains(message), "{error}");
        }
    }
}
