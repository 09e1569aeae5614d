//! What an attempt reports to the engine.

use std::sync::OnceLock;

use tokio::sync::mpsc;

use crate::{
    client::{
        api::{content::announced::Announced, event::Event, job_id::JobId, views::view::Finished},
        error::Fault,
        job::resume::JobResume,
        metalink::MetalinkFile,
    },
    text::SafeText,
};

/// What happens to a job during an attempt.
#[derive(Debug)]
pub(crate) enum JobEvent {
    /// The server answered; content follows.
    Answered(Announced),
    /// All content is received.
    Complete { size: u64 },
    /// The content is a metalink: these files are fetched in its place.
    Expanded(Vec<MetalinkFile>),
    /// An event for the user.
    Event(Event),
    /// The attempt ended; nothing follows.
    Ended { resume: Box<JobResume>, outcome: Outcome },
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Finished),
    /// `progressed`: bytes were received that had never been received before.
    Fault {
        fault: Fault,
        progressed: bool,
    },
    Stopped,
}

/// The events of one attempt, in order.
#[derive(Debug)]
pub(crate) struct Events {
    id: JobId,
    /// The name of the job before this attempt.
    name: SafeText,
    announced: OnceLock<SafeText>,
    sender: mpsc::UnboundedSender<(JobId, JobEvent)>,
}

impl Events {
    pub(crate) fn new(id: JobId, name: SafeText, sender: mpsc::UnboundedSender<(JobId, JobEvent)>) -> Events {
        Events { id, name, announced: OnceLock::new(), sender }
    }

    /// The job.
    pub(crate) fn id(&self) -> JobId {
        self.id
    }

    /// The job's name.
    pub(crate) fn name(&self) -> SafeText {
        self.announced.get().unwrap_or(&self.name).clone()
    }

    /// The server answered. Only the first answer of an attempt is reported.
    pub(crate) fn answered(&self, announced: Announced) {
        if self.announced.set(announced.name.clone()).is_ok() {
            self.send(JobEvent::Answered(announced));
        }
    }

    /// All content, of this size, is received.
    pub(crate) fn complete(&self, size: u64) {
        self.send(JobEvent::Complete { size });
    }

    /// The content is a metalink of these files.
    pub(crate) fn expanded(&self, files: Vec<MetalinkFile>) {
        self.send(JobEvent::Expanded(files));
    }

    /// Reports something to the user.
    pub(crate) fn report(&self, event: Event) {
        self.send(JobEvent::Event(event));
    }

    /// After the end of the engine there is no receiver.
    fn send(&self, event: JobEvent) {
        let _ = self.sender.send((self.id, event));
    }
}
