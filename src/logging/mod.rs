//! Logging: one line a record, to a rotating file and to the ring that the log panes show.

pub mod ring;

pub use ring::{LogRing, Record};
