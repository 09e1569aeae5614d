//! What faces and the engine say to each other: plain data.

pub(crate) mod address;
pub(crate) mod command;
pub(crate) mod content;
pub(crate) mod event;
pub(crate) mod job_id;
pub(crate) mod new_job;
pub(crate) mod question;
pub(crate) mod saved;
pub(crate) mod serial;
pub(crate) mod settings;
pub(crate) mod speak;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
pub(crate) mod views;
