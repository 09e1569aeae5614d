//! Completion scripts and the manual page.

use clap::CommandFactory;

use super::Cli;

/// A completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tui", &mut script);
    script
}

/// The manual page, in roff.
pub(super) fn man() -> Vec<u8> {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(Cli::command()).render(&mut page);
    page
}
