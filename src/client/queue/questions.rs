//! The servers that failed jobs wait for a decision about, kept up with each change of a job.

use crate::client::api::trust::{Doubt, Question};

/// See the module. There are few: each is asked about once for all of its jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Questions(Vec<Question>);

impl Questions {
    /// A job waits for this decision, if for any.
    pub(super) fn add(&mut self, doubt: Option<&Doubt>) {
        let Some(doubt) = doubt else { return };
        match self.0.iter_mut().find(|question| question.doubt == *doubt) {
            Some(question) => question.jobs += 1,
            None => self.0.push(Question { doubt: doubt.clone(), jobs: 1 }),
        }
    }

    /// A job no longer waits for it.
    pub(super) fn subtract(&mut self, doubt: Option<&Doubt>) {
        let Some(doubt) = doubt else { return };
        if let Some(at) = self.0.iter().position(|question| question.doubt == *doubt) {
            self.0[at].jobs -= 1;
            if self.0[at].jobs == 0 {
                self.0.remove(at);
            }
        }
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> Vec<Question> {
        self.0.clone()
    }
}
