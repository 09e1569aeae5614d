//! The sources of one transfer. Bytes of another source are only added once it is shown that it has the same content.
//!
//! ```text
//! mirror     another source of a job, about which nothing is known yet
//! supplier   a source that has the same content
//! prove      shows that a mirror has the same content
//! roster     which sources a transfer has, and which it has dropped
//! shares     what each source has contributed
//! ```

pub(crate) mod mirror;
pub(crate) mod prove;
pub(crate) mod roster;
pub(crate) mod shares;
pub(crate) mod supplier;
