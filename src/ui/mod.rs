//! The screens.

pub mod actions;
