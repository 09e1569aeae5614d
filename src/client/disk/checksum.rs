//! Computes the digest of a file.

use std::{fs::File, io, os::unix::fs::FileExt};

use sha2::Digest as _;

use crate::client::api::checksum::Checksum;

/// Bytes read at once: digests are fastest over large pieces.
const PIECE: usize = 1 << 20;

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
}
