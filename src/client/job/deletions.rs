//! Deletions that are requested or in progress: partial files of jobs that were cancelled or removed, and work directories. A job for
//! the same path waits until they are complete. A deletion that does not complete in this run is continued in the next one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::{Notify, mpsc};

use crate::{
    client::api::{
        job_id::JobId,
        new_job::NewJob,
        saved::{SavedJob, SavedState},
    },
    text::SafeText,
};

/// Something to delete.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// The partial files of a job: those that it has open, or those of an earlier run.
    Job { id: JobId, files: Option<Box<dyn Discard>> },
    /// A work directory that is marked as deleted.
    Folder(PathBuf),
}

/// Partial files that a job has open.
pub(crate) trait Discard: fmt::Debug + Send {
    fn discard(self: Box<Self>, deletions: &Deletions);
}

/// A job, and its name in the queue.
pub(crate) type NamedJob = (NewJob, SafeText);

#[derive(Debug, Default)]
struct State {
    /// Deletions that are not complete.
    open: usize,
    /// Jobs whose partial files are to be deleted, from the command of the user until they are deleted.
    jobs: BTreeMap<JobId, Discarded>,
    /// The paths of their jobs on servers, and how many jobs.
    paths: HashMap<String, usize>,
    /// Work directories whose deletion was requested.
    requested: BTreeSet<PathBuf>,
    /// Work directories that are marked as deleted, and still exist.
    marked: BTreeSet<PathBuf>,
}

/// A job whose partial files are to be deleted.
#[derive(Debug)]
struct Discarded {
    job: NamedJob,
    /// Its deletion was requested; before that its transfer is stopped.
    begun: bool,
}

/// See the module. Requests go to the task that deletes.
#[derive(Debug)]
pub(crate) struct Deletions {
    state: Mutex<State>,
    sender: mpsc::UnboundedSender<Deletion>,
    /// A deletion is complete.
    done: Notify,
    /// The engine stops: folders are only marked.
    stopping: AtomicBool,
    /// Notified when the session has something to save.
    changed: Arc<Notify>,
}

#[cfg(test)]
impl Default for Deletions {
    fn default() -> Deletions {
        Deletions::new(Arc::default()).0
    }
}

impl Deletions {
    /// With the receiver for the task that deletes. `changed` is notified when the session has something to save.
    pub(crate) fn new(changed: Arc<Notify>) -> (Deletions, mpsc::UnboundedReceiver<Deletion>) {
        let (sender, requests) = mpsc::unbounded_channel();
        let (state, done, stopping) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        (Deletions { state, sender, done, stopping, changed }, requests)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests a deletion. A work directory stays in the session until it is deleted.
    pub(crate) fn delete(&self, deletion: Deletion) {
        let mut state = self.lock();
        state.open += 1;
        match &deletion {
            Deletion::Job { id, .. } => state.begin(*id),
            Deletion::Folder(path) => {
                state.requested.insert(path.clone());
                state.marked.insert(path.clone());
                self.changed.notify_one();
            }
        }
        drop(state);
        // If the engine has stopped, the next one deletes it.
        let _ = self.sender.send(deletion);
    }

    /// A requested deletion is complete, or left to the next run.
    pub(crate) fn completed(&self) {
        self.lock().open -= 1;
        self.done.notify_waiters();
    }

    /// The user wants the partial files of a job deleted.
    pub(crate) fn note(&self, id: JobId, job: NamedJob) {
        if let Entry::Vacant(entry) = self.lock().jobs.entry(id) {
            entry.insert(Discarded { job, begun: false });
        }
    }

    /// The job is resumed: its files stay unless they are being deleted already.
    pub(crate) fn withdraw(&self, id: JobId) {
        let mut state = self.lock();
        if state.jobs.get(&id).is_some_and(|discarded| !discarded.begun) {
            state.jobs.remove(&id);
        }
    }

    /// The job whose partial files are to be deleted.
    pub(crate) fn noted(&self, id: JobId) -> Option<NamedJob> {
        self.lock().jobs.get(&id).map(|discarded| discarded.job.clone())
    }

    /// The partial files of a job are deleted.
    pub(crate) fn job_deleted(&self, id: JobId) {
        self.lock().end(id);
        self.changed.notify_one();
    }

    /// A work directory is marked as deleted.
    pub(crate) fn folder_marked(&self, path: &Path) {
        self.lock().marked.insert(path.to_owned());
        self.changed.notify_one();
    }

    /// A work directory is deleted.
    pub(crate) fn folder_deleted(&self, path: &Path) {
        self.lock().marked.remove(path);
        self.changed.notify_one();
    }

    /// The requested deletion of a work directory has ended.
    pub(crate) fn folder_ended(&self, path: &Path) {
        self.lock().requested.remove(path);
    }

    /// Whether work directories may still be emptied.
    pub(crate) fn may_delete(&self) -> bool {
        !self.stopping.load(Relaxed)
    }

    /// The engine stops: what is not deleted yet is only marked, for the next run.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Jobs whose partial files the next run has to delete.
    pub(crate) fn discarded(&self) -> Vec<SavedJob> {
        let saved = |Discarded { job: (new, name), .. }: &Discarded| SavedJob {
            state: SavedState::Cancelled,
            name: Some(name.clone()),
            ..new.clone().into()
        };
        self.lock().jobs.values().map(saved).collect()
    }

    /// Work directories that the next run has to delete.
    pub(crate) fn marked(&self) -> Vec<PathBuf> {
        self.lock().marked.iter().cloned().collect()
    }

    /// Waits until nothing is being deleted.
    pub(crate) async fn all_deleted(&self) {
        self.wait(|state| state.open == 0).await;
    }

    /// Waits until nothing is being deleted of jobs for a path.
    pub(crate) async fn path_deleted(&self, path: &str) {
        self.wait(|state| !state.paths.contains_key(path)).await;
    }

    /// Waits until a work directory is not being deleted.
    pub(crate) async fn folder_free(&self, path: &Path) {
        self.wait(|state| !state.requested.contains(path)).await;
    }

    async fn wait(&self, is_done: impl Fn(&State) -> bool) {
        loop {
            let mut done = std::pin::pin!(self.done.notified());
            done.as_mut().enable();
            if is_done(&self.lock()) {
                return;
            }
            done.await;
        }
    }
}

impl State {
    fn begin(&mut self, id: JobId) {
        if let Some(discarded) = self.jobs.get_mut(&id)
            && !std::mem::replace(&mut discarded.begun, true)
        {
            *self.paths.entry(discarded.job.0.address.path().to_owned()).or_default() += 1;
        }
    }

    fn end(&mut self, id: JobId) {
        if let Some(Discarded { job, begun: true }) = self.jobs.remove(&id)
            && let Some(count) = self.paths.get_mut(job.0.address.path())
        {
            *count -= 1;
            if *count == 0 {
                self.paths.remove(job.0.address.path());
            }
        }
    }
}
