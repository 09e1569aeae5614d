//! The state of an answer that takes more than one task.

use std::time::Instant;

use crate::{server::connection::answer::stage::Stage, text::SafeText};

/// A running answer that takes more than one task.
pub(crate) struct Answer {
    pub(crate) id: u32,
    pub(crate) path: SafeText,
    pub(crate) started: Instant,
    /// When to send the next `working` frame, if the client asked for them.
    pub(crate) working_at: Option<Instant>,
    pub(crate) stage: Stage,
}

impl Answer {
    /// Whether it takes long work before anything is sent; see [`Stage::is_preparing`].
    pub(crate) fn is_preparing(&self) -> bool {
        self.stage.is_preparing()
    }

    /// Whether files are being sent; see [`Stage::sends_files`].
    pub(crate) fn sends_files(&self) -> bool {
        self.stage.sends_files()
    }
}
