//! The file of known servers: one line for each certificate that was accepted.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use rustix::fs::OFlags;

use crate::{client::disk::lock, platform::state, protocol::trust::pin::Pin};

/// The first lines of a new file.
pub(super) const HEAD: &str = "\
# The servers whose certificates were accepted: HOST:PORT, and the pin of the certificate.
# Delete a line to be asked again. first-use: accepted by --accept-new, without comparing the pin.
";

/// In the line of a server that was accepted on its first use.
const FIRST_USE: &str = "first-use";

/// How long to wait while another program writes the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How a certificate was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptedBy {
    /// By the user, who was shown it.
    User,
    /// On its first use, unseen.
    FirstUse,
}

/// A certificate that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) pin: Pin,
    pub(super) by: AcceptedBy,
}

impl Known {
    /// Returns what is known after `new` is accepted as well: the first certificate stays, and the user's acceptance replaces a first use.
    pub(super) fn and(self, new: Known) -> Known {
        if self.pin == new.pin && new.by == AcceptedBy::User { new } else { self }
    }
}

/// Returns what is known of a server. The file is read each time: a line that was removed counts at once.
pub(super) fn lookup(path: &Path, name: &str) -> io::Result<Option<Known>> {
    Ok(find(&read_text(path)?, name))
}

/// The text of the file; a missing file is empty.
fn read_text(path: &Path) -> io::Result<String> {
    match state::read_own(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The server of a line, and its certificate; `None` for a comment or a malformed line.
fn entry(line: &str) -> Option<(&str, Known)> {
    let mut words = line.split_whitespace();
    let (name, pin) = (words.next()?, words.next()?);
    let by = if words.next() == Some(FIRST_USE) { AcceptedBy::FirstUse } else { AcceptedBy::User };
    if name.starts_with('#') { None } else { Some((name, Known { pin: Pin::parse(pin).ok()?, by })) }
}

/// The last line of a server counts.
fn find(text: &str, name: &str) -> Option<Known> {
    text.lines().rev().filter_map(entry).find(|(known, _)| *known == name).map(|(_, known)| known)
}

/// Adds a server to the file, or updates its line as [`Known::and`] says, and returns what is known then. All other lines stay.
pub(super) fn remember(path: &Path, name: &str, new: Known) -> io::Result<Known> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    state::private_folder(folder)?;
    let _lock = lock(&path.with_extension("lock"), LOCK_TIMEOUT)?;
    let text = read_text(path)?;
    let before = find(&text, name);
    let known = before.map_or(new, |before| before.and(new));
    if before == Some(known) {
        return Ok(known);
    }
    let others = text.lines().filter(|line| entry(line).is_none_or(|(other, _)| other != name));
    let by = match known.by {
        AcceptedBy::User => String::new(),
        AcceptedBy::FirstUse => format!(" {FIRST_USE}"),
    };
    let line = format!("{name} {}{by}", known.pin);
    let lines: Vec<_> = others.chain([&line[..]]).collect();
    let head = if text.is_empty() { HEAD } else { "" };
    state::replace(path, format!("{head}{}\n", lines.join("\n")).as_bytes())?;
    Ok(known)
}

/// Locks the file. The wait is bounded: a handshake is waiting.
fn lock(path: &Path, timeout: Duration) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().create(true).append(true).mode(0o600).custom_flags(flags).open(path)?;
    match lock::lock(&file, timeout) {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another program keeps it locked")),
    }
}

#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OLD: Pin = Pin([1; 32]);
    const NEW: Pin = Pin([2; 32]);

    fn known(pin: Pin, by: AcceptedBy) -> Known {
        Known { pin, by }
    }

    #[test]
    fn the_file_is_for_people_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        remember(&path, "nas:1", known(OLD, AcceptedBy::User)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEAD}nas:1 {OLD}\n"));
        fs::write(&path, format!("# mine\n\nnonsense\nnas:2 sha256:00\n{text}[::1]:3  {NEW}  # the loft\n"))
            .unwrap();
        let first = known(OLD, AcceptedBy::User);
        for by in [AcceptedBy::User, AcceptedBy::FirstUse] {
            assert_eq!(
                remember(&path, "nas:1", known(NEW, by)).unwrap(),
                first,
                "what was accepted first counts"
            );
            assert_eq!(remember(&path, "nas:1", known(OLD, by)).unwrap(), first);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n\nnonsense\nnas:2 sha256:00\n"), "{text}");
        assert_eq!(text.matches("nas:1 ").count(), 1);
        for (name, pin) in [("nas:1", Some(OLD)), ("[::1]:3", Some(NEW)), ("nas:2", None), ("#", None)] {
            assert_eq!(find(&text, name), pin.map(|pin| known(pin, AcceptedBy::User)), "{name}");
        }
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    remember(path, &format!("nas:{number}"), known(OLD, AcceptedBy::User)).unwrap()
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter_map(entry).count(), 8, "{text}");
    }

    #[test]
    fn the_wait_for_the_lock_is_bounded() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("known_servers.lock");
        let held = lock(&path, LOCK_TIMEOUT).unwrap();
        let error = lock(&path, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
        drop(held);
        lock(&path, LOCK_TIMEOUT).unwrap();
    }
}
