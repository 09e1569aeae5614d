//! Opens unfinished work of this program and locks it, so that two clients cannot write to it at the same time.

use std::{
    ffi::OsStr,
    fs::{File, Metadata, TryLockError},
    io,
    os::unix::fs::MetadataExt,
};

use crate::{
    client::{
        disk::{folder::Folder, lock},
        error::Fault,
    },
    platform::reason,
    text::ShowPath,
};

/// The process that held the lock may have renamed or deleted the file: at most this many files with the name are opened.
const MAX_ATTEMPTS: u32 = 8;

/// Opens a file or directory and locks it for as long as it is open.
///
/// `doing`: what another client does that holds the lock. `open`: opens or creates it; `None` to try again. `check`: fails if it must
/// not be used; `false` to try again.
pub(crate) fn open_locked(
    folder: &Folder,
    name: &OsStr,
    doing: &str,
    open: impl Fn() -> Result<Option<File>, Fault>,
    check: impl Fn(&File, &Metadata) -> Result<bool, Fault>,
) -> Result<File, Fault> {
    let path = folder.join(name);
    let path = path.shown();
    let unreadable = |error: io::Error| Fault::disk(format!("cannot read {path}: {}", reason(&error)));
    let in_use = || {
        Fault::disk(format!(
            "another client is {doing} to {path}; wait until it has finished, stop it, or save to another folder"
        ))
    };
    for _ in 0..MAX_ATTEMPTS {
        let Some(file) = open()? else { continue };
        match lock::lock(&file, lock::MOMENT) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => {
                return Err(Fault::disk(format!(
                    "cannot lock {path}: {}; without locks two clients could write to it at the same time, so save on another file \
                     system",
                    reason(&error)
                )));
            }
        }
        let data = file.metadata().map_err(unreadable)?;
        if folder.is_of_another(data.uid()) {
            let why = "belongs to another user, who could change what is in it";
            return Err(Fault::disk(format!("{path} {why}; move it away")));
        }
        let found = folder.look(name).map_err(unreadable)?;
        let is_in_place = found.is_some_and(|found| found.id == (data.dev(), data.ino()));
        if is_in_place && check(&file, &data)? {
            return Ok(file);
        }
    }
    Err(in_use())
}
