//! What both screens are built from.

pub mod bar;
pub mod columns;
pub mod dialog;
pub mod graph;
pub mod help;
pub mod input;
pub mod list;
pub mod log;
pub mod palette;
pub mod segments;
pub mod viewport;
pub mod widgets;
