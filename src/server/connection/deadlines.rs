//! The deadlines of a connection.

use std::time::{Duration, Instant};

use crate::server::limits::{Limits, MAX_TIMEOUT};

/// What the client has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Nothing: the server computes.
    Nothing,
    /// Send.
    Input,
    /// Receive.
    Output,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// No complete request since the connection began, not counting pauses of the server. Single bytes do not extend it.
    Handshake,
    /// No complete request since the last answer. Single bytes do not extend it.
    Idle,
    /// It received less than the minimum rate.
    Rate,
    /// It did not close after the end.
    Linger,
}

/// Time that is counted only while it runs.
#[derive(Debug, Default)]
struct Clock {
    /// Counted before `since`.
    counted: Duration,
    /// Since when it runs, if it does.
    since: Option<Instant>,
}

impl Clock {
    /// Runs. Calling it again changes nothing.
    fn run(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Stops.
    fn stop(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.counted += now.saturating_duration_since(since);
        }
    }

    /// When it will have counted to `limit`, if it runs.
    fn reaches(&self, limit: Duration) -> Option<Instant> {
        self.since.map(|since| since + limit.saturating_sub(self.counted))
    }
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// How long the server waits for the next request, since the last answer.
    idling: Clock,
    /// How long the server waits for the client to receive, in the current window of the minimum rate.
    writing: Clock,
    /// Bytes received in that window.
    taken: u64,
    /// How long the connection lasts without a request, not counting pauses of the server.
    handshake: Option<Clock>,
    /// Once the connection is over.
    linger: Option<Instant>,
    /// The end of a pause of the server.
    pause: Option<Instant>,
    greeting: Duration,
    idle: Duration,
    /// The minimum rate in bytes a second; 0 for none.
    min_rate: u64,
    /// The minimum length of a window.
    rate_window: Duration,
    /// The length of the current window.
    window: Duration,
}

impl Deadlines {
    /// Of a connection that begins now.
    pub fn new(limits: &Limits, now: Instant) -> Deadlines {
        Deadlines {
            idling: Clock::default(),
            writing: Clock::default(),
            taken: 0,
            handshake: Some(Clock { counted: Duration::ZERO, since: Some(now) }),
            linger: None,
            pause: None,
            greeting: limits.handshake,
            idle: limits.idle,
            min_rate: limits.min_rate,
            rate_window: limits.rate_window,
            window: limits.rate_window,
        }
    }

    /// The server pauses the connection, which counts neither against the client nor for it: all clocks stop.
    pub fn pause(&mut self, until: Instant, now: Instant) {
        if let Some(handshake) = &mut self.handshake {
            handshake.stop(now);
        }
        self.idling.stop(now);
        self.writing.stop(now);
        self.pause = Some(until);
    }

    /// The server waits for the client from now on, or for nothing. Calling it again changes nothing.
    pub fn wait_for(&mut self, waiting: Waiting, now: Instant) {
        self.pause = None;
        if let Some(handshake) = &mut self.handshake {
            handshake.run(now);
        }
        if waiting == Waiting::Input {
            self.idling.run(now);
        } else {
            self.idling = Clock::default();
        }
        match waiting {
            Waiting::Output => self.writing.run(now),
            // Between two pieces of an answer.
            Waiting::Nothing => self.writing.stop(now),
            Waiting::Input => self.open_window(),
        }
    }

    fn open_window(&mut self) {
        (self.writing, self.taken, self.window) = (Clock::default(), 0, self.rate_window);
    }

    /// Whether the client has received at the minimum rate in the current window, if `buffered` bytes are in the kernel's buffer, or were when the
    /// window began.
    fn is_fast_enough(&self, buffered: u64) -> bool {
        let least = u128::from(self.min_rate) * self.window.as_millis() / 1000;
        u128::from(self.taken) + u128::from(buffered) >= least
    }

    /// A window in which the kernel's buffer empties twice at the minimum rate. In a shorter one, a client that reads steadily would seem silent,
    /// because the kernel takes more bytes only now and then.
    fn long_window(&self, send_buffer: u64) -> Duration {
        let millis = u128::from(send_buffer) * 2000 / u128::from(self.min_rate.max(1));
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).clamp(self.rate_window, MAX_TIMEOUT)
    }

    /// The first request was received.
    pub fn asked(&mut self) {
        if self.handshake.take().is_some() {
            self.idling = Clock::default();
        }
    }

    /// Bytes were written.
    pub fn wrote(&mut self, count: usize) {
        self.taken += count as u64;
    }

    /// The connection has ended; only this deadline applies now.
    pub fn linger(&mut self, until: Instant) {
        self.linger = Some(until);
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Instant> {
        self.pending().map(|(at, _)| at).into_iter().chain(self.pause).min()
    }

    /// The deadline that has passed, if one has. A full window of the minimum rate is not one; the
    /// next window begins. `send_buffer`: bytes that the kernel buffers for the peer at most.
    pub fn check(&mut self, now: Instant, send_buffer: impl FnOnce() -> usize) -> Option<Overrun> {
        let (_, overrun) = self.pending().filter(|&(at, _)| at <= now)?;
        if overrun != Overrun::Rate {
            return Some(overrun);
        }
        if !self.is_fast_enough(0) {
            let send_buffer = send_buffer() as u64;
            let window = self.long_window(send_buffer);
            self.window = self.window.max(window);
            if self.writing.reaches(self.window).is_some_and(|end| end > now) {
                return None;
            }
            if !self.is_fast_enough(if window > self.rate_window { send_buffer } else { 0 }) {
                return Some(Overrun::Rate);
            }
        }
        self.open_window();
        self.writing.run(now);
        None
    }

    fn pending(&self) -> Option<(Instant, Overrun)> {
        if let Some(at) = self.linger {
            return Some((at, Overrun::Linger));
        }
        let first = self.handshake.as_ref().and_then(|clock| clock.reaches(self.greeting));
        let first = first.map(|at| (at, Overrun::Handshake));
        let idle = match self.handshake {
            Some(_) => None,
            None => self.idling.reaches(self.idle).map(|at| (at, Overrun::Idle)),
        };
        let rate = self.writing.reaches(self.window).map(|at| (at, Overrun::Rate));
        [first, idle, rate].into_iter().flatten().min_by_key(|&(at, _)| at)
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

    fn check(deadlines: &mut Deadlines, now: Instant) -> Option<Overrun> {
        deadlines.check(now, || 0)
    }

    #[test]
    fn every_duration_is_accepted() {
        let limits = Limits {
            handshake: Duration::MAX,
            idle: Duration::MAX,
            min_rate: u64::MAX,
            rate_window: Duration::MAX,
            ..limits()
        };
        let (limits, now) = (limits.bounded(), Instant::now());
        let mut deadlines = Deadlines::new(&limits, now);
        assert!(deadlines.next() > Some(now));
        deadlines.asked();
        deadlines.wait_for(Waiting::Input, now);
        assert!(deadlines.next() > Some(now));
        deadlines.wait_for(Waiting::Output, now);
        assert_eq!(deadlines.check(now, || usize::MAX), None);
        let late = now + limits.rate_window;
        assert_eq!(deadlines.check(late, || usize::MAX), Some(Overrun::Rate));
        let mut slow = Deadlines::new(&Limits { min_rate: 1, ..limits }, now);
        slow.asked();
        slow.wait_for(Waiting::Output, now);
        assert_eq!(slow.check(late, || usize::MAX), Some(Overrun::Rate));
    }

    /// The kernel buffers 200 kB, and takes more only when half of that is free again, which is after 50 s.
    #[test]
    fn a_steady_client_is_not_too_slow_because_of_the_send_buffer() {
        const BUFFER: u64 = 200_000;
        let limits = Limits { min_rate: 1_000, ..limits() };
        for (rate, must_close) in [(2_000, false), (1_000, false), (400, true), (0, true)] {
            let start = Instant::now();
            let mut deadlines = Deadlines::new(&limits, start);
            deadlines.asked();
            deadlines.wait_for(Waiting::Output, start);
            deadlines.wrote(BUFFER as usize);
            let (mut buffered, mut cut) = (BUFFER, None);
            for second in 1..4_000 {
                let now = start + second * SECOND;
                buffered -= rate.min(buffered);
                if buffered <= BUFFER / 2 {
                    deadlines.wrote((BUFFER - buffered) as usize);
                    buffered = BUFFER;
                }
                if deadlines.check(now, || BUFFER as usize).is_some() {
                    cut = Some(second);
                    break;
                }
            }
            assert_eq!(cut.is_some(), must_close, "{rate} bytes a second: {cut:?}");
            assert!(cut.is_none_or(|second| second <= 1_300), "{rate} bytes a second: {cut:?}");
        }
    }

    #[test]
    fn the_handshake_deadline_is_absolute() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        for second in 0..10 {
            let now = start + second * SECOND;
            deadlines.wait_for(Waiting::Output, now);
            deadlines.wrote(1_000_000);
            deadlines.wait_for(Waiting::Input, now);
            assert_eq!(check(&mut deadlines, now), None);
            assert_eq!(deadlines.next(), Some(start + 10 * SECOND));
        }
        assert_eq!(check(&mut deadlines, start + 10 * SECOND), Some(Overrun::Handshake));
    }

    #[test]
    fn a_pause_does_not_count_against_the_handshake_deadline() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.wait_for(Waiting::Input, start);
        deadlines.pause(start + 12 * SECOND, start + 4 * SECOND);
        deadlines.pause(start + 12 * SECOND, start + 8 * SECOND);
        assert_eq!(check(&mut deadlines, start + 11 * SECOND), None);
        assert_eq!(deadlines.next(), Some(start + 12 * SECOND), "only the end of the pause");
        deadlines.wait_for(Waiting::Output, start + 12 * SECOND);
        assert_eq!(deadlines.next(), Some(start + 18 * SECOND), "the rest of its ten seconds");
        assert_eq!(check(&mut deadlines, start + 18 * SECOND), Some(Overrun::Handshake));
    }

    #[test]
    fn idle_time_counts_from_the_last_answer() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start + SECOND);
        deadlines.wait_for(Waiting::Input, start + 2 * SECOND);
        deadlines.wait_for(Waiting::Input, start + 50 * SECOND);
        assert_eq!(check(&mut deadlines, start + 61 * SECOND), None);
        assert_eq!(check(&mut deadlines, start + 62 * SECOND), Some(Overrun::Idle));
    }

    #[test]
    fn the_rate_is_an_average_over_windows() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start);
        deadlines.wrote(3_000);
        assert_eq!(check(&mut deadlines, start + 29 * SECOND), None);
        assert_eq!(check(&mut deadlines, start + 30 * SECOND), None, "exactly the minimum is enough");
        deadlines.wrote(2_999);
        assert_eq!(check(&mut deadlines, start + 59 * SECOND), None);
        assert_eq!(check(&mut deadlines, start + 60 * SECOND), Some(Overrun::Rate));
    }

    #[test]
    fn the_time_of_a_task_does_not_count_against_the_client() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.asked();
        deadlines.wait_for(Waiting::Output, start);
        deadlines.wait_for(Waiting::Nothing, start + SECOND);
        assert_eq!(deadlines.next(), None);
        deadlines.wait_for(Waiting::Output, start + 100 * SECOND);
        assert_eq!(deadlines.next(), Some(start + 129 * SECOND), "nor in its favour");
    }

    #[test]
    fn a_pause_of_a_slow_client_does_not_start_a_new_window() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.asked();
        let mut now = start;
        for _ in 0..29 {
            deadlines.wait_for(Waiting::Output, now);
            now += SECOND;
            deadlines.wrote(99);
            deadlines.pause(now + SECOND, now);
            assert_eq!(deadlines.next(), Some(now + SECOND), "only the end of the pause");
            now += SECOND;
            deadlines.wait_for(Waiting::Nothing, now);
            now += SECOND;
        }
        deadlines.wait_for(Waiting::Output, now);
        deadlines.wrote(99);
        assert_eq!(check(&mut deadlines, now), None);
        assert_eq!(
            check(&mut deadlines, now + SECOND),
            Some(Overrun::Rate),
            "30 seconds of waiting for 30 x 99 bytes"
        );
    }

    #[test]
    fn a_pause_does_not_reset_the_idle_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.asked();
        let mut now = start;
        for _ in 0..60 {
            assert_eq!(check(&mut deadlines, now), None);
            deadlines.wait_for(Waiting::Input, now);
            now += SECOND;
            deadlines.pause(now + SECOND, now);
            now += SECOND;
        }
        deadlines.wait_for(Waiting::Input, now);
        assert_eq!(check(&mut deadlines, now), Some(Overrun::Idle));
    }

    #[test]
    fn only_the_linger_deadline_applies_after_the_end() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(&limits(), start);
        deadlines.linger(start + 20 * SECOND);
        assert_eq!(check(&mut deadlines, start + 19 * SECOND), None);
        assert_eq!(check(&mut deadlines, start + 20 * SECOND), Some(Overrun::Linger));
    }
}
