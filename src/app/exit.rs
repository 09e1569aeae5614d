//! Exit codes, which scripts depend on, and errors that carry theirs.

use std::process::ExitCode;

use crate::{
    app::config,
    client::{TroubleKind, session::OpenError},
    logging,
    server::{CertificateError, StartError},
    text,
};

/// The exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Failed in another way.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Could not connect, or lost and retries exhausted.
    Connection = 3,
    /// Not found or not permitted.
    NotFound = 4,
    /// Trust or token refused.
    Refused = 5,
    /// Checksum mismatch, or the source changed.
    Integrity = 6,
    /// The local disk: full, not writable, target exists.
    Disk = 7,
    /// Done, but entries of a folder are missing (listed).
    Missing = 8,
    /// Interrupted; partial files are kept.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Exit; 10] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Connection,
        Exit::NotFound,
        Exit::Refused,
        Exit::Integrity,
        Exit::Disk,
        Exit::Missing,
        Exit::Interrupted,
    ];

    /// Its meaning in `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "all done",
            Exit::Failed => "failed in another way",
            Exit::Usage => "wrong usage",
            Exit::Connection => "could not connect in time, or lost and retries exhausted",
            Exit::NotFound => "not found or not permitted",
            Exit::Refused => "the server's identity changed or is not known, or it needs a token",
            Exit::Integrity => "checksum mismatch, the source changed, or an archive cannot be unpacked",
            Exit::Disk => "the local disk: full, not writable, target exists; output cannot be written",
            Exit::Missing => "completed, but entries of a folder are missing (--allow-missing makes it 0)",
            Exit::Interrupted => "interrupted; partial files and the queue of a session are kept",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<TroubleKind> for Exit {
    fn from(kind: TroubleKind) -> Exit {
        match kind {
            TroubleKind::Other => Exit::Failed,
            TroubleKind::Connection => Exit::Connection,
            TroubleKind::NotFound => Exit::NotFound,
            TroubleKind::Refused => Exit::Refused,
            TroubleKind::Integrity => Exit::Integrity,
            TroubleKind::Disk => Exit::Disk,
        }
    }
}

/// An expected error that ends the process: a sentence and an exit code.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Problem {
    /// The code.
    pub exit: Exit,
    /// What is wrong, and what to do.
    pub sentence: String,
}

impl Problem {
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Problem {
        Problem { exit, sentence: sentence.into() }
    }
}

impl From<config::Error> for Problem {
    fn from(error: config::Error) -> Problem {
        Problem::new(Exit::Usage, text::without_number(&error.to_string()))
    }
}

impl From<logging::LogFileError> for Problem {
    fn from(error: logging::LogFileError) -> Problem {
        Problem::new(Exit::Usage, text::without_number(&error.to_string()))
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Problem {
        let exit = match error {
            OpenError::Held { .. } => Exit::Failed,
            OpenError::Files { .. } => Exit::Disk,
        };
        Problem::new(exit, text::without_number(&error.to_string()))
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Problem {
        use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, Other, PermissionDenied};
        let (exit, advice) = match &error {
            StartError::Root { .. } => (Exit::Usage, "give a folder that you can read"),
            StartError::Host { .. } => (Exit::Usage, "name an address of this machine with -H"),
            StartError::Listen { error, .. } => match error.kind() {
                AddrInUse => (Exit::Failed, "choose another port with -P, or -P 0 for a free one"),
                AddrNotAvailable => (Exit::Usage, "name an address of this machine with -H"),
                PermissionDenied => (Exit::Failed, "choose a port above 1023 with -P"),
                _ => (Exit::Failed, "choose another address with -H and -P"),
            },
            StartError::Certificate(CertificateError::File { .. } | CertificateError::Content { .. }) => {
                (Exit::Usage, "name others with --tls-cert and --tls-key, or leave TLS out with --plain")
            }
            StartError::Certificate(CertificateError::State { error, .. }) if error.kind() == Other => {
                (Exit::Failed, "move it away; the server creates a new one")
            }
            StartError::Certificate(CertificateError::State { .. }) => {
                (Exit::Failed, "make that folder writable, or set XDG_STATE_HOME to another one")
            }
            StartError::Certificate(CertificateError::Unfit(_)) => {
                (Exit::Usage, "name a certificate with --tls-cert and its own key with --tls-key")
            }
            StartError::Certificate(CertificateError::Open { .. } | CertificateError::Damaged { .. }) => {
                (Exit::Usage, "")
            }
            StartError::AccessLog { .. } => {
                (Exit::Usage, "name a file that can be written with --access-log, or leave it out")
            }
            StartError::Token { .. } => {
                (Exit::Failed, "give a token with --token-file, or serve without one with --public")
            }
            StartError::Classic { .. } => (
                Exit::Usage,
                "add --plain and --public, listen on a loopback address without a token, or leave out --classic",
            ),
            StartError::System(_) => (Exit::Failed, "close some programs and try again"),
        };
        let sentence = text::without_number(&error.to_string());
        let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        Problem::new(exit, sentence + &advice)
    }
}
