//! What faces and the engine say to each other: plain data.

pub(crate) mod announced;
pub(crate) mod arrange;
pub(crate) mod checksum;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod event;
pub(crate) mod hook;
pub(crate) mod limit_schedule;
pub(crate) mod locator;
pub(crate) mod new_job;
pub(crate) mod origin;
pub(crate) mod picture;
pub(crate) mod proof;
pub(crate) mod question;
pub(crate) mod saved;
pub(crate) mod serial;
pub(crate) mod speak;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
pub mod twins;
pub mod typed;
pub(crate) mod view;
pub(crate) mod web;
pub(crate) mod web_header;
