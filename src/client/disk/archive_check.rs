//! Opens a finished zip, as its user will: a digest proves that it is what the server sent, this that it is
//! an archive.

use std::fs::File;

use zip::{read::Config, result::ZipError, unstable::read::ZipIterable};

use crate::protocol::message::Sources;

/// Of archives of more entries only the end of their directory is read: the rest would take too long.
const MOST: u64 = 100_000;

/// Opens the archive and compares the number of its entries with what it was made from.
///
/// # Errors
/// A sentence for people: what is wrong with it.
pub(crate) fn check(file: &File, sources: &Sources) -> Result<(), String> {
    let expected = sources.files.saturating_add(sources.directories);
    let unusable = |error| match error {
        ZipError::Io(error) => format!("the archive could not be read: {error}"),
        error => format!("the file is not a zip archive that can be opened: {error}"),
    };
    // One entry at a time: how many there are is for the server to say, and would be for it to fill memory with.
    let mut archive = ZipIterable::try_new(file, Config::default()).map_err(unusable)?;
    let found = archive.len() as u64;
    if found != expected {
        return Err(format!("the archive holds {found} entries instead of {expected}"));
    }
    if found > MOST {
        tracing::debug!(entries = found, "the archive is too large to be looked through");
        return Ok(());
    }
    for entry in archive.files().map_err(unusable)? {
        entry.map_err(unusable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn sources(files: u64, directories: u64) -> Sources {
        Sources { bytes: 3, files, directories, omitted: 0 }
    }

    fn archive() -> File {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        writer.add_directory("d/", SimpleFileOptions::default()).unwrap();
        writer.start_file("d/a", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap()
    }

    /// The end of a directory, said to have so many entries in what comes before it.
    fn end(entries: u16, size: u32) -> Vec<u8> {
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([entries, entries].map(u16::to_le_bytes).concat());
        end.extend([size, 0].map(u32::to_le_bytes).concat());
        end.extend([0; 2]);
        end
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_whole_archive_passes() {
        assert_eq!(check(&archive(), &sources(1, 1)), Ok(()));
    }

    #[test]
    fn one_with_other_entries_does_not() {
        let said = check(&archive(), &sources(2, 1)).unwrap_err();
        assert_eq!(said, "the archive holds 2 entries instead of 3");
    }

    #[test]
    fn one_without_its_end_does_not() {
        let file = archive();
        file.set_len(file.metadata().unwrap().len() - 10).unwrap();
        assert!(check(&file, &sources(1, 1)).unwrap_err().contains("not a zip archive"));
    }

    #[test]
    fn one_that_claims_far_more_entries_is_not_read_into_memory() {
        // Only the first of them looks like one.
        let mut bytes = b"PK\x01\x02".to_vec();
        bytes.resize(46 * 60_000, 0);
        bytes.extend(end(60_000, 46 * 60_000));
        let said = check(&file(&bytes), &sources(1, 1)).unwrap_err();
        assert_eq!(said, "the archive holds 60000 entries instead of 2");
    }

    #[test]
    fn what_is_said_to_be_too_large_to_look_through_is_an_archive_all_the_same() {
        let said = check(&file(b"abc"), &sources(u64::MAX, u64::MAX)).unwrap_err();
        assert!(said.contains("not a zip archive"), "{said}");
    }

    #[test]
    fn one_with_broken_entries_does_not_pass() {
        let mut bytes = b"PK\x01\x02".to_vec();
        bytes.resize(46 * 2, 0);
        bytes.extend(end(2, 46 * 2));
        assert!(check(&file(&bytes), &sources(1, 1)).unwrap_err().contains("not a zip archive"));
    }
}
