//! The work directory of a tree, `NAME.part`, beside the target. It holds the received part of the tree (`fdsp-tree`), incomplete files
//! (`fdsp-parts`) and the journal (`fdsp-control`). No user chooses these names by chance: the directory is deleted with all its content.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufWriter},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, FileType},
    io::Errno,
};

use crate::{
    client::{
        api::{address::locator::Locator, content::origin::Origin},
        disk::{
            folder::{Folder, Folders, open_directory},
            journal::{
                self, Appender, Journal, Recovered,
                seal::{LineWriter, Seal},
            },
            name::folding::Folding,
            remove,
            work_dir::{Purpose, WorkDir},
        },
        error::Fault,
        job::{
            deletions::Deletions,
            tree::{
                disk::{
                    journal::{DELETED, Place, Subject, TreeLines},
                    tree_dir::{self, TreeDir},
                    writer,
                },
                manifest::{Manifest, names},
            },
        },
    },
    platform,
    text::ShowPath,
};

/// The received part of the tree.
pub(crate) const TREE: &str = "fdsp-tree";
/// Incomplete files.
const PARTS: &str = "fdsp-parts";
const JOURNAL: &str = "fdsp-control";
/// The journal while it is replaced.
const NEW_JOURNAL: &str = "fdsp-control~";
/// An empty directory to test which names the file system accepts.
const PROBE: &str = "fdsp-probe";

const PURPOSE: Purpose = Purpose {
    doing: "downloading",
    coming: "a tree that is to be fetched",
    unfinished: "an unfinished tree",
    is_known: |name, kind| match kind {
        FileType::Directory => [TREE, PARTS, PROBE].iter().any(|known| name == *known),
        _ => [JOURNAL, NEW_JOURNAL].iter().any(|known| name == *known),
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct TreeWorkDir {
    work: WorkDir,
    journal: Journal<TreeLines>,
}

impl TreeWorkDir {
    /// Whether a target has one.
    pub(crate) fn is_there(folder: &Folder, target: &OsStr) -> bool {
        folder.look(&folder.part_name(target)).ok().flatten().is_some()
    }

    /// The path of the one of a target.
    pub(crate) fn path_of(folder: &Folder, target: &OsStr) -> PathBuf {
        folder.join(&folder.part_name(target))
    }

    /// Opens or creates the one of a target, and locks it. If it is marked as deleted, its content is deleted first.
    pub(crate) fn open(folder: &Arc<Folder>, target: &OsStr) -> Result<TreeWorkDir, Fault> {
        let work_dir = TreeWorkDir::at(folder, folder.part_name(target))?;
        if work_dir.is_marked() {
            work_dir.clear(&|| true).map_err(|error| {
                let path = work_dir.path();
                Fault::disk(format!(
                    "cannot delete what is in {}: {}",
                    path.shown(),
                    platform::reason(&error)
                ))
            })?;
        }
        Ok(work_dir)
    }

    fn at(folder: &Arc<Folder>, name: OsString) -> Result<TreeWorkDir, Fault> {
        let work = WorkDir::open(folder, name, &PURPOSE)?;
        let journal = Journal::new(work.folder(), JOURNAL.into(), work.name().to_owned());
        Ok(TreeWorkDir { work, journal })
    }

    /// Whether it is the one of this target.
    pub(crate) fn is_of(&self, folder: &Arc<Folder>, target: &OsStr) -> bool {
        Arc::ptr_eq(self.work.parent(), folder) && self.work.name() == folder.part_name(target)
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.work.path()
    }

    /// What authenticates the journals in it.
    pub(crate) fn seal(&self) -> Seal {
        self.work.folder().seal.clone()
    }

    /// The work directory itself.
    pub(crate) fn work(&self) -> &WorkDir {
        &self.work
    }

    fn handle(&self) -> BorrowedFd<'_> {
        self.work.handle()
    }

    fn make(&self, name: &str) -> Result<(TreeDir, bool), Fault> {
        let path = self.path().join(name);
        match self.work.directory(name) {
            Ok((root, is_new)) => Ok((TreeDir { root, path }, is_new)),
            Err(error) => {
                Err(Fault::disk(format!("cannot use {}: {}", path.shown(), tree_dir::explained(&error))))
            }
        }
    }

    /// The directory of the tree, and whether it was created just now.
    pub(crate) fn tree(&self) -> Result<(TreeDir, bool), Fault> {
        self.make(TREE)
    }

    /// The directory of the incomplete files.
    pub(crate) fn parts(&self) -> Result<TreeDir, Fault> {
        self.make(PARTS).map(|(tree_dir, _)| tree_dir)
    }

    /// Whether its content comes from this address. An empty one may be used for any address.
    pub(crate) fn is_from(&self, address: &Locator) -> bool {
        match self.journal.header() {
            Some(subject) => Locator::parse(&subject.address).is_ok_and(|known| known.is_same_as(address)),
            None => [TREE, PARTS].iter().all(|name| {
                // An empty one is deleted, and created again when it is needed.
                let deleted = rustix::fs::unlinkat(self.handle(), *name, AtFlags::REMOVEDIR);
                matches!(deleted, Ok(()) | Err(Errno::NOENT))
            }),
        }
    }

    /// The lines of its journal for a server of this origin, and whether they are trusted without hashing.
    pub(crate) fn recorded(&self, place: Place, origin: Origin, max_files: usize) -> (TreeLines, bool) {
        let recovered = self.journal.read(TreeLines::about((place, origin), max_files));
        let Recovered { lines, clean } = recovered.unwrap_or_default();
        (lines, self.is_ours() || (clean.is_some() && clean == platform::boot()))
    }

    /// Replaces the journal by one with the lines that `write` adds; from here on the work directory counts as in use.
    pub(crate) fn record(
        &self,
        subject: &Subject,
        write: impl FnOnce(&mut LineWriter<BufWriter<File>>) -> io::Result<()>,
    ) {
        self.journal.replace(subject, write);
    }

    /// Marks it as deleted, for the run that deletes it.
    fn mark(&self) -> io::Result<()> {
        self.journal.replace_by_line(DELETED)
    }

    /// Whether it is marked as deleted.
    fn is_marked(&self) -> bool {
        self.journal.first_line().is_some_and(|first| first == DELETED)
    }

    /// Deletes its content while `should_continue` returns true; the mark last.
    fn clear(&self, should_continue: &dyn Fn() -> bool) -> io::Result<()> {
        for name in [TREE, PARTS, PROBE, NEW_JOURNAL, JOURNAL] {
            remove::remove_while(self.handle(), OsStr::new(name), should_continue)?;
        }
        Ok(())
    }

    /// What appends to the journal.
    pub(crate) fn appender(&self) -> &Appender {
        self.journal.appender()
    }

    /// Which names the file system treats as the same.
    pub(crate) fn folding(&self) -> Folding {
        self.probe(Folding::probe).unwrap_or_default()
    }

    /// The entries of a tree that the file system cannot store, and why not.
    pub(crate) fn unstorable(&self, manifest: &Manifest) -> HashMap<u32, String> {
        let folder = self.work.parent();
        if !names::is_any_doubtful(manifest, folder) {
            return HashMap::new();
        }
        self.probe(|probe| names::unstorable(manifest, folder, probe)).unwrap_or_default()
    }

    /// Runs `work` in an empty directory.
    fn probe<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
        let _ = self.work.remove(PROBE);
        let tried = self.work.directory(PROBE).map(|(probe, _)| work(probe.as_fd()));
        let _ = self.work.remove(PROBE);
        tried
    }

    /// Whether this run has used it: then only this run has written the journal, while it held the lock.
    pub(crate) fn is_ours(&self) -> bool {
        self.journal.appender().is_open()
    }

    /// Whether it holds received content, and not only digests of local files.
    pub(crate) fn holds_content(&self) -> bool {
        [TREE, PARTS].iter().any(|name| {
            let found = open_directory(self.handle(), OsStr::new(name))
                .and_then(|directory| remove::list(directory.as_fd()));
            match found {
                Ok(found) => found.iter().any(|(name, _)| name != writer::NEW),
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            }
        })
    }

    /// Closes its journal and unlocks it.
    pub(crate) fn close(self) {
        // After a power failure the status of a file can be right although its content is not: the mark is the boot time.
        if let Some(boot) = platform::boot() {
            self.journal.appender().add(&journal::clean(&boot));
        }
        self.journal.close();
        // An unused one is deleted.
        let _ = self.work.delete_empty();
    }

    /// Makes it the one of another target on the same file system, which has none. Its content stays.
    pub(crate) fn move_to(self, folder: &Arc<Folder>, target: &OsStr) -> Result<(), Fault> {
        let (from, to) = (self.path(), folder.part_name(target));
        let (parent, name) = (&self.work.parent().handle, Path::new(self.work.name()));
        platform::move_directory((parent, name), (&folder.handle, Path::new(&to)))
            .map_err(|error| Fault::io("move", &from, &error))?;
        self.journal.copy_to(&Journal::new(self.work.folder(), JOURNAL.into(), to));
        Ok(())
    }

    /// Deletes its journal: it is about to hold the replaced tree.
    pub(crate) fn disown(&self) {
        self.journal.remove();
    }

    /// Deletes it, if its name still is that of the open directory. It is marked first: what is not deleted while `should_continue` returns true,
    /// the next run deletes.
    pub(crate) fn discard(self, deletions: &Deletions, should_continue: impl Fn() -> bool) {
        let path = self.path();
        if !self.work.is_in_place() {
            return;
        }
        // On a full disk, it is deleted without a mark.
        match self.mark() {
            Ok(()) => deletions.folder_marked(&path),
            Err(error) => tracing::debug!("cannot mark {}: {error}", path.shown()),
        }
        match self.clear(&should_continue).and_then(|()| self.work.delete_empty()) {
            Ok(()) => deletions.folder_deleted(&path),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                tracing::info!("{} is not deleted yet; the next start continues", path.shown());
            }
            Err(error) => tracing::warn!("cannot delete {}: {}", path.shown(), platform::reason(&error)),
        }
    }

    /// Deletes the one at a path if it is marked as deleted.
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
        let work_dir = TreeWorkDir::at(&folder, name.to_owned())?;
        if work_dir.is_marked() {
            work_dir.discard(deletions, || deletions.may_delete());
        } else {
            deletions.folder_deleted(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::job::tree;
    use std::{fs, os::unix::fs::symlink};

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        (dir, folder)
    }

    fn refused(folder: &Arc<Folder>) -> String {
        TreeWorkDir::open(folder, "x".as_ref()).unwrap_err().trouble.message.to_string()
    }

    #[test]
    fn a_directory_of_another_program_is_refused() {
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
    fn a_directory_of_another_user_in_a_shared_folder_is_refused() {
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
        // In a folder that only its owner may write to, the owner put it there.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
    }

    #[test]
    fn a_second_client_is_refused_until_the_first_is_done() {
        let (dir, folder) = folder();
        let first = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        assert!(refused(&folder).starts_with("another client is downloading to "));
        first.close();
        let second = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        second.tree().unwrap();
        second.discard(&Deletions::default(), || true);
        assert!(!dir.path().join("x.part").exists());
    }

    #[test]
    fn its_journal_is_trusted_while_it_is_in_use_or_closed_properly() {
        let (dir, folder) = folder();
        let subject = Subject { address: "a".into(), origin: Origin::plain("h"), place: Place::New };
        let hash = crate::protocol::digest::Hash([1; 32]);
        let work_dir = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        assert!(!work_dir.recorded(Place::New, Origin::plain("h"), 10).1);
        work_dir.record(&subject, |out| out.add(&tree::disk::journal::file("f", 1, "i", hash, "s")));
        let (record, trusted) = work_dir.recorded(Place::New, Origin::plain("h"), 10);
        assert!(trusted && record.file("f").is_some());
        drop(work_dir);
        let work_dir = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        let (record, trusted) = work_dir.recorded(Place::New, Origin::plain("h"), 10);
        assert!(!trusted && record.file("f").is_some(), "it was not closed properly");
        drop(work_dir);
        let work_dir = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        work_dir.record(&subject, |_| Ok(()));
        work_dir.close();
        assert!(
            TreeWorkDir::open(&folder, "x".as_ref()).unwrap().recorded(Place::New, Origin::plain("h"), 10).1
        );
        fs::write(dir.path().join("x.part/fdsp-control"), "nonsense").unwrap();
        let (record, trusted) =
            TreeWorkDir::open(&folder, "x".as_ref()).unwrap().recorded(Place::New, Origin::plain("h"), 10);
        assert!(!trusted && record == TreeLines::default());
    }

    #[test]
    fn an_ordinary_file_system_folds_nothing() {
        let (dir, folder) = folder();
        assert_eq!(TreeWorkDir::open(&folder, "x".as_ref()).unwrap().folding(), Folding::default());
        assert_eq!(fs::read_dir(dir.path().join("x.part")).unwrap().count(), 0);
    }
}
