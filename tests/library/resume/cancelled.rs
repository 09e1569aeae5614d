//! Cancelling a job deletes its files of an earlier run.

use fdsp::client::{
    Command, Existing, Form, JobId, Limits, NewJob, SavedJob, SavedQueue, SavedState, Session, SessionName,
    resume,
};

use crate::resume::{
    proxy::Proxy,
    support::{Folder, MAX_WAIT, MIB, Served, config, content, until},
};

/// Interrupts a download, and cancels it in another run by a command; returns the names that are left. `elsewhere`:
/// a job of another server is cancelled.
fn left(form: Form, state: SavedState, command: fn(Vec<JobId>) -> Command, elsewhere: bool) -> Vec<String> {
    let served = Served::new();
    served.write("d/a", &content(5 * MIB, 1));
    let folder = Folder::new();
    let gate = Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
    let (path, name) = if form == Form::Tree { ("d", "d") } else { ("d/a", "a") };
    let run = folder.begin_job(NewJob { form, ..folder.job(gate.at(), path, Existing::Keep) });
    let control = folder.path("d.part/fdsp-control");
    until("something of it", || folder.listed(name) >= 2 || control.exists());
    run.stop();
    assert!(!folder.names().is_empty());
    let at = if elsewhere { served.at() } else { gate.at() };
    let new = NewJob { form, ..folder.job(at, path, Existing::Keep) };
    let (engine, _events) = resume(config(), vec![SavedJob { state, ..new.into() }]).unwrap();
    engine.command(command(vec![JobId(0)]));
    if !elsewhere {
        // A deletion that is interrupted waits for the next start.
        until("an empty folder", || folder.names().is_empty());
    }
    engine.command(Command::Stop);
    engine.join(MAX_WAIT);
    folder.names()
}

#[test]
fn cancel_deletes_the_files_of_an_earlier_run() {
    for form in [Form::Auto, Form::Tree] {
        let failed = fdsp::client::Trouble::new(fdsp::client::TroubleKind::Connection, "lost");
        for (state, command) in [
            (SavedState::Paused, Command::Cancel as fn(Vec<JobId>) -> Command),
            (SavedState::Paused, Command::Remove),
            (SavedState::Failed(failed), Command::Cancel),
        ] {
            assert!(left(form, state.clone(), command, false).is_empty(), "{form:?} {state:?}");
        }
    }
}

/// A session with a cancelled download, as left by a run that was killed right after the command.
#[test]
fn the_next_run_deletes_files_of_a_cancelled_job_if_a_run_was_killed() {
    for form in [Form::Auto, Form::Tree] {
        let served = Served::new();
        served.write("d/a", &content(5 * MIB, 1));
        let folder = Folder::new();
        let gate = Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
        let (path, name) = if form == Form::Tree { ("d", "d") } else { ("d/a", "a") };
        let job = NewJob { form, ..folder.job(gate.at(), path, Existing::Keep) };
        let run = folder.begin_job(job.clone());
        let control = folder.path("d.part/fdsp-control");
        until("something of it", || folder.listed(name) >= 2 || control.exists());
        run.stop();
        assert!(!folder.names().is_empty());

        let sessions = tempfile::tempdir().unwrap();
        let open = || Session::open(sessions.path(), &SessionName::default(), Limits::default()).unwrap();
        let discarded = vec![SavedJob { state: SavedState::Cancelled, ..job.into() }];
        open().session.save(SavedQueue { discarded, ..SavedQueue::default() }).unwrap();
        let opened = open();
        assert_eq!(opened.saved.discarded.len(), 1);
        let (engine, _events) = resume(config(), opened.saved.queue).unwrap();
        opened.session.follow(&engine);
        until("an empty folder", || folder.names().is_empty());
        until("a session without it", || engine.saved().discarded.is_empty());
        engine.command(Command::Stop);
        opened.session.save(engine.join(MAX_WAIT)).unwrap();
        drop(opened.session);
        assert_eq!(open().saved.discarded, []);
    }
}

#[test]
fn files_of_another_server_are_not_deleted() {
    for form in [Form::Auto, Form::Tree] {
        assert!(!left(form, SavedState::Paused, Command::Cancel, true).is_empty(), "{form:?}");
    }
}

#[test]
fn files_that_another_job_can_resume_are_kept_until_it_is_cancelled() {
    for (form, other) in [(Form::Auto, Form::Auto), (Form::Auto, Form::File), (Form::Tree, Form::Zip)] {
        let served = Served::new();
        served.write("d/a", &content(5 * MIB, 1));
        let folder = Folder::new();
        let gate = Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
        let (path, name) = if form == Form::Tree { ("d", "d") } else { ("d/a", "a") };
        let job = |form| NewJob { form, ..folder.job(gate.at(), path, Existing::Keep) };
        let run = folder.begin_job(job(form));
        let control = folder.path("d.part/fdsp-control");
        until("something of it", || folder.listed(name) >= 2 || control.exists());
        run.stop();
        let left = folder.names();
        assert!(!left.is_empty());
        let paused = |form| SavedJob { state: SavedState::Paused, ..job(form).into() };
        for command in [Command::Cancel as fn(Vec<JobId>) -> Command, Command::Remove] {
            let (engine, _events) = resume(config(), vec![paused(form), paused(other)]).unwrap();
            engine.command(command(vec![JobId(1)]));
            engine.command(Command::Stop);
            engine.join(MAX_WAIT);
            assert_eq!(folder.names(), left, "{form:?} beside {other:?}");
        }
        let (engine, _events) = resume(config(), vec![paused(form), paused(other)]).unwrap();
        engine.command(Command::Remove(vec![JobId(0), JobId(1)]));
        until("an empty folder", || folder.names().is_empty());
        engine.command(Command::Stop);
        engine.join(MAX_WAIT);
        assert!(folder.names().is_empty(), "{form:?} with {other:?}: {:?}", folder.names());
    }
}
