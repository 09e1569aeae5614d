//! Runs the user's commands after downloads. No task of the engine waits for them: they run on threads of their own, a few at a time,
//! and the rest wait in a queue.

mod facts;
mod run;

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::Notify;

use crate::client::{
    api::{
        event::Event,
        new_job::NewJob,
        settings::hook::{self, HookCommand},
    },
    hooks::facts::Facts,
};

/// Commands at the same time.
const MAX_RUNNING: usize = 4;
/// How long the output of a command is read after it has ended: what it left running may have it open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Receives what the user is warned of.
type Warn = Box<dyn Fn(String) + Send + Sync>;

/// See the module.
pub(crate) struct Hooks {
    commands: hook::Hooks,
    state: Mutex<State>,
    /// One has ended.
    ended: Condvar,
    all_ended: Notify,
    warn: Warn,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Hook>,
    /// Threads that work on one.
    active: usize,
    /// The process groups of those that run.
    groups: Vec<(Pid, String)>,
    is_stopped: bool,
}

impl State {
    fn take_next(&mut self) -> Option<Hook> {
        let may_run = !self.is_stopped && self.active < MAX_RUNNING;
        self.waiting.front().filter(|hook| may_run && (!hook.is_last || self.active == 0))?;
        self.waiting.pop_front()
    }

    fn is_done(&self) -> bool {
        self.active == 0 && (self.waiting.is_empty() || self.is_stopped)
    }
}

/// A command to run.
#[derive(Debug)]
struct Hook {
    command: HookCommand,
    facts: Facts,
    /// Once all before it have ended.
    is_last: bool,
}

impl Hooks {
    /// `warn` reports what went wrong.
    pub(crate) fn new(commands: hook::Hooks, warn: Warn) -> Arc<Hooks> {
        Arc::new(Hooks {
            commands,
            state: Mutex::default(),
            ended: Condvar::new(),
            all_ended: Notify::new(),
            warn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are any.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.commands.is_empty()
    }

    /// A job has ended. `job`: what was requested by it; `is_idle`: nothing runs or waits any more.
    pub(crate) fn job_ended(self: &Arc<Hooks>, event: &Event, job: Option<NewJob>, is_idle: bool) {
        let (command, facts) = match event {
            Event::Done { finished, .. } => (&self.commands.on_done, Facts::of_done(finished, job.as_ref())),
            Event::Failed { name, trouble, .. } => {
                (&self.commands.on_failed, Facts::of_failed(name, trouble, job.as_ref()))
            }
            _ => return,
        };
        let of_job = command.clone().map(|command| Hook { command, facts, is_last: false });
        let idle = self.commands.on_idle.clone().filter(|_| is_idle);
        let idle = idle.map(|command| Hook { command, facts: Facts::idle(), is_last: true });
        self.lock().waiting.extend(of_job.into_iter().chain(idle));
        self.start();
    }

    /// Starts those that may run.
    fn start(self: &Arc<Hooks>) {
        let mut state = self.lock();
        while let Some(hook) = state.take_next() {
            let (hooks, what) = (Arc::clone(self), hook.facts.what());
            let work = move || {
                run::run(&hooks, &hook);
                hooks.lock().active -= 1;
                hooks.start();
                hooks.changed();
            };
            match std::thread::Builder::new().name("hook".into()).spawn(work) {
                Ok(_) => state.active += 1,
                Err(error) => self.failed(&format!("{what}: not run: {error}")),
            }
        }
    }

    fn changed(&self) {
        self.ended.notify_all();
        self.all_ended.notify_waiters();
    }

    /// Waits until all have ended.
    pub(crate) async fn all_ended(&self) {
        loop {
            // Listening before looking: a change in between is not missed.
            let mut changed = std::pin::pin!(self.all_ended.notified());
            changed.as_mut().enable();
            if self.lock().is_done() {
                return;
            }
            changed.await;
        }
    }

    /// Gives those that run or wait until `deadline`; what still runs then is terminated, and what waits is not run.
    pub(crate) fn finish(&self, deadline: Instant) {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let waited = self.ended.wait_timeout_while(self.lock(), timeout, |state| !state.is_done());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_stopped = true;
        for hook in std::mem::take(&mut state.waiting) {
            tracing::error!("{}: not run, the program ends", hook.facts.what());
        }
        for (group, what) in &state.groups {
            tracing::error!("{what}: terminated, the program ends");
            // It may have ended by now.
            let _ = kill_process_group(*group, Signal::TERM);
        }
        drop(state);
        self.all_ended.notify_waiters();
    }

    /// A process group runs.
    fn entered(&self, group: Pid, what: String) {
        let mut state = self.lock();
        if state.is_stopped {
            let _ = kill_process_group(group, Signal::TERM);
        }
        state.groups.push((group, what));
    }

    /// A process group has ended, and its number is still its own.
    fn left(&self, group: Pid) {
        self.lock().groups.retain(|(other, _)| *other != group);
    }

    /// Reports what went wrong.
    fn failed(&self, message: &str) {
        tracing::error!("{message}");
        (self.warn)(message.to_owned());
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("commands", &self.commands).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
