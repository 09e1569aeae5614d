//! Names that the file system of a folder does not take, found out before anything is saved under them.

use std::{ffi::OsStr, os::fd::BorrowedFd};

use rustix::{
    fs::{AtFlags, Mode},
    io::Errno,
};

use super::{folder::Folder, removal};

/// Whether some system takes no such name: then the one here is asked.
pub(super) fn is_doubtful(name: &OsStr, folder: &Folder) -> bool {
    const EVERYWHERE: usize = 143;
    let Some(text) = name.to_str() else { return true };
    folder.is_too_long(name)
        || text.len() > EVERYWHERE
        || text.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
        || text.ends_with(['.', ' '])
        || text.starts_with(' ')
}

/// Why a name cannot be stored in a folder; `None` if it can. It is tried in an empty directory on the same file system.
pub(super) fn why(name: &OsStr, folder: &Folder, probe: BorrowedFd<'_>) -> Option<String> {
    if folder.is_too_long(name) {
        return Some("its name is too long for this file system".to_owned());
    }
    is_doubtful(name, folder).then(|| refuses_name(probe, name)).flatten()
}

fn refuses_name(probe: BorrowedFd<'_>, name: &OsStr) -> Option<String> {
    match rustix::fs::mkdirat(probe, name, Mode::from_raw_mode(0o700)) {
        Err(Errno::INVAL | Errno::NAMETOOLONG | Errno::ILSEQ | Errno::NOENT | Errno::PERM) => {
            Some("this file system does not take its name".to_owned())
        }
        // Whatever else is wrong, writing will find it.
        Err(_) => None,
        Ok(()) => {
            let found = removal::list(probe).unwrap_or_default();
            let is_other = !found.is_empty() && found.iter().all(|(found, _)| found != name);
            let _ = rustix::fs::unlinkat(probe, name, AtFlags::REMOVEDIR);
            is_other.then(|| "this file system stores it under another name".to_owned())
        }
    }
}
