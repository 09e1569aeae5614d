//! Finishes a complete `.part`: checks it, syncs it, and gives it its final name, in that order.

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
        api::{
            content::{checksum::Checksum, proof::DigestBy},
            job_id::JobId,
            new_job::Existing,
            views::view::TroubleKind,
        },
        content::Content,
        disk::{
            attributes::{set_access, set_modified},
            checksum::{self, Interrupted},
            commit::{InPlace, Uncommitted, commit},
            part::Writer,
        },
        error::{Fault, Unfinished, Verdict},
        job::file::{
            resume::FileResume,
            state::{AtTarget, Known, Place, ResumeState},
        },
        transfer::progress::Progress,
    },
    platform,
    protocol::digest::Hash,
    text::{ShowPath, units},
};
/// How a complete `.part` is finished.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) existing: Existing,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) sync: bool,
    /// Shows how much was read to verify it.
    pub(crate) progress: Arc<Progress>,
}

impl Finish {
    /// Verifies and commits the file. Blocks. `should_continue`: whether to continue; it is asked until the file is in place.
    pub(crate) fn run(
        &self,
        resume: &mut FileResume,
        claim: impl Fn(&Path) -> Result<(), JobId>,
        should_continue: impl Fn() -> bool,
    ) -> Result<AtTarget, Unfinished> {
        let placed = match &resume.state {
            ResumeState::Placed(AtTarget { in_place, .. })
                if matches!(in_place.target().look(), Ok(None)) =>
            {
                let gone = format!("{} is gone; retry to download it again", in_place.path().shown());
                *resume = FileResume::default();
                return Err(Fault::disk(gone).into());
            }
            ResumeState::Placed(placed) => {
                self.sync(&placed.in_place)?;
                placed.clone()
            }
            ResumeState::Identical(identical, _) => {
                let (target, path) = (identical.in_place.target(), identical.in_place.path());
                let file =
                    target.folder.read(&target.name).map_err(|error| Fault::io("read", &path, &error))?;
                self.check_digest(&file, (identical.root, None), &should_continue, &path)?;
                identical.clone()
            }
            ResumeState::Complete(..) => {
                confirm(resume)?;
                self.complete(resume, claim, should_continue)?
            }
            ResumeState::Fresh(_) | ResumeState::Doubtful(_) | ResumeState::Known(_) => {
                return Err(incomplete().into());
            }
        };
        resume.state = ResumeState::Placed(placed.clone());
        Ok(placed)
    }

    /// Puts a complete `.part` in place.
    fn complete(
        &self,
        resume: &mut FileResume,
        claim: impl Fn(&Path) -> Result<(), JobId>,
        should_continue: impl Fn() -> bool,
    ) -> Result<AtTarget, Unfinished> {
        let computed = match &resume.state {
            ResumeState::Complete(known, _) => {
                resume.digest.take().and_then(|digest| digest.of(&known.blocks))
            }
            _ => None,
        };
        let ResumeState::Complete(Known { content, place, .. }, root) = &mut resume.state else {
            return Err(incomplete().into());
        };
        let (root, content) = (*root, content.clone());
        let writer = place.part.writer()?.clone();
        let file = Arc::clone(place.part.file()?);
        let part = place.part.path();
        let size = content.size.unwrap_or(0);
        check_length(&writer, &file, size, &part)?;
        let known = (root, computed.as_ref());
        self.check_digest(&file, known, &should_continue, &part)?;
        self.check_announced(&file, &content, known, &should_continue, &part)?;
        if self.existing == Existing::Keep
            && let Some(in_place) = self.already_there(place, size, root, &should_continue)?
        {
            std::mem::take(&mut resume.state).discard();
            return Ok(AtTarget { content, root, in_place });
        }
        let replaced = self.replaced(place)?;
        writer.change(|file| {
            set_access(file, replaced, 0o666 & !platform::umask());
            content.modified.map(|modified| set_modified(file, modified))
        });
        let replaces = self.replaces() && !place.target.by_server;
        let uncommitted = Uncommitted::File { part: &place.part, replaces };
        let ready = || match (should_continue(), writer.is_touched()) {
            (false, _) => Err(Unfinished::Stopped),
            (true, true) => Err(touched(&part, 0).into()),
            (true, false) => Ok(()),
        };
        let in_place = commit(&uncommitted, place.target.clone(), self.sync, ready, |target| {
            match (self.existing, self.replaces()) {
                (Existing::Rename, _) => target.numbered(&claim),
                (_, true) => Err(target.not_by_server()),
                (_, false) => Err(target.differs(Some(&part))),
            }
        })?;
        place.part.placed();
        // From here on the file is in place, whatever fails.
        let placed = AtTarget { content, root, in_place };
        resume.state = ResumeState::Placed(placed.clone());
        self.sync(&placed.in_place)?;
        Ok(placed)
    }

    /// Whether an existing target is replaced.
    fn replaces(&self) -> bool {
        matches!(self.existing, Existing::Overwrite | Existing::Update)
    }

    /// Waits until the disk has the name, unless the user does not want that.
    fn sync(&self, in_place: &InPlace) -> Result<(), Fault> {
        if self.sync { in_place.sync() } else { Ok(()) }
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
        known: (Hash, Option<&Checksum>),
        should_continue: impl Fn() -> bool,
        part: &Path,
    ) -> Result<(), Unfinished> {
        let Some(wanted) = &self.checksum else { return Ok(()) };
        let found = self.digest(file, wanted, known, should_continue, part)?;
        if found == *wanted {
            return Ok(());
        }
        let message =
            format!("checksum mismatch: expected {wanted}, got {found}; it is kept as {}", part.shown());
        Err(Fault::mismatch(DigestBy::User, message).into())
    }

    /// The digest of the file: the root of its blocks or what was computed while it was received, otherwise by one read with progress.
    fn digest(
        &self,
        file: &File,
        like: &Checksum,
        (root, computed): (Hash, Option<&Checksum>),
        should_continue: impl Fn() -> bool,
        part: &Path,
    ) -> Result<Checksum, Unfinished> {
        if let Checksum::Blake3(_) = like {
            return Ok(Checksum::Blake3(root.0));
        }
        if let Some(computed) = computed.filter(|computed| computed.has_algorithm_of(like)) {
            return Ok(computed.clone());
        }
        self.progress.set_hashed(0);
        let hashed = |bytes: u64| self.progress.set_hashed(bytes);
        checksum::of_file(file, like, should_continue, hashed).map_err(|error| interrupted(error, part))
    }

    /// Compares the file with the digest that the source announced beside its blocks, unless the user has given one.
    fn check_announced(
        &self,
        file: &File,
        content: &Content,
        known: (Hash, Option<&Checksum>),
        should_continue: impl Fn() -> bool,
        part: &Path,
    ) -> Result<(), Unfinished> {
        let (Some(announced), None) = (&content.digest, &self.checksum) else { return Ok(()) };
        let found = self.digest(file, announced, known, should_continue, part)?;
        if found == *announced {
            return Ok(());
        }
        let message = format!("checksum mismatch: the server announces {announced}, got {found}");
        Err(Fault::mismatch(DigestBy::Server, message).into())
    }

    /// The target, if it exists and is byte-identical.
    fn already_there(
        &self,
        place: &Place,
        size: u64,
        root: Hash,
        should_continue: impl Fn() -> bool,
    ) -> Result<Option<InPlace>, Unfinished> {
        let (target, part) = (&place.target, place.part.path());
        let path = target.path();
        let unreadable = |error: io::Error| Fault::io("read", &path, &error);
        let Some(found) = target.folder.look(&target.name).map_err(unreadable)? else { return Ok(None) };
        target.refuse_of_another(&found)?;
        if found.kind != FileType::RegularFile || found.size != size {
            return Err(target.differs(Some(&part)).into());
        }
        let file = target.folder.read(&target.name).map_err(unreadable)?;
        let digest = checksum::blake3(&file, &mut checksum::buffer(), should_continue);
        if digest.map_err(|error| interrupted(error, &path))? == root {
            tracing::info!("{} was there already, byte for byte", path.shown());
            return Ok(Some(InPlace::identical(target.clone())));
        }
        Err(target.differs(Some(&part)).into())
    }
}

/// If another program may have changed the partial file, it is verified again, and blocks that have changed are requested again.
pub(crate) fn confirm(resume: &mut FileResume) -> Result<(), Fault> {
    let ResumeState::Complete(Known { place, blocks, .. }, _) = &resume.state else { return Ok(()) };
    let (writer, part, before) = (place.part.writer()?.clone(), place.part.path(), blocks.bytes());
    if !writer.is_touched() {
        return Ok(());
    }
    tracing::info!("{}: another program may have changed it; it is read again", part.shown());
    writer.look_anew();
    resume.verify()?;
    let ResumeState::Known(Known { blocks, .. }) = &resume.state else { return Ok(()) };
    match before - blocks.bytes() {
        0 => Err(Fault::changed(format!("{} was changed by another program", part.shown()))),
        lost => {
            resume.record();
            Err(touched(&part, lost))
        }
    }
}

/// Only a complete content is finished.
pub(crate) fn incomplete() -> Fault {
    Fault::never(TroubleKind::Other, "nothing was fetched")
}

fn touched(part: &Path, lost: u64) -> Fault {
    let again = match lost {
        0 => "it is verified again".to_owned(),
        lost => format!("{} are fetched again", units::bytes(lost)),
    };
    let fault = Fault::changed(format!("{} was changed by another program; {again}", part.shown()));
    // The intact blocks are kept.
    Fault { verdict: Verdict::Again(Duration::ZERO), ..fault }
}

/// Cuts a file that is longer than the verified content; fails if it is shorter. Another program may have written to it.
pub(crate) fn check_length(writer: &Writer, file: &File, size: u64, part: &Path) -> Result<(), Fault> {
    let length = file.metadata().map_err(|error| Fault::io("read", part, &error))?.len();
    if length > size {
        writer.change(|file| file.set_len(size)).map_err(|error| Fault::io("cut", part, &error))?;
    } else if length < size {
        return Err(Fault::changed(format!("{} was shortened by another program", part.shown())));
    }
    Ok(())
}

fn interrupted(error: Interrupted, path: &Path) -> Unfinished {
    match error {
        Interrupted::Io(error) => Fault::io("read", path, &error).into(),
        Interrupted::Stopped => Unfinished::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        disk::{
            folder::{Folder, Folders},
            part::overwrite,
        },
        job::file::resume::tests::{receive, received},
    };
    use rustix::fs::{Mode, OFlags};
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    const CONTENT: &[u8] = b"what arrived";

    /// A content of which all is received.
    fn complete(folder: Arc<Folder>) -> FileResume {
        let mut resume = received(folder, CONTENT);
        finish_receiving(&mut resume);
        resume
    }

    fn receive_again(resume: &mut FileResume) {
        receive(resume, CONTENT);
        finish_receiving(resume);
    }

    fn finish_receiving(resume: &mut FileResume) {
        let ResumeState::Known(known) = &resume.state else { panic!("{resume:?}") };
        assert!(known.is_complete());
        let root = known.blocks.root().unwrap();
        resume.complete(root);
    }

    fn run(resume: &mut FileResume, existing: Existing, sync: bool) -> Result<PathBuf, Fault> {
        let finish = Finish { existing, checksum: None, sync, progress: Arc::default() };
        finish.run(resume, |_| Ok(()), || true).map(|placed| placed.in_place.path()).map_err(|unfinished| {
            match unfinished {
                Unfinished::Fault(fault) => fault,
                Unfinished::Stopped => panic!("it was not stopped"),
            }
        })
    }

    #[test]
    fn a_file_in_its_place_is_recognised_after_its_folder_could_not_be_synced() {
        let dir = tempfile::tempdir().unwrap();
        // A handle that names are reached through, and that cannot be synced.
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(dir.path(), path, Mode::empty()).unwrap();
        let mut resume = complete(Arc::new(Folder::of(handle, dir.path().to_owned(), Default::default())));
        for existing in [Existing::Rename, Existing::Overwrite, Existing::Keep] {
            let fault = run(&mut resume, existing, true).unwrap_err();
            assert!(fault.trouble.message.as_str().starts_with("cannot write the folder of "), "{fault:?}");
            assert_eq!(fs::read(dir.path().join("x")).unwrap(), CONTENT);
        }
        assert_eq!(run(&mut resume, Existing::Rename, false).unwrap(), dir.path().join("x"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::remove_file(dir.path().join("x")).unwrap();
        let fault = run(&mut resume, Existing::Keep, false).unwrap_err();
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
            let mut resume = complete(Folders::default().open(dir.path()).unwrap());
            assert_eq!(mode(&part), 0o600, "others cannot read it meanwhile");
            run(&mut resume, existing, false).unwrap();
            assert_eq!(fs::read(&target).unwrap(), CONTENT);
            assert_eq!(mode(&target), old.unwrap_or(0o666 & !platform::umask()), "{existing:?}");
        }
    }

    #[test]
    fn a_block_that_another_program_changed_is_requested_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut resume = complete(Folders::default().open(dir.path()).unwrap());
        let part = dir.path().join("x.part");
        overwrite(&part, b"WHAT");
        let fault = run(&mut resume, Existing::Keep, false).unwrap_err();
        assert_eq!(
            (fault.trouble.kind, fault.verdict),
            (TroubleKind::Integrity, Verdict::Again(Duration::ZERO))
        );
        assert!(matches!(&resume.state, ResumeState::Known(known) if known.blocks.bytes() == 0));
        receive_again(&mut resume);
        // The same again changes nothing but the time.
        overwrite(&part, b"what");
        assert_eq!(fs::read(run(&mut resume, Existing::Keep, false).unwrap()).unwrap(), CONTENT);
    }

    #[test]
    fn a_file_that_another_program_cut_or_extended_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut resume = complete(Folders::default().open(dir.path()).unwrap());
        let part = fs::OpenOptions::new().write(true).open(dir.path().join("x.part")).unwrap();
        part.set_len(3).unwrap();
        assert!(
            matches!(run(&mut resume, Existing::Keep, false), Err(fault) if fault.verdict == Verdict::Again(Duration::ZERO))
        );
        receive_again(&mut resume);
        part.set_len(1000).unwrap();
        assert_eq!(fs::read(run(&mut resume, Existing::Keep, false).unwrap()).unwrap(), CONTENT);
    }

    #[test]
    fn a_content_without_blocks_is_verified_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut resume = complete(Folders::default().open(dir.path()).unwrap());
        let ResumeState::Complete(known, _) = &mut resume.state else { panic!("{resume:?}") };
        known.blocks = Default::default();
        let part = dir.path().join("x.part");
        overwrite(&part, b"what");
        confirm(&mut resume).unwrap();
        overwrite(&part, b"WHAT");
        assert_eq!(confirm(&mut resume).unwrap_err().verdict, Verdict::StartOver);
    }

    #[test]
    fn a_file_that_has_both_names_keeps_the_final_one() {
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            let dir = tempfile::tempdir().unwrap();
            let mut resume = complete(Folders::default().open(dir.path()).unwrap());
            fs::hard_link(dir.path().join("x.part"), dir.path().join("x")).unwrap();
            run(&mut resume, existing, false).unwrap();
            assert_eq!(fs::read(dir.path().join("x")).unwrap(), CONTENT);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{existing:?}");
        }
    }
}
