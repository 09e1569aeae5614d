//! A digest that the user wants the finished file to have, and its text form `ALGO:HEX`.

use std::{fmt, str::FromStr};

/// A digest that the finished file must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// 32 bytes.
    Blake3([u8; 32]),
    /// 32 bytes.
    Sha256([u8; 32]),
    /// 64 bytes.
    Sha512([u8; 64]),
    /// 16 bytes.
    Md5([u8; 16]),
}

/// The text is not `ALGO:HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not one of the algorithms.
    #[error("a checksum is blake3:, sha256:, sha512: or md5: and the digest in hex")]
    Algorithm,
    /// Not hex, or of another length.
    #[error("a digest of this algorithm has {0} hex digits")]
    Digits(usize),
}

impl Checksum {
    /// Whether both are digests of the same algorithm.
    pub(crate) fn has_algorithm_of(&self, other: &Checksum) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// How much it proves beside others of the same content. Among those that cannot be forged BLAKE3 is first: it is computed while
    /// the content is received.
    pub(crate) fn strength(&self) -> u8 {
        match self {
            Checksum::Md5(_) => 0,
            Checksum::Sha256(_) => 1,
            Checksum::Sha512(_) => 2,
            Checksum::Blake3(_) => 3,
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Checksum, ChecksumError> {
        let (algorithm, digits) = text.split_once(':').ok_or(ChecksumError::Algorithm)?;
        match algorithm.to_ascii_lowercase().as_str() {
            "blake3" => Ok(Checksum::Blake3(decode(digits)?)),
            "sha256" => Ok(Checksum::Sha256(decode(digits)?)),
            "sha512" => Ok(Checksum::Sha512(decode(digits)?)),
            "md5" => Ok(Checksum::Md5(decode(digits)?)),
            _ => Err(ChecksumError::Algorithm),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, digest): (_, &[u8]) = match self {
            Checksum::Blake3(digest) => ("blake3", digest),
            Checksum::Sha256(digest) => ("sha256", digest),
            Checksum::Sha512(digest) => ("sha512", digest),
            Checksum::Md5(digest) => ("md5", digest),
        };
        write!(f, "{algorithm}:{}", hex::encode(digest))
    }
}

fn decode<const N: usize>(digits: &str) -> Result<[u8; N], ChecksumError> {
    let mut digest = [0; N];
    hex::decode_to_slice(digits, &mut digest).map_err(|_| ChecksumError::Digits(2 * N))?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        for text in ["", "abc", "crc:00", "sha1:00"] {
            assert_eq!(text.parse::<Checksum>(), Err(ChecksumError::Algorithm), "{text}");
        }
        assert_eq!("md5:00".parse::<Checksum>(), Err(ChecksumError::Digits(32)));
        let not_hex = format!("md5:{}", "zz".repeat(16));
        assert_eq!(not_hex.parse::<Checksum>(), Err(ChecksumError::Digits(32)));
        let umlaut = format!("md5:{}", "ä".repeat(16));
        assert_eq!(umlaut.parse::<Checksum>(), Err(ChecksumError::Digits(32)));
    }
}
