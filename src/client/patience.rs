//! How long a server is waited for, and how little it may send meanwhile.

use std::time::{Duration, Instant};

/// Bytes a second that are more than nothing. Who only says now and then that it still works on a file, a block of which
/// takes it five seconds, sends as much.
const LEAST: f64 = 8.0;

/// The patience with one server: it may be silent for so long, and over so long it must send something worth waiting for.
/// What we do not read, since we hold ourselves back, is no time that it is waited for.
#[derive(Debug)]
pub(super) struct Patience {
    most: Duration,
    /// So long it was waited for.
    waited: Duration,
    /// Bytes that came meanwhile.
    came: usize,
}

impl Patience {
    /// For so long.
    pub(super) fn new(most: Duration) -> Patience {
        Patience { most, waited: Duration::ZERO, came: 0 }
    }

    /// How long it may be silent.
    pub(super) fn most(&self) -> Duration {
        self.most
    }

    /// Something is asked: before that there was nothing to wait for.
    pub(super) fn begin(&mut self) {
        (self.waited, self.came) = (Duration::ZERO, 0);
    }

    /// Bytes came that were waited for since then. False if that is next to nothing.
    pub(super) fn took(&mut self, since: Instant, bytes: usize) -> bool {
        self.waited += since.elapsed();
        self.came = self.came.saturating_add(bytes);
        if self.waited < self.most {
            return true;
        }
        let enough = self.came as f64 >= LEAST * self.waited.as_secs_f64();
        self.begin();
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of so many bytes a second is believed over a minute.
    fn lasts(bytes: usize) -> bool {
        let mut patience = Patience::new(Duration::from_secs(30));
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        (0..60).all(|_| ago(1).is_none_or(|since| patience.took(since, bytes)))
    }

    #[test]
    fn a_trickle_is_as_good_as_silence() {
        assert!(lasts(9));
        assert!(!lasts(7));
    }

    #[test]
    fn what_is_asked_begins_anew() {
        let mut patience = Patience::new(Duration::from_secs(30));
        let Some(since) = Instant::now().checked_sub(Duration::from_secs(29)) else { return };
        for _ in 0..10 {
            assert!(patience.took(since, 60), "an answer of few bytes may take its time");
            patience.begin();
        }
    }
}
