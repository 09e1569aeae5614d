//! Addresses: of servers of this program, of web servers, and as users type them.

pub(crate) mod curl;
pub mod glob;
pub(crate) mod locator;
pub(crate) mod shell_words;
pub mod typed;
pub(crate) mod web;
pub(crate) mod web_header;
