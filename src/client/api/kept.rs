//! What outlives an engine: its queue as plain data, to begin another engine with.

use std::{collections::HashMap, path::PathBuf};

use crate::{
    client::api::{
        new_job::NewJob,
        view::{Finished, Trouble},
    },
    protocol::{address::Authority, path::RemotePath},
    text::SafeText,
};

/// A queue at rest, and the limits in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The jobs, in the queue's order.
    pub queue: Vec<KeptJob>,
    /// The limits.
    pub limits: Limits,
    /// Work folders that are marked as deleted, and are to be deleted by the next engine.
    pub deleting: Vec<PathBuf>,
    /// Jobs that were cancelled or removed, and whose partial files are to be deleted by the next engine.
    pub discarded: Vec<KeptJob>,
}

/// Limits that can be changed while an engine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Connections for one file.
    pub segments: usize,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub rate: Option<u64>,
}

/// A job at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptJob {
    /// What was asked for.
    pub new: NewJob,
    /// How far it is with that.
    pub state: KeptState,
    /// Its name, once the server has told it; till then as in a new job.
    pub name: Option<SafeText>,
    /// Bytes of the content, where known.
    pub size: Option<u64>,
    /// Bytes that were verified. Only to be shown: what is in the `.part` decides.
    pub received: u64,
    /// Progress: done and total, in bytes of the content or (archives) of their sources.
    pub progress: Option<(u64, u64)>,
    /// Files of a tree: there, and in all.
    pub files: Option<(u64, u64)>,
}

/// Where a job at rest stands.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptState {
    /// It goes on when it is its turn; so does what was running.
    Queued,
    /// It goes on when told.
    Paused,
    /// It did not work.
    Failed(Trouble),
    /// Given up.
    Cancelled,
    /// In place.
    Done(Finished),
}

impl From<NewJob> for KeptJob {
    fn from(new: NewJob) -> KeptJob {
        KeptJob {
            new,
            state: KeptState::Queued,
            name: None,
            size: None,
            received: 0,
            progress: None,
            files: None,
        }
    }
}

impl KeptJob {
    /// Whether there is something left to do, by itself or once told.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, KeptState::Queued | KeptState::Paused)
    }
}

/// Queues new jobs behind those of an earlier run. What is asked for again goes on where it is, in the way in
/// which it is asked for now; only what is done is done anew.
pub fn ask(queue: &mut Vec<KeptJob>, new: Vec<NewJob>) {
    let mut earlier: HashMap<RemotePath, Vec<usize>> = HashMap::new();
    for (at, job) in queue.iter().enumerate() {
        if !matches!(job.state, KeptState::Done(_)) {
            earlier.entry(job.new.address.path.clone()).or_default().push(at);
        }
    }
    for new in new {
        let same = |at: &&usize| queue[**at].new.is_same_as(&new);
        let again = earlier.get(&new.address.path).and_then(|places| places.iter().find(same)).copied();
        match again {
            Some(at) => (queue[at].new, queue[at].state) = (new, KeptState::Queued),
            None => queue.push(new.into()),
        }
    }
}

/// Takes the token and the pin that a server is reached with now for all that is still to come from it.
pub fn reach(queue: &mut [KeptJob], server: &Authority) {
    for job in queue.iter_mut().filter(|job| !matches!(job.state, KeptState::Done(_))) {
        job.new.address.authority.follow(server);
    }
}

/// Tries again what has failed.
pub fn retry(queue: &mut [KeptJob]) {
    for job in queue.iter_mut().filter(|job| matches!(job.state, KeptState::Failed(_))) {
        job.state = KeptState::Queued;
    }
}

/// Lets nothing go on by itself.
pub fn pause(queue: &mut [KeptJob]) {
    for job in queue.iter_mut().filter(|job| job.state == KeptState::Queued) {
        job.state = KeptState::Paused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::api::{new_job::Existing, view::TroubleKind},
        protocol::address::Address,
    };

    fn new(path: &str) -> NewJob {
        NewJob {
            address: Address::parse(&format!("fdsp+plain://h/{path}")).expect("an address"),
            speak: Default::default(),
            form: Default::default(),
            folder: PathBuf::from("/d"),
            save_as: None,
            existing: Existing::Keep,
            checksum: None,
            extract: false,
        }
    }

    fn finished() -> Finished {
        Finished {
            path: "/d/done".into(),
            bytes: 1,
            transferred: 1,
            resumed: 0,
            blake3: String::new(),
            origin: Default::default(),
            seconds: 1.0,
            files: None,
            omitted: 0,
            deleted: 0,
            missing: Default::default(),
            extracted: None,
        }
    }

    fn queue() -> Vec<KeptJob> {
        let failed = Trouble::new(TroubleKind::Disk, "full");
        let states = [
            ("queued", KeptState::Queued),
            ("paused", KeptState::Paused),
            ("failed", KeptState::Failed(failed)),
            ("cancelled", KeptState::Cancelled),
            ("done", KeptState::Done(finished())),
        ];
        states.map(|(path, state)| KeptJob { state, received: 7, ..new(path).into() }).into()
    }

    #[test]
    fn what_is_asked_for_again_goes_on_where_it_is() {
        let mut jobs = queue();
        ask(&mut jobs, ["paused", "queued", "failed", "cancelled"].map(new).into());
        assert_eq!(jobs.len(), 5);
        assert!(jobs[..4].iter().all(|job| job.state == KeptState::Queued && job.received == 7));
    }

    #[test]
    fn what_is_done_or_goes_elsewhere_is_a_job_of_its_own() {
        let mut jobs = queue();
        let elsewhere = NewJob { folder: "/e".into(), ..new("queued") };
        ask(&mut jobs, vec![new("done"), elsewhere, new("other"), new("other")]);
        assert_eq!(jobs.len(), 9, "twice in one command is twice");
        assert!(matches!(jobs[4].state, KeptState::Done(_)));
    }

    #[test]
    fn it_goes_on_in_the_way_that_is_asked_for_now() {
        let mut jobs = queue();
        ask(&mut jobs, vec![NewJob { existing: Existing::Overwrite, ..new("failed") }]);
        assert_eq!((jobs.len(), jobs[2].new.existing), (5, Existing::Overwrite));
    }

    #[test]
    fn a_server_that_wants_another_token_gets_it_for_all() {
        let mut jobs = queue();
        let at = |text: &str| Address::parse(text).expect("an address").authority;
        reach(&mut jobs, &at("fdsp+plain://h/"));
        assert_eq!(jobs, queue(), "nothing is said, nothing is taken away");
        reach(&mut jobs, &at("fdsp://sesame-sesame-sesame@other/"));
        assert_eq!(jobs, queue());
        let now = at("fdsp+plain://sesame-sesame-sesame@h/");
        reach(&mut jobs, &now);
        assert!(jobs[..4].iter().all(|job| job.new.address.authority == now));
        assert_eq!(jobs[4], queue()[4], "what is done is done");
        reach(&mut jobs, &at("fdsp+plain://h/"));
        assert_eq!(jobs[0].new.address.authority, now);
    }

    #[test]
    fn pausing_and_retrying_touch_nothing_else() {
        let mut jobs = queue();
        pause(&mut jobs);
        assert_eq!(jobs.iter().filter(|job| job.state == KeptState::Paused).count(), 2);
        retry(&mut jobs);
        assert_eq!((&jobs[2].state, jobs[2].is_unfinished()), (&KeptState::Queued, true));
        assert!(!jobs[3].is_unfinished() && !jobs[4].is_unfinished());
    }
}
