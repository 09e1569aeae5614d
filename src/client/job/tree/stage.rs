//! The work folder beside a tree's target, `NAME.part`: locked, so that two clients cannot work in it. In it are the tree
//! as far as it came (`fdsp-tree`), files that are not complete yet (`fdsp-parts`), and the control file (`fdsp-control`):
//! names that nobody gives by chance, since the folder is deleted with all that is in it.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufReader, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use crate::{
    client::{
        api::origin::Origin,
        disk::{
            folder::{Folder, Folders, open_directory},
            name::folding::Folding,
            remove,
            seal::{Lines, Opened, Seal},
            work_folder::{self, Purpose},
        },
        error::Fault,
        job::{
            deletions::Deletions,
            tree::{
                ground::{self, Ground},
                manifest::Manifest,
                names,
                record::{self, Place, Record, Subject},
                writer,
            },
        },
    },
    platform,
    protocol::address::Address,
    text::ShowPath,
};
/// The tree, as far as it came.
pub(super) const TREE: &str = "fdsp-tree";
/// Files that are not complete.
const PARTS: &str = "fdsp-parts";
const CONTROL: &str = "fdsp-control";
/// The control file while it is written as a whole.
const FRESH: &str = "fdsp-control~";
/// To try what the file system does with names.
const PROBE: &str = "fdsp-probe";

const PURPOSE: Purpose = Purpose {
    doing: "downloading",
    coming: "a tree that is to be fetched",
    unfinished: "an unfinished tree",
    is_known: |name, kind| match kind {
        FileType::Directory => [TREE, PARTS, PROBE].iter().any(|known| name == *known),
        _ => [CONTROL, FRESH].iter().any(|known| name == *known),
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: Arc<Folder>,
    name: OsString,
    /// The locked directory.
    handle: File,
    /// Open while files are added to it.
    control: Option<Lines<File>>,
    /// What is in the control file was written by this run of the program alone, while it held the lock.
    ours: bool,
}

impl Stage {
    /// Whether a target has one.
    pub(super) fn is_there(folder: &Folder, target: &OsStr) -> bool {
        folder.look(&folder.part_name(target)).ok().flatten().is_some()
    }

    /// Where the one of a target is.
    pub(super) fn path_of(folder: &Folder, target: &OsStr) -> PathBuf {
        folder.join(&folder.part_name(target))
    }

    /// Opens or makes the one of a target, and locks it. What is left of a deleted one is deleted first.
    pub(crate) fn open(folder: &Arc<Folder>, target: &OsStr) -> Result<Stage, Fault> {
        let stage = Stage::at(folder, folder.part_name(target))?;
        if stage.is_marked() {
            stage.clear(&|| true).map_err(|error| {
                let path = stage.path();
                Fault::disk(format!(
                    "cannot delete what is in {}: {}",
                    path.shown(),
                    platform::reason(&error)
                ))
            })?;
        }
        Ok(stage)
    }

    fn at(folder: &Arc<Folder>, name: OsString) -> Result<Stage, Fault> {
        let handle = work_folder::open(folder, &name, &PURPOSE)?;
        Ok(Stage { folder: Arc::clone(folder), name, handle, control: None, ours: false })
    }

    /// Whether it is that of this target.
    pub(super) fn is_of(&self, folder: &Arc<Folder>, target: &OsStr) -> bool {
        Arc::ptr_eq(&self.folder, folder) && self.name == folder.part_name(target)
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The seal of the journals in it.
    pub(super) fn seal(&self) -> Seal {
        self.folder.seal.clone()
    }

    /// The directory.
    pub(super) fn handle(&self) -> std::os::fd::BorrowedFd<'_> {
        self.handle.as_fd()
    }

    fn make(&self, name: &str) -> Result<(Ground, bool), Fault> {
        let path = self.path().join(name);
        let failed = |error: io::Error| {
            Fault::disk(format!("cannot use {}: {}", path.shown(), ground::explained(&error)))
        };
        let fresh = match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed(error.into())),
        };
        let ground = Ground::open(&self.handle, OsStr::new(name), path.clone()).map_err(failed)?;
        Ok((ground, fresh))
    }

    /// Where the tree grows, and whether that was made just now.
    pub(super) fn tree(&self) -> Result<(Ground, bool), Fault> {
        self.make(TREE)
    }

    /// Where files are until they are complete.
    pub(super) fn parts(&self) -> Result<Ground, Fault> {
        self.make(PARTS).map(|(ground, _)| ground)
    }

    fn control(&self) -> Option<BufReader<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.handle, CONTROL, flags, Mode::empty()).ok()?);
        file.metadata().is_ok_and(|data| data.is_file()).then(|| BufReader::new(file))
    }

    /// Its control file, if that was written by this user's program.
    fn journal(&self) -> Option<Opened<BufReader<File>>> {
        let control = self.control()?;
        let journal = self.folder.seal.open(control, &self.name, record::FORMAT);
        if journal.is_none() {
            self.folder.seal.warn(&self.path().join(CONTROL));
        }
        journal
    }

    /// Whether what is in it came from there. Nothing came from anywhere.
    pub(crate) fn is_from(&self, address: &Address) -> bool {
        match self.journal().and_then(|journal| record::subject(journal.header())) {
            Some(subject) => Address::parse(&subject.address).is_ok_and(|known| known.is_same_as(address)),
            None => [TREE, PARTS].iter().all(|name| {
                // Only what is empty goes, and is made again when it is needed.
                matches!(
                    rustix::fs::unlinkat(&self.handle, *name, AtFlags::REMOVEDIR),
                    Ok(()) | Err(Errno::NOENT)
                )
            }),
        }
    }

    /// What its control file says to a server of this origin, and whether that can be believed without hashing.
    pub(super) fn recorded(&self, place: Place, origin: Origin, most: usize) -> (Record, bool) {
        let record = self.journal().map(|journal| record::read(journal, (place, origin), most));
        let record = record.unwrap_or_default();
        let trusted = self.ours || (record.clean.is_some() && record.clean == platform::boot());
        (record, trusted)
    }

    /// Replaces the control file by one that `write` fills; from here on it counts as in use. It only saves work: where it cannot
    /// be written, the download goes on without it.
    pub(super) fn record(
        &mut self,
        subject: &Subject,
        write: impl FnOnce(&mut Lines<io::BufWriter<File>>) -> io::Result<()>,
    ) {
        self.control = None;
        match self.replace(subject, write) {
            Ok(file) => (self.control, self.ours) = (Some(file), true),
            Err(error) => {
                self.ours = false;
                let path = self.path();
                tracing::warn!(
                    "cannot write into {}: {error}; what is received will be verified again",
                    path.shown()
                );
            }
        }
    }

    fn replace(
        &self,
        subject: &Subject,
        write: impl FnOnce(&mut Lines<io::BufWriter<File>>) -> io::Result<()>,
    ) -> io::Result<Lines<File>> {
        remove::remove(self.handle.as_fd(), OsStr::new(FRESH))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.handle, FRESH, flags, Mode::from_raw_mode(0o600))?);
        let header = record::header(subject);
        let out = io::BufWriter::new(file);
        let mut out = self.folder.seal.begin(out, &self.name, record::FORMAT, &header)?;
        write(&mut out)?;
        let lines = out.flushed()?;
        rustix::fs::renameat(&self.handle, FRESH, &self.handle, CONTROL)?;
        Ok(lines)
    }

    /// Marks it as deleted, for the run that gets to it.
    fn mark(&mut self) -> io::Result<()> {
        (self.control, self.ours) = (None, false);
        remove::remove(self.handle.as_fd(), OsStr::new(FRESH))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file =
            File::from(rustix::fs::openat(&self.handle, FRESH, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(record::deleted().as_bytes())?;
        Ok(rustix::fs::renameat(&self.handle, FRESH, &self.handle, CONTROL)?)
    }

    /// Whether it is marked as deleted.
    fn is_marked(&self) -> bool {
        self.control().is_some_and(record::is_deleted)
    }

    /// Deletes what is in it, as long as `go_on` holds; the mark goes last.
    fn clear(&self, go_on: &dyn Fn() -> bool) -> io::Result<()> {
        for name in [TREE, PARTS, PROBE, FRESH, CONTROL] {
            remove::remove_while(self.handle.as_fd(), OsStr::new(name), go_on)?;
        }
        Ok(())
    }

    /// The control file, to add to it.
    pub(super) fn adder(&self) -> Option<Lines<File>> {
        self.control.as_ref().and_then(|lines| lines.try_clone().ok())
    }

    /// What the file system takes for the same name.
    pub(super) fn folding(&self) -> Folding {
        self.probe(Folding::probe).unwrap_or_default()
    }

    /// What of a tree the file system cannot hold, and why not.
    pub(super) fn unstorable(&self, manifest: &Manifest) -> HashMap<u32, String> {
        if !names::is_any_doubtful(manifest, &self.folder) {
            return HashMap::new();
        }
        self.probe(|probe| names::unstorable(manifest, &self.folder, probe)).unwrap_or_default()
    }

    /// Tries something in an empty directory.
    fn probe<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
        let _ = remove::remove(self.handle.as_fd(), OsStr::new(PROBE));
        let made = rustix::fs::mkdirat(&self.handle, PROBE, Mode::from_raw_mode(0o700));
        let probe =
            made.map_err(io::Error::from).and_then(|()| open_directory(&self.handle, OsStr::new(PROBE)));
        let tried = probe.map(|probe| work(probe.as_fd()));
        let _ = remove::remove(self.handle.as_fd(), OsStr::new(PROBE));
        tried
    }

    /// Whether this run works with it, and not only found it.
    pub(super) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Whether another try can use anything of what is in it but the digests of local files.
    pub(super) fn holds_content(&self) -> bool {
        [TREE, PARTS].iter().any(|name| {
            let found = open_directory(&self.handle, OsStr::new(name))
                .and_then(|directory| remove::list(directory.as_fd()));
            match found {
                Ok(found) => found.iter().any(|(name, _)| name != writer::NEW),
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            }
        })
    }

    /// Leaves it in order, and gives it free for others.
    pub(super) fn close(mut self) {
        // What was not on the disk when the power failed may look as it was left: the start of the system is told.
        if let (Some(mut control), Some(boot)) = (self.control.take(), platform::boot())
            && let Err(error) = control.add(&record::clean(&boot))
        {
            tracing::debug!("cannot write to {}: {error}", self.path().shown());
        }
        // One in which nothing was done is in the way of nobody.
        let _ = rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::REMOVEDIR);
    }

    /// Makes its control file worth nothing: what is in it is about to be another tree.
    pub(super) fn disown(&mut self) {
        self.control = None;
        self.ours = false;
        let _ = remove::remove(self.handle.as_fd(), OsStr::new(CONTROL));
    }

    /// Deletes it, if it is still the one that was made here. It is marked first: what is not deleted while `go_on` holds, the
    /// next run deletes.
    pub(crate) fn discard(mut self, deletions: &Deletions, go_on: impl Fn() -> bool) {
        let path = self.path();
        let ours = self.handle.metadata().ok().map(|data| (data.dev(), data.ino()));
        let there = self.folder.look(&self.name).ok().flatten().map(|found| found.id);
        if ours.is_none() || ours != there {
            return;
        }
        // On a full disk, it is deleted all the same.
        match self.mark() {
            Ok(()) => deletions.folder_marked(&path),
            Err(error) => tracing::debug!("cannot mark {}: {error}", path.shown()),
        }
        let cleared = self
            .clear(&go_on)
            .and_then(|()| Ok(rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::REMOVEDIR)?));
        match cleared {
            Ok(()) => deletions.folder_deleted(&path),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                tracing::info!("{} is not deleted yet; the next start continues", path.shown());
            }
            Err(error) => tracing::warn!("cannot delete {}: {}", path.shown(), platform::reason(&error)),
        }
    }

    /// Deletes the one at a path if it is marked as deleted; what is not is left alone.
    pub(crate) fn discard_marked(deletions: &Deletions, folders: &Folders, path: &Path) -> Result<(), Fault> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            deletions.folder_deleted(path);
            return Ok(());
        };
        let folder = folders.open(parent)?;
        let found = folder.look(name).ok().flatten();
        if found.is_none_or(|found| found.kind != FileType::Directory) {
            deletions.folder_deleted(path);
            return Ok(());
        }
        let stage = Stage::at(&folder, name.to_owned())?;
        if stage.is_marked() {
            stage.discard(deletions, || deletions.may_delete());
        } else {
            deletions.folder_deleted(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        (dir, folder)
    }

    fn refused(folder: &Arc<Folder>) -> String {
        Stage::open(folder, "x".as_ref()).unwrap_err().trouble.message.to_string()
    }

    #[test]
    fn whatever_is_not_ours_is_refused() {
        let (dir, folder) = folder();
        let part = dir.path().join("x.part");
        fs::write(&part, "precious").unwrap();
        assert!(refused(&folder).contains("in the way of a tree"));
        fs::remove_file(&part).unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), &part).unwrap();
        assert!(refused(&folder).contains("symbolic link"));
        fs::remove_file(&part).unwrap();
        fs::create_dir(&part).unwrap();
        fs::write(part.join("thesis.txt"), "precious").unwrap();
        assert!(refused(&folder).contains("something else"));
        assert_eq!(fs::read(part.join("thesis.txt")).unwrap(), b"precious");
        fs::remove_file(part.join("thesis.txt")).unwrap();
        for name in ["parts", "tree", "control"] {
            fs::create_dir(part.join(name)).unwrap();
            assert!(refused(&folder).contains("something else"), "{name}");
            fs::remove_dir(part.join(name)).unwrap();
        }
        fs::write(part.join("fdsp-tree"), "a file").unwrap();
        assert!(refused(&folder).contains("something else"));
    }

    #[test]
    fn what_somebody_else_has_made_where_everybody_may_is_refused() {
        use std::os::unix::fs::{PermissionsExt, chown};
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root gives directories away");
            return;
        }
        let (dir, folder) = folder();
        let part = dir.path().join("x.part");
        fs::create_dir(&part).unwrap();
        chown(&part, Some(1), None).unwrap();
        chown(dir.path(), Some(2), None).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(refused(&folder).contains("belongs to another user"));
        // Where nobody else may put anything, it was put there by its owner's leave.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Stage::open(&folder, "x".as_ref()).unwrap();
    }

    #[test]
    fn a_second_client_is_told_until_the_first_is_done() {
        let (dir, folder) = folder();
        let first = Stage::open(&folder, "x".as_ref()).unwrap();
        assert!(refused(&folder).starts_with("another client is downloading to "));
        first.close();
        let second = Stage::open(&folder, "x".as_ref()).unwrap();
        second.tree().unwrap();
        second.discard(&Deletions::default(), || true);
        assert!(!dir.path().join("x.part").exists());
    }

    #[test]
    fn its_record_is_trusted_while_it_is_ours_or_clean() {
        let (dir, folder) = folder();
        let subject = Subject { address: "a".into(), origin: Origin::plain("h"), ground: Place::New };
        let hash = crate::protocol::digest::Hash([1; 32]);
        let mut stage = Stage::open(&folder, "x".as_ref()).unwrap();
        assert!(!stage.recorded(Place::New, Origin::plain("h"), 10).1);
        stage.record(&subject, |out| out.add(&record::file("f", 1, "i", hash, "s")));
        let (record, trusted) = stage.recorded(Place::New, Origin::plain("h"), 10);
        assert!(trusted && record.file("f").is_some());
        drop(stage);
        let stage = Stage::open(&folder, "x".as_ref()).unwrap();
        let (record, trusted) = stage.recorded(Place::New, Origin::plain("h"), 10);
        assert!(!trusted && record.file("f").is_some(), "it was not left in order");
        drop(stage);
        let mut stage = Stage::open(&folder, "x".as_ref()).unwrap();
        stage.record(&subject, |_| Ok(()));
        stage.close();
        assert!(Stage::open(&folder, "x".as_ref()).unwrap().recorded(Place::New, Origin::plain("h"), 10).1);
        fs::write(dir.path().join("x.part/fdsp-control"), "nonsense").unwrap();
        let (record, trusted) =
            Stage::open(&folder, "x".as_ref()).unwrap().recorded(Place::New, Origin::plain("h"), 10);
        assert!(!trusted && record == Record::default());
    }

    #[test]
    fn an_ordinary_file_system_folds_nothing() {
        let (dir, folder) = folder();
        assert_eq!(Stage::open(&folder, "x".as_ref()).unwrap().folding(), Folding::default());
        assert_eq!(fs::read_dir(dir.path().join("x.part")).unwrap().count(), 0);
    }
}
