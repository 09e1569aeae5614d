//! HTTP/1.1 on a connection: `GET` and `HEAD` of what is served, for every other client.
//!
//! ```text
//!  exchange.rs       the requests of a connection, one after the other: who may ask, and how the connection ends
//!  request/          what is asked for, and with which conditions
//!  answer/           a file, a folder as a page, as JSON or as a zip, a digest
//!  response.rs       heads, and how content ends
//!  monitor.rs        requests to the address of the metrics
//!  media.rs  disposition.rs    the type of a file, and how a browser shows it
//! ```
//!
//! A request that two programs could read differently is refused, and its connection closed, so that nothing can be hidden in it. A body is
//! not read: the connection is closed after the answer.

mod answer;
mod disposition;
pub(super) mod exchange;
mod media;
pub(super) mod monitor;
pub(crate) mod request;
pub(super) mod response;
