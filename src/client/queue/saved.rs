//! Changes a saved queue before an engine resumes it, by the functions that change a running one.

use crate::client::{
    api::{
        address::{
            locator::{Locator, Server},
            web_header::WebHeader,
        },
        new_job::NewJob,
        saved::{SavedJob, SavedState},
    },
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

/// Requests the jobs from `old` that are not done from another address, with these header fields. Returns how many there are.
pub fn readdress(jobs: &mut [SavedJob], old: &Locator, new: &Locator, headers: &[WebHeader]) -> usize {
    let is_open = |job: &SavedJob| !matches!(job.state, SavedState::Done(_) | SavedState::Cancelled);
    // Of links that differ in a secret only that one is meant; but the secret may be left out.
    let is_exact = jobs.iter().any(|job| is_open(job) && job.new.address.is_same_request(old));
    let mut changed = 0;
    for job in jobs.iter_mut().filter(|job| is_open(job)) {
        let address = &job.new.address;
        let is_meant = if is_exact { address.is_same_request(old) } else { address.is_same_as(old) };
        if !is_meant {
            continue;
        }
        job.new.note_earlier();
        job.new.readdress(new.clone());
        if !headers.is_empty() {
            job.new.headers = headers.to_vec();
        }
        if !matches!(job.state, SavedState::Paused) {
            job.state = SavedState::Queued;
        }
        changed += 1;
    }
    changed
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
        new_job::Existing,
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
            sums: None,
            headers: Vec::new(),
            extract: false,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        }
    }

    #[test]
    fn another_address_is_for_what_is_not_done() {
        let link = |text: &str| Locator::parse(text).expect("an address");
        let job = |address: &str, state| SavedJob {
            new: NewJob {
                address: link(address),
                headers: vec![WebHeader::parse("Cookie: a=b").expect("a field")],
                ..new("x")
            },
            state,
            name: None,
            size: None,
            received: 5,
            progress: None,
            files: None,
            limit: None,
            answers: Default::default(),
        };
        let failed = || SavedState::Failed(Trouble::new(TroubleKind::NotFound, "expired"));
        let mut jobs = [
            job("https://h/a?sig=1", failed()),
            job("https://h/a?sig=1", SavedState::Done(finished())),
            job("https://h/b", SavedState::Paused),
        ];
        let (old, now) = (link("https://h/a?sig=REDACTED"), link("https://h/a?sig=2"));
        assert_eq!(readdress(&mut jobs, &old, &now, &[]), 1, "the displayed address is enough");
        assert_eq!((&jobs[0].new.address, &jobs[0].state), (&now, &SavedState::Queued));
        assert_eq!(jobs[0].new.earlier.len(), 1, "the partial file is found by it");
        assert_eq!(jobs[0].new.headers.len(), 1, "the same server gets the same fields");
        assert_eq!(jobs[1].new.address, link("https://h/a?sig=1"), "it is done");
        let mirror = link("https://mirror/b");
        assert_eq!(readdress(&mut jobs, &link("https://h/b"), &mirror, &[]), 1);
        assert_eq!(
            (&jobs[2].state, jobs[2].new.headers.len()),
            (&SavedState::Paused, 0),
            "another server does not"
        );
        assert_eq!(readdress(&mut jobs, &link("https://h/c"), &mirror, &[]), 0);
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
            sources: Vec::new(),
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
