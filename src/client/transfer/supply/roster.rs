//! Which sources a transfer has: those that supply, those that are being proven, and those that are not reached.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    mirror::Mirror,
    prove::{Expected, prove},
    supplier::Supplier,
};
use crate::client::error::Fault;

/// Time until a source is tried again after it failed; it doubles each time.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A mirror that could not be reached this often is not tried again in this transfer.
const MAX_TRIES: u32 = 3;

/// What became of a mirror that was being proven.
#[derive(Debug)]
pub(crate) enum Proven {
    /// It supplies from now on.
    Joined(Arc<Supplier>),
    /// It has another content, or refuses.
    Rejected(usize, Fault),
    /// It could not be reached, and may be tried again.
    Unreached(usize, Fault),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Roster {
    suppliers: Vec<Arc<Supplier>>,
    candidates: Vec<Candidate>,
    proofs: JoinSet<(Candidate, Result<Supplier, Fault>)>,
    /// How often each supplier has failed, and until when it gets no other connection.
    failures: BTreeMap<usize, (u32, Instant)>,
}

#[derive(Debug)]
struct Candidate {
    mirror: Mirror,
    tries: u32,
    due: Instant,
}

impl Roster {
    /// Begins with the source that has announced the content.
    pub(crate) fn new(first: Arc<Supplier>, mirrors: Vec<Mirror>) -> Roster {
        let due = Instant::now();
        let candidates = mirrors.into_iter().map(|mirror| Candidate { mirror, tries: 0, due }).collect();
        Roster { suppliers: vec![first], candidates, proofs: JoinSet::new(), failures: BTreeMap::new() }
    }

    /// The sources that supply.
    pub(crate) fn suppliers(&self) -> &[Arc<Supplier>] {
        &self.suppliers
    }

    /// Whether a mirror is to be proven now.
    pub(crate) fn has_candidates(&self, now: Instant) -> bool {
        self.candidates.iter().any(|candidate| candidate.due <= now)
    }

    /// Begins to prove the mirrors that are to be tried now, if their servers have room.
    pub(crate) fn prove(&mut self, expected: &Expected, now: Instant) {
        let (due, rest) =
            std::mem::take(&mut self.candidates).into_iter().partition(|one: &Candidate| one.due <= now);
        self.candidates = rest;
        for mut candidate in due {
            let Some(permit) = candidate.mirror.permit() else {
                candidate.due = now + RETRY_INTERVAL;
                self.candidates.push(candidate);
                continue;
            };
            let (mirror, expected) = (candidate.mirror.clone(), expected.clone());
            self.proofs.spawn(async move {
                let proven = prove(mirror, &expected).await;
                drop(permit);
                (candidate, proven)
            });
        }
    }

    /// Waits until a mirror is proven, or rejected. It may be dropped; without mirrors it never ends.
    pub(crate) async fn proven(&mut self) -> Proven {
        loop {
            match self.proofs.join_next().await {
                Some(Ok((candidate, proven))) => return self.judge(candidate, proven),
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn judge(&mut self, mut candidate: Candidate, proven: Result<Supplier, Fault>) -> Proven {
        let number = candidate.mirror.number;
        match proven {
            Ok(supplier) => {
                let supplier = Arc::new(supplier);
                self.suppliers.push(Arc::clone(&supplier));
                Proven::Joined(supplier)
            }
            Err(fault) if fault.is_of_moment() => {
                candidate.tries += 1;
                candidate.due = Instant::now() + RETRY_INTERVAL.saturating_mul(1 << candidate.tries.min(6));
                if candidate.tries < MAX_TRIES {
                    self.candidates.push(candidate);
                }
                Proven::Unreached(number, fault)
            }
            Err(fault) => Proven::Rejected(number, fault),
        }
    }

    /// A connection of a supplier has failed: it gets no other one for a while, longer each time.
    pub(crate) fn failed(&mut self, number: usize, after: Duration, now: Instant) {
        let (failures, until) = self.failures.entry(number).or_insert((0, now));
        *failures += 1;
        *until = now + RETRY_INTERVAL.saturating_mul(1 << (*failures - 1).min(6)).max(after);
    }

    /// Nothing more is requested of a supplier.
    pub(crate) fn remove(&mut self, number: usize) {
        self.suppliers.retain(|supplier| supplier.number != number);
    }

    /// Whether there is another supplier that may have a connection now.
    pub(crate) fn has_other(&self, number: usize, now: Instant) -> bool {
        self.suppliers.iter().any(|supplier| supplier.number != number && self.is_free(supplier.number, now))
    }

    fn is_free(&self, number: usize, now: Instant) -> bool {
        self.failures.get(&number).is_none_or(|(_, until)| *until <= now)
    }

    /// The supplier of the next connection: the one that has the fewest, given how many each has.
    pub(crate) fn next(&self, running: impl Fn(usize) -> usize, now: Instant) -> Option<&Arc<Supplier>> {
        let free = self.suppliers.iter().filter(|supplier| {
            self.is_free(supplier.number, now) && running(supplier.number) < supplier.parallel()
        });
        free.min_by_key(|supplier| running(supplier.number))
    }
}
