//! The settings of an engine.

pub(crate) mod config;
pub(crate) mod cookies;
pub(crate) mod hook;
pub(crate) mod limit_schedule;
pub(crate) mod netrc;
