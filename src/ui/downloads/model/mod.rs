//! What the download screen knows and shows.

pub mod decision;
pub mod defaults;
pub mod dialog;
mod frame;
mod geometry;
pub mod jobs;
pub mod layout;
pub mod rows;
mod state;

pub use defaults::{AtQuit, Defaults, Notice};
pub use frame::SPARKLINE_COLUMNS;
pub use state::{Focus, Model, Panel};
