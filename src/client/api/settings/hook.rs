//! Commands of the user that run when downloads end: a program and its arguments, never a line for a shell.

/// What an argument can contain, in braces, and what the environment has in capitals after `TUI_`.
pub const PLACEHOLDERS: [&str; 7] = ["path", "name", "digest", "size", "url", "error", "proof"];

/// Programs that read their argument after `-c` as a script.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "busybox"];

/// A program and its arguments, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand {
    program: String,
    arguments: Vec<String>,
}

/// Words that are not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// There is no program.
    #[error("the program is missing")]
    NoProgram,
    /// The program would be named by a file of a server.
    #[error("the program cannot be a placeholder")]
    Program,
    /// A shell would run what a file is named.
    #[error(
        "a placeholder in a script would run what a file is named: write \"${variable}\" instead, in quotes",
        variable = variable(.0)
    )]
    Script(&'static str),
}

impl HookCommand {
    /// A command of these words; `None` without any.
    ///
    /// # Errors
    /// See [`HookError`].
    pub fn new(words: Vec<String>) -> Result<Option<HookCommand>, HookError> {
        let mut words = words.into_iter();
        let Some(program) = words.next() else { return Ok(None) };
        let arguments: Vec<_> = words.collect();
        if program.is_empty() {
            return Err(HookError::NoProgram);
        }
        if placeholder(&program).is_some() {
            return Err(HookError::Program);
        }
        let is_shell = |word: &&String| SHELLS.contains(&word.rsplit('/').next().unwrap_or_default());
        // The shell need not be the first word, as in `timeout 60 sh -c …`, and options may follow `-c`.
        let mut words = std::iter::once(&program).chain(&arguments).skip_while(|word| !is_shell(word));
        if words.by_ref().any(|word| takes_script(word))
            && let Some(script) = words.find(|word| !word.starts_with(['-', '+']))
            && let Some(name) = placeholder(script)
        {
            return Err(HookError::Script(name));
        }
        Ok(Some(HookCommand { program, arguments }))
    }

    /// The program and its arguments.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.program).chain(&self.arguments).map(String::as_str)
    }

    /// The program, a path or a name that is looked up in `PATH`.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// The first placeholder of a text.
fn placeholder(text: &str) -> Option<&'static str> {
    PLACEHOLDERS.into_iter().find(|name| text.contains(&format!("{{{name}}}")))
}

/// The variable of the environment with the value of a placeholder.
pub(crate) fn variable(placeholder: &str) -> String {
    format!("TUI_{}", placeholder.to_ascii_uppercase())
}

/// Whether the argument after this one is a script: `-c`, `-ec`.
fn takes_script(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains('c'))
}

/// The commands that run when downloads end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// After each download that is done.
    pub on_done: Option<HookCommand>,
    /// After each download that has failed.
    pub on_failed: Option<HookCommand>,
    /// After the last one that ran or waited is done or has failed.
    pub on_idle: Option<HookCommand>,
}

impl Hooks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Hooks::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(words: &[&str]) -> Result<Option<HookCommand>, HookError> {
        HookCommand::new(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_command_is_a_program_and_its_arguments() {
        assert_eq!(new(&[]), Ok(None));
        let command = new(&["mv", "--", "{path}", "/srv"]).expect("right").expect("words");
        assert_eq!(
            (command.program(), command.arguments()),
            ("mv", &["--", "{path}", "/srv"].map(String::from)[..])
        );
        assert_eq!(new(&["", "x"]), Err(HookError::NoProgram));
        assert_eq!(new(&["{path}"]), Err(HookError::Program));
        assert_eq!(new(&["/bin/{name}"]), Err(HookError::Program));
    }

    #[test]
    fn a_script_has_no_placeholders() {
        for words in [
            &["sh", "-c", "echo {name}"][..],
            &["/bin/bash", "-e", "-uc", "rm {name}", "x"],
            &["sh", "-ce", "rm {name}"],
            &["bash", "-c", "-x", "rm {name}"],
            &["timeout", "60", "sh", "-c", "rm {name}"],
        ] {
            assert_eq!(new(words), Err(HookError::Script("name")), "{words:?}");
        }
        let error = new(&["sh", "-c", "echo {path}"]).expect_err("a script").to_string();
        assert!(error.contains("write \"$TUI_PATH\" instead"), "{error}");
        for words in [
            &["sh", "-c", "echo \"$1\"", "sh", "{path}"][..],
            &["sh", "-c", "echo \"$TUI_NAME\" ${TUI_PATH}"],
            &["sh", "script.sh", "{path}"],
            &["tar", "-c", "{path}"],
        ] {
            assert!(new(words).is_ok(), "{words:?}");
        }
    }
}
