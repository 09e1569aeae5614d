//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    fdsp::app::main(std::env::args_os()).into()
}
