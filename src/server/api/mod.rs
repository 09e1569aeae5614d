//! The data that faces and servers exchange.

pub mod arch;
pub mod command;
pub mod config;
pub mod event;
pub mod response_header;
pub mod snapshot;
pub mod start_error;
pub mod summary;
pub mod web;
