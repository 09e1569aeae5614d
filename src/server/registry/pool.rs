//! Counts of connections by the networks that they come from: how many a network may have, and which connections are evicted for a
//! new one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

use crate::server::limits::origin::Network;

/// Connections that are counted together.
#[derive(Debug, Default)]
pub(super) struct Pool {
    len: usize,
    networks: HashMap<Network, usize>,
}

impl Pool {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn add(&mut self, address: IpAddr) {
        self.len += 1;
        for network in Network::of(address) {
            *self.networks.entry(network).or_default() += 1;
        }
    }

    /// Removes a connection that was added.
    pub fn remove(&mut self, address: IpAddr) {
        self.len -= 1;
        for network in Network::of(address) {
            if let Some(count) = self.networks.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    self.networks.remove(&network);
                }
            }
        }
    }

    /// The narrowest network of this address that has as many as it may; see [`Network::with_limits`].
    pub fn full_network(&self, address: IpAddr, max: usize) -> Option<Network> {
        let networks = Network::with_limits(address, max).into_iter().rev();
        networks.filter(|(network, limit)| self.count(network) >= *limit).map(|(network, _)| network).next()
    }

    /// Whether a network of this address has as many as it may.
    pub fn is_at_limit(&self, address: IpAddr, max: usize) -> bool {
        self.full_network(address, max).is_some()
    }

    /// How many more connections the network of `holder` has than that of `other`: of the widest networks that differ. 0 for two
    /// addresses of the same network, and where `other` has more.
    pub fn surplus(&self, holder: IpAddr, other: IpAddr) -> usize {
        let networks = Network::of(holder).into_iter().zip(Network::of(other));
        let mut different = networks.filter(|(holder, other)| holder != other);
        let surplus = |(holder, other)| self.count(&holder).saturating_sub(self.count(&other));
        different.next().map_or(0, surplus)
    }

    fn count(&self, network: &Network) -> usize {
        self.networks.get(network).copied().unwrap_or(0)
    }
}

/// Random numbers that no peer can predict.
#[derive(Debug)]
pub(super) struct Random {
    key: [u8; 32],
    drawn: u64,
}

impl Random {
    /// The same key gives the same numbers.
    pub fn new(key: [u8; 32]) -> Random {
        Random { key, drawn: 0 }
    }

    /// One of these, each with the same probability.
    pub fn choose<T>(&mut self, mut candidates: Vec<T>) -> Option<T> {
        self.drawn += 1;
        let hash = blake3::keyed_hash(&self.key, &self.drawn.to_le_bytes());
        let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let index = number.checked_rem(candidates.len() as u64)?;
        Some(candidates.swap_remove(usize::try_from(index).ok()?))
    }
}

impl Default for Random {
    fn default() -> Random {
        let mut key = [0; 32];
        for (number, part) in key.chunks_mut(8).enumerate() {
            // Its keys are random numbers of the system.
            part.copy_from_slice(&RandomState::new().hash_one(number).to_le_bytes());
        }
        Random::new(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pool(addresses: &[IpAddr]) -> Pool {
        let mut pool = Pool::default();
        addresses.iter().for_each(|&address| pool.add(address));
        pool
    }

    #[test]
    fn wide_networks_have_limits_of_their_own() {
        // Of the link, of the household and of the site.
        for (name, limit) in [("2001:db8:0:0::", 4), ("2001:db8:0:", 8), ("2001:db8:0:", 12)] {
            let mut pool = Pool::default();
            let mut count = 0u32;
            loop {
                let address = match limit {
                    4 => ip(&format!("{name}{count:x}")),
                    8 => ip(&format!("{name}{:x}::1", count % 256)),
                    _ => ip(&format!("{name}{:x}::1", count * 256)),
                };
                if pool.is_at_limit(address, 4) {
                    break;
                }
                pool.add(address);
                count += 1;
            }
            assert_eq!(count, limit);
            assert!(!pool.is_at_limit(ip("2001:db8:1::1"), 4) && !pool.is_at_limit(ip("192.0.2.1"), 4));
        }
    }

    #[test]
    fn addresses_of_ipv4_are_counted_one_by_one() {
        let near = pool(&[ip("192.0.2.1"), ip("::ffff:192.0.2.1"), ip("192.0.2.2")]);
        assert!(near.is_at_limit(ip("192.0.2.1"), 2) && !near.is_at_limit(ip("192.0.2.2"), 2));
        assert_eq!(near.surplus(ip("192.0.2.1"), ip("192.0.2.2")), 1);
        assert_eq!(near.surplus(ip("192.0.2.2"), ip("192.0.2.1")), 0);
        assert_eq!(near.surplus(ip("192.0.2.1"), ip("192.0.2.3")), 2);
    }

    #[test]
    fn the_widest_networks_that_differ_are_compared() {
        let site: Vec<_> = (0..10).map(|number| ip(&format!("2001:db8:0:{number:x}00::1"))).collect();
        let pool = pool(&[&site[..], &[ip("2001:db8:1::1"), ip("2001:db8:1::2")]].concat());
        assert_eq!(pool.surplus(site[0], ip("2001:db8:1::3")), 8, "a site that has many");
        assert_eq!(pool.surplus(ip("2001:db8:1::1"), site[0]), 0, "takes nothing from one that has few");
        assert_eq!(pool.surplus(ip("2001:db8:1::1"), ip("2001:db8:0:ff00::1")), 0, "by no further network");
        assert_eq!(pool.surplus(site[0], ip("2001:db8:0:ff00::1")), 1, "but from itself");
        assert_eq!(pool.surplus(site[0], site[0]), 0);
    }

    #[test]
    fn each_candidate_is_equally_likely() {
        let mut random = Random::new([7; 32]);
        let mut counts = [0u32; 8];
        for _ in 0..8000 {
            counts[random.choose((0..8).collect()).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(random.choose(Vec::<u8>::new()), None);
        let first = |mut random: Random| [(); 8].map(|()| random.choose((0..1000).collect::<Vec<_>>()));
        assert_eq!(first(Random::new([1; 32])), first(Random::new([1; 32])));
        assert_ne!(first(Random::new([1; 32])), first(Random::new([2; 32])));
        assert_ne!(first(Random::default()), first(Random::default()));
    }

    proptest! {
        /// Who takes a place never has more than the one that loses it had.
        #[test]
        fn no_network_replaces_connections_of_a_smaller_one(
            addresses in prop::collection::vec((0u16..3, 0u16..3, 0u16..3), 1..40),
            newcomer in (0u16..3, 0u16..3, 0u16..3),
        ) {
            let ip = |(site, house, host): (u16, u16, u16)| -> IpAddr {
                [0x2001, 0xdb8, site, house << 8 | host, 0, 0, 0, 1].into()
            };
            let addresses: Vec<_> = addresses.into_iter().map(ip).collect();
            let (mut pool, newcomer) = (pool(&addresses), ip(newcomer));
            for &holder in &addresses {
                let surplus = pool.surplus(holder, newcomer);
                if surplus > 0 {
                    pool.remove(holder);
                    pool.add(newcomer);
                    prop_assert!(pool.surplus(newcomer, holder) <= 1);
                    pool.remove(newcomer);
                    pool.add(holder);
                }
                prop_assert!(surplus == 0 || pool.surplus(newcomer, holder) == 0);
            }
            addresses.iter().for_each(|&address| pool.remove(address));
            prop_assert!(pool.len() == 0 && pool.networks.is_empty());
        }
    }
}
