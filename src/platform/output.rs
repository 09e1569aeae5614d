//! Output of this process that could not be written, which makes its exit code an error.

use std::{
    io::{self, ErrorKind},
    sync::OnceLock,
};

use rustix::io::Errno;

use super::error::reason;

/// Why output was lost, once some was.
static LOST: OnceLock<String> = OnceLock::new();

/// Why output was lost, if some was: a full disk, for example. A reader that has gone is no reason.
pub fn lost_output() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Takes note of output that cannot be written. The sentence to report, the first time.
pub(crate) fn note_output(stream: &str, error: &io::Error) -> Option<&'static str> {
    // The other end of a pipe or socket is closed, or the terminal has hung up.
    let is_gone = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        || Errno::from_io_error(error) == Some(Errno::IO);
    let sentence = || format!("cannot write to {stream}: {}", reason(error));
    if is_gone || LOST.set(sentence()).is_err() { None } else { lost_output() }
}
