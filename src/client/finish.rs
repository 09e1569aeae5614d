//! From a complete `.part` to a finished file: checked, synced and put in place, in that order.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FileType;

use crate::{
    platform::reason,
    protocol::{
        digest::Hash,
        message::{Form, Sources},
    },
};

use super::{
    Checksum, Existing, JobId, TroubleKind, archive_check,
    checksum::{self, Interrupted},
    memory::{Memory, Place},
    place::{self, Target},
    retry::Fault,
    times::set_modified,
};

/// What is to be done with a complete `.part`.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) existing: Existing,
    pub(super) checksum: Option<Checksum>,
    pub(super) sync: bool,
}

/// Why it was not finished.
#[derive(Debug)]
pub(super) enum Unfinished {
    Fault(Fault),
    /// The user wants something else.
    Stopped,
}

impl From<Fault> for Unfinished {
    fn from(fault: Fault) -> Unfinished {
        Unfinished::Fault(fault)
    }
}

impl Finish {
    /// Checks, syncs and places the file; where it is. Blocks. `go_on` is asked until the file is in place.
    pub(super) fn run(
        &self,
        memory: &mut Memory,
        claim: impl Fn(&Path) -> Result<(), JobId>,
        go_on: impl Fn() -> bool,
    ) -> Result<PathBuf, Unfinished> {
        if let (Some(path), Some(root), Some(old)) = (&memory.identical, memory.root, &memory.old) {
            let file = old.folder.read(&old.name).map_err(|error| disk("read", path, &error))?;
            self.check_digest(&file, root, &go_on, path)?;
            return Ok(path.clone());
        }
        let (Some(root), Some(source)) = (memory.root, memory.source.clone()) else {
            return Err(Fault::never(TroubleKind::Other, "nothing was fetched").into());
        };
        let Some(place) = &mut memory.place else {
            return Err(Fault::never(TroubleKind::Other, "nothing was fetched").into());
        };
        let file = Arc::clone(place.part.file()?);
        let part = place.part.path();
        let size = source.size.unwrap_or(0);
        check_length(&file, size, &part)?;
        self.check_digest(&file, root, &go_on, &part)?;
        if let (Form::Zip, Some(sources)) = (source.form, source.sources) {
            check_archive(&file, &sources, &part)?;
        }
        if self.existing == Existing::Keep
            && let Some(path) = self.already_there(place, size, root, &go_on)?
        {
            if let Some(place) = memory.place.take() {
                place.part.discard();
            }
            return Ok(path);
        }
        if let Some(modified) = source.modified {
            set_modified(&*file, modified);
        }
        if self.sync {
            file.sync_all().map_err(|error| disk("write", &part, &error))?;
        }
        if !go_on() {
            return Err(Unfinished::Stopped);
        }
        self.put_in_place(place, claim)?;
        place.part.placed();
        if self.sync {
            let synced = place.target.folder.sync();
            synced.map_err(|error| disk("write the folder of", &place.target.path(), &error))?;
        }
        Ok(place.target.path())
    }

    fn check_digest(
        &self,
        file: &File,
        root: Hash,
        go_on: impl Fn() -> bool,
        part: &Path,
    ) -> Result<(), Unfinished> {
        let Some(wanted) = &self.checksum else { return Ok(()) };
        let found = match wanted {
            // Proven while it came.
            Checksum::Blake3(_) => Checksum::Blake3(root.0),
            _ => checksum::of_file(file, wanted, go_on).map_err(|error| interrupted(error, part))?,
        };
        if found == *wanted {
            return Ok(());
        }
        let message =
            format!("the file has the digest {found}, not {wanted}; it is kept as {}", part.display());
        Err(Fault::never(TroubleKind::Integrity, message).into())
    }

    /// The target, if it exists and is byte-identical.
    fn already_there(
        &self,
        place: &Place,
        size: u64,
        root: Hash,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<PathBuf>, Unfinished> {
        let (target, part) = (&place.target, place.part.path());
        let path = target.path();
        let unreadable = |error: io::Error| disk("read", &path, &error);
        let Some(found) = target.folder.look(&target.name).map_err(unreadable)? else { return Ok(None) };
        if found.kind != FileType::RegularFile || found.size != size {
            return Err(place::differs(target, Some(&part)).into());
        }
        let file = target.folder.read(&target.name).map_err(unreadable)?;
        let digest = checksum::of_file(&file, &Checksum::Blake3(root.0), go_on);
        if digest.map_err(|error| interrupted(error, &path))? == Checksum::Blake3(root.0) {
            tracing::info!("{} was there already, byte for byte", path.display());
            return Ok(Some(path));
        }
        Err(place::differs(target, Some(&part)).into())
    }

    fn put_in_place(
        &self,
        place: &mut Place,
        claim: impl Fn(&Path) -> Result<(), JobId>,
    ) -> Result<(), Fault> {
        loop {
            let Target { folder, name, .. } = &place.target;
            if !place.part.is_in_place() {
                let part = place.part.path();
                return Err(Fault::disk(format!("{} was replaced by somebody else", part.display())));
            }
            let replaces = matches!(self.existing, Existing::Overwrite | Existing::Update);
            let renamed = if replaces && !place.target.by_server {
                folder.rename_over(place.part.name(), name)
            } else {
                folder.rename_new(place.part.name(), name)
            };
            match renamed {
                Ok(()) => return Ok(()),
                // Somebody made it while this one was fetched.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.existing {
                    Existing::Rename => place.target = place::next_name(&place.target, &claim)?,
                    _ if replaces => return Err(place::not_by_server(&place.target)),
                    _ => return Err(place::differs(&place.target, Some(&place.part.path()))),
                },
                Err(error) => {
                    let (target, part) = (place.target.path(), place.part.path());
                    return Err(Fault::disk(format!(
                        "cannot rename {} to {}: {}",
                        part.display(),
                        target.display(),
                        reason(&error)
                    )));
                }
            }
        }
    }
}

/// The file must be as long as what was verified: somebody else may have written to it.
pub(super) fn check_length(file: &File, size: u64, part: &Path) -> Result<(), Fault> {
    let length = file.metadata().map_err(|error| disk("read", part, &error))?.len();
    if length > size {
        file.set_len(size).map_err(|error| disk("cut", part, &error))?;
    } else if length < size {
        return Err(Fault::changed(format!("{} was shortened by somebody else", part.display())));
    }
    Ok(())
}

fn check_archive(file: &File, sources: &Sources, part: &Path) -> Result<(), Fault> {
    archive_check::check(file, sources).map_err(|error| {
        Fault::never(TroubleKind::Integrity, format!("{error}; it is kept as {}", part.display()))
    })
}

fn disk(doing: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::disk(format!("cannot {doing} {}: {}", path.display(), reason(error)))
}

fn interrupted(error: Interrupted, path: &Path) -> Unfinished {
    match error {
        Interrupted::Io(error) => disk("read", path, &error).into(),
        Interrupted::Stopped => Unfinished::Stopped,
    }
}
