//! How work is shown without a screen.

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines on stderr.
    Plain,
    /// Objects on stdout.
    Json,
    /// Errors only.
    Quiet,
}

/// How to show what happens.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// What is written.
    pub output: Output,
    /// Bars of ASCII only.
    pub ascii: bool,
    /// Stderr shows the log, which has all that would be written there.
    pub logged: bool,
    /// A terminal on stderr can move its cursor.
    pub cursor: bool,
}
