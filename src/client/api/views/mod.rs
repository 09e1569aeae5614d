//! What faces show of the queue: rows, sums, orders and pictures.

pub(crate) mod arrange;
pub(crate) mod picture;
pub mod twins;
pub(crate) mod view;
