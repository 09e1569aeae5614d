//! Version 1 on a connection.

mod answer;
mod answering;
pub(super) mod requests;
