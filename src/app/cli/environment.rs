//! The environment of the process: terminal, current directory, variables, state folder.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::UsageError;
use crate::{
    app::config,
    protocol::trust::token::{Token, TokenError},
};

/// The terminal on stdin and stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Not a terminal.
    None,
    /// A terminal that cannot move its cursor according to TERM.
    Dumb,
    /// A terminal for the screens.
    Screen,
}

/// The environment of the process.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The terminal on stdin and stdout.
    pub terminal: Terminal,
    /// Whether stdout is a terminal, whatever stdin is.
    pub prints_to_terminal: bool,
    /// The current directory.
    pub directory: PathBuf,
    /// The value of FDSP_TOKEN.
    pub token: Option<Result<Token, TokenError>>,
    /// The state folder: keys, tokens, sessions and logs.
    pub state: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// The current directory does not exist.
    pub fn read() -> Result<Environment, UsageError> {
        use std::io::IsTerminal;
        let directory = std::env::current_dir().map_err(|error| {
            UsageError(format!("the current directory cannot be used: {error}; go to another one"))
        })?;
        let prints_to_terminal = std::io::stdout().is_terminal();
        let terminal = match std::io::stdin().is_terminal() && prints_to_terminal {
            true if moves_cursor() => Terminal::Screen,
            true => Terminal::Dumb,
            false => Terminal::None,
        };
        let token = std::env::var_os("FDSP_TOKEN").map(|text| Zeroizing::new(text.into_encoded_bytes()));
        let token = token.filter(|text| !text.is_empty());
        let token = token.map(|text| str::from_utf8(&text).map_or(Err(TokenError), Token::parse));
        Ok(Environment { terminal, prints_to_terminal, directory, token, state: config::state_folder() })
    }
}

/// Whether the terminal named by TERM can move its cursor.
pub(super) fn moves_cursor() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}
