//! Downloads in the background: they continue after the screen was left or its terminal was lost, and return to the next run.
//!
//! A session has one process at any time, which locks it. [`Waiting`] brings it from the screen to a background process;
//! [`take_over`] brings it back, and is the same as stopping that process.

mod command;
mod control;
mod handover;
mod process;

use std::io;

pub(super) use command::{status, stop};
pub(super) use handover::{ARGUMENT, Waiting};
pub(super) use process::main;

use crate::{app::cli::SessionChoice, text::without_number};

/// Stops the background process of a session, if there is one, so that this process can open the session.
pub(super) fn take_over(session: &SessionChoice) {
    let name = &session.name;
    match control::stop(&session.folder, name) {
        Ok(None) => {}
        Ok(Some(stopped)) => {
            let control::Stopped { process, error, .. } = stopped;
            tracing::info!("session {name}: taken over from the background process {process}");
            if let Some(error) = error {
                tracing::warn!("session {name}: process {process} could not save the queue: {error}");
            }
        }
        // Opening the session shows whether another process has it.
        Err(error) => {
            tracing::warn!("session {name}: its background process does not answer: {}", reason(&error))
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it took too long".to_owned(),
        io::ErrorKind::UnexpectedEof => "it ended first".to_owned(),
        _ => without_number(&error.to_string()),
    }
}
