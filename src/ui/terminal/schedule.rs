//! When the next frame is drawn: a pure machine on a clock that is passed in.
//!
//! Each change requests a frame; requests merge. A frame that cannot be drawn yet is not
//! queued: the next one shows the newest state anyway. There is no tick, so nothing happens when nothing
//! changes.

use std::time::{Duration, Instant};

/// Time between two frames that keys request, at least: what a 60 Hz screen can show.
pub const MIN_KEY_INTERVAL: Duration = Duration::from_millis(16);
/// Bytes a second that the screen may write over time, whatever its size.
pub const MAX_BYTES_PER_SECOND: u64 = 16 * 1024;
/// A flush that takes longer than this means a link that cannot keep up.
const SLOW_FLUSH: Duration = Duration::from_millis(100);
/// Good flushes after which a halved rate is doubled again.
const RECOVERY_FRAMES: u32 = 8;
/// How often the rate is halved, at most.
const MAX_HALVINGS: u32 = 3;

/// Frames a second that transfers may cause, 1 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate(u32);

impl FrameRate {
    /// A rate; what lies outside 1 to 10 is moved to the nearer end.
    pub fn new(frames_per_second: u32) -> FrameRate {
        FrameRate(frames_per_second.clamp(1, 10))
    }

    /// The time between two frames.
    pub fn interval(self) -> Duration {
        Duration::from_secs(1) / self.0
    }
}

impl Default for FrameRate {
    fn default() -> Self {
        FrameRate(4)
    }
}

/// Why a frame is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Transfers moved or the log grew: at the frame rate.
    Change,
    /// A person waits for it (key, paste, resize): at once.
    Key,
}

/// Decides when a frame may be drawn.
#[derive(Clone, Debug)]
pub struct FrameScheduler {
    rate: FrameRate,
    /// The most urgent cause since the last frame, and when the first one was requested.
    wanted: Option<(Cause, Instant)>,
    /// When the last frame was handed over; `None` before the first.
    last: Option<Instant>,
    /// Since when a frame is on its way to the terminal.
    in_flight: Option<Instant>,
    halvings: u32,
    good_flushes: u32,
    /// Bytes written over the allowance, as of `debt_at`.
    debt: u64,
    debt_at: Option<Instant>,
}

impl FrameScheduler {
    /// A scheduler that has drawn nothing yet.
    pub fn new(rate: FrameRate) -> FrameScheduler {
        FrameScheduler {
            rate,
            wanted: None,
            last: None,
            in_flight: None,
            halvings: 0,
            good_flushes: 0,
            debt: 0,
            debt_at: None,
        }
    }

    /// Asks for a frame; of several causes before it is drawn the most urgent counts.
    pub fn request(&mut self, cause: Cause, now: Instant) {
        self.wanted = Some(match self.wanted {
            Some((earlier, since)) => (earlier.max(cause), since),
            None => (cause, now),
        });
    }

    /// When the frame that was asked for may be drawn (possibly in the past); `None` if none was asked for,
    /// or one is still on its way: then [`flushed`](Self::flushed) has to be called first.
    pub fn due(&self) -> Option<Instant> {
        let (cause, since) = self.wanted?;
        if self.in_flight.is_some() {
            return None;
        }
        let Some(last) = self.last else { return Some(since) };
        let (spacing, credit) = match cause {
            Cause::Key => (MIN_KEY_INTERVAL, MAX_BYTES_PER_SECOND),
            Cause::Change => (self.interval(), 0),
        };
        let spaced = since.max(last + spacing);
        let paid = self.debt_at.map(|at| at + time_to_send(self.debt.saturating_sub(credit)));
        Some(paid.map_or(spaced, |paid| paid.max(spaced)))
    }

    /// Whether a frame is to be drawn now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// The time between two frames that transfers cause, at present.
    pub fn interval(&self) -> Duration {
        self.rate.interval() * 2_u32.pow(self.halvings)
    }

    /// The frame was drawn, and `bytes` of it are on their way (0: nothing had changed, nothing was sent).
    pub fn drawn(&mut self, now: Instant, bytes: usize) {
        self.wanted = None;
        self.last = Some(now);
        if bytes > 0 {
            self.debt = self.debt_left(now) + bytes as u64;
            self.debt_at = Some(now);
            self.in_flight = Some(now);
        }
    }

    /// The terminal took the frame.
    pub fn flushed(&mut self, now: Instant) {
        let Some(since) = self.in_flight.take() else { return };
        if now.duration_since(since) > SLOW_FLUSH {
            self.halvings = (self.halvings + 1).min(MAX_HALVINGS);
            self.good_flushes = 0;
        } else if self.halvings > 0 {
            self.good_flushes += 1;
            if self.good_flushes >= RECOVERY_FRAMES {
                self.halvings -= 1;
                self.good_flushes = 0;
            }
        }
    }

    fn debt_left(&self, now: Instant) -> u64 {
        let paid = self.debt_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // Whole seconds of 16 KiB never overflow within the life of a process.
        self.debt.saturating_sub((paid.as_secs_f64() * MAX_BYTES_PER_SECOND as f64) as u64)
    }
}

fn time_to_send(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / MAX_BYTES_PER_SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A scheduler that has just drawn and flushed its first frame, of a few bytes.
    fn started() -> (FrameScheduler, Instant) {
        let start = Instant::now();
        let mut scheduler = FrameScheduler::new(FrameRate::default());
        scheduler.request(Cause::Key, start);
        assert!(scheduler.is_due(start), "the first frame waits for nothing");
        scheduler.drawn(start, 1);
        scheduler.flushed(start);
        (scheduler, start)
    }

    #[test]
    fn nothing_is_drawn_unless_asked_for() {
        let (scheduler, start) = started();
        assert_eq!(scheduler.due(), None);
        assert!(!scheduler.is_due(start + ms(100_000)));
    }

    #[test]
    fn keys_come_at_once_but_16_ms_apart() {
        let (mut scheduler, start) = started();
        scheduler.request(Cause::Key, start);
        assert!(!scheduler.is_due(start + ms(15)));
        assert!(scheduler.is_due(start + ms(16)));
        scheduler.drawn(start + ms(500), 1);
        scheduler.flushed(start + ms(500));
        scheduler.request(Cause::Key, start + ms(501));
        assert_eq!(scheduler.due(), Some(start + ms(516)));
        assert!(scheduler.is_due(start + ms(900)), "a key after a pause is overdue at once");
    }

    #[test]
    fn transfers_come_four_times_a_second_and_keys_overtake_them() {
        let (mut scheduler, start) = started();
        scheduler.request(Cause::Change, start);
        assert!(!scheduler.is_due(start + ms(249)));
        assert!(scheduler.is_due(start + ms(250)));
        scheduler.request(Cause::Key, start);
        scheduler.request(Cause::Change, start);
        assert!(scheduler.is_due(start + ms(16)), "a later change does not make a key wait");
    }

    #[test]
    fn ten_seconds_of_constant_requests_are_forty_frames() {
        let (mut scheduler, start) = started();
        let mut frames = 0;
        for at in (0..10_000).map(|at| start + ms(at)) {
            scheduler.request(Cause::Change, at);
            if scheduler.is_due(at) {
                scheduler.drawn(at, 200);
                scheduler.flushed(at + ms(1));
                frames += 1;
            }
        }
        assert!((39..=40).contains(&frames), "{frames}");
    }

    #[test]
    fn a_frame_on_its_way_holds_the_next_one_back() {
        let (mut scheduler, start) = started();
        scheduler.request(Cause::Key, start);
        scheduler.drawn(start + ms(20), 100);
        scheduler.request(Cause::Key, start);
        scheduler.request(Cause::Key, start);
        assert_eq!(scheduler.due(), None);
        assert!(!scheduler.is_due(start + ms(60_000)));
        scheduler.flushed(start + ms(60_000));
        assert!(scheduler.is_due(start + ms(60_000)), "one frame for all causes");
    }

    #[test]
    fn a_slow_terminal_halves_the_rate_and_good_flushes_restore_it() {
        let (mut scheduler, start) = started();
        let mut now = start;
        for expected in [500, 1000, 2000, 2000] {
            scheduler.request(Cause::Change, start);
            now += ms(5000);
            scheduler.drawn(now, 1);
            now += ms(101);
            scheduler.flushed(now);
            assert_eq!(scheduler.interval(), ms(expected));
        }
        for _ in 0..3 * RECOVERY_FRAMES {
            now += ms(5000);
            scheduler.drawn(now, 1);
            scheduler.flushed(now + ms(100));
        }
        assert_eq!(scheduler.interval(), ms(250));
    }

    #[test]
    fn at_most_16_kib_a_second_whatever_is_drawn() {
        for cause in [Cause::Change, Cause::Key] {
            let (mut scheduler, start) = started();
            let mut bytes = 0_u64;
            for at in (0..30_000).map(|at| start + ms(at)) {
                scheduler.request(cause, at);
                if scheduler.is_due(at) {
                    scheduler.drawn(at, 9_000);
                    scheduler.flushed(at);
                    bytes += 9_000;
                }
            }
            // A person may run one second ahead, and the last frame may be a whole one.
            assert!(bytes <= 31 * MAX_BYTES_PER_SECOND + 9_000, "{cause:?}: {bytes}");
            assert!(bytes >= 25 * MAX_BYTES_PER_SECOND, "{cause:?}: {bytes}");
        }
    }

    #[test]
    fn a_frame_without_bytes_needs_no_flush() {
        let (mut scheduler, start) = started();
        scheduler.request(Cause::Key, start);
        scheduler.drawn(start + ms(20), 0);
        scheduler.request(Cause::Key, start + ms(21));
        assert_eq!(scheduler.due(), Some(start + ms(36)));
    }

    #[test]
    fn the_rate_is_kept_in_bounds() {
        assert_eq!(FrameRate::new(0).interval(), ms(1000));
        assert_eq!(FrameRate::new(60).interval(), ms(100));
    }
}
