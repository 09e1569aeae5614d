//! What the screen reads of the engine: a trait, so that tests need no engine.

use crate::client::{
    Arranged, Engine, JobId, JobView, Locator, LostServer, Picture, QuestionKind, Server, Sort, Totals,
};

/// A queue that can be read without changing or waiting for anything.
pub trait Queue {
    /// Rises with every change of order, membership or group.
    fn generation(&self) -> u64;
    /// The jobs whose name contains `filter`, in this order.
    fn arranged(&self, filter: &str, sort: Sort) -> Arranged;
    /// Bytes of these jobs, and how many of them have no known size.
    fn sizes(&self, ids: &[JobId]) -> (u64, usize);
    /// Bytes a second in the last parts of two seconds, at most `count`; empty while nothing runs.
    fn throughput(&self, count: usize) -> Vec<f64>;
    /// The pictures of a job, with this many parts of its content.
    fn picture(&self, id: JobId, parts: usize) -> Picture;
    /// The servers that cannot be reached and for which jobs wait, the next one to be tried first.
    fn lost_servers(&self) -> Vec<LostServer>;
    /// The jobs that wait for a decision of the user, in order, with the kind of each.
    fn undecided(&self) -> Vec<(JobId, QuestionKind)>;
    /// Whether something was cancelled or removed that can be undone.
    fn can_undo(&self) -> bool;
    /// The ids of the jobs whose name contains `filter`, in order.
    fn ids(&self, filter: &str) -> Vec<JobId>;
    /// Rows for these jobs; ids that are gone are left out.
    fn rows(&self, ids: &[JobId]) -> Vec<JobView>;
    /// For each of these jobs, what distinguishes it from all others of the same name.
    fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>>;
    /// For each address, whether a job for it has not ended.
    fn queued(&self, addresses: &[Locator]) -> Vec<bool>;
    /// The sums.
    fn totals(&self) -> Totals;
    /// Whether this server, reached with this pin and token, has answered.
    fn has_answered(&self, server: &Server) -> bool;
}

impl Queue for Engine {
    fn generation(&self) -> u64 {
        Engine::generation(self)
    }
    fn arranged(&self, filter: &str, sort: Sort) -> Arranged {
        Engine::arranged(self, filter, sort)
    }
    fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
        Engine::sizes(self, ids)
    }
    fn throughput(&self, count: usize) -> Vec<f64> {
        Engine::throughput(self, count)
    }
    fn picture(&self, id: JobId, parts: usize) -> Picture {
        Engine::picture(self, id, parts)
    }
    fn lost_servers(&self) -> Vec<LostServer> {
        Engine::lost_servers(self)
    }
    fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
        Engine::undecided(self)
    }
    fn can_undo(&self) -> bool {
        Engine::can_undo(self)
    }
    fn ids(&self, filter: &str) -> Vec<JobId> {
        Engine::ids(self, filter)
    }
    fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        Engine::rows(self, ids)
    }
    fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
        Engine::distinctions(self, ids)
    }
    fn queued(&self, addresses: &[Locator]) -> Vec<bool> {
        Engine::queued(self, addresses)
    }
    fn totals(&self) -> Totals {
        self.snapshot(0..0).totals
    }
    fn has_answered(&self, server: &Server) -> bool {
        Engine::has_answered(self, server)
    }
}
