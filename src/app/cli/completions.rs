//! Completion scripts.

use clap::CommandFactory;

use super::Cli;

/// A completion script.
pub(super) fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tui", &mut script);
    script
}
