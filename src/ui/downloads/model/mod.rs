//! What the download screen knows and shows.

pub mod defaults;
pub mod dialog;
mod frame;
mod geometry;
pub mod jobs;
pub mod layout;
mod state;

pub use defaults::{Defaults, Notice};
pub use state::{Focus, Model, Panel};
