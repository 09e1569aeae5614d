//! Output errors of this process, which make its exit code an error.

use std::{
    io::{self, ErrorKind},
    sync::OnceLock,
};

use rustix::io::Errno;

use super::error::reason;

/// The first output error.
static LOST: OnceLock<String> = OnceLock::new();

/// The first output error, such as a full disk, if any. A closed reader is no error.
pub fn lost_output() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Records an output error. Returns the message to report, the first time.
pub(crate) fn note_output(stream: &str, error: &io::Error) -> Option<&'static str> {
    // The other end of a pipe or socket is closed, or the terminal has hung up.
    let is_gone = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        || Errno::from_io_error(error) == Some(Errno::IO);
    let sentence = || format!("cannot write to {stream}: {}", reason(error));
    if is_gone || LOST.set(sentence()).is_err() { None } else { lost_output() }
}
