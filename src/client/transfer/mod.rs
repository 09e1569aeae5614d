//! The content of one file over several connections.

pub(crate) mod crew;
pub(crate) mod high_water;
pub(crate) mod limits;
pub(crate) mod permit;
pub(crate) mod progress;
pub(crate) mod ranges;
pub(crate) mod segment;
