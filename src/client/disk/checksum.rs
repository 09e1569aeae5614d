//! Digests that a user asks for: reading them, and computing them of a finished file.

use std::{fmt, fs::File, io, os::unix::fs::FileExt, str::FromStr};

use sha2::Digest as _;

use crate::client::api::new_job::Checksum;

/// Bytes read at once: digests are fastest over large pieces.
const PIECE: usize = 1 << 20;

/// The text is no `ALGO:HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not one of the three algorithms.
    #[error("a checksum is blake3:, sha256: or md5: and the digest in hex")]
    Algorithm,
    /// Not hex, or of another length.
    #[error("a digest of this algorithm has {0} hex digits")]
    Digits(usize),
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Checksum, ChecksumError> {
        let (algorithm, digits) = text.split_once(':').ok_or(ChecksumError::Algorithm)?;
        match algorithm.to_ascii_lowercase().as_str() {
            "blake3" => Ok(Checksum::Blake3(decode(digits)?)),
            "sha256" => Ok(Checksum::Sha256(decode(digits)?)),
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

/// Why a file was not digested.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// It could not be read.
    Io(io::Error),
    /// The user wants something else.
    Stopped,
}

/// The digest of `file`, of the same algorithm as `like`, in the form `algo:hex`.
pub(crate) fn of_file(
    file: &File,
    like: &Checksum,
    go_on: impl Fn() -> bool,
) -> Result<Checksum, Interrupted> {
    Ok(match like {
        Checksum::Blake3(_) => {
            let mut hasher = blake3::Hasher::new();
            read_through(file, go_on, |piece| {
                hasher.update(piece);
            })?;
            Checksum::Blake3(*hasher.finalize().as_bytes())
        }
        Checksum::Sha256(_) => {
            let mut hasher = sha2::Sha256::new();
            read_through(file, go_on, |piece| hasher.update(piece))?;
            Checksum::Sha256(hasher.finalize().into())
        }
        Checksum::Md5(_) => {
            let mut hasher = md5::Md5::new();
            read_through(file, go_on, |piece| hasher.update(piece))?;
            Checksum::Md5(hasher.finalize().into())
        }
    })
}

/// Reads a file from its start, wherever its cursor is.
fn read_through(
    file: &File,
    go_on: impl Fn() -> bool,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Interrupted> {
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    while go_on() {
        match file.read_at(&mut piece, offset) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                take(&piece[..count]);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Interrupted::Io(error)),
        }
    }
    Err(Interrupted::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ABC: [&str; 3] = [
        "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "md5:900150983cd24fb0d6963f7d28e17f72",
    ];

    #[test]
    fn published_digests_are_computed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        for text in ABC {
            let wanted: Checksum = text.parse().unwrap();
            assert_eq!(of_file(&file, &wanted, || true).unwrap(), wanted);
            assert_eq!(wanted.to_string(), text);
        }
    }

    #[test]
    fn it_stops_when_told() {
        let file = tempfile::tempfile().unwrap();
        let wanted = Checksum::Md5([0; 16]);
        assert!(matches!(of_file(&file, &wanted, || false), Err(Interrupted::Stopped)));
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        for text in ["", "abc", "crc:00", "sha512:00"] {
            assert_eq!(text.parse::<Checksum>(), Err(ChecksumError::Algorithm), "{text}");
        }
        assert_eq!("md5:00".parse::<Checksum>(), Err(ChecksumError::Digits(32)));
        let not_hex = format!("md5:{}", "zz".repeat(16));
        assert_eq!(not_hex.parse::<Checksum>(), Err(ChecksumError::Digits(32)));
        let umlaut = format!("md5:{}", "ä".repeat(16));
        assert_eq!(umlaut.parse::<Checksum>(), Err(ChecksumError::Digits(32)));
    }
}
