//! Which job writes to which file: two jobs never write to the same one, whatever name and path lead to it.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::client::{
    api::job_id::JobId,
    disk::{folder::FileId, name::folding::Folding},
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<Held>);

impl Claims {
    /// Claims a target for a job.
    ///
    /// # Errors
    /// It belongs to this other job.
    pub(crate) fn claim(&self, target: &Path, id: JobId) -> Result<(), JobId> {
        let mut distinct = Vec::new();
        loop {
            let mut held = self.lock();
            let mut rivals = held.rivals(target, id);
            rivals.retain(|rival| !distinct.contains(rival));
            if rivals.is_empty() {
                held.insert(target, id);
                return Ok(());
            }
            // The disk is read without the lock; claims that are made until then are found in the next round.
            drop(held);
            if let Some((_, other)) = rivals.iter().find(|(path, _)| are_one(path, target)) {
                return Err(*other);
            }
            distinct.extend(rivals);
        }
    }

    /// Claims the open `.part` of a job, instead of the one that the job had before.
    ///
    /// # Errors
    /// It belongs to this other job.
    pub(crate) fn claim_file(&self, file: FileId, id: JobId) -> Result<(), JobId> {
        self.lock().take_file(file, id)
    }

    /// Releases the claim of a job to one path.
    pub(crate) fn release_path(&self, target: &Path, id: JobId) {
        self.lock().release_path(target, id);
    }

    /// Releases all claims of a job.
    pub(crate) fn release(&self, id: JobId) {
        self.lock().release(id);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Held {
    /// Targets and their `.part` files, by a key that is the same for all paths that some file system treats as the same.
    paths: HashMap<String, Vec<(PathBuf, JobId)>>,
    /// The keys of the claims of each job.
    held: HashMap<JobId, Vec<String>>,
    /// The open or paused `.part` file of each job.
    files: HashMap<JobId, FileId>,
}

impl Held {
    /// Claims of other jobs that are the same file on some file systems.
    fn rivals(&self, target: &Path, id: JobId) -> Vec<(PathBuf, JobId)> {
        let others = self.paths.get(&folded(target)).into_iter().flatten();
        others.filter(|(_, holder)| *holder != id).cloned().collect()
    }

    /// Notes a claim.
    fn insert(&mut self, target: &Path, id: JobId) {
        let key = folded(target);
        let holders = self.paths.entry(key.clone()).or_default();
        if !holders.iter().any(|(path, holder)| path == target && *holder == id) {
            holders.push((target.to_owned(), id));
            self.held.entry(id).or_default().push(key);
        }
    }

    /// Claims an open `.part`, instead of the one that the job had before.
    ///
    /// # Errors
    /// It belongs to another job.
    fn take_file(&mut self, file: FileId, id: JobId) -> Result<(), JobId> {
        match self.files.iter().find(|(holder, held)| **holder != id && **held == file) {
            Some((holder, _)) => Err(*holder),
            None => {
                self.files.insert(id, file);
                Ok(())
            }
        }
    }

    /// Releases the claim of a job to one path. Its key stays noted, and is of no use any more.
    fn release_path(&mut self, target: &Path, id: JobId) {
        let key = folded(target);
        if let Some(holders) = self.paths.get_mut(&key) {
            holders.retain(|(path, holder)| path != target || *holder != id);
            if holders.is_empty() {
                self.paths.remove(&key);
            }
        }
    }

    /// Releases all claims of a job.
    fn release(&mut self, id: JobId) {
        self.files.remove(&id);
        for key in self.held.remove(&id).unwrap_or_default() {
            if let Some(holders) = self.paths.get_mut(&key) {
                holders.retain(|(_, holder)| *holder != id);
                if holders.is_empty() {
                    self.paths.remove(&key);
                }
            }
        }
    }
}

fn folded(path: &Path) -> String {
    Folding { case: true, normal: true }.key(&path.to_string_lossy())
}

/// Whether two paths are the same file, or would be: the same folder, and names that its file system treats as the same. Accesses the
/// disk.
fn are_one(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    let (Some(folder), Some(beside)) = (one.parent(), other.parent()) else { return false };
    let id = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
    let same_folder = folder == beside || id(folder).is_some_and(|folder| Some(folder) == id(beside));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(one), Some(other)) = (name(one), name(other)) else { return false };
    if !same_folder || one == other {
        return same_folder;
    }
    let folding = Folding::in_folder(folder);
    folding.key(&one) == folding.key(&other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_path_is_free_and_the_others_stay_claimed() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (place.path().join("one"), place.path().join("other"));
        let claims = Claims::default();
        claims.claim(&one, JobId(1)).unwrap();
        claims.claim(&other, JobId(1)).unwrap();
        claims.release_path(&one, JobId(1));
        assert_eq!(claims.claim(&one, JobId(2)), Ok(()));
        assert_eq!(claims.claim(&other, JobId(2)), Err(JobId(1)));
        claims.release(JobId(1));
        assert_eq!(claims.claim(&other, JobId(2)), Ok(()));
        assert_eq!(claims.claim(&one, JobId(3)), Err(JobId(2)), "only the claims of one job are released");
    }

    #[test]
    fn the_file_system_decides_whether_two_names_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut claims = Held::default();
        claims.insert(&path("Makefile"), JobId(1));
        let rivals = claims.rivals(&path("makefile"), JobId(2));
        assert_eq!(rivals, [(path("Makefile"), JobId(1))]);
        assert_eq!(claims.rivals(&path("makefile"), JobId(1)), []);
        assert_eq!(claims.rivals(&path("other"), JobId(2)), []);
        assert!(are_one(&path("a"), &path("a")) && !are_one(&path("a"), &path("b")));
        assert!(!are_one(&path("Makefile"), &path("makefile")), "two files, where tests run");
        std::fs::create_dir(path("d")).unwrap();
        std::os::unix::fs::symlink("d", path("link")).unwrap();
        assert!(are_one(&path("d/a"), &path("link/a")), "the same folder by another path");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "a probe leaves nothing");
        claims.release(JobId(1));
        assert_eq!(claims.rivals(&path("makefile"), JobId(2)), []);
    }

    #[test]
    fn a_file_has_one_job_and_a_job_has_one_file() {
        let mut claims = Held::default();
        claims.take_file((1, 2), JobId(1)).unwrap();
        claims.take_file((1, 2), JobId(1)).unwrap();
        assert_eq!(claims.take_file((1, 2), JobId(2)), Err(JobId(1)));
        claims.take_file((1, 3), JobId(1)).unwrap();
        claims.take_file((1, 2), JobId(2)).unwrap();
        claims.release(JobId(2));
        claims.take_file((1, 2), JobId(3)).unwrap();
    }
}
