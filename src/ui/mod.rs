//! The screens.
//!
//! Both are made alike: a model with a pure `update` and a pure `view`, joined to its engine by a
//! [`Screen`], which [`runtime::run`] drives. Nothing is drawn unless something changed.

pub mod actions;
pub mod backend;
pub mod browser;
pub mod dashboard;
pub mod downloads;
pub mod events;
#[cfg(test)]
mod fuzzing;
pub mod help;
pub mod input;
pub mod log;
mod output;
pub mod runtime;
pub mod schedule;
mod signals;
pub mod terminal;
#[cfg(test)]
pub mod testing;
pub mod theme;
#[cfg(test)]
pub mod traffic;
pub mod widgets;

pub use actions::KeyMap;
pub use events::Event;
pub use runtime::{Control, Exit, Pace, Screen, Wake};
pub use schedule::FrameRate;
pub use terminal::Terminal;
pub use theme::{Glyphs, Look, Theme};

/// What both screens are told.
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
