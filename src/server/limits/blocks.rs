//! Addresses that the operator has blocked for a time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{MAX_TIMEOUT, origin::Origin};
use crate::{
    server::{api::snapshot::BlockView, sync::lock},
    text::SafeText,
};

/// The blocked addresses, and of IPv6 networks. A block ends by itself.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<HashMap<Origin, Block>>);

#[derive(Clone, Copy, Debug)]
struct Block {
    until: Instant,
    /// Connections that were refused.
    refused: u64,
}

impl Blocks {
    /// Blocks the origin of an address for this time, instead of what was left of an earlier block.
    pub fn add(&self, address: IpAddr, time: Duration, now: Instant) {
        let mut blocks = lock(&self.0);
        let until = now + time.min(MAX_TIMEOUT);
        blocks.entry(address.into()).or_insert(Block { until, refused: 0 }).until = until;
    }

    /// Lifts the block of the origin of an address. Returns whether there was one.
    pub fn lift(&self, address: IpAddr) -> bool {
        lock(&self.0).remove(&address.into()).is_some()
    }

    /// How long a client at this address is still blocked. Counts the attempt.
    pub fn check(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut blocks = lock(&self.0);
        let block = blocks.get_mut(&address.into()).filter(|block| block.until > now)?;
        block.refused += 1;
        Some(block.until - now)
    }

    /// The blocks in force, that which ends first first. Forgets those that have ended.
    pub fn view(&self, now: Instant) -> Vec<BlockView> {
        let mut blocks = lock(&self.0);
        blocks.retain(|_, block| block.until > now);
        let view = |(origin, block): (&Origin, &Block)| BlockView {
            address: origin.address(),
            network: SafeText::new(&origin.to_string()),
            left: block.until - now,
            refused: block.refused,
        };
        let mut views: Vec<_> = blocks.iter().map(view).collect();
        views.sort_by_key(|view| (view.left, view.address));
        views
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_ends_by_itself_or_is_lifted() {
        let (blocks, now) = (Blocks::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        blocks.add(one, 10 * MINUTE, now);
        assert_eq!(blocks.check(one, now + MINUTE), Some(9 * MINUTE));
        assert_eq!(blocks.check(other, now), None);
        let views = blocks.view(now + MINUTE);
        assert_eq!(
            views.iter().map(|view| (view.network.as_str(), view.refused)).collect::<Vec<_>>(),
            [("192.0.2.1", 1)]
        );
        assert_eq!(blocks.check(one, now + 10 * MINUTE), None, "it is over");
        assert!(blocks.view(now + 10 * MINUTE).is_empty());
        blocks.add(one, MINUTE, now);
        assert!(blocks.lift(one) && !blocks.lift(one));
        assert_eq!(blocks.check(one, now), None);
    }

    #[test]
    fn a_block_of_an_ipv6_address_is_that_of_its_network() {
        let (blocks, now) = (Blocks::default(), Instant::now());
        blocks.add(address("2001:db8::1"), MINUTE, now);
        assert!(blocks.check(address("2001:db8::ffff:2"), now).is_some());
        assert_eq!(blocks.check(address("2001:db8:0:1::1"), now), None);
        assert_eq!(blocks.view(now)[0].network.as_str(), "2001:db8::/64");
        blocks.add(address("::ffff:192.0.2.1"), 2 * MINUTE, now);
        assert!(blocks.check(address("192.0.2.1"), now).is_some());
        assert_eq!(blocks.view(now)[1].network.as_str(), "192.0.2.1");
    }

    #[test]
    fn a_second_block_replaces_the_first() {
        let (blocks, now) = (Blocks::default(), Instant::now());
        blocks.add(address("192.0.2.1"), 10 * MINUTE, now);
        blocks.add(address("192.0.2.1"), MINUTE, now);
        assert_eq!(blocks.check(address("192.0.2.1"), now), Some(MINUTE));
        blocks.add(address("192.0.2.1"), Duration::MAX, now);
        assert!(blocks.check(address("192.0.2.1"), now).is_some(), "no time is too long");
    }
}
