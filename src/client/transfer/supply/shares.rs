//! What each source of a job has contributed, and which of them are dropped. It lasts over all attempts of a run.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    client::{
        api::{address::locator::Locator, content::share::SourceShare},
        content::blocks::Blocks,
    },
    protocol::digest::Hash,
    text::SafeText,
};

/// The sources of a job by their numbers, for the faces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(Arc<[Share]>);

#[derive(Debug)]
struct Share {
    address: SafeText,
    /// Bytes of blocks that it has sent, and that were kept.
    bytes: AtomicU64,
    /// Set when nothing more is requested of it.
    dropped: Mutex<Option<Dropped>>,
}

/// Why nothing more is requested of a source.
#[derive(Clone, Debug)]
struct Dropped {
    why: SafeText,
    /// Whether a digest shows that its bytes are wrong. Otherwise it only differs from another source, which may be wrong itself.
    by_digest: bool,
}

impl Shares {
    /// Of a job with these addresses.
    pub(crate) fn of<'a>(addresses: impl Iterator<Item = &'a Locator>) -> Shares {
        let share = |address: &Locator| Share {
            address: SafeText::new(&address.to_string()),
            bytes: AtomicU64::new(0),
            dropped: Mutex::new(None),
        };
        Shares(addresses.map(share).collect())
    }

    /// Whether they are of these addresses.
    pub(crate) fn are_of<'a>(&self, addresses: impl Iterator<Item = &'a Locator>) -> bool {
        addresses
            .map(|address| SafeText::new(&address.to_string()))
            .eq(self.0.iter().map(|share| share.address.clone()))
    }

    /// The address of a source.
    pub(crate) fn address(&self, number: usize) -> SafeText {
        self.0.get(number).map(|share| share.address.clone()).unwrap_or_default()
    }

    /// Nothing more is requested of a source. Returns whether that is new.
    pub(crate) fn drop_source(&self, number: usize, why: &str) -> bool {
        let Some(share) = self.0.get(number) else { return false };
        let mut dropped = share.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = dropped.is_none();
        dropped.get_or_insert_with(|| Dropped { why: SafeText::new(why), by_digest: false });
        is_new
    }

    /// A digest shows that what a source has sent is wrong. Returns whether it was not dropped yet.
    pub(crate) fn is_wrong(&self, number: usize, why: &str) -> bool {
        let Some(share) = self.0.get(number) else { return false };
        let dropped = Dropped { why: SafeText::new(why), by_digest: true };
        share.dropped.lock().unwrap_or_else(PoisonError::into_inner).replace(dropped).is_none()
    }

    /// Sources that only differ from others are tried again: those may have been wrong.
    pub(crate) fn forgive_different(&self) {
        for share in &*self.0 {
            let mut dropped = share.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            dropped.take_if(|dropped| !dropped.by_digest);
        }
    }

    /// Whether nothing more is requested of a source.
    pub(crate) fn is_dropped(&self, number: usize) -> bool {
        let share = self.0.get(number);
        share.is_some_and(|share| share.dropped.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }

    /// All sources are tried again.
    pub(crate) fn forgive(&self) {
        for share in &*self.0 {
            *share.dropped.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// For the faces; empty of a job with one source.
    pub(crate) fn list(&self) -> Vec<SourceShare> {
        let one = |share: &Share| SourceShare {
            address: share.address.clone(),
            bytes: share.bytes.load(Relaxed),
            dropped: share
                .dropped
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(|dropped| dropped.why.clone()),
        };
        self.0.iter().map(one).collect()
    }

    fn add(&self, number: usize, bytes: u64) {
        if let Some(share) = self.0.get(number) {
            share.bytes.fetch_add(bytes, Relaxed);
        }
    }

    fn take(&self, number: usize, bytes: u64) {
        if let Some(share) = self.0.get(number) {
            let _ = share.bytes.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(bytes)));
        }
    }
}

/// Which source has sent each block that is local. Of the blocks of an earlier run that is not known.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    shares: Shares,
    by_block: BTreeMap<u64, (usize, u64)>,
}

/// Blocks that were forgotten because one of their senders has sent wrong bytes: who has sent them, and what they were.
pub(crate) type Suspects = BTreeMap<u64, (usize, Hash)>;

impl Senders {
    /// Of sources of which nothing is received yet in this run.
    pub(crate) fn of(shares: Shares) -> Senders {
        Senders { shares, by_block: BTreeMap::new() }
    }

    /// The sources.
    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// A source has sent a block of this length.
    pub(crate) fn sent(&mut self, number: usize, index: u64, length: u64) {
        self.forget(index);
        self.by_block.insert(index, (number, length));
        self.shares.add(number, length);
    }

    /// A block is not, or no longer, correct. Returns who has sent it.
    pub(crate) fn forget(&mut self, index: u64) -> Option<usize> {
        let (number, length) = self.by_block.remove(&index)?;
        self.shares.take(number, length);
        Some(number)
    }

    /// The source that has sent the most, of those that are not dropped; otherwise the first one that is not.
    pub(crate) fn main(&self, sources: usize) -> Option<usize> {
        let sent = |number: &usize| self.by_block.values().filter(|(sender, _)| sender == number).count();
        (0..sources).rev().filter(|number| !self.shares.is_dropped(*number)).max_by_key(sent)
    }

    /// Whether all of these blocks are known to be from one source.
    pub(crate) fn is_one(&self, blocks: &Blocks) -> bool {
        let mut senders =
            blocks.verified().map(|(index, _)| self.by_block.get(&index).map(|(number, _)| *number));
        match senders.next() {
            None => true,
            Some(first) => first.is_some() && senders.all(|sender| sender == first),
        }
    }

    /// Forgets all blocks but those of one source.
    pub(crate) fn keep_only(&mut self, number: usize, blocks: &mut Blocks) -> Suspects {
        let mut suspects = Suspects::new();
        for (index, hash) in blocks.verified().collect::<Vec<_>>() {
            match self.by_block.get(&index) {
                Some((sender, _)) if *sender == number => {}
                sender => {
                    if let Some((sender, _)) = sender {
                        suspects.insert(index, (*sender, hash));
                    }
                    self.forget(index);
                    blocks.forget(index);
                }
            }
        }
        suspects
    }
}
