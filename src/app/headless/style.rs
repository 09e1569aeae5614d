//! The style of the output without a screen.

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines on stderr.
    Plain,
    /// Objects on stdout.
    Json,
    /// Errors only.
    Quiet,
}

/// The style of the output.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The kind of output.
    pub output: Output,
    /// Whether bars are ASCII only.
    pub ascii: bool,
    /// Whether stderr shows the log, so that other lines are not printed there.
    pub logged: bool,
    /// Whether stderr is a terminal that can move its cursor.
    pub cursor: bool,
}
