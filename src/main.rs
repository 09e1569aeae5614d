//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A report of an internal error has its sections.
    let _ = color_eyre::config::HookBuilder::default().display_env_section(false).install();
    fdsp::app::main(std::env::args_os()).into()
}
