//! Permits for expensive work: a limited number at the same time. An answer holds one while it computes, and not while its client
//! receives the result, so that a slow client holds none.
//!
//! A request that finds no permit is answered with "busy". A started answer that has released its permit while
//! its client received waits for the next one, in the order of the answers.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
};

use super::origin::Origin;
use crate::server::sync::lock;

/// A number of permits. One origin gets half of them at most, so that there are some for others.
#[derive(Debug)]
pub(crate) struct Permits {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    count: usize,
    /// Permits that are held, by origin.
    taken: HashMap<Origin, usize>,
    /// Answers that wait for a permit.
    waiting: VecDeque<(u64, Origin)>,
    last: u64,
}

/// A permit, until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    origin: Origin,
    state: Arc<Mutex<State>>,
}

/// A place in the queue for a permit, until this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Permits {
    pub fn new(count: usize) -> Permits {
        let state = State { count, taken: HashMap::new(), waiting: VecDeque::new(), last: 0 };
        Permits { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes a permit for a client at `peer`, if there is one that no answer waits for.
    pub fn take(&self, peer: IpAddr) -> Option<Permit> {
        let origin = Origin::from(peer);
        lock(&self.state).take(origin, None).then(|| self.permit(origin))
    }

    /// How many are taken, and how many there are.
    pub fn usage(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.taken.values().sum(), state.count)
    }

    fn permit(&self, origin: Origin) -> Permit {
        Permit { origin, state: Arc::clone(&self.state) }
    }

    /// Takes a permit, if there is one beside those for the answers that wait already.
    ///
    /// # Errors
    /// There is no permit: the ticket, or a new one.
    fn take_or_wait(&self, peer: IpAddr, ticket: Option<Ticket>) -> Result<Permit, Ticket> {
        let origin = Origin::from(peer);
        let mut state = lock(&self.state);
        if state.take(origin, ticket.as_ref().map(|ticket| ticket.number)) {
            // Dropping the ticket locks as well.
            drop(state);
            return Ok(self.permit(origin));
        }
        Err(ticket.unwrap_or_else(|| {
            state.last += 1;
            let number = state.last;
            state.waiting.push_back((number, origin));
            Ticket { number, state: Arc::clone(&self.state) }
        }))
    }
}

impl State {
    /// Counts a permit as taken, if there is one beside those for the answers that wait before `ticket`, or before the end.
    fn take(&mut self, origin: Origin, ticket: Option<u64>) -> bool {
        let (mut after, mut all) = (self.taken.clone(), self.taken.values().sum::<usize>());
        let before = self.waiting.iter().take_while(|(number, _)| Some(*number) != ticket);
        let before: Vec<Origin> = before.map(|(_, origin)| *origin).collect();
        for (last, origin) in before.iter().map(|origin| (false, *origin)).chain([(true, origin)]) {
            let own = after.entry(origin).or_default();
            if *own < self.count.div_ceil(2) && all < self.count {
                *own += 1;
                all += 1;
                if last {
                    *self.taken.entry(origin).or_default() += 1;
                    return true;
                }
            }
        }
        false
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(own) = state.taken.get_mut(&self.origin) {
            *own -= 1;
            if *own == 0 {
                state.taken.remove(&self.origin);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.state).waiting.retain(|(number, _)| *number != self.number);
    }
}

/// The permit of an answer that computes and sends in turns.
#[derive(Debug)]
pub(crate) enum AnswerPermit {
    /// The answer has not needed one yet.
    Unused,
    /// The answer computes.
    Held(Permit),
    /// Its client receives what was computed.
    Released,
    /// It waits to continue computing.
    Waiting(Ticket),
}

impl AnswerPermit {
    /// Makes sure that the permit is held, if there is one. False for an answer that has not had one yet: it is to be
    /// refused. Otherwise it may have to wait; see [`AnswerPermit::is_held`].
    pub fn hold(&mut self, permits: &Permits, peer: IpAddr) -> bool {
        let taken = match std::mem::replace(self, AnswerPermit::Unused) {
            AnswerPermit::Unused => match permits.take(peer) {
                Some(permit) => Ok(permit),
                None => return false,
            },
            AnswerPermit::Held(permit) => Ok(permit),
            AnswerPermit::Released => permits.take_or_wait(peer, None),
            AnswerPermit::Waiting(ticket) => permits.take_or_wait(peer, Some(ticket)),
        };
        *self = taken.map_or_else(AnswerPermit::Waiting, AnswerPermit::Held);
        true
    }

    pub fn is_held(&self) -> bool {
        matches!(self, AnswerPermit::Held(_))
    }

    /// Whether the answer cannot continue before there is a permit.
    pub fn is_waiting(&self) -> bool {
        matches!(self, AnswerPermit::Waiting(_))
    }

    /// What was computed is to be received now.
    pub fn release(&mut self) {
        if self.is_held() {
            *self = AnswerPermit::Released;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::limits::permits::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn at_most_the_given_number_of_permits_is_taken() {
        let permits = Permits::new(2);
        let (first, second) = (permits.take(peer(1)), permits.take(peer(2)));
        assert!(first.is_some() && second.is_some() && permits.take(peer(3)).is_none());
        drop(first);
        assert!(permits.take(peer(3)).is_some(), "given back at once");
        assert!(lock(&permits.state).taken.len() == 1, "no origin is remembered");
        assert!(Permits::new(0).take(peer(1)).is_none());
    }

    #[test]
    fn one_origin_takes_at_most_half_of_the_permits() {
        let permits = Permits::new(5);
        let greedy: Vec<Permit> = (0..9).map_while(|_| permits.take(peer(1))).collect();
        assert_eq!(greedy.len(), 3);
        assert!(permits.take(peer(2)).is_some());
        assert!(Permits::new(1).take(peer(1)).is_some(), "any client may have a single place");
        let network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let permits = Permits::new(2);
        let _first = permits.take(network(1));
        assert!(permits.take(network(2)).is_none(), "a network is one origin");
    }

    #[test]
    fn answers_wait_for_released_permits_in_order() {
        let permits = Permits::new(1);
        let (mut first, mut second, mut third) =
            (AnswerPermit::Unused, AnswerPermit::Unused, AnswerPermit::Unused);
        assert!(first.hold(&permits, peer(1)) && first.is_held());
        assert!(!second.hold(&permits, peer(2)), "an answer that has not begun is refused");
        first.release();
        assert!(second.hold(&permits, peer(2)) && second.is_held());
        assert!(first.hold(&permits, peer(1)) && first.is_waiting());
        second.release();
        assert!(second.hold(&permits, peer(2)) && second.is_waiting(), "it waits after the first");
        assert!(!third.hold(&permits, peer(3)), "and a new one is refused");
        assert!(first.hold(&permits, peer(1)) && first.is_held());
        drop(first);
        assert!(second.hold(&permits, peer(2)) && second.is_held());
        drop(second);
        assert!(third.hold(&permits, peer(3)) && lock(&permits.state).waiting.is_empty());
    }

    #[test]
    fn an_origin_that_waits_for_a_permit_delays_no_other() {
        let permits = Permits::new(2);
        let (mut first, mut second) = (AnswerPermit::Unused, AnswerPermit::Released);
        assert!(first.hold(&permits, peer(1)) && first.is_held());
        assert!(second.hold(&permits, peer(1)) && second.is_waiting(), "half of them is one");
        assert!(permits.take(peer(2)).is_some());
    }
}
