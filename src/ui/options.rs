//! What both screens are given, and why one cannot be shown.

use super::{
    actions::KeyMap,
    terminal::{attention::Attention, schedule::FrameRate},
    theme::Look,
};

/// What both screens are given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Colours and glyphs.
    pub look: Look,
    /// The keys in force.
    pub keys: KeyMap,
    /// How often transfers are drawn.
    pub rate: FrameRate,
    /// Whether the bell may ring.
    pub bell: bool,
    /// What the terminal shows outside of the screen.
    pub attention: Attention,
}

/// Why a screen cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal takes no settings.
    #[error("cannot use this terminal: {0}; try --headless")]
    Terminal(std::io::Error),
    /// The system gives no threads or signals.
    #[error("cannot run the screen: {0}; try --headless")]
    System(std::io::Error),
}
