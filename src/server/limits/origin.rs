//! Which addresses count as one client.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// An address, or of IPv6 its network of 64 bits, since a client with one address there has 2^64 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Origin {
        Origin(prefix(address, 64))
    }
}

impl Origin {
    /// The address; of a network its first one.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// A network in which connections and wrong tokens are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    bits: u32,
    prefix: IpAddr,
}

impl Network {
    /// The networks of an address, the widest first: of IPv6 those of 48, 56 and 64 bits, which a provider gives to one site,
    /// one household and one link. An address of IPv4 is a network of its own, three times.
    pub fn of(address: IpAddr) -> [Network; 3] {
        [48, 56, 64].map(|bits| Network { bits, prefix: prefix(address, bits) })
    }

    /// The networks of an address, the widest first, each with its limit: `max` for an IPv4 address or an IPv6 network of 64 bits,
    /// twice as many for one of 56 bits, and three times as many for one of 48 bits.
    pub fn with_limits(address: IpAddr, max: usize) -> [(Network, usize); 3] {
        let [site, household, link] = Network::of(address);
        [(site, max.saturating_mul(3)), (household, max.saturating_mul(2)), (link, max)]
    }
}

/// The first bits of an address of IPv6, or an address of IPv4 as it is.
fn prefix(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> (128 - bits) << (128 - bits)).into(),
    }
}
