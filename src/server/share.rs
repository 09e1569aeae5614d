//! What part of the server's time goes to work that sends no file: looking things up, listing, hashing, packing.
//!
//! A request costs its sender next to nothing and may cost the server milliseconds. Nothing is wrong with that while
//! nobody is kept waiting; but the more it takes to send files to others, the less of the processors' time everything else
//! gets: [`PART`] at the least, in equal shares for the addresses that it comes from. Whoever has done a slice of such work
//! rests afterwards, in proportion to what it took and to how many others rest, so that a short question waits shortly
//! whatever the others ask for. Who has just come rests for itself alone, within the [allowance](Allowances) of its address;
//! and what a connection has not rested from when it ends, the next one of its address does. What whoever is sent much has to
//! ask in between counts as a part of the sending: otherwise it would rest for the sake of others who ask for themselves.
//!
//! That holds as long as all rests together are no longer than [`LONGEST`] allows: with as many connections as a server
//! has by default, for slices of about a millisecond.

mod allowance;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use self::allowance::Allowances;
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
/// questions, so that who has just come has an answer soon. Those who come anew again and again have it together.
const FRESH: Duration = Duration::from_millis(2);
/// The part of their time that who comes anew may take beside it: one in so many.
const ANEW: u32 = 8;
/// A shorter rest is put off until it has become as long as this: timers are not finer.
const LEAST: Duration = Duration::from_millis(1);
/// So much other work goes without a rest for each connection that is sent files: one in so many of what sending takes. Who
/// fetches a file by ranges asks for one after the other, and has nobody wait much for it.
const ASKING: u32 = 50;
/// No rest is longer: a client that waits for an answer gives up at some time.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    /// Processors that the architecture uses; none if it serves nobody beside somebody else.
    processors: u32,
    sending: Mutex<Sending>,
    /// How many connections rest, by where they come from; nobody who has none.
    resting: Mutex<HashMap<Origin, u32>>,
    /// What those who come anew may do.
    allowances: Mutex<Allowances>,
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
        let allowances = Mutex::new(Allowances::new(FRESH));
        Share { processors, sending: Mutex::new(sending), resting: Mutex::default(), allowances }
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

    /// The rest that is due after other work that took so long; `None` if nobody is kept waiting by it. `new`: whoever has
    /// done it has done little before.
    fn due(
        &self,
        id: ConnectionId,
        origin: Origin,
        spent: Duration,
        new: bool,
        now: Instant,
    ) -> Option<Duration> {
        let left = self.left(id, now)?;
        let resting = lock(&self.resting);
        let own = resting.get(&origin).copied().unwrap_or(0);
        let origins = u32::try_from(resting.len()).unwrap_or(u32::MAX) + u32::from(own == 0);
        drop(resting);
        let rest = |all: u32| {
            let times = origins.saturating_mul(left).saturating_mul(all);
            (spent.saturating_mul(times) / self.processors).min(LONGEST)
        };
        let alone = rest(1);
        // What is put off is not taken yet.
        let fresh =
            new && (alone < LEAST || lock(&self.allowances).take(origin, spent, self.refill(origins), now));
        Some(if fresh { alone } else { rest(own.saturating_add(1)) })
    }

    /// An allowance fills by a part of the processors' time that is one in so many.
    fn refill(&self, origins: u32) -> u32 {
        (PART * ANEW).saturating_mul(origins.max(1)) / self.processors.max(1)
    }

    /// How many origins have somebody that rests.
    fn origins(&self) -> u32 {
        u32::try_from(lock(&self.resting).len()).unwrap_or(u32::MAX)
    }

    /// What a connection from there takes over from those that ended without having rested from it.
    fn inherit(&self, origin: Origin, now: Instant) -> Duration {
        let refill = self.refill(self.origins());
        lock(&self.allowances).inherit(origin, refill, now)
    }

    /// A connection ends that has not rested from this.
    fn bequeath(&self, id: ConnectionId, origin: Origin, worked: Duration, now: Instant) {
        if self.left(id, now).is_some() {
            let refill = self.refill(self.origins());
            lock(&self.allowances).charge(origin, worked, refill, now);
        }
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
    /// So much other work may go without a rest, for what was sent.
    earned: Duration,
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
    pub fn new(share: &Arc<Share>, id: ConnectionId, origin: Origin, now: Instant) -> Effort {
        let worked = share.inherit(origin, now);
        Effort {
            share: Arc::clone(share),
            id,
            origin,
            credit: Duration::ZERO,
            earned: Duration::ZERO,
            sent: Duration::ZERO,
            ready: None,
            worked,
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
            self.earned = (self.earned + sent / ASKING).min(FRESH);
        }
        let other = spent - sent;
        let worked = other.saturating_sub(self.earned);
        self.earned -= other - worked;
        self.worked += worked;
        self.all += worked;
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

    /// The connection is over.
    pub fn end(&mut self, now: Instant) {
        let worked = std::mem::take(&mut self.worked);
        if !worked.is_zero() {
            self.share.bequeath(self.id, self.origin, worked, now);
        }
    }
}

#[cfg(test)]
mod tests;
