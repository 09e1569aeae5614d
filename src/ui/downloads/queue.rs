//! What the screen reads of the engine: a trait, so that tests need no engine.

use crate::client::{Engine, JobId, JobView, Server, Totals};

/// A queue that can be read without changing or waiting for anything.
pub trait Queue {
    /// Rises with every change of order or membership.
    fn generation(&self) -> u64;
    /// The ids of the jobs whose name contains `filter`, in order.
    fn ids(&self, filter: &str) -> Vec<JobId>;
    /// Rows for these jobs; ids that are gone are left out.
    fn rows(&self, ids: &[JobId]) -> Vec<JobView>;
    /// The sums.
    fn totals(&self) -> Totals;
    /// Whether this server, reached with this pin and token, has answered.
    fn has_answered(&self, server: &Server) -> bool;
}

impl Queue for Engine {
    fn generation(&self) -> u64 {
        Engine::generation(self)
    }
    fn ids(&self, filter: &str) -> Vec<JobId> {
        Engine::ids(self, filter)
    }
    fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        Engine::rows(self, ids)
    }
    fn totals(&self) -> Totals {
        self.snapshot(0..0).totals
    }
    fn has_answered(&self, server: &Server) -> bool {
        Engine::has_answered(self, server)
    }
}
