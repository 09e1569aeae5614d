//! Classifies and formats errors of the system.

use std::io;

use rustix::io::Errno;

use crate::text::without_number;

/// Whether an error means that a file system does not support an operation: sync, set a mode or time, lock, claim space. The
/// only list, for files, trees and archives.
pub(crate) fn cannot(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY)
}

/// The text of an I/O error, without the error number and with a lowercase first letter.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = without_number(&error.to_string());
    if error.raw_os_error().is_some() { text.to_lowercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_start_with_a_lowercase_letter() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "no such file or directory");
        let about = io::Error::other(format!("/Music: {}", io::Error::from_raw_os_error(13)));
        assert_eq!(reason(&about), "/Music: Permission denied");
    }
}
