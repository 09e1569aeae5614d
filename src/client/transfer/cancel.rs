//! Signals an attempt to stop.

use tokio::sync::watch;

use crate::client::error::Unfinished;

/// See the module. It is also set when the engine has ended.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(watch::Receiver<bool>);

impl Cancel {
    pub(crate) fn new(receiver: watch::Receiver<bool>) -> Cancel {
        Cancel(receiver)
    }

    /// Whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is set.
    pub(crate) async fn set(&self) {
        let _ = self.0.clone().wait_for(|stop| *stop).await.map(drop);
    }

    /// Runs work that may be dropped at any wait.
    pub(crate) async fn unless_set<T, E: Into<Unfinished>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unfinished> {
        tokio::select! {
            biased;
            () = self.set() => Err(Unfinished::Stopped),
            done = work => done.map_err(Into::into),
        }
    }
}
