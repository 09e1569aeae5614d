//! The four architectures.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The architecture of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// One connection at a time.
    Single,
    /// A thread for each connection.
    Threads,
    /// One thread, readiness from the kernel.
    Select,
    /// Tasks on tokio.
    #[default]
    Async,
}

impl Arch {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Single => "single",
            Arch::Threads => "threads",
            Arch::Select => "select",
            Arch::Async => "async",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
