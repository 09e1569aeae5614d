//! Deletes what is no longer wanted, on a task of its own: a large tree takes a while, and only a job for the same path waits
//! for it. What a run does not get to, the next one deletes.

use std::sync::Arc;

use tokio::{sync::mpsc, task::spawn_blocking};

use crate::client::{
    api::{saved::SavedJob, settings::config::Names},
    engine::shared::Shared,
    job::{deletions::Deletion, leftover, tree::TreeWorkDir},
    queue,
};

/// Deletes until the runtime ends. `names`: which names targets may have.
pub(crate) async fn run(shared: Arc<Shared>, names: Names, mut requests: mpsc::UnboundedReceiver<Deletion>) {
    while let Some(deletion) = requests.recv().await {
        let shared = Arc::clone(&shared);
        // It ends by itself, or with an internal error that has been reported.
        let _ = spawn_blocking(move || delete(&shared, names, deletion)).await;
    }
}

fn delete(shared: &Shared, names: Names, deletion: Deletion) {
    let (deletions, folders) = (&shared.deletions, &shared.folders);
    match deletion {
        Deletion::Job { id, files } => {
            if let Some(files) = files {
                files.discard(deletions);
            }
            if let Some(job) = deletions.noted(id).filter(|_| deletions.may_delete()) {
                let others = shared.with(|state| state.queue.others_for(&job.0.address, id));
                leftover::discard(deletions, folders, names, &job, &others);
            }
            shared.claims.release(id);
            // What was interrupted stays in the session.
            if deletions.may_delete() {
                deletions.job_deleted(id);
            }
        }
        Deletion::Folder(path) => {
            if deletions.may_delete()
                && let Err(fault) = TreeWorkDir::discard_marked(deletions, folders, &path)
            {
                tracing::warn!("{}", fault.trouble.message);
            }
            deletions.folder_ended(&path);
        }
    }
    deletions.completed();
}

impl Shared {
    /// Deletes the partial files of a job that an earlier run did not delete.
    pub(crate) fn delete_left(&self, saved: SavedJob) {
        let id = self.with(|state| state.queue.unused_id());
        let name = saved.name.unwrap_or_else(|| queue::first_name(&saved.new));
        self.deletions.note(id, (saved.new, name));
        self.deletions.delete(Deletion::Job { id, files: None });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        path::{Path, PathBuf},
        time::Duration,
    };

    use super::*;
    use crate::client::api::settings::config::{Config, Trust};

    /// The configuration of a shared.
    pub fn config() -> Config {
        Config {
            jobs: 1,
            segments: 1,
            limit: None,
            limit_schedule: Default::default(),
            retries: 0,
            retry_max_time: None,
            timeout: Duration::from_secs(1),
            speed_limit: 0,
            speed_time: None,
            sync: false,
            extract: Default::default(),
            names: Default::default(),
            trust: Trust::default(),
            web: Default::default(),
            undo_time: Duration::ZERO,
            hooks: Default::default(),
            asks: false,
        }
    }

    /// A work folder with files in it, that belongs to no job.
    fn marked(folder: &Path) -> PathBuf {
        let path = folder.join("x.part");
        std::fs::create_dir_all(path.join("fdsp-tree/d")).unwrap();
        for number in 0..5 {
            std::fs::write(path.join(format!("fdsp-tree/d/{number}")), "x").unwrap();
        }
        path
    }

    #[test]
    fn a_deletion_that_was_interrupted_is_in_the_session_until_the_next_run_completes_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let path = marked(&root);
        let (shared, _requests) = Shared::new(&config(), mpsc::unbounded_channel().0);
        let work_dir = TreeWorkDir::open(&shared.folders.open(&root).unwrap(), "x".as_ref()).unwrap();
        shared.deletions.stop();
        work_dir.discard(&shared.deletions, || shared.deletions.may_delete());
        assert!(path.join("fdsp-tree/d/0").exists());
        assert_eq!(shared.saved().deleting, std::slice::from_ref(&path));

        let (next, _requests) = Shared::new(&config(), mpsc::unbounded_channel().0);
        next.deletions.delete(Deletion::Folder(path.clone()));
        assert_eq!(next.saved().deleting, std::slice::from_ref(&path));
        delete(&next, Names::default(), Deletion::Folder(path.clone()));
        assert!(!path.exists());
        assert!(next.saved().deleting.is_empty());
    }

    #[test]
    fn a_deletion_that_was_interrupted_is_completed_by_the_next_download_to_the_same_target() {
        let dir = tempfile::tempdir().unwrap();
        let path = marked(dir.path());
        let (shared, _requests) = Shared::new(&config(), mpsc::unbounded_channel().0);
        let folder = shared.folders.open(dir.path()).unwrap();
        TreeWorkDir::open(&folder, "x".as_ref()).unwrap().discard(&shared.deletions, || false);
        assert!(path.join("fdsp-tree/d/0").exists());
        let work_dir = TreeWorkDir::open(&folder, "x".as_ref()).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(work_dir);
    }

    #[test]
    fn a_folder_that_is_not_marked_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = marked(&dir.path().canonicalize().unwrap());
        let (shared, _requests) = Shared::new(&config(), mpsc::unbounded_channel().0);
        shared.deletions.delete(Deletion::Folder(path.clone()));
        delete(&shared, Names::default(), Deletion::Folder(path.clone()));
        assert!(path.join("fdsp-tree/d/0").exists());
        assert!(shared.saved().deleting.is_empty());
    }
}
