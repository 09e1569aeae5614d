//! From a complete `.part` to a finished file: checked, synced and put in place, in that order.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{AtFlags, FileType};

use crate::{
    client::{
        api::{checksum::Checksum, command::JobId, new_job::Existing, view::TroubleKind},
        disk::{
            archive_check,
            attributes::{set_access, set_modified},
            checksum::{self, Interrupted},
            part::Writer,
            target::Target,
        },
        error::{Fault, Unfinished, Verdict},
        job::memory::{Memory, Place},
    },
    platform::{self, reason},
    protocol::{
        digest::Hash,
        message::{Form, Sources},
    },
    text::ShowPath,
    units,
};
/// What is to be done with a complete `.part`.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) existing: Existing,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) sync: bool,
}

impl Finish {
    /// Checks, syncs and places the file; where it is. Blocks. `go_on` is asked until the file is in place.
    pub(crate) fn run(
        &self,
        memory: &mut Memory,
        claim: impl Fn(&Path) -> Result<(), JobId>,
        go_on: impl Fn() -> bool,
    ) -> Result<PathBuf, Unfinished> {
        if let Some(target) = &memory.placed {
            if matches!(target.folder.look(&target.name), Ok(None)) {
                let path = target.path();
                *memory = Memory::default();
                let gone = format!("{} is gone; retry to download it again", path.shown());
                return Err(Fault::disk(gone).into());
            }
            return Ok(self.sync_name(target)?);
        }
        if let (Some(path), Some(root), Some(old)) = (&memory.identical, memory.root, &memory.old) {
            let file = old.folder.read(&old.name).map_err(|error| disk("read", path, &error))?;
            self.check_digest(&file, root, &go_on, path)?;
            return Ok(path.clone());
        }
        let (Some(root), Some(source)) = (memory.root, memory.source.clone()) else {
            return Err(Fault::never(TroubleKind::Other, "nothing was fetched").into());
        };
        confirm(memory)?;
        let Some(place) = &mut memory.place else {
            return Err(Fault::never(TroubleKind::Other, "nothing was fetched").into());
        };
        let writer = place.part.writer()?.clone();
        let file = Arc::clone(place.part.file()?);
        let part = place.part.path();
        let size = source.size.unwrap_or(0);
        check_length(&writer, &file, size, &part)?;
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
        let replaced = self.replaced(place)?;
        writer.change(|file| {
            set_access(file, replaced, 0o666 & !platform::umask());
            source.modified.map(|modified| set_modified(file, modified))
        });
        if self.sync {
            platform::sync(&*file).map_err(|error| disk("write", &part, &error))?;
        }
        if !go_on() {
            return Err(Unfinished::Stopped);
        }
        if writer.is_touched() {
            return Err(touched(&part, 0).into());
        }
        self.put_in_place(place, claim)?;
        place.part.placed();
        // From here on it is there, whatever fails.
        let target = memory.placed.insert(place.target.clone());
        Ok(self.sync_name(target)?)
    }

    /// Returns the folder and the name of what the download replaces, if it replaces something.
    fn replaced<'a>(&self, place: &'a Place) -> Result<Option<(BorrowedFd<'a>, &'a OsStr)>, Fault> {
        if !matches!(self.existing, Existing::Overwrite | Existing::Update) {
            return Ok(None);
        }
        let Some(found) = place.target.look()? else { return Ok(None) };
        place.target.refuse_of_another(&found)?;
        Ok(Some((place.target.folder.handle.as_fd(), &place.target.name)))
    }

    /// Waits until the disk has the name of what is in its place; where that is.
    fn sync_name(&self, target: &Target) -> Result<PathBuf, Fault> {
        let path = target.path();
        if self.sync {
            target.folder.sync().map_err(|error| disk("write the folder of", &path, &error))?;
        }
        Ok(path)
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
            format!("checksum mismatch: expected {wanted}, got {found}; it is kept as {}", part.shown());
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
        target.refuse_of_another(&found)?;
        if found.kind != FileType::RegularFile || found.size != size {
            return Err(target.differs(Some(&part)).into());
        }
        let file = target.folder.read(&target.name).map_err(unreadable)?;
        let digest = checksum::of_file(&file, &Checksum::Blake3(root.0), go_on);
        if digest.map_err(|error| interrupted(error, &path))? == Checksum::Blake3(root.0) {
            tracing::info!("{} was there already, byte for byte", path.shown());
            return Ok(Some(path));
        }
        Err(target.differs(Some(&part)).into())
    }

    fn put_in_place(
        &self,
        place: &mut Place,
        claim: impl Fn(&Path) -> Result<(), JobId>,
    ) -> Result<(), Fault> {
        loop {
            let Target { folder, name, .. } = &place.target;
            if !place.part.is_in_place() {
                if place.part.is_called(name) {
                    // It was renamed after all, whatever was said of that.
                    return Ok(());
                }
                let part = place.part.path();
                return Err(Fault::disk(format!("{} was replaced by another program", part.shown())));
            }
            let replaces = matches!(self.existing, Existing::Overwrite | Existing::Update);
            let renamed = if replaces && !place.target.by_server {
                folder.rename_over(place.part.name(), name)
            } else {
                folder.rename_new(place.part.name(), name)
            };
            match renamed {
                // Of two names for one file, a rename takes none away.
                Ok(()) if !place.part.is_in_place() => return Ok(()),
                // It has both names: the old one was not taken away.
                _ if place.part.is_called(name) => {
                    return rustix::fs::unlinkat(&folder.handle, place.part.name(), AtFlags::empty())
                        .map_err(|error| disk("delete", &place.part.path(), &error.into()));
                }
                // Somebody made it while this one was fetched.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.existing {
                    Existing::Rename => place.target = place.target.numbered(&claim)?,
                    _ if replaces => return Err(place.target.not_by_server()),
                    _ => return Err(place.target.differs(Some(&place.part.path()))),
                },
                Ok(()) => return Ok(()),
                Err(error) => {
                    let (target, part) = (place.target.path(), place.part.path());
                    return Err(Fault::disk(format!(
                        "cannot rename {} to {}: {}",
                        part.shown(),
                        target.shown(),
                        reason(&error)
                    )));
                }
            }
        }
    }
}

/// What was verified is what arrived: if another program may have changed what lies on the disk, that is read and verified,
/// and what is not what it was is asked for again.
pub(crate) fn confirm(memory: &mut Memory) -> Result<(), Fault> {
    let Some(place) = &memory.place else { return Ok(()) };
    let (writer, part) = (place.part.writer()?.clone(), place.part.path());
    if !writer.is_touched() {
        return Ok(());
    }
    tracing::info!("{}: another program may have changed it; it is read again", part.shown());
    writer.look_anew();
    let (known, root) = (memory.blocks.bytes(), memory.root);
    memory.verify()?;
    let lost = known - memory.blocks.bytes();
    if lost > 0 {
        memory.record();
        return Err(touched(&part, lost));
    }
    if let (0, Some(root), Some(place)) = (known, root, &memory.place) {
        // A content without blocks is verified only as a whole.
        let whole = Checksum::Blake3(root.0);
        let found = checksum::of_file(place.part.file()?, &whole, || true);
        if !found.is_ok_and(|found| found == whole) {
            return Err(Fault::changed(format!("{} was changed by another program", part.shown())));
        }
        memory.root = Some(root);
    }
    Ok(())
}

fn touched(part: &Path, lost: u64) -> Fault {
    let again = match lost {
        0 => "it is verified again".to_owned(),
        lost => format!("{} are fetched again", units::bytes(lost)),
    };
    let fault = Fault::changed(format!("{} was changed by another program; {again}", part.shown()));
    // Each block stands for itself: what is intact stays.
    Fault { verdict: Verdict::Again(Duration::ZERO), ..fault }
}

/// The file must be as long as what was verified: another program may have written to it.
pub(crate) fn check_length(writer: &Writer, file: &File, size: u64, part: &Path) -> Result<(), Fault> {
    let length = file.metadata().map_err(|error| disk("read", part, &error))?.len();
    if length > size {
        writer.change(|file| file.set_len(size)).map_err(|error| disk("cut", part, &error))?;
    } else if length < size {
        return Err(Fault::changed(format!("{} was shortened by another program", part.shown())));
    }
    Ok(())
}

fn check_archive(file: &File, sources: &Sources, part: &Path) -> Result<(), Fault> {
    archive_check::check(file, sources).map_err(|error| {
        Fault::never(TroubleKind::Integrity, format!("{error}; it is kept as {}", part.shown()))
    })
}

fn disk(doing: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::disk(format!("cannot {doing} {}: {}", path.shown(), reason(error)))
}

fn interrupted(error: Interrupted, path: &Path) -> Unfinished {
    match error {
        Interrupted::Io(error) => disk("read", path, &error).into(),
        Interrupted::Stopped => Unfinished::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{
            content::Content,
            disk::{
                folder::{Folder, Folders},
                part::{Part, overwrite},
            },
        },
        protocol::digest::BlockHasher,
    };
    use rustix::fs::{Mode, OFlags};
    use std::{fs, os::unix::fs::PermissionsExt};

    const CONTENT: &[u8] = b"what arrived";

    /// What a job has when all of a content has arrived.
    fn complete(folder: Arc<Folder>) -> Memory {
        let mut memory = Memory {
            place: Some(Place {
                part: Part::create(&folder, "x".as_ref()).unwrap(),
                target: Target::new(folder, "x".into()),
            }),
            source: Some(Content {
                address: String::new(),
                name: String::new(),
                origin: Default::default(),
                identity: "v1".into(),
                form: Form::File,
                size: Some(CONTENT.len() as u64),
                sources: None,
                modified: None,
                data_bytes: None,
            }),
            ..Memory::default()
        };
        arrive(&mut memory);
        memory
    }

    fn arrive(memory: &mut Memory) {
        memory.place.as_ref().unwrap().part.write(CONTENT, 0).unwrap();
        let mut hasher = BlockHasher::new(0);
        hasher.update(CONTENT);
        let digest = hasher.finish();
        let length = u32::try_from(CONTENT.len()).unwrap();
        let block = crate::protocol::digest::VerifiedBlock::compare(0, length, digest, digest.chaining);
        memory.blocks.insert(&block.unwrap());
        (memory.root, memory.proven) = (memory.blocks.root(), true);
    }

    fn run(memory: &mut Memory, existing: Existing, sync: bool) -> Result<PathBuf, Fault> {
        let finish = Finish { existing, checksum: None, sync };
        finish.run(memory, |_| Ok(()), || true).map_err(|unfinished| match unfinished {
            Unfinished::Fault(fault) => fault,
            Unfinished::Stopped => panic!("it was not stopped"),
        })
    }

    #[test]
    fn what_is_in_its_place_is_recognised_after_the_folder_could_not_be_synced() {
        let dir = tempfile::tempdir().unwrap();
        // A handle that names are reached through, and that cannot be synced.
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(dir.path(), path, Mode::empty()).unwrap();
        let mut memory = complete(Arc::new(Folder::of(handle, dir.path().to_owned(), Default::default())));
        for existing in [Existing::Rename, Existing::Overwrite, Existing::Keep] {
            let fault = run(&mut memory, existing, true).unwrap_err();
            assert!(fault.trouble.message.as_str().starts_with("cannot write the folder of "), "{fault:?}");
            assert_eq!(fs::read(dir.path().join("x")).unwrap(), CONTENT);
        }
        assert_eq!(run(&mut memory, Existing::Rename, false).unwrap(), dir.path().join("x"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::remove_file(dir.path().join("x")).unwrap();
        let fault = run(&mut memory, Existing::Keep, false).unwrap_err();
        assert!(fault.trouble.message.as_str().contains("x is gone"), "{fault:?}");
    }

    #[test]
    fn a_file_is_as_private_as_the_one_that_it_replaces() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (existing, old) in [
            (Existing::Keep, None),
            (Existing::Update, Some(0o600)),
            (Existing::Overwrite, Some(0o640)),
            (Existing::Overwrite, None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (target, part) = (dir.path().join("x"), dir.path().join("x.part"));
            if let Some(old) = old {
                fs::write(&target, "old").unwrap();
                fs::set_permissions(&target, fs::Permissions::from_mode(old)).unwrap();
            }
            let mut memory = complete(Folders::default().open(dir.path()).unwrap());
            assert_eq!(mode(&part), 0o600, "others cannot read it meanwhile");
            run(&mut memory, existing, false).unwrap();
            assert_eq!(fs::read(&target).unwrap(), CONTENT);
            assert_eq!(mode(&target), old.unwrap_or(0o666 & !platform::umask()), "{existing:?}");
        }
    }

    #[test]
    fn what_another_program_did_meanwhile_is_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = complete(Folders::default().open(dir.path()).unwrap());
        let part = dir.path().join("x.part");
        overwrite(&part, b"WHAT");
        let fault = run(&mut memory, Existing::Keep, false).unwrap_err();
        assert_eq!(
            (fault.trouble.kind, fault.verdict),
            (TroubleKind::Integrity, Verdict::Again(Duration::ZERO))
        );
        assert!(memory.blocks.bytes() == 0 && !memory.is_complete());
        arrive(&mut memory);
        // The same again changes nothing but the time.
        overwrite(&part, b"what");
        assert_eq!(fs::read(run(&mut memory, Existing::Keep, false).unwrap()).unwrap(), CONTENT);
    }

    #[test]
    fn what_was_cut_off_or_added_meanwhile_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = complete(Folders::default().open(dir.path()).unwrap());
        let part = fs::OpenOptions::new().write(true).open(dir.path().join("x.part")).unwrap();
        part.set_len(3).unwrap();
        assert!(
            matches!(run(&mut memory, Existing::Keep, false), Err(fault) if fault.verdict == Verdict::Again(Duration::ZERO))
        );
        arrive(&mut memory);
        part.set_len(1000).unwrap();
        assert_eq!(fs::read(run(&mut memory, Existing::Keep, false).unwrap()).unwrap(), CONTENT);
    }

    #[test]
    fn a_content_without_blocks_is_read_again_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = complete(Folders::default().open(dir.path()).unwrap());
        memory.blocks = Default::default();
        let part = dir.path().join("x.part");
        overwrite(&part, b"what");
        confirm(&mut memory).unwrap();
        overwrite(&part, b"WHAT");
        assert_eq!(confirm(&mut memory).unwrap_err().verdict, Verdict::StartOver);
    }

    #[test]
    fn a_file_with_both_names_keeps_the_right_one() {
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            let dir = tempfile::tempdir().unwrap();
            let mut memory = complete(Folders::default().open(dir.path()).unwrap());
            fs::hard_link(dir.path().join("x.part"), dir.path().join("x")).unwrap();
            run(&mut memory, existing, false).unwrap();
            assert_eq!(fs::read(dir.path().join("x")).unwrap(), CONTENT);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{existing:?}");
        }
    }
}
