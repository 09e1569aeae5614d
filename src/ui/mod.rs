//! The screens.
//!
//! Both are made alike: a model with a pure `update` and a pure `view`, joined to its engine by a
//! [`Screen`], which [`terminal::runtime::run`] drives. Nothing is drawn unless something changed.

pub mod actions;
pub mod components;
pub mod dashboard;
pub mod downloads;
mod options;
pub mod terminal;
#[cfg(test)]
pub mod testing;
pub mod theme;

pub use actions::KeyMap;
pub use options::{Error, Options};
pub use terminal::{
    attention::{self, Attention, Notification, Status},
    events::Event,
    runtime::{Control, Exit, Pace, Screen, Wake},
    schedule::FrameRate,
    screen::Terminal,
};
pub use theme::{Colours, Glyphs, Look, Theme};
