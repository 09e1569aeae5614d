//! What a server did, in numbers.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::text::units::{self, counted};

/// What a server did from its start to its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Addresses whose clients were served, counted up to 65,536.
    pub clients: u64,
    /// Requests.
    pub requests: u64,
    /// Content bytes sent.
    pub bytes: u64,
    /// Requests that failed, without those that the client or the operator ended.
    pub errors: u64,
    /// How long it ran.
    pub seconds: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        let errors = if self.errors == 0 { "no errors".to_owned() } else { counted(self.errors, "error") };
        write!(
            f,
            "stopped after {}: {}, {}, {} sent, {errors}",
            units::duration(time),
            counted(self.clients, "client"),
            counted(self.requests, "request"),
            units::bytes(self.bytes)
        )
    }
}
