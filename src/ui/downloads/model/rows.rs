//! The rows of the queue: one for each job, and one in the place of all jobs that are done.

use super::Model;
use crate::{
    client::{Arranged, JobId, Sort},
    ui::downloads::queue::Queue,
};

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// A job.
    Job(JobId),
    /// The line before the jobs that are done, which shows or hides them.
    Done,
}

impl Row {
    /// Its job.
    pub fn job(self) -> Option<JobId> {
        match self {
            Row::Job(id) => Some(id),
            Row::Done => None,
        }
    }
}

/// What is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Jobs.
    pub jobs: usize,
    /// Bytes of those whose size is known.
    pub bytes: u64,
    /// How many have no known size.
    pub unknown: usize,
}

impl Model {
    /// Reads the jobs again: their order, the filter or the sort has changed.
    pub(crate) fn reread(&mut self, queue: &impl Queue) {
        let Arranged { open, done, done_bytes } = queue.arranged(&self.filter, self.sort);
        // One is no longer than the line in its place, and who filters looks for what is hidden.
        let folds = done.len() > 1 && self.filter.is_empty();
        let mut rows: Vec<Row> = open.into_iter().map(Row::Job).collect();
        rows.extend(folds.then_some(Row::Done));
        if !folds || self.unfolded {
            rows.extend(done.iter().copied().map(Row::Job));
        }
        self.queue.set_keys(rows);
        (self.done, self.done_bytes) = (done, done_bytes);
        self.generation = Some(queue.generation());
    }

    /// The jobs that are visible.
    pub(crate) fn visible_jobs(&self) -> Vec<JobId> {
        self.queue.visible().iter().filter_map(|row| row.job()).collect()
    }

    /// The jobs that an action acts on: those of the marked rows, else those of the selected one.
    pub(crate) fn targets(&self) -> Vec<JobId> {
        let mut ids = Vec::new();
        for row in self.queue.targets() {
            match row {
                Row::Job(id) => ids.push(id),
                Row::Done => ids.extend(&self.done),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Counts what is marked.
    pub(crate) fn count_marked(&self, queue: &impl Queue) -> Marked {
        if self.queue.marked() == 0 {
            return Marked::default();
        }
        let ids = self.targets();
        let (bytes, unknown) = queue.sizes(&ids);
        Marked { jobs: ids.len(), bytes, unknown }
    }

    /// Sorts by the next column.
    pub(crate) fn sort_next(&mut self, queue: &impl Queue) {
        self.sort = self.sort.next();
        self.reread(queue);
        self.say(match self.sort {
            Sort::Queue => "in the order of the queue",
            Sort::Name => "sorted by name",
            Sort::Size => "sorted by size, largest first",
            Sort::Progress => "sorted by progress, most complete first",
            Sort::Speed => "sorted by speed, fastest first",
            Sort::Left => "sorted by time left, shortest first",
            Sort::Added => "sorted by time added, newest first",
        });
    }

    /// Shows or hides the jobs that are done.
    pub(crate) fn toggle_done(&mut self, queue: &impl Queue) {
        self.unfolded = !self.unfolded;
        self.reread(queue);
    }
}
