//! What an update asks of the world around the screen.

use std::path::PathBuf;

use crate::client::{Command, Locator};

/// Ties the answer to a listing to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something to be done outside the model.
#[derive(Debug)]
pub enum Effect {
    /// Send a command to the engine.
    Engine(Command),
    /// Ask for a page of a directory; answered by a message with the same ticket.
    List {
        /// Returned with the answer.
        ticket: Ticket,
        /// The directory.
        directory: Locator,
        /// Entries after this name only.
        after: Option<String>,
    },
    /// Find out which files of a listing the download folder has; answered by [`Message::Present`] with the same ticket.
    ///
    /// [`Message::Present`]: super::Message::Present
    Present {
        /// That of the page's question.
        ticket: Ticket,
        /// The download folder.
        folder: PathBuf,
        /// The index of the first entry.
        first: usize,
        /// Name and size of each entry from that one on.
        files: Vec<(String, u64)>,
    },
    /// What was typed into the address line is to be remembered.
    Remember,
    /// Send text to the terminal's clipboard.
    Copy(String),
    /// Go to the shell.
    Suspend,
    /// Redraw the screen.
    Redraw,
    /// Leave, and stop the downloads.
    Quit,
    /// Leave, and keep downloading in the background.
    LeaveRunning,
}
