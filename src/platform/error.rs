//! Errors of the system, for the program and for people.

use std::io;

use rustix::io::Errno;

use crate::text::without_number;

/// Whether an error says that a file system cannot do what was asked at all: sync, set a mode or time, lock, claim space. The
/// one list, for files, trees and archives.
pub(crate) fn cannot(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY)
}

/// The text of an I/O error, without the number of the system and with a small first letter: it follows other words.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = without_number(&error.to_string());
    if error.raw_os_error().is_some() { text.to_lowercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_system_begin_with_a_small_letter() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "no such file or directory");
        let about = io::Error::other(format!("/Music: {}", io::Error::from_raw_os_error(13)));
        assert_eq!(reason(&about), "/Music: Permission denied");
    }
}
