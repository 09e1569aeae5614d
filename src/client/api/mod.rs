//! What faces and the engine say to each other: plain data.

pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod event;
pub mod kept;
pub(crate) mod new_job;
pub(crate) mod view;
