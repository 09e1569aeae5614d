//! What both screens are built from.

pub mod bar;
pub mod dialog;
pub mod help;
pub mod input;
pub mod list;
pub mod log;
pub mod viewport;
pub mod widgets;
