//! Deletes what is no longer wanted, on a task of its own: a large tree takes a while, and only a job for the same path waits
//! for it. What a run does not get to, the next one deletes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::{Notify, mpsc},
    task::spawn_blocking,
};

use crate::{
    client::{
        api::{
            command::JobId,
            config::Names,
            kept::{KeptJob, KeptState},
            new_job::NewJob,
        },
        engine::board::Board,
        job::{leftover, memory::Memory, tree::Stage},
        queue::{self, Queue},
    },
    protocol::path::RemotePath,
    text::SafeText,
};
/// What is to be deleted.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// What was fetched of a job, in this run or an earlier one.
    Job { id: JobId, memory: Option<Box<Memory>> },
    /// A work folder that is marked as deleted.
    Folder(PathBuf),
}

/// What is being deleted, under the lock of the board.
#[derive(Debug, Default)]
pub(crate) struct Deleting {
    /// Deletions that are not complete.
    open: usize,
    /// Jobs whose partial files are to be deleted, from the command of the user until they are deleted.
    jobs: BTreeMap<JobId, Discarded>,
    /// The paths of their jobs on servers, and how many jobs.
    paths: HashMap<RemotePath, usize>,
    /// Work folders whose deletion was asked for.
    asked: BTreeSet<PathBuf>,
    /// Work folders that are marked as deleted, and are not gone yet.
    marked: BTreeSet<PathBuf>,
}

/// A job whose partial files are to be deleted.
#[derive(Debug)]
struct Discarded {
    /// The job, and its name.
    job: (NewJob, SafeText),
    /// The task has it; before that its transfer is stopped.
    begun: bool,
}

/// How the parts of an engine reach the task.
#[derive(Debug)]
pub(crate) struct Reaper {
    sender: mpsc::UnboundedSender<Deletion>,
    /// A deletion is complete.
    done: Notify,
    /// The engine stops: folders are only marked.
    stopping: AtomicBool,
    /// Which names targets may have.
    names: Names,
}

impl Reaper {
    /// The task's side takes the receiver, see [`run`].
    pub(crate) fn new(names: Names) -> (Reaper, mpsc::UnboundedReceiver<Deletion>) {
        let (sender, deletions) = mpsc::unbounded_channel();
        let (done, stopping) = (Notify::new(), AtomicBool::new(false));
        (Reaper { sender, done, stopping, names }, deletions)
    }
}

/// Deletes until the runtime ends.
pub(crate) async fn run(board: Arc<Board>, mut deletions: mpsc::UnboundedReceiver<Deletion>) {
    while let Some(deletion) = deletions.recv().await {
        let board = Arc::clone(&board);
        // It ends by itself, or with an internal error that has been reported.
        let _ = spawn_blocking(move || board.delete_now(deletion)).await;
    }
}

impl Board {
    /// Has something deleted. A folder stays in the session until it is gone.
    pub(crate) fn delete(&self, deletion: Deletion) {
        self.with(|state| {
            state.deleting.open += 1;
            match &deletion {
                Deletion::Job { id, .. } => state.deleting.begin(*id),
                Deletion::Folder(path) => {
                    state.deleting.asked.insert(path.clone());
                    state.deleting.marked.insert(path.clone());
                    state.queue.touch();
                }
            }
        });
        // An engine that has stopped leaves it to the next one.
        let _ = self.reaper.sender.send(deletion);
    }

    fn delete_now(&self, deletion: Deletion) {
        match deletion {
            Deletion::Job { id, memory } => {
                if let Some(memory) = memory {
                    memory.discard(self);
                }
                let discarded = self.with(|state| {
                    let job = state.deleting.jobs.get(&id)?.job.clone();
                    let others = state.queue.others_for(&job.0.address, id);
                    Some((job, others))
                });
                if let Some((job, others)) = discarded.filter(|_| self.may_delete()) {
                    leftover::discard(self, self.reaper.names, &job, &others);
                }
                self.release(id);
                // What was interrupted stays in the session.
                if self.may_delete() {
                    self.with(|state| {
                        state.deleting.end(id);
                        state.queue.touch();
                    });
                }
            }
            Deletion::Folder(path) => {
                if self.may_delete()
                    && let Err(fault) = Stage::discard_marked(self, &path)
                {
                    tracing::warn!("{}", fault.trouble.message);
                }
                self.with(|state| state.deleting.asked.remove(&path));
            }
        }
        self.with(|state| state.deleting.open -= 1);
        self.reaper.done.notify_waiters();
    }

    /// Deletes the partial files of a job that an earlier run did not get to.
    pub(crate) fn delete_left(&self, kept: KeptJob) {
        let id = self.with(|state| {
            let id = state.queue.unused_id();
            let name = kept.name.unwrap_or_else(|| queue::first_name(&kept.new));
            state.deleting.jobs.insert(id, Discarded { job: (kept.new, name), begun: false });
            id
        });
        self.delete(Deletion::Job { id, memory: None });
    }

    /// Whether folders may still be emptied.
    pub(crate) fn may_delete(&self) -> bool {
        !self.reaper.stopping.load(Ordering::Relaxed)
    }

    /// The engine stops: what is not deleted yet is marked, and left to the next one.
    pub(crate) fn stop_deleting(&self) {
        self.reaper.stopping.store(true, Ordering::Relaxed);
    }

    /// A work folder is marked as deleted.
    pub(crate) fn folder_marked(&self, path: &Path) {
        self.with(|state| {
            state.deleting.marked.insert(path.to_owned());
            state.queue.touch();
        });
    }

    /// A work folder is gone.
    pub(crate) fn folder_deleted(&self, path: &Path) {
        self.with(|state| {
            state.deleting.marked.remove(path);
            state.queue.touch();
        });
    }

    /// Waits until nothing is being deleted.
    pub(crate) async fn all_deleted(&self) {
        self.deleted(|deleting| deleting.open == 0).await;
    }

    /// Waits until nothing is being deleted of jobs for a path.
    pub(crate) async fn path_deleted(&self, path: &RemotePath) {
        self.deleted(|deleting| !deleting.paths.contains_key(path)).await;
    }

    /// Waits until a work folder is not being deleted.
    pub(crate) async fn folder_free(&self, path: &Path) {
        self.deleted(|deleting| !deleting.asked.contains(path)).await;
    }

    async fn deleted(&self, is_done: impl Fn(&Deleting) -> bool) {
        loop {
            let mut done = std::pin::pin!(self.reaper.done.notified());
            done.as_mut().enable();
            if self.with(|state| is_done(&state.deleting)) {
                return;
            }
            done.await;
        }
    }
}

impl Deleting {
    /// The user wants the partial files of a job deleted.
    pub(crate) fn note(&mut self, queue: &Queue, id: JobId) {
        if let (Some(job), Entry::Vacant(entry)) = (queue.asked(id), self.jobs.entry(id)) {
            entry.insert(Discarded { job, begun: false });
        }
    }

    /// The job is resumed: its files stay unless they are being deleted already.
    pub(crate) fn withdraw(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(|discarded| !discarded.begun) {
            self.jobs.remove(&id);
        }
    }

    /// Whether the partial files of a job are to be deleted.
    pub(crate) fn is_noted(&self, id: JobId) -> bool {
        self.jobs.contains_key(&id)
    }

    /// The task gets a job.
    fn begin(&mut self, id: JobId) {
        if let Some(discarded) = self.jobs.get_mut(&id)
            && !std::mem::replace(&mut discarded.begun, true)
        {
            *self.paths.entry(discarded.job.0.address.path.clone()).or_default() += 1;
        }
    }

    /// The partial files of a job are deleted.
    fn end(&mut self, id: JobId) {
        if let Some(Discarded { job, begun: true }) = self.jobs.remove(&id)
            && let Some(count) = self.paths.get_mut(&job.0.address.path)
        {
            *count -= 1;
            if *count == 0 {
                self.paths.remove(&job.0.address.path);
            }
        }
    }

    /// Jobs whose partial files the next run has to delete.
    pub(crate) fn discarded(&self) -> Vec<KeptJob> {
        let kept = |Discarded { job: (new, name), .. }: &Discarded| KeptJob {
            state: KeptState::Cancelled,
            name: Some(name.clone()),
            ..new.clone().into()
        };
        self.jobs.values().map(kept).collect()
    }

    /// Work folders that the next run has to delete.
    pub(crate) fn marked(&self) -> Vec<PathBuf> {
        self.marked.iter().cloned().collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::api::config::{Config, Trust};

    /// The configuration of a board.
    pub fn config() -> Config {
        Config {
            jobs: 1,
            segments: 1,
            limit: None,
            retries: 0,
            retry_max_time: None,
            timeout: Duration::from_secs(1),
            speed_limit: 0,
            speed_time: None,
            sync: false,
            extract: Default::default(),
            names: Default::default(),
            trust: Trust::default(),
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
        let (board, _deletions) = Board::new(&config(), mpsc::unbounded_channel().0);
        let stage = Stage::open(&board.folders.open(&root).unwrap(), "x".as_ref()).unwrap();
        board.stop_deleting();
        stage.discard(&board, || board.may_delete());
        assert!(path.join("fdsp-tree/d/0").exists());
        assert_eq!(board.kept().deleting, std::slice::from_ref(&path));

        let (next, _deletions) = Board::new(&config(), mpsc::unbounded_channel().0);
        next.delete(Deletion::Folder(path.clone()));
        assert_eq!(next.kept().deleting, std::slice::from_ref(&path));
        next.delete_now(Deletion::Folder(path.clone()));
        assert!(!path.exists());
        assert!(next.kept().deleting.is_empty());
    }

    #[test]
    fn a_deletion_that_was_interrupted_is_completed_by_the_next_download_to_the_same_target() {
        let dir = tempfile::tempdir().unwrap();
        let path = marked(dir.path());
        let (board, _deletions) = Board::new(&config(), mpsc::unbounded_channel().0);
        let folder = board.folders.open(dir.path()).unwrap();
        Stage::open(&folder, "x".as_ref()).unwrap().discard(&board, || false);
        assert!(path.join("fdsp-tree/d/0").exists());
        let stage = Stage::open(&folder, "x".as_ref()).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(stage);
    }

    #[test]
    fn a_folder_that_is_not_marked_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = marked(&dir.path().canonicalize().unwrap());
        let (board, _deletions) = Board::new(&config(), mpsc::unbounded_channel().0);
        board.delete(Deletion::Folder(path.clone()));
        board.delete_now(Deletion::Folder(path.clone()));
        assert!(path.join("fdsp-tree/d/0").exists());
        assert!(board.kept().deleting.is_empty());
    }
}
