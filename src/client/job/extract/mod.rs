//! Unpacks an archive that was received and verified, if the user asks for it.
//!
//! ```text
//! survey ── names, kinds, sizes, counts, duplicates: all are checked before anything is written
//! unpack ── into a folder of its own beside the archive (unpack_dir), with times and modes; then sync
//! rename ── to the archive's name without .zip; nothing is ever replaced
//! ```
//!
//! The archive is kept: it is what was verified, and a later run finds that nothing is missing.

mod survey;
#[cfg(test)]
mod tests;
mod unpack;
mod unpack_dir;

use std::{ffi::OsStr, fs::File, io, os::fd::AsFd, path::PathBuf, sync::Arc};

use rustix::fs::FileType;
use zip::result::ZipError;

pub(crate) use self::unpack_dir::UnpackDir;
use self::{survey::Contents, unpack::Unpacker};
use crate::{
    client::{
        api::{
            new_job::Existing,
            question::{ConflictKind, Question},
            settings::config::{Extract, Names},
            views::view::TroubleKind,
        },
        disk::{
            commit::commit,
            folder::{Folder, open_directory},
            target::Target,
        },
        error::{Fault, Unfinished},
    },
    platform::reason,
    protocol::message::Missing,
    text::{SafeText, ShowPath, units},
};
/// An archive to unpack.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    /// The folder of the archive, and of the result.
    pub(crate) folder: &'a Arc<Folder>,
    /// Its name.
    pub(crate) name: &'a OsStr,
    /// Limits for the result.
    pub(crate) limits: Extract,
    /// Which names are accepted.
    pub(crate) names: Names,
    /// What happens if the folder exists.
    pub(crate) existing: Existing,
    /// Whether to wait until it is on the disk.
    pub(crate) sync: bool,
}

/// The result of unpacking an archive.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The folder of the result.
    pub(crate) folder: PathBuf,
    /// What could not be stored.
    pub(crate) missing: Missing,
    /// The first entries that are not saved under their own names: these, and those.
    pub(crate) renamed: Vec<(SafeText, SafeText)>,
}

/// Whether a content of this name can be unpacked.
pub(crate) fn is_archive(name: &OsStr) -> bool {
    stem(name).is_some()
}

/// The name without `.zip`.
fn stem(name: &OsStr) -> Option<&OsStr> {
    let path = std::path::Path::new(name);
    let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    path.file_stem().filter(|_| is_zip)
}

impl Archive<'_> {
    /// Unpacks it. Blocks. `should_continue`: whether to continue; it is called often.
    pub(crate) fn unpack(&self, should_continue: impl Fn() -> bool) -> Result<Unpacked, Unfinished> {
        let own = self.folder.join(self.name);
        let Some(stem) = stem(self.name) else {
            return Err(Fault::disk(format!("{} is not called .zip", own.shown())).into());
        };
        // What a killed process has left cannot be resumed.
        UnpackDir::clear(self.folder, self.name);
        let file = self.folder.read(self.name).map_err(|error| Fault::io("read", &own, &error))?;
        let names = (self.names, self.folder.longest_name());
        let mut contents = Contents::survey(&file, &self.limits, names, &should_continue)
            .map_err(|refused| self.fault(refused))?;
        if let Some(target) = self.existing_folder(stem, &file, &mut contents, &should_continue)? {
            return Ok(Unpacked { folder: target, missing: contents.missing, renamed: Vec::new() });
        }
        self.check_room(&contents)?;
        let unpack_dir = UnpackDir::make(self.folder, self.name)?;
        contents.exclude_unstorable(self.folder, unpack_dir.handle(), unpack_dir.folding());
        let renamed = contents.renamed();
        let unpacked = Unpacker::new(&file, &contents, &should_continue).write(unpack_dir.handle());
        unpacked.map_err(|refused| self.fault(refused))?;
        let folder = self.put_in_place(unpack_dir, stem, &should_continue)?;
        Ok(Unpacked { folder, missing: contents.missing, renamed })
    }

    /// The folder that the archive would become, if it exists and has the same content. One that differs is an error, unless the user accepts
    /// another name.
    fn existing_folder(
        &self,
        stem: &OsStr,
        file: &File,
        contents: &mut Contents,
        should_continue: &impl Fn() -> bool,
    ) -> Result<Option<PathBuf>, Unfinished> {
        let existing = Target::new(Arc::clone(self.folder), stem.to_owned());
        let Some(found) = existing.look()?.filter(|_| self.existing != Existing::Rename) else {
            return Ok(None);
        };
        existing.refuse_of_another(&found)?;
        if found.kind != FileType::Directory {
            return Err(self.differs(&existing, "").into());
        }
        let target = existing.path();
        let handle =
            open_directory(&self.folder.handle, stem).map_err(|error| Fault::io("open", &target, &error))?;
        let compare = |contents: &Contents| {
            let compared = Unpacker::new(file, contents, should_continue).compare(handle.as_fd());
            compared.map_err(|refused| self.fault(refused))
        };
        let mut different = compare(contents)?;
        // What an earlier run could not store is absent.
        if different.is_some()
            && let Ok(unpack_dir) = UnpackDir::make(self.folder, self.name)
            && contents.exclude_unstorable(self.folder, unpack_dir.handle(), unpack_dir.folding())
        {
            different = compare(contents)?;
        }
        match different {
            None => {
                tracing::info!("{} was there already, and is what the archive holds", target.shown());
                Ok(Some(target))
            }
            Some(path) => Err(self.differs(&existing, &format!(" in {}", path.shown())).into()),
        }
    }

    fn check_room(&self, contents: &Contents) -> Result<(), Fault> {
        match self.folder.free() {
            Some(free) if free < contents.bytes() => Err(Fault::disk(format!(
                "{} would unpack to {}, and only {} are free",
                self.folder.join(self.name).shown(),
                units::bytes(contents.bytes()),
                units::bytes(free)
            ))),
            _ => Ok(()),
        }
    }

    fn put_in_place(
        &self,
        unpack_dir: UnpackDir,
        stem: &OsStr,
        should_continue: impl Fn() -> bool,
    ) -> Result<PathBuf, Unfinished> {
        let target = Target::new(Arc::clone(self.folder), stem.to_owned());
        let ready = || if should_continue() { Ok(()) } else { Err(Unfinished::Stopped) };
        let in_place =
            commit(&unpack_dir.uncommitted(), target, self.sync, ready, |target| match self.existing {
                Existing::Rename => target.numbered(|_| Ok::<_, ()>(())),
                _ => Err(self.differs(target, "")),
            })?;
        drop(unpack_dir);
        if self.sync {
            in_place.sync()?;
        }
        Ok(in_place.path())
    }

    /// The error for an existing folder that differs from the content of the archive.
    fn differs(&self, target: &Target, what: &str) -> Fault {
        Fault::disk(format!(
            "{} exists and differs from {}{what}; move it away",
            target.path().shown(),
            SafeText::from_bytes(self.name.as_encoded_bytes()),
        ))
        .or_by(", or use --rename")
        .asking(Question::Exists(target.conflict(ConflictKind::Unpacked)))
    }

    fn fault(&self, refused: Refused) -> Unfinished {
        let path = self.folder.join(self.name);
        let path = path.shown();
        match refused {
            Refused::Archive(why) => {
                Fault::never(TroubleKind::Integrity, format!("{path} is kept and not unpacked; {why}")).into()
            }
            Refused::Limit(why) => Fault::disk(format!("{path} is kept and not unpacked: {why}")).into(),
            Refused::Disk(doing, error) => {
                Fault::disk(format!("{path} is kept and not unpacked: cannot {doing}: {}", reason(&error)))
                    .into()
            }
            Refused::Stopped => Unfinished::Stopped,
        }
    }
}

/// Why an archive is not unpacked.
#[derive(Debug)]
enum Refused {
    /// The archive cannot be unpacked.
    Archive(String),
    /// It exceeds a limit.
    Limit(String),
    /// An operation of the local system failed.
    Disk(String, io::Error),
    /// The user cancelled it.
    Stopped,
}

impl Refused {
    /// An entry of the archive is invalid.
    fn entry(name: &str, why: impl std::fmt::Display) -> Refused {
        Refused::Archive(format!("its entry '{}' {why}", SafeText::new(name)))
    }

    /// Reading the archive failed: it is invalid, unless the system reports an error.
    fn reading(error: io::Error) -> Refused {
        match error.raw_os_error() {
            Some(_) => Refused::Disk("read it".to_owned(), error),
            None => Refused::Archive(SafeText::new(&error.to_string()).to_string()),
        }
    }
}

impl From<ZipError> for Refused {
    fn from(error: ZipError) -> Refused {
        match error {
            ZipError::Io(error) => Refused::reading(error),
            error => Refused::Archive(SafeText::new(&error.to_string()).to_string()),
        }
    }
}
