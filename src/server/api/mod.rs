//! What faces and servers exchange: plain data.

pub mod arch;
pub mod command;
pub mod config;
pub mod event;
pub mod snapshot;
pub mod start_error;
