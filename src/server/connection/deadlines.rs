//! The deadlines of a connection: what a peer may take its time with, and what not.

use std::time::{Duration, Instant};

use super::super::limits::{LINGER, Limits};

/// What the peer has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: it is our turn.
    Nothing,
    /// Send.
    Input,
    /// Receive.
    Output,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    /// No complete request since the connection began. Absolute: trickling bytes do not help.
    Handshake,
    /// No complete request since the last answer. Trickling bytes do not help either.
    Idle,
    /// It took less than the minimum rate.
    Rate,
    /// It did not close after the end.
    Linger,
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    waiting: Waiting,
    /// Since when the peer has been waited for, without a break. For output: since when the
    /// present window of the minimum rate has been open.
    since: Instant,
    /// Bytes taken in that window.
    taken: u64,
    /// Until the first request has come.
    handshake: Option<Instant>,
    /// Once the connection is over.
    linger: Option<Instant>,
    /// While we hold it back ourselves: until when.
    pause: Option<Instant>,
    idle: Duration,
    /// Bytes that must be taken in a window; 0 if there is no minimum rate.
    least: u64,
    window: Duration,
}

impl Deadlines {
    /// Of a connection that begins now. One that is only here to be refused has little time.
    pub fn new(limits: &Limits, refused: bool, now: Instant) -> Deadlines {
        let handshake = if refused { limits.handshake.min(2 * LINGER) } else { limits.handshake };
        let least = u128::from(limits.min_rate) * limits.rate_window.as_millis() / 1000;
        Deadlines {
            waiting: Waiting::Input,
            since: now,
            taken: 0,
            handshake: Some(now + handshake),
            linger: None,
            pause: None,
            idle: limits.idle,
            least: u64::try_from(least).unwrap_or(u64::MAX),
            window: limits.rate_window,
        }
    }

    /// We hold the connection back, which is not held against the peer: a window of the minimum rate stands still.
    pub fn pause(&mut self, until: Instant, now: Instant) {
        self.wait_for(Waiting::Nothing, now);
        self.pause = Some(until);
    }

    /// The peer, or nobody, is waited for from now on. Repeating it changes nothing.
    pub fn wait_for(&mut self, waiting: Waiting, now: Instant) {
        self.pause = None;
        if self.waiting != waiting {
            (self.waiting, self.since, self.taken) = (waiting, now, 0);
        }
    }

    /// The first request has come.
    pub fn asked(&mut self) {
        self.handshake = None;
    }

    /// The peer took bytes.
    pub fn wrote(&mut self, count: usize) {
        self.taken += count as u64;
    }

    /// The connection is over; only this deadline counts now.
    pub fn linger(&mut self, until: Instant) {
        self.linger = Some(until);
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Instant> {
        self.pending().map(|(at, _)| at).into_iter().chain(self.pause).min()
    }

    /// The deadline that has passed, if one has. A full window of the minimum rate is not one; the
    /// next window begins.
    pub fn check(&mut self, now: Instant) -> Option<Overrun> {
        let (_, overrun) = self.pending().filter(|&(at, _)| at <= now)?;
        if overrun == Overrun::Rate && self.taken >= self.least {
            (self.since, self.taken) = (now, 0);
            return None;
        }
        Some(overrun)
    }

    fn pending(&self) -> Option<(Instant, Overrun)> {
        if let Some(at) = self.linger {
            return Some((at, Overrun::Linger));
        }
        let patience = match self.waiting {
            Waiting::Nothing => None,
            Waiting::Input if self.handshake.is_some() => None,
            Waiting::Input => Some((self.since + self.idle, Overrun::Idle)),
            Waiting::Output => Some((self.since + self.window, Overrun::Rate)),
        };
        let handshake = self.handshake.map(|at| (at, Overrun::Handshake));
        [patience, handshake].into_iter().flatten().min_by_key(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            handshake: 10 * SECOND,
            idle: 60 * SECOND,
            min_rate: 100,
            rate_window: 30 * SECOND,
            ..Limits::default()
        }
    }

    #[test]
    fn the_handshake_deadline_is_absolute() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), false, start);
        for second in 0..10 {
            let now = start + second * SECOND;
            deadlines.wait_for(Waiting::Output, now);
            deadlines.wrote(1_000_000);
            deadlines.wait_for(Waiting::Input, now);
            assert_eq!(deadlines.check(now), None);
            assert_eq!(deadlines.next(), Some(start + 10 * SECOND));
        }
        assert_eq!(deadlines.check(start + 10 * SECOND), Some(Overrun::Handshake));
    }

    #[test]
    fn idleness_counts_from_the_last_answer() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), false, start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start + SECOND);
        deadlines.wait_for(Waiting::Input, start + 2 * SECOND);
        deadlines.wait_for(Waiting::Input, start + 50 * SECOND);
        assert_eq!(deadlines.check(start + 61 * SECOND), None);
        assert_eq!(deadlines.check(start + 62 * SECOND), Some(Overrun::Idle));
    }

    #[test]
    fn the_rate_is_an_average_over_windows() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), false, start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start);
        deadlines.wrote(3_000);
        assert_eq!(deadlines.check(start + 29 * SECOND), None);
        assert_eq!(deadlines.check(start + 30 * SECOND), None, "exactly the minimum is enough");
        deadlines.wrote(2_999);
        assert_eq!(deadlines.check(start + 59 * SECOND), None);
        assert_eq!(deadlines.check(start + 60 * SECOND), Some(Overrun::Rate));
    }

    #[test]
    fn our_own_work_is_not_held_against_the_peer() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), false, start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start);
        deadlines.wait_for(Waiting::Nothing, start + SECOND);
        assert_eq!(deadlines.next(), None);
        deadlines.wait_for(Waiting::Output, start + 100 * SECOND);
        assert_eq!(deadlines.next(), Some(start + 130 * SECOND));
    }

    #[test]
    fn lingering_has_its_own_deadline_only() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), false, start);
        deadlines.linger(start + 20 * SECOND);
        assert_eq!(deadlines.check(start + 19 * SECOND), None);
        assert_eq!(deadlines.check(start + 20 * SECOND), Some(Overrun::Linger));
    }
}
