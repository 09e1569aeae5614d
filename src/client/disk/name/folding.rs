//! Different names that a file system treats as the same.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::fs::{AtFlags, Mode, OFlags};
use unicode_normalization::UnicodeNormalization;

use crate::{
    client::{api::settings::config::Names, disk::folder::open_directory},
    platform,
};
/// Which names a file system treats as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folding {
    /// Upper and lower case.
    pub(crate) case: bool,
    /// Composed and decomposed letters.
    pub(crate) normal: bool,
}

impl Folding {
    /// What any system treats as the same, if names are to be portable; otherwise nothing.
    pub(crate) fn elsewhere(names: Names) -> Folding {
        let portable = names == Names::Portable;
        Folding { case: portable, normal: portable }
    }

    /// A key that two names share if they are the same.
    pub(crate) fn key(self, name: &str) -> String {
        match (self.case, self.normal) {
            // Converted twice: letters that differ in one case only are the same, too.
            (true, _) => name.nfd().collect::<String>().to_uppercase().to_lowercase().nfd().collect(),
            (false, true) => name.nfd().collect(),
            (false, false) => name.to_owned(),
        }
    }

    /// Tests it in a temporary directory in a folder of the user. If that cannot be created, nothing else can be either.
    pub(crate) fn in_folder(folder: &Path) -> Folding {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".fdsp-probe-{}-{number}", std::process::id());
        let probe = || -> io::Result<Folding> {
            let folder = platform::open_directory(folder)?;
            rustix::fs::mkdirat(&folder, &*name, Mode::RWXU)?;
            let folding =
                open_directory(&folder, OsStr::new(&name)).map(|probe| Folding::probe(probe.as_fd()));
            rustix::fs::unlinkat(&folder, &*name, AtFlags::REMOVEDIR)?;
            folding
        };
        probe().unwrap_or_default()
    }

    /// Tests it in an empty directory, which is empty afterwards, too.
    pub(crate) fn probe(directory: BorrowedFd<'_>) -> Folding {
        let make = |name: &str| -> io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o600))?;
            Ok(())
        };
        let is_there = |name: &str| rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let names = ["a", "\u{e9}"];
        // A file system may accept one and not the other. If it accepts neither, the next operation fails, too, and reports why.
        let [plain, letter] = names.map(|name| make(name).is_ok());
        let folding = Folding { case: plain && is_there("A"), normal: letter && is_there("e\u{301}") };
        for name in names {
            let _ = rustix::fs::unlinkat(directory, OsStr::new(name), AtFlags::empty());
        }
        folding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_is_the_same_in_any_case(name in "[a-zA-Zäöüßéσς]{1,12}") {
            let folding = Folding { case: true, normal: true };
            let decomposed: String = name.nfd().collect();
            prop_assert_eq!(folding.key(&name), folding.key(&name.to_uppercase()));
            prop_assert_eq!(folding.key(&name), folding.key(&decomposed));
            prop_assert_eq!(folding.key(&name), folding.key(&folding.key(&name)));
        }
    }

    #[test]
    fn a_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let handle = std::fs::File::open(folder.path()).unwrap();
        assert_eq!(Folding::probe(handle.as_fd()), Folding::default(), "what tests run on is no such system");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
