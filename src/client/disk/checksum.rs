//! Computes the digest of a file.

use std::{cell::Cell, fs::File, io, os::unix::fs::FileExt};

use sha2::Digest as _;

use crate::{client::api::content::checksum::Checksum, protocol::digest::Hash};

/// Bytes read at once: hashing is fastest over large pieces.
const READ_LEN: usize = 1 << 20;

/// Why a file was not digested.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// It could not be read.
    Io(io::Error),
    /// The user cancelled it.
    Stopped,
}

/// The digest of `file`, of the same algorithm as `like`, in the form `algo:hex`. `hashed` gets how many bytes were read.
pub(crate) fn of_file(
    file: &File,
    like: &Checksum,
    should_continue: impl Fn() -> bool,
    hashed: impl Fn(u64),
) -> Result<Checksum, Interrupted> {
    let read = Cell::new(0);
    let counted = |piece: &[u8]| {
        read.set(read.get() + piece.len() as u64);
        hashed(read.get());
    };
    let mut buffer = buffer();
    Ok(match like {
        Checksum::Blake3(_) => Checksum::Blake3(blake3(file, &mut buffer, should_continue)?.0),
        Checksum::Sha256(_) => {
            let mut hasher = sha2::Sha256::new();
            read_through(file, &mut buffer, should_continue, |piece| {
                hasher.update(piece);
                counted(piece);
            })?;
            Checksum::Sha256(hasher.finalize().into())
        }
        Checksum::Sha512(_) => {
            let mut hasher = sha2::Sha512::new();
            read_through(file, &mut buffer, should_continue, |piece| {
                hasher.update(piece);
                counted(piece);
            })?;
            Checksum::Sha512(hasher.finalize().into())
        }
        Checksum::Md5(_) => {
            let mut hasher = md5::Md5::new();
            read_through(file, &mut buffer, should_continue, |piece| {
                hasher.update(piece);
                counted(piece);
            })?;
            Checksum::Md5(hasher.finalize().into())
        }
    })
}

/// The BLAKE3 digest of a file, read through `buffer`.
pub(crate) fn blake3(
    file: &File,
    buffer: &mut [u8],
    should_continue: impl Fn() -> bool,
) -> Result<Hash, Interrupted> {
    let mut hasher = blake3::Hasher::new();
    read_through(file, buffer, should_continue, |piece| {
        hasher.update(piece);
    })?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}

/// A buffer to read files through.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; READ_LEN]
}

/// Reads a file from its start, wherever its cursor is.
fn read_through(
    file: &File,
    buffer: &mut [u8],
    should_continue: impl Fn() -> bool,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Interrupted> {
    let mut offset = 0;
    while should_continue() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                take(&buffer[..count]);
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

    const ABC: [&str; 4] = [
        "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "md5:900150983cd24fb0d6963f7d28e17f72",
    ];

    #[test]
    fn published_digests_are_computed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        for text in ABC {
            let wanted: Checksum = text.parse().unwrap();
            assert_eq!(of_file(&file, &wanted, || true, |_| ()).unwrap(), wanted);
            assert_eq!(wanted.to_string(), text);
        }
    }

    #[test]
    fn it_stops_when_it_is_cancelled() {
        let file = tempfile::tempfile().unwrap();
        let wanted = Checksum::Md5([0; 16]);
        assert!(matches!(of_file(&file, &wanted, || false, |_| ()), Err(Interrupted::Stopped)));
    }
}
