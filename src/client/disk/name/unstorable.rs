//! Names that the file system of a folder rejects, found before anything is saved under them.

use std::{
    cell::OnceCell,
    ffi::OsStr,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
};

use rustix::{
    fs::{AtFlags, Mode},
    io::Errno,
};

use crate::{
    client::{
        api::settings::config::Names,
        disk::{
            folder::Folder,
            name::{SafeName, is_no_name},
            remove,
        },
    },
    protocol::path::odd_name,
};
/// Letters of several scripts, one of them beyond 16 bits: a file system with a code page of its own lacks some.
const LETTERS: &str = "é€я日😀";

/// Bytes of a name that every common file system accepts.
const EVERYWHERE: usize = 143;

/// Whether some file system rejects such a name: then it is tested on this one.
pub(crate) fn is_doubtful(name: &OsStr, folder: &Folder) -> bool {
    let text = odd_name::to_text(name.as_bytes());
    folder.is_too_long(name)
        || name.len() > EVERYWHERE
        || !name.is_ascii()
        || SafeName::exact(&text, Names::Portable).is_err()
}

/// Tests names in an empty directory on the same file system as a folder.
#[derive(Debug)]
pub(crate) struct Probe<'a> {
    folder: &'a Folder,
    directory: BorrowedFd<'a>,
    /// Whether names are accepted that are ordinary but for letters that are not ASCII.
    takes_letters: OnceCell<bool>,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(folder: &'a Folder, directory: BorrowedFd<'a>) -> Probe<'a> {
        Probe { folder, directory, takes_letters: OnceCell::new() }
    }

    /// Why a name cannot be stored; `None` if it can.
    pub(crate) fn refusal(&self, name: &OsStr) -> Option<String> {
        if self.folder.is_too_long(name) {
            return Some("its name is too long for this file system".to_owned());
        }
        if !is_doubtful(name, self.folder) {
            return None;
        }
        let is_portable = SafeName::exact(&odd_name::to_text(name.as_bytes()), Names::Portable).is_ok();
        let only_letters = is_portable && name.len() <= EVERYWHERE;
        let takes_letters =
            || *self.takes_letters.get_or_init(|| self.try_out(OsStr::new(LETTERS)).is_none());
        if only_letters && takes_letters() {
            return None;
        }
        self.try_out(name)
    }

    fn try_out(&self, name: &OsStr) -> Option<String> {
        let made = rustix::fs::mkdirat(self.directory, name, Mode::from_raw_mode(0o700));
        match made {
            Ok(()) => {
                let found = remove::list(self.directory).unwrap_or_default();
                let is_other = !found.is_empty() && found.iter().all(|(found, _)| found != name);
                let _ = rustix::fs::unlinkat(self.directory, name, AtFlags::REMOVEDIR);
                is_other.then(|| "this file system stores it under another name".to_owned())
            }
            Err(error) if is_no_name(&error.into()) || matches!(error, Errno::NOENT | Errno::PERM) => {
                Some("this file system does not accept its name".to_owned())
            }
            // Any other fault is reported when the file is written.
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::disk::folder::Folders;
    use std::os::fd::AsFd;

    #[test]
    fn a_name_that_some_system_rejects_is_doubtful() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let probe = Probe::new(&folder, folder.handle.as_fd());
        let long = "x".repeat(144);
        for name in ["aux.c", "a:b", "a.", " a", "a ", "größe", "e\u{301}", "a\u{200d}b", "日本", &long] {
            assert!(is_doubtful(OsStr::new(name), &folder), "{name:?}");
            assert_eq!(probe.refusal(OsStr::new(name)), None, "an ordinary file system takes {name:?}");
        }
        assert!(is_doubtful(OsStr::from_bytes(b"caf\xe9"), &folder));
        assert_eq!(probe.refusal(OsStr::from_bytes(b"caf\xe9")), None);
        assert!(!is_doubtful(OsStr::new("plain.txt"), &folder));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn letters_are_tested_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let probe = Probe::new(&folder, folder.handle.as_fd());
        assert_eq!((probe.refusal(OsStr::new("plain")), probe.takes_letters.get()), (None, None));
        assert_eq!((probe.refusal(OsStr::new("größe")), probe.takes_letters.get()), (None, Some(&true)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
