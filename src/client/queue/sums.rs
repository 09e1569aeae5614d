//! The sums of the queue, kept up with each change of a job instead of being counted for each frame.

use std::collections::HashMap;

use crate::client::{
    api::views::view::Totals,
    queue::{phase::Phase, schedule::ServerId},
};

/// What one job adds to the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contribution {
    pub(super) phase: Phase,
    /// Done and total bytes while it is at rest; running ones are read when asked for.
    pub(super) progress: (u64, u64),
    /// The same of the files of a tree.
    pub(super) files: (u64, u64),
    /// Whether it is at rest, has not ended, and its size is not known.
    pub(super) unknown: bool,
    /// Its server, if it can be started.
    pub(super) ready: Option<ServerId>,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    phases: [usize; Phase::COUNT],
    /// Wide enough for any number of jobs of any sizes, so that what was added can be subtracted again.
    progress: (u128, u128),
    files: (u128, u128),
    unknown: usize,
    ready: HashMap<ServerId, usize>,
}

impl Sums {
    pub(super) fn add(&mut self, share: &Contribution) {
        self.phases[share.phase as usize] += 1;
        self.progress.0 += u128::from(share.progress.0);
        self.progress.1 += u128::from(share.progress.1);
        self.files.0 += u128::from(share.files.0);
        self.files.1 += u128::from(share.files.1);
        self.unknown += usize::from(share.unknown);
        if let Some(server) = share.ready {
            *self.ready.entry(server).or_default() += 1;
        }
    }

    pub(super) fn subtract(&mut self, share: &Contribution) {
        self.phases[share.phase as usize] -= 1;
        self.progress.0 -= u128::from(share.progress.0);
        self.progress.1 -= u128::from(share.progress.1);
        self.files.0 -= u128::from(share.files.0);
        self.files.1 -= u128::from(share.files.1);
        self.unknown -= usize::from(share.unknown);
        if let Some(server) = share.ready
            && let Some(count) = self.ready.get_mut(&server)
        {
            *count -= 1;
            if *count == 0 {
                self.ready.remove(&server);
            }
        }
    }

    /// Done and total bytes of all jobs at rest whose size is known, and the same of their files.
    pub(super) fn settled(&self) -> ((u64, u64), (u64, u64)) {
        let bounded = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        let both = |(done, total): (u128, u128)| (bounded(done), bounded(total));
        (both(self.progress), both(self.files))
    }

    /// Servers of jobs that can be started.
    pub(super) fn ready_servers(&self) -> impl Iterator<Item = ServerId> {
        self.ready.keys().copied()
    }

    /// How many jobs are in this phase.
    pub(super) fn count(&self, phase: Phase) -> usize {
        self.phases[phase as usize]
    }

    /// The counts, in a face's words.
    pub(super) fn counts(&self) -> Totals {
        let of = |phases: &[Phase]| phases.iter().map(|&phase| self.phases[phase as usize]).sum();
        Totals {
            jobs: self.phases.iter().sum(),
            running: of(&[Phase::Connecting, Phase::Running, Phase::Verifying]),
            waiting: of(&[Phase::Queued, Phase::Waiting]),
            paused: of(&[Phase::Paused]),
            done: of(&[Phase::Done]),
            failed: of(&[Phase::Failed]),
            undecided: of(&[Phase::Undecided]),
            unknown: self.unknown,
            ..Totals::default()
        }
    }
}
