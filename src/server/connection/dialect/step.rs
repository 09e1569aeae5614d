//! What a dialect needs of its connection.

use std::{borrow::Cow, time::Instant};

/// What a dialect needs of its connection.
pub(crate) enum Step {
    /// Write what is in the output, then ask again.
    Again,
    /// Read.
    Read,
    /// Ask again at this time.
    Pause(Instant),
    /// Call [`Dialect::run`](super::Dialect::run), as a task.
    Run,
    /// End the connection as soon as the output is written, for this reason.
    End(Cow<'static, str>),
    /// Close the connection now, so that the client notices a failure for which the dialect has no message.
    Abort(Cow<'static, str>),
}
