//! Sessions: the queue of an engine, kept on the disk as it changes, so that it survives any end of the program.
//!
//! A session is open in one process at a time. It is written when something has changed, a moment later, so that
//! several changes are written together; at rest nothing is written. That partial files are to be deleted is
//! written at once: until it is, a kill undoes the command.

mod format;
#[cfg(test)]
mod fuzzing;
mod name;
mod store;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::spawn_blocking, time::sleep};

use super::engine::Engine;
use crate::{
    client::{
        api::{
            address::typed,
            saved::{Limits, SavedJob, SavedQueue, SavedState},
        },
        engine::shared::Shared,
        job::deletions::Deletion,
    },
    text::SafeText,
};
pub use format::{Changed, FormatError, Saved, parse};
pub use name::{NameError, SessionName};
use store::{Refused, Store};

/// Changes within this time are written together.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// The time between two writes.
const MIN_WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Writing takes at most this fraction (1/20) of the time.
const MAX_WRITE_SHARE: u32 = 20;
/// The progress of running downloads is written this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Done and cancelled jobs that are kept, at most; the first of the queue are dropped first.
const MAX_ENDED: usize = 1000;

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the session '{name}' is open in {}: continue there, or use another session with --session NAME",
        .holder.as_ref().map_or("another tui", SafeText::as_str)
    )]
    Held {
        /// Which.
        name: SessionName,
        /// Which process, if known.
        holder: Option<SafeText>,
    },
    /// Its files cannot be used.
    #[error("the queue cannot be kept in {path}: {error}")]
    Files {
        /// Where.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

/// What was in a session when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// What it held.
    pub saved: Saved,
    /// A warning: its file could not be read, and was set aside.
    pub warning: Option<String>,
}

/// What an open session and the task that writes it share.
#[derive(Debug)]
struct Inner {
    name: SessionName,
    /// The limits of the configuration.
    configured: Limits,
    history: Mutex<Vec<String>>,
    /// What an earlier run has not deleted, work folders and partial files of jobs; the engine takes it over.
    undeleted: Mutex<(Vec<PathBuf>, Vec<SavedJob>)>,
    /// The history changed.
    changed: Notify,
    /// Locked from reading the queue to the end of the write: an older state never follows a newer one.
    writer: Mutex<Writer>,
    /// The last write failed, and that was logged.
    failing: AtomicBool,
}

#[derive(Debug)]
struct Writer {
    /// `None` once the session was closed.
    store: Option<Store>,
    /// Digest of what the file holds.
    written: blake3::Hash,
}

impl Session {
    /// Whether there is a session of this name in a folder of sessions, even if its queue was never written.
    pub fn exists(folder: &Path, name: &SessionName) -> bool {
        ["json", "lock"].iter().any(|kind| folder.join(format!("{name}.{kind}")).symlink_metadata().is_ok())
    }

    /// Opens a session in a folder of sessions, for this process alone. A file that cannot be understood is set aside
    /// under another name, and the session begins empty.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path, name: &SessionName, configured: Limits) -> Result<Opened, OpenError> {
        let files = |error| OpenError::Files { path: SafeText::from_path(folder), error };
        let store = Store::open(folder, name).map_err(|refused| match refused {
            Refused::Held(holder) => OpenError::Held { name: name.clone(), holder },
            Refused::Files(error) => files(error),
        })?;
        let found = match store.read() {
            Ok(None) => Ok(Saved::default()),
            Ok(Some(bytes)) => parse(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
            Err(error) => return Err(files(error)),
        };
        let (saved, warning) = match found {
            Ok(saved) => (saved, None),
            Err(reason) => {
                let aside = store.set_aside().map_err(files)?;
                let shown = store.shown();
                let warning = format!(
                    "{shown} cannot be used: {reason}; the queue starts empty, and the file is kept as {aside}"
                );
                tracing::warn!("{warning}");
                (Saved::default(), Some(warning))
            }
        };
        let written = digest(&format::format(&saved).map_err(|error| files(error.into()))?);
        let inner = Inner {
            name: name.clone(),
            configured,
            history: Mutex::new(without_secrets(&saved.history)),
            undeleted: Mutex::new((saved.deleting.clone(), saved.discarded.clone())),
            changed: Notify::new(),
            writer: Mutex::new(Writer { store: Some(store), written }),
            failing: AtomicBool::new(false),
        };
        Ok(Opened { session: Session { inner: Arc::new(inner) }, saved, warning })
    }

    /// Reads what is saved in a session, even while another process has it open; empty without such a session.
    ///
    /// # Errors
    /// Its file cannot be read or understood.
    pub fn saved(folder: &Path, name: &SessionName) -> Result<Saved, OpenError> {
        let files = |error| OpenError::Files { path: SafeText::from_path(folder), error };
        match Store::read_file(folder, name).map_err(files)? {
            Some(bytes) => parse(&bytes).map_err(|error| files(io::Error::other(error))),
            None => Ok(Saved::default()),
        }
    }

    /// Closes the session, so that another process can open it. Nothing is written after that.
    pub fn close(self) {
        lock(&self.inner.writer).store = None;
    }

    /// Its name.
    pub fn name(&self) -> &SessionName {
        &self.inner.name
    }

    /// Keeps the queue of an engine from now on, whenever it changes.
    pub fn follow(&self, engine: &Engine) {
        let (folders, discarded) = std::mem::take(&mut *lock(&self.inner.undeleted));
        folders.into_iter().for_each(|folder| engine.shared().deletions.delete(Deletion::Folder(folder)));
        discarded.into_iter().for_each(|job| engine.shared().delete_left(job));
        engine.spawn(keep(Arc::clone(&self.inner), Arc::clone(engine.shared())));
    }

    /// What was typed into the address line is this now. It is kept without tokens: the jobs have them.
    pub fn set_history(&self, history: &[String]) {
        *lock(&self.inner.history) = without_secrets(history);
        self.inner.changed.notify_one();
    }

    /// Writes the queue, unless the file holds it already.
    ///
    /// # Errors
    /// The disk is full, or not to be written to.
    pub fn save(&self, kept: SavedQueue) -> io::Result<()> {
        self.inner.write(|| kept)
    }
}

/// Writes what an engine has, whenever that changes, until the engine ends.
async fn keep(inner: Arc<Inner>, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.changed.notified() => {}
            () = inner.changed.notified() => {}
            // No job ends or begins, but progress is made.
            () = sleep(PROGRESS_INTERVAL), if shared.with(|state| state.queue.is_live()) => {}
        }
        tokio::select! {
            () = sleep(SETTLE_TIME) => {}
            () = shared.urgent.notified() => {}
        }
        let begun = Instant::now();
        let (at, from) = (Arc::clone(&inner), Arc::clone(&shared));
        let write = spawn_blocking(move || at.try_write(|| from.saved()));
        // It ends by itself, or with an internal error that has been reported.
        let _ = write.await;
        tokio::select! {
            () = sleep(MIN_WRITE_INTERVAL.max(begun.elapsed() * MAX_WRITE_SHARE)) => {}
            () = shared.urgent.notified() => shared.urgent.notify_one(),
        }
    }
}

impl Inner {
    /// As [`Inner::write`]; a failure is logged once, until a write succeeds.
    fn try_write(&self, kept: impl FnOnce() -> SavedQueue) {
        match self.write(kept) {
            Ok(()) => self.failing.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the queue cannot be kept: {error}");
                }
            }
        }
    }

    fn write(&self, kept: impl FnOnce() -> SavedQueue) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        let saved = self.saved(kept());
        let text = format::format(&saved)?;
        let digest = digest(&text);
        if text.len() > format::MAX_LEN {
            return Err(io::Error::other("it is longer than any session may be; clear what is finished"));
        }
        let Writer { store, written } = &mut *writer;
        if let Some(store) = store
            && digest != *written
        {
            store.write(&text)?;
            *written = digest;
        }
        Ok(())
    }

    fn saved(&self, kept: SavedQueue) -> Saved {
        let Limits { jobs, segments, rate } = kept.limits;
        let limits = Changed {
            jobs: (jobs != self.configured.jobs).then_some(jobs),
            segments: (segments != self.configured.segments).then_some(segments),
            rate: (rate != self.configured.rate).then_some(rate.unwrap_or(0)),
        };
        let history = lock(&self.history).clone();
        let SavedQueue { deleting, discarded, .. } = kept;
        Saved { limits, queue: bounded(kept.queue), history, deleting, discarded }
    }
}

/// The entries without tokens.
fn without_secrets(history: &[String]) -> Vec<String> {
    history.iter().filter_map(|entry| typed::without_secrets(entry)).collect()
}

/// Drops ended jobs above the maximum.
fn bounded(mut queue: Vec<SavedJob>) -> Vec<SavedJob> {
    let is_over = |job: &SavedJob| matches!(job.state, SavedState::Done(_) | SavedState::Cancelled);
    let over = queue.iter().filter(|job| is_over(job)).count();
    let mut too_many = over.saturating_sub(MAX_ENDED);
    if too_many > 0 {
        queue.retain(|job| {
            let goes = too_many > 0 && is_over(job);
            too_many -= usize::from(goes);
            !goes
        });
    }
    queue
}

fn digest(text: &str) -> blake3::Hash {
    blake3::hash(text.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
