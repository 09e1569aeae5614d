//! Rates and times left, from samples of counters; the time is always an argument.

pub(crate) mod advance;
pub(crate) mod history;
pub(crate) mod recent;
pub(crate) mod speed;
