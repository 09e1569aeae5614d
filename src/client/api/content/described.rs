//! What a metalink says of a content, beside where it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::client::api::{content::checksum::Checksum, serial};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of all of it.
    #[serde(with = "serial::optional_text", default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Checksum>,
    /// The digests of its pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Pieces>,
}

/// The algorithm of the digests of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PieceDigest {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5: it shows damage, but no malice.
    Md5,
}

/// The digests of the pieces of a content, which are all of one length but for the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Pieces {
    algorithm: PieceDigest,
    /// Bytes of a piece.
    length: u64,
    /// All digests, one after the other.
    digests: Arc<[u8]>,
}

/// How they are saved.
#[derive(Serialize, Deserialize)]
struct Written {
    algorithm: PieceDigest,
    length: u64,
    digests: String,
}

/// The largest piece, in bytes: it is read as a whole to be verified.
pub const MAX_PIECE_LEN: u64 = 64 << 20;

impl PieceDigest {
    fn len(self) -> usize {
        match self {
            PieceDigest::Sha256 => 32,
            PieceDigest::Sha512 => 64,
            PieceDigest::Md5 => 16,
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            PieceDigest::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            PieceDigest::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
            PieceDigest::Md5 => md5::Md5::digest(bytes).to_vec(),
        }
    }
}

impl Pieces {
    /// Pieces of this length, with these digests one after the other; `None` if they do not fit together.
    pub fn new(algorithm: PieceDigest, length: u64, digests: Vec<u8>) -> Option<Pieces> {
        let fits = (1..=MAX_PIECE_LEN).contains(&length)
            && !digests.is_empty()
            && digests.len().is_multiple_of(algorithm.len());
        fits.then(|| Pieces { algorithm, length, digests: digests.into() })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> PieceDigest {
        self.algorithm
    }

    /// Bytes of a piece; the last one may have fewer.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.digests.len() / self.algorithm.len()) as u64
    }

    /// Whether they are those of a content of `size` bytes.
    pub fn are_of(&self, size: u64) -> bool {
        size.div_ceil(self.length) == self.count()
    }

    /// Whether these bytes are this piece.
    pub fn is(&self, index: u64, bytes: &[u8]) -> bool {
        let len = self.algorithm.len();
        let start = usize::try_from(index).ok().and_then(|index| index.checked_mul(len));
        let digest = start.and_then(|start| self.digests.get(start..start.checked_add(len)?));
        digest.is_some_and(|digest| digest == self.algorithm.of(bytes))
    }
}

impl From<Pieces> for Written {
    fn from(pieces: Pieces) -> Written {
        let Pieces { algorithm, length, digests } = pieces;
        Written { algorithm, length, digests: hex::encode(digests) }
    }
}

impl TryFrom<Written> for Pieces {
    type Error = &'static str;

    fn try_from(Written { algorithm, length, digests }: Written) -> Result<Pieces, &'static str> {
        let digests = hex::decode(digests).map_err(|_| "the digests of pieces are hex")?;
        Pieces::new(algorithm, length, digests).ok_or("the digests of pieces do not fit together")
    }
}
