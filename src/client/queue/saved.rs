//! Changes a saved queue before an engine resumes it, by the functions that change a running one.

use crate::client::{
    api::{address::locator::Server, new_job::NewJob, saved::SavedJob},
    queue::{
        Queue,
        phase::{Input, Phase},
        schedule::Servers,
    },
};

/// Queues new jobs after those of an earlier run. A job that is requested again resumes with the options of the new request, unless it
/// is done.
pub fn add(jobs: &mut Vec<SavedJob>, new: Vec<NewJob>) {
    change(jobs, |queue, servers| {
        let earlier = queue.in_phase(&[
            Phase::Queued,
            Phase::Failed,
            Phase::Undecided,
            Phase::Paused,
            Phase::Cancelled,
        ]);
        let earlier = earlier.into_iter().collect();
        for new in new {
            let server = servers.number(&new.address, new.speak);
            queue.request(new, server, &earlier);
        }
    });
}

/// Uses the token and the pin of this server for all jobs with it that are not done.
pub fn reach(jobs: &mut Vec<SavedJob>, server: &Server) {
    change(jobs, |queue, servers| {
        queue.reach(server, |new| servers.number(&new.address, new.speak));
    });
}

/// Queues all jobs again that have failed, or wait for a decision of the user.
pub fn retry_failed(jobs: &mut Vec<SavedJob>) {
    change(jobs, |queue, _| {
        for id in queue.in_phase(&[Phase::Failed, Phase::Undecided]) {
            queue.command(id, Input::Retry);
        }
    });
}

/// Pauses all queued jobs.
pub fn pause_all(jobs: &mut Vec<SavedJob>) {
    change(jobs, |queue, _| {
        for id in queue.pausable() {
            queue.command(id, Input::Pause);
        }
    });
}

fn change(jobs: &mut Vec<SavedJob>, work: impl FnOnce(&mut Queue, &mut Servers)) {
    let (mut queue, mut servers) = (Queue::default(), Servers::default());
    for job in jobs.drain(..) {
        let server = servers.number(&job.new.address, job.new.speak);
        queue.restore(job, server);
    }
    work(&mut queue, &mut servers);
    *jobs = queue.saved();
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::client::api::{
        address::locator::Locator,
        new_job::Existing,
        saved::SavedState,
        views::view::{Finished, Trouble, TroubleKind},
    };

    fn new(path: &str) -> NewJob {
        NewJob {
            address: Locator::parse(&format!("fdsp+plain://h/{path}")).expect("an address"),
            speak: Default::default(),
            form: Default::default(),
            folder: PathBuf::from("/d"),
            save_as: None,
            existing: Existing::Keep,
            checksum: None,
            extract: false,
            listed: None,
            earlier: Vec::new(),
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
            proof: None,
            seconds: 1.0,
            files: None,
            omitted: 0,
            deleted: 0,
            missing: Default::default(),
            extracted: None,
        }
    }

    fn queue() -> Vec<SavedJob> {
        let failed = Trouble::new(TroubleKind::Disk, "full");
        let states = [
            ("queued", SavedState::Queued),
            ("paused", SavedState::Paused),
            ("failed", SavedState::Failed(failed)),
            ("cancelled", SavedState::Cancelled),
            ("done", SavedState::Done(finished())),
        ];
        let mut jobs: Vec<_> =
            states.map(|(path, state)| SavedJob { state, received: 7, ..new(path).into() }).into();
        (jobs[4].size, jobs[4].received, jobs[4].progress) = (Some(1), 1, Some((1, 1)));
        jobs
    }

    #[test]
    fn a_job_that_is_requested_again_resumes() {
        let mut jobs = queue();
        add(&mut jobs, ["paused", "queued", "failed", "cancelled"].map(new).into());
        assert_eq!(jobs.len(), 5);
        assert!(jobs[..4].iter().all(|job| job.state == SavedState::Queued && job.received == 7));
    }

    #[test]
    fn a_request_for_a_finished_job_or_another_folder_is_a_new_job() {
        let mut jobs = queue();
        let elsewhere = NewJob { folder: "/e".into(), ..new("queued") };
        add(&mut jobs, vec![new("done"), elsewhere, new("other"), new("other")]);
        assert_eq!(jobs.len(), 9, "twice in one command is twice");
        assert!(matches!(jobs[4].state, SavedState::Done(_)));
    }

    #[test]
    fn a_job_resumes_with_the_options_of_the_new_request() {
        let mut jobs = queue();
        add(&mut jobs, vec![NewJob { existing: Existing::Overwrite, ..new("failed") }]);
        assert_eq!((jobs.len(), jobs[2].new.existing), (5, Existing::Overwrite));
    }

    #[test]
    fn a_new_token_of_a_server_is_used_for_all_its_jobs() {
        let mut jobs = queue();
        let at = |text: &str| Locator::parse(text).expect("an address").server();
        reach(&mut jobs, &at("fdsp+plain://h/"));
        assert_eq!(jobs, queue(), "nothing is said, nothing is taken away");
        reach(&mut jobs, &at("fdsp://sesame-sesame-sesame@other/"));
        assert_eq!(jobs, queue());
        let now = at("fdsp+plain://sesame-sesame-sesame@h/");
        reach(&mut jobs, &now);
        assert!(jobs[..4].iter().all(|job| job.new.address.server() == now));
        assert_eq!(jobs[4], queue()[4], "what is done is done");
        reach(&mut jobs, &at("fdsp+plain://h/"));
        assert_eq!(jobs[0].new.address.server(), now);
    }

    #[test]
    fn pausing_and_retrying_touch_nothing_else() {
        let mut jobs = queue();
        pause_all(&mut jobs);
        assert_eq!(jobs.iter().filter(|job| job.state == SavedState::Paused).count(), 2);
        retry_failed(&mut jobs);
        assert_eq!((&jobs[2].state, jobs[2].is_unfinished()), (&SavedState::Queued, true));
        assert!(!jobs[3].is_unfinished() && !jobs[4].is_unfinished());
    }
}
