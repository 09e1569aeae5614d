//! What part of the server's time goes to work that sends no file: looking things up, listing, hashing, packing.
//!
//! A request costs its sender next to nothing and may cost the server milliseconds. Nothing is wrong with that while
//! nobody is kept waiting; but the more it takes to send files to others, the less of the processors' time everything else
//! gets: [`PART`] at the least, in equal shares for the addresses that it comes from. Whoever has done a slice of such work
//! rests afterwards, in proportion to what it took and to how many others rest, so that a short question waits shortly
//! whatever the others ask for.
//!
//! That holds as long as all rests together are no longer than [`LONGEST`] allows: with as many connections as a server
//! has by default, for slices of about a millisecond.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{ConnectionId, origin::Origin, registry::lock};

/// Part of the processors' time that other work may take at the least: one in so many.
const PART: u32 = 20;
/// It is no more than that if sending files, or waiting for the server to do so, takes one in so many seconds; where it
/// takes less, other work may take more. Most networks are slow enough to have a file wait for them and not for the server.
const FAST: u32 = 2;
/// So much time of a processor sending a byte of a file may take: at 64 MB/s. What takes longer is not about the bytes, but
/// about what had to be done to find them.
const BYTE: Duration = Duration::from_nanos(16);
/// Over so long that is measured.
const WINDOW: Duration = Duration::from_millis(20);
/// So long it is believed afterwards.
const BELIEVED: Duration = Duration::from_millis(200);
/// So much work a connection may do before it has to wait for the others of its address as well: a handshake and some short
/// questions, so that who has just come has an answer soon.
const FRESH: Duration = Duration::from_millis(2);
/// A shorter rest is put off until it has become as long as this: timers are not finer.
const LEAST: Duration = Duration::from_millis(1);
/// No rest is longer: a client that waits for an answer gives up at some time.
const LONGEST: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    /// Processors that the architecture uses; none if it serves nobody beside somebody else.
    processors: u32,
    sending: Mutex<Sending>,
    /// How many connections rest, by where they come from; nobody who has none.
    resting: Mutex<HashMap<Origin, u32>>,
}

/// What sending files has taken of late, including what they had to wait for their turns.
#[derive(Debug)]
struct Sending {
    since: Instant,
    /// By connection.
    spent: HashMap<ConnectionId, Duration>,
    /// Part of the processors' time that is left for other work, one in so many, and until when.
    left: Option<(u32, Instant)>,
    /// The one connection for which all that was, if it was for one.
    alone: Option<ConnectionId>,
}

/// A rest after work; it is over when this is dropped.
#[derive(Debug)]
struct Rest {
    until: Instant,
    origin: Origin,
    share: Arc<Share>,
}

impl Share {
    /// Of a server that runs on so many processors.
    pub fn new(processors: u32, now: Instant) -> Share {
        let sending = Sending { since: now, spent: HashMap::new(), left: None, alone: None };
        Share { processors, sending: Mutex::new(sending), resting: Mutex::default() }
    }

    /// Sending a file to a connection took so long, or waiting for that.
    pub fn sent(&self, id: ConnectionId, spent: Duration, now: Instant) {
        let mut sending = lock(&self.sending);
        *sending.spent.entry(id).or_default() += spent;
        let window = now.saturating_duration_since(sending.since);
        if window < WINDOW {
            return;
        }
        let all: Duration = sending.spent.values().sum();
        let left = part(all, window);
        if left > 1 {
            let most = sending.spent.iter().max_by_key(|(_, spent)| **spent);
            let alone = most.filter(|(_, most)| part(all - **most, window) <= 1).map(|(id, _)| *id);
            (sending.left, sending.alone) = (Some((left, now + BELIEVED)), alone);
        }
        sending.spent.clear();
        sending.since = now;
    }

    /// Part of the processors' time that other work of this connection may take, one in so many; `None` if nobody else is
    /// kept waiting by it.
    fn left(&self, id: ConnectionId, now: Instant) -> Option<u32> {
        let sending = lock(&self.sending);
        let left = sending.left.filter(|(_, until)| now < *until).map(|(left, _)| left);
        left.filter(|_| self.processors > 0 && sending.alone != Some(id))
    }

    /// The rest that is due after other work that took so long; `None` if nobody is kept waiting by it.
    fn due(
        &self,
        id: ConnectionId,
        origin: Origin,
        spent: Duration,
        fresh: bool,
        now: Instant,
    ) -> Option<Duration> {
        let left = self.left(id, now)?;
        let resting = lock(&self.resting);
        let own = resting.get(&origin).copied().unwrap_or(0);
        let origins = resting.len() + usize::from(own == 0);
        let others = if fresh { 0 } else { own };
        let times =
            u32::try_from(origins).unwrap_or(u32::MAX).saturating_mul(left).saturating_mul(others + 1);
        Some((spent.saturating_mul(times) / self.processors).min(LONGEST))
    }
}

/// Part of the processors' time that is left for other work, one in so many, where sending files takes so much of this time.
fn part(sending: Duration, window: Duration) -> u32 {
    let most = f64::from(PART) * f64::from(FAST) * sending.as_secs_f64() / window.as_secs_f64();
    // Saturates, as all conversions of this kind.
    (most as u32).min(PART)
}

impl Rest {
    fn new(share: &Arc<Share>, origin: Origin, until: Instant) -> Rest {
        *lock(&share.resting).entry(origin).or_default() += 1;
        Rest { until, origin, share: Arc::clone(share) }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Entry::Occupied(mut own) = lock(&self.share.resting).entry(self.origin) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// What one connection has taken of the server's time.
#[derive(Debug)]
pub(super) struct Effort {
    share: Arc<Share>,
    id: ConnectionId,
    origin: Origin,
    /// So much more may be spent on sending what was copied from files.
    credit: Duration,
    /// Spent on sending files, and not yet told.
    sent: Duration,
    /// Since when a file waits for its next turn, with a peer that would take more.
    ready: Option<Instant>,
    /// Spent on other work, and not yet rested from.
    worked: Duration,
    /// Spent on other work in all.
    all: Duration,
    rest: Option<Rest>,
}

impl Effort {
    /// Of a connection that begins, from there.
    pub fn new(share: &Arc<Share>, id: ConnectionId, origin: Origin) -> Effort {
        Effort {
            share: Arc::clone(share),
            id,
            origin,
            credit: Duration::ZERO,
            sent: Duration::ZERO,
            ready: None,
            worked: Duration::ZERO,
            all: Duration::ZERO,
            rest: None,
        }
    }

    /// A slice took so much time of a processor, in which so many bytes were copied from files. `sends_file`: so much of a
    /// file is on its way that others shall not hold it up.
    pub fn spend(&mut self, spent: Duration, copied: usize, sends_file: bool) {
        self.credit += BYTE * u32::try_from(copied).unwrap_or(u32::MAX);
        let sent = spent.min(self.credit);
        self.credit -= sent;
        if sends_file {
            self.sent += sent;
        }
        self.worked += spent - sent;
        self.all += spent - sent;
    }

    /// Nothing that was copied waits to be sent any more.
    pub fn sent_all(&mut self) {
        self.credit = Duration::ZERO;
    }

    /// The peer has taken a piece of a file, and may take another at once.
    pub fn took(&mut self, now: Instant) {
        self.ready = Some(now);
    }

    /// The peer takes nothing more for now.
    pub fn blocked(&mut self) {
        self.ready = None;
    }

    /// The connection has its turn.
    pub fn turn(&mut self, now: Instant) {
        if let Some(ready) = self.ready.take() {
            self.sent += now.saturating_duration_since(ready);
        }
    }

    /// Until when this connection has to rest, if it has to.
    pub fn rest(&mut self, now: Instant) -> Option<Instant> {
        if !self.sent.is_zero() {
            self.share.sent(self.id, std::mem::take(&mut self.sent), now);
        }
        if self.rest.is_none() && !self.worked.is_zero() {
            match self.share.due(self.id, self.origin, self.worked, self.all <= FRESH, now) {
                Some(due) if due < LEAST => {}
                due => {
                    self.worked = Duration::ZERO;
                    self.rest = due.map(|due| Rest::new(&self.share, self.origin, now + due));
                }
            }
        }
        self.rest =
            self.rest.take().filter(|rest| now < rest.until && self.share.left(self.id, now).is_some());
        self.rest.as_ref().map(|rest| rest.until)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);
    /// The connection that files are sent to.
    const OTHER: ConnectionId = ConnectionId(1000);

    fn effort(share: &Arc<Share>, id: u8, from: u8) -> Effort {
        Effort::new(share, ConnectionId(id.into()), origin(from))
    }

    /// Where somebody comes from.
    fn origin(number: u8) -> Origin {
        Origin::from(IpAddr::from([10, 0, 0, number]))
    }

    /// A share of one processor on which files are sent at this part of its speed, in percent, and the time then.
    fn sending(percent: u32) -> (Arc<Share>, Instant) {
        let start = Instant::now();
        let share = Arc::new(Share::new(1, start));
        for tick in 1..=100 {
            share.sent(OTHER, MILLISECOND * percent / 100, start + tick * MILLISECOND);
        }
        (share, start + 100 * MILLISECOND)
    }

    #[test]
    fn work_takes_its_part_while_files_are_sent_fast() {
        for (workers, origins) in [(1, 1), (3, 1), (40, 1), (40, 4), (40, 40)] {
            let (share, start) = sending(90);
            let mut efforts: Vec<Effort> =
                (0..workers).map(|number| effort(&share, number, number % origins)).collect();
            let mut worked = Duration::ZERO;
            for tick in 0..20_000 {
                let now = start + tick * MILLISECOND;
                share.sent(OTHER, MILLISECOND, now);
                for effort in &mut efforts {
                    if effort.rest(now).is_none() {
                        effort.spend(MILLISECOND / 2, 0, false);
                        worked += MILLISECOND / 2;
                    }
                }
            }
            let part = worked.as_secs_f64() / 20.0 * f64::from(PART);
            assert!((0.7..1.3).contains(&part), "{workers} workers from {origins} took {part} of their part");
        }
    }

    #[test]
    fn nobody_rests_while_nothing_waits() {
        for percent in [0, 3] {
            let (share, now) = sending(percent);
            let mut effort = effort(&share, 0, 0);
            effort.spend(Duration::from_secs(1), 0, false);
            assert_eq!(effort.rest(now), None, "{percent} %");
        }
        let (_, now) = sending(0);
        let share = Arc::new(Share::new(0, now));
        share.sent(OTHER, Duration::from_secs(1), now + Duration::from_secs(1));
        assert_eq!(
            share.left(ConnectionId(0), now + Duration::from_secs(1)),
            None,
            "nobody is beside anybody"
        );
    }

    #[test]
    fn the_more_sending_takes_the_less_is_left() {
        for (percent, times) in [(12, 4), (30, 12), (50, PART), (90, PART)] {
            let (share, now) = sending(percent);
            let mut effort = effort(&share, 0, 0);
            effort.spend(MILLISECOND, 0, false);
            assert_eq!(effort.rest(now), Some(now + times * MILLISECOND), "{percent} %");
        }
    }

    #[test]
    fn a_rest_ends_with_what_it_was_for() {
        let (share, now) = sending(90);
        let mut effort = effort(&share, 0, 0);
        effort.spend(10 * MILLISECOND, 0, false);
        assert_eq!(effort.rest(now), Some(now + PART * 10 * MILLISECOND));
        assert_eq!(effort.rest(now + 2 * BELIEVED), None);
        assert!(lock(&share.resting).is_empty());
    }

    #[test]
    fn a_short_question_rests_shortly_beside_long_work() {
        let (share, now) = sending(90);
        let mut others: Vec<Effort> = (0..20).map(|number| effort(&share, number, 0)).collect();
        for other in &mut others {
            other.spend(Duration::from_secs(1), 0, false);
            assert_eq!(other.rest(now), Some(now + LONGEST));
        }
        for (number, first, later) in [(0, 1, 21), (1, 2, 2)] {
            let mut effort = effort(&share, 100, number);
            effort.spend(MILLISECOND / PART, 0, false);
            assert_eq!(effort.rest(now), Some(now + first * MILLISECOND), "from {number}");
            effort.rest = None;
            (effort.worked, effort.all) = (MILLISECOND / PART, 2 * FRESH);
            assert_eq!(effort.rest(now), Some(now + later * MILLISECOND), "from {number}, which asks on");
        }
        drop(others);
        assert!(lock(&share.resting).is_empty());
    }

    #[test]
    fn sending_is_no_work_to_rest_from() {
        let (share, now) = sending(90);
        let mut effort = effort(&share, 0, 0);
        effort.spend(MILLISECOND, 256 << 10, true);
        effort.spend(MILLISECOND, 0, true);
        assert_eq!(effort.rest(now), None, "it still sends what it has read");
        effort.sent_all();
        effort.spend(MILLISECOND, 0, false);
        assert_eq!(effort.rest(now), Some(now + PART * MILLISECOND), "that was something else");
    }

    #[test]
    fn a_byte_of_a_file_excuses_no_work() {
        let (share, now) = sending(90);
        let mut effort = effort(&share, 0, 0);
        effort.spend(MILLISECOND, 1, false);
        let rest = effort.rest(now).expect("a rest");
        assert!(rest > now + (PART - 1) * MILLISECOND, "{:?}", rest - now);
    }

    #[test]
    fn nobody_rests_for_its_own_sake() {
        let (share, now) = sending(90);
        let mut own = Effort::new(&share, OTHER, origin(0));
        own.spend(MILLISECOND, 0, false);
        assert_eq!(own.rest(now), None);
        // Another one is sent a file as well.
        for tick in 1..=100 {
            share.sent(ConnectionId(7), MILLISECOND / 2, now + tick * MILLISECOND);
            share.sent(OTHER, MILLISECOND / 2, now + tick * MILLISECOND);
        }
        own.spend(MILLISECOND, 0, false);
        assert!(own.rest(now + 100 * MILLISECOND).is_some());
    }
}
