//! From a complete `.part` to a finished file: checked, synced and put in place, in that order.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustix::fs::FileType;

use crate::{
    client::{
        api::{checksum::Checksum, command::JobId, new_job::Existing, view::TroubleKind},
        disk::{
            attributes::{set_access, set_modified},
            checksum::{self, Interrupted},
            commit::{InPlace, Uncommitted, commit},
            part::Writer,
        },
        error::{Fault, Unfinished, Verdict},
        job::file::resume::{Memory, Place},
    },
    platform::{self, reason},
    protocol::digest::Hash,
    text::{ShowPath, units},
};
/// What is to be done with a complete `.part`.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) existing: Existing,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) sync: bool,
}

impl Finish {
    /// Verifies and commits the file. Blocks. `go_on`: whether to continue; it is asked until the file is in place.
    pub(crate) fn run(
        &self,
        memory: &mut Memory,
        claim: impl Fn(&Path) -> Result<(), JobId>,
        go_on: impl Fn() -> bool,
    ) -> Result<InPlace, Unfinished> {
        if let Some(in_place) = memory.placed.clone() {
            if matches!(in_place.target().look(), Ok(None)) {
                *memory = Memory::default();
                let gone = format!("{} is gone; retry to download it again", in_place.path().shown());
                return Err(Fault::disk(gone).into());
            }
            return self.synced(in_place);
        }
        if let (Some(path), Some(root), Some(old)) = (&memory.identical, memory.root, &memory.old) {
            let file = old.folder.read(&old.name).map_err(|error| disk("read", path, &error))?;
            self.check_digest(&file, root, &go_on, path)?;
            return Ok(InPlace::identical(old.clone()));
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
        if self.existing == Existing::Keep
            && let Some(in_place) = self.already_there(place, size, root, &go_on)?
        {
            if let Some(place) = memory.place.take() {
                place.part.discard();
            }
            return Ok(in_place);
        }
        let replaced = self.replaced(place)?;
        writer.change(|file| {
            set_access(file, replaced, 0o666 & !platform::umask());
            source.modified.map(|modified| set_modified(file, modified))
        });
        let replaces = self.replaces() && !place.target.by_server;
        let content = Uncommitted::File { part: &place.part, replaces };
        let ready = || match (go_on(), writer.is_touched()) {
            (false, _) => Err(Unfinished::Stopped),
            (true, true) => Err(touched(&part, 0).into()),
            (true, false) => Ok(()),
        };
        let in_place = commit(&content, place.target.clone(), self.sync, ready, |target| {
            match (self.existing, self.replaces()) {
                (Existing::Rename, _) => target.numbered(&claim),
                (_, true) => Err(target.not_by_server()),
                (_, false) => Err(target.differs(Some(&part))),
            }
        })?;
        place.target = in_place.target().clone();
        place.part.placed();
        // From here on the file is in place, whatever fails.
        memory.placed = Some(in_place.clone());
        self.synced(in_place)
    }

    /// Whether an existing target is replaced.
    fn replaces(&self) -> bool {
        matches!(self.existing, Existing::Overwrite | Existing::Update)
    }

    /// Waits until the disk has the name, if that is wanted.
    fn synced(&self, in_place: InPlace) -> Result<InPlace, Unfinished> {
        if self.sync {
            in_place.sync()?;
        }
        Ok(in_place)
    }

    /// Returns the folder and the name of what the download replaces, if it replaces something.
    fn replaced<'a>(&self, place: &'a Place) -> Result<Option<(BorrowedFd<'a>, &'a OsStr)>, Fault> {
        if !self.replaces() {
            return Ok(None);
        }
        let Some(found) = place.target.look()? else { return Ok(None) };
        place.target.refuse_of_another(&found)?;
        Ok(Some((place.target.folder.handle.as_fd(), &place.target.name)))
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
    ) -> Result<Option<InPlace>, Unfinished> {
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
            return Ok(Some(InPlace::identical(target.clone())));
        }
        Err(target.differs(Some(&part)).into())
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
    use crate::client::job::file::finish::*;
    use crate::{
        client::{
            content::Content,
            disk::{
                folder::{Folder, Folders},
                part::{Part, overwrite},
                target::Target,
            },
        },
        protocol::{digest::BlockHasher, message::Form},
    };
    use rustix::fs::{Mode, OFlags};
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

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
        finish.run(memory, |_| Ok(()), || true).map(|in_place| in_place.path()).map_err(|unfinished| {
            match unfinished {
                Unfinished::Fault(fault) => fault,
                Unfinished::Stopped => panic!("it was not stopped"),
            }
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
