//! Opens a finished zip, as its user will: a digest proves that it is what the server sent, this that it is
//! an archive.

use std::fs::File;

use zip::{ZipArchive, result::ZipError};

use crate::protocol::message::Sources;

/// Archives of more entries are not opened: their directory is held in memory.
const MOST: u64 = 100_000;

/// Opens the archive and compares the number of its entries with what it was made from.
///
/// # Errors
/// A sentence for people: what is wrong with it.
pub(super) fn check(file: &File, sources: &Sources) -> Result<(), String> {
    let expected = sources.files.saturating_add(sources.directories);
    if expected > MOST {
        tracing::debug!(entries = expected, "the archive is too large to be opened for a check");
        return Ok(());
    }
    let archive = ZipArchive::new(file).map_err(|error| match error {
        ZipError::Io(error) => format!("the archive could not be read: {error}"),
        error => format!("what came is no zip archive that can be opened: {error}"),
    })?;
    let found = archive.len() as u64;
    if found != expected {
        return Err(format!("the archive holds {found} entries instead of {expected}"));
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
        assert!(check(&file, &sources(1, 1)).unwrap_err().contains("no zip archive"));
    }
}
