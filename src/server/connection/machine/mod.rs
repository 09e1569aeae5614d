//! One connection: its state, what it needs next, and what its socket reports.

pub(super) mod advance;
pub(super) mod ending;
pub(super) mod incoming;
pub(super) mod socket;
pub(super) mod state;
