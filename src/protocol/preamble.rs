//! The 8 bytes with which each side of a connection begins.

/// Length of the preamble in bytes.
pub const LENGTH: usize = 8;
/// The version that this implementation speaks.
pub const VERSION: u8 = 1;
/// The byte with which this protocol's clients begin.
pub const FIRST_BYTE: u8 = 0x00;
/// The byte with which a TLS record of a handshake begins.
pub const TLS_FIRST_BYTE: u8 = 0x16;

const MAGIC: [u8; 5] = [FIRST_BYTE, b'F', b'D', b'S', b'P'];

/// The versions that a side speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub lowest: u8,
    /// The highest.
    pub highest: u8,
}

impl Versions {
    /// The versions of this implementation.
    pub const OURS: Versions = Versions { lowest: VERSION, highest: VERSION };

    /// The preamble with these versions.
    pub fn encode(self) -> [u8; LENGTH] {
        let [a, b, c, d, e] = MAGIC;
        [a, b, c, d, e, self.lowest, self.highest, 0]
    }

    /// Reads a preamble; `None` if it is not a preamble, or its range is empty.
    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Versions> {
        let [a, b, c, d, e, lowest, highest, zero] = *bytes;
        let ours = [a, b, c, d, e] == MAGIC && zero == 0 && lowest <= highest;
        ours.then_some(Versions { lowest, highest })
    }

    /// The highest common version.
    pub fn common(self, other: Versions) -> Option<u8> {
        let highest = self.highest.min(other.highest);
        (highest >= self.lowest.max(other.lowest)).then_some(highest)
    }
}

/// Whether `bytes`, which may be fewer than a preamble has, can still become one.
pub fn may_begin(bytes: &[u8]) -> bool {
    bytes.iter().zip(MAGIC).all(|(&byte, magic)| byte == magic)
}
