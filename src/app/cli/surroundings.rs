//! What the process was started in: terminal, directory, environment.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::UsageError;
use crate::{
    app::config,
    protocol::trust::token::{Token, TokenError},
};

/// What stdin and stdout are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Not a terminal.
    None,
    /// A terminal of which TERM does not say that it can move its cursor.
    Dumb,
    /// A terminal that can be drawn on.
    Screen,
}

/// What the process was started in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What stdin and stdout are.
    pub terminal: Terminal,
    /// Whether stdout is a terminal, whatever stdin is.
    pub prints_to_terminal: bool,
    /// The current directory.
    pub directory: PathBuf,
    /// What FDSP_TOKEN holds.
    pub token: Option<Result<Token, TokenError>>,
    /// The state folder: keys, tokens, sessions and logs.
    pub state: Option<PathBuf>,
}

impl Surroundings {
    /// Reads them.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn look() -> Result<Surroundings, UsageError> {
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
        Ok(Surroundings { terminal, prints_to_terminal, directory, token, state: config::state_folder() })
    }
}

/// Whether TERM names a kind of terminal that can move its cursor.
pub(super) fn moves_cursor() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}
