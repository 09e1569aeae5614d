//! Locks a file, after waiting for a short time.

use std::{
    fs::{File, TryLockError},
    time::{Duration, Instant},
};

/// A program that has just ended, or a process that it starts, may hold its locks for a moment longer: a new process shares them
/// until it executes its own program.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Locks a file for this process alone, after waiting for at most `timeout`. It blocks its thread.
///
/// # Errors
/// `WouldBlock` if another process holds it for all this time.
pub(crate) fn lock(file: &File, timeout: Duration) -> Result<(), TryLockError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < timeout => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_released_in_time_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (held, other) = (file.reopen().unwrap(), file.reopen().unwrap());
        held.lock().unwrap();
        assert!(matches!(lock(&other, Duration::ZERO), Err(TryLockError::WouldBlock)));
        let waits = std::thread::spawn(move || lock(&other, Duration::from_secs(60)));
        drop(held);
        waits.join().unwrap().unwrap();
    }
}
