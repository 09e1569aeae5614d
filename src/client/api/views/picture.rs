//! What faces draw of one job: its rate over time, and which parts of its content are local.

/// A part of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Nothing of it is verified.
    Missing,
    /// Some of it is local.
    Partial,
    /// A connection receives it.
    InWork,
    /// All of it is verified.
    Verified,
}

/// The pictures of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Bytes a second, in parts of equal time from the start of the transfer on.
    pub rates: Vec<f64>,
    /// Seconds of all these parts.
    pub seconds: f64,
    /// The parts of the content, of about equal size, in order; empty if they are not known.
    pub map: Vec<Part>,
}
