//! Unpacks an archive that was received and verified, for those who ask for that.
//!
//! ```text
//! survey ── names, kinds, sizes, counts, twins: all of them, before anything is written
//! unpack ── into a folder of its own beside the archive (staging); times and modes; the disk
//! rename ── to the archive's name without .zip; nothing is ever replaced
//! ```
//!
//! The archive stays: it is what was verified, and a later run finds that it has nothing to fetch.

mod staging;
mod survey;
#[cfg(test)]
mod tests;
mod unpack;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::AsFd,
    path::PathBuf,
    sync::Arc,
};

use rustix::fs::FileType;
use zip::result::ZipError;

pub(crate) use self::staging::Staging;
use self::{survey::Contents, unpack::Unpacker};
use crate::{
    client::{
        api::{
            config::{Extract, Names},
            new_job::Existing,
            view::TroubleKind,
        },
        disk::folder::{Folder, of_another, open_directory},
        error::{Fault, Unfinished},
    },
    platform::reason,
    protocol::message::Missing,
    text::{SafeText, ShowPath},
    units,
};
/// Names tried for [`Existing::Rename`].
const NUMBERS: u32 = 10_000;

/// An archive to unpack.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    /// Where it is, and what is in it will be.
    pub(crate) folder: &'a Arc<Folder>,
    /// What it is called.
    pub(crate) name: &'a OsStr,
    /// What is put up with.
    pub(crate) limits: Extract,
    /// Which names are taken.
    pub(crate) names: Names,
    /// What if there is such a folder.
    pub(crate) existing: Existing,
    /// Whether to wait for the disk.
    pub(crate) sync: bool,
}

/// What came of an archive.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The folder that it is in.
    pub(crate) folder: PathBuf,
    /// What could not be stored.
    pub(crate) missing: Missing,
    /// The first ones of those that are not saved under their own names: these, and those that they have.
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
    /// Unpacks it. Blocks. `go_on` is asked all along.
    pub(crate) fn unpack(&self, go_on: impl Fn() -> bool) -> Result<Unpacked, Unfinished> {
        let own = self.folder.join(self.name);
        let Some(stem) = stem(self.name) else {
            return Err(Fault::disk(format!("{} is not called .zip", own.shown())).into());
        };
        // No other run can use what a killed one has left.
        Staging::clear(self.folder, self.name);
        let file = self
            .folder
            .read(self.name)
            .map_err(|error| Fault::disk(format!("cannot read {}: {}", own.shown(), reason(&error))))?;
        let names = (self.names, self.folder.longest_name());
        let mut contents =
            Contents::survey(&file, &self.limits, names, &go_on).map_err(|refused| self.fault(refused))?;
        if let Some(target) = self.already_there(stem, &file, &mut contents, &go_on)? {
            return Ok(Unpacked { folder: target, missing: contents.missing, renamed: Vec::new() });
        }
        self.check_room(&contents)?;
        let staging = Staging::make(self.folder, self.name)?;
        contents.leave_out(self.folder, staging.handle(), staging.folding());
        let renamed = contents.renamed();
        let unpacked = Unpacker::new(&file, &contents, &go_on).write(staging.handle());
        unpacked.map_err(|refused| self.fault(refused))?;
        if self.sync {
            staging.sync()?;
        }
        if !go_on() {
            return Err(Unfinished::Stopped);
        }
        Ok(Unpacked { folder: self.put_in_place(staging, stem)?, missing: contents.missing, renamed })
    }

    /// The folder that the archive would become, if it is there and holds all of it. One that differs is an error,
    /// unless another name will do.
    fn already_there(
        &self,
        stem: &OsStr,
        file: &File,
        contents: &mut Contents,
        go_on: &impl Fn() -> bool,
    ) -> Result<Option<PathBuf>, Unfinished> {
        let target = self.folder.join(stem);
        let looked = self.folder.look(stem);
        let found = looked
            .map_err(|error| Fault::disk(format!("cannot look at {}: {}", target.shown(), reason(&error))))?;
        if found.is_none() || self.existing == Existing::Rename {
            return Ok(None);
        }
        if let Some(found) = found.filter(|found| self.folder.is_of_another(found.owner)) {
            return Err(of_another(&target, found.owner).into());
        }
        let differs = |what: &str| {
            Fault::disk(format!(
                "{} exists and differs from {}{what}; move it away, or use --rename",
                target.shown(),
                SafeText::from_bytes(self.name.as_encoded_bytes()),
            ))
        };
        if found.is_some_and(|found| found.kind != FileType::Directory) {
            return Err(differs("").into());
        }
        let handle = open_directory(&self.folder.handle, stem)
            .map_err(|error| Fault::disk(format!("cannot open {}: {}", target.shown(), reason(&error))))?;
        let compare = |contents: &Contents| {
            let compared = Unpacker::new(file, contents, go_on).compare(handle.as_fd());
            compared.map_err(|refused| self.fault(refused))
        };
        let mut different = compare(contents)?;
        // What an earlier run could not store is not there.
        if different.is_some()
            && let Ok(staging) = Staging::make(self.folder, self.name)
            && contents.leave_out(self.folder, staging.handle(), staging.folding())
        {
            different = compare(contents)?;
        }
        match different {
            None => {
                tracing::info!("{} was there already, and is what the archive holds", target.shown());
                Ok(Some(target))
            }
            Some(path) => Err(differs(&format!(" in {}", path.shown())).into()),
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

    fn put_in_place(&self, staging: Staging, stem: &OsStr) -> Result<PathBuf, Unfinished> {
        let mut target: OsString = stem.to_owned();
        for number in 1..=NUMBERS {
            match staging.place(&target) {
                Ok(()) => {
                    drop(staging);
                    if self.sync {
                        let synced = self.folder.sync();
                        synced.map_err(|error| self.disk("write the folder of", &target, &error))?;
                    }
                    return Ok(self.folder.join(&target));
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && self.existing == Existing::Rename =>
                {
                    target = self.folder.numbered(stem, number);
                }
                Err(error) => return Err(self.disk("make", &target, &error).into()),
            }
        }
        Err(Fault::disk(format!("{} and {NUMBERS} names like it exist", self.folder.join(stem).shown()))
            .into())
    }

    fn disk(&self, doing: &str, name: &OsStr, error: &io::Error) -> Fault {
        Fault::disk(format!("cannot {doing} {}: {}", self.folder.join(name).shown(), reason(error)))
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
    /// It is not what can be unpacked.
    Archive(String),
    /// It is more than is put up with.
    Limit(String),
    /// This machine could not do what it was to do.
    Disk(String, io::Error),
    /// The user wants something else.
    Stopped,
}

impl Refused {
    /// The archive is wrong in an entry.
    fn entry(name: &str, why: impl std::fmt::Display) -> Refused {
        Refused::Archive(format!("its entry '{}' {why}", SafeText::new(name)))
    }

    /// Reading the archive failed: by its own fault, unless the system says otherwise.
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
