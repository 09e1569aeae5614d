//! Faults of one attempt: whether another attempt can help, and when it is made.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::{
    client::api::{
        content::proof::DigestBy,
        question::{Facts, Question},
        views::view::{Trouble, TroubleKind},
    },
    platform::reason,
    protocol::{
        error::{Code, UnknownProtocol, Violation},
        message::Failure,
    },
    text::{SafeText, ShowPath, without_number},
};

/// Delay before the first retry; the following ones double.
const MIN_DELAY: Duration = Duration::from_millis(250);
/// The longest delay (jitter adds up to as much again).
const MAX_DELAY: Duration = Duration::from_secs(30);
/// The longest delay that a server can ask for.
pub(crate) const MAX_SERVER_DELAY: Duration = Duration::from_secs(600);

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It cannot.
    Never,
    /// It cannot: the server is not able to read the source.
    Unreadable,
    /// It cannot with the token that the job has, or without one.
    WrongToken,
    /// It may, from what is verified, not before this. It counts as an attempt that failed.
    Again(Duration),
    /// The same, and it counts also if bytes were received: there were too few of them.
    TooSlow,
    /// The server has no room now: it may, not before this, and it costs no attempt.
    Busy(Duration),
    /// No connection could be made: the server is unreachable since this attempt began.
    Unreachable(Instant),
    /// The peer accepted the connection and sent nothing since this. A server that has answered before is unreachable;
    /// about any other peer nothing is known, and it counts as an attempt that failed.
    Silent(Instant),
    /// There is no such host. For a server that has answered before, the name servers are at fault, and it is unreachable.
    UnknownHost(Instant),
    /// It cannot: the content is a metalink, and the downloads that it names are fetched in its place.
    Metalink,
    /// All was received, and its digest does not match.
    Mismatch(DigestBy),
    /// It can, but what was fetched belongs to another version.
    StartOver,
    /// It can, but nothing of what was fetched can be trusted.
    Discard,
}

/// Why an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) trouble: Trouble,
    pub(crate) verdict: Verdict,
}

/// Why work was not finished.
#[derive(Debug)]
pub(crate) enum Unfinished {
    Fault(Fault),
    /// It was cancelled.
    Stopped,
}

impl From<Fault> for Unfinished {
    fn from(fault: Fault) -> Unfinished {
        Unfinished::Fault(fault)
    }
}

impl Fault {
    fn new(kind: TroubleKind, message: &str, verdict: Verdict) -> Fault {
        Fault { trouble: Trouble::new(kind, SafeText::new(message)), verdict }
    }

    /// Another attempt cannot help.
    pub(crate) fn never(kind: TroubleKind, message: impl AsRef<str>) -> Fault {
        Fault::new(kind, message.as_ref(), Verdict::Never)
    }

    /// The same with options of the command line that help, as the end of the sentence.
    pub(crate) fn or_by(mut self, options: impl AsRef<str>) -> Fault {
        self.trouble.options = SafeText::new(options.as_ref());
        self
    }

    /// The same with what the user can decide about it.
    pub(crate) fn asking(mut self, question: Question) -> Fault {
        self.trouble.question = Some(Box::new(question));
        self
    }

    /// The same with what is known of the content that an existing target differs from.
    pub(crate) fn compared_with(mut self, remote: Facts, is_archive: bool) -> Fault {
        if let Some(Question::Exists(conflict)) = self.trouble.question.as_deref_mut() {
            conflict.describe(remote, is_archive);
        }
        self
    }

    /// Whether another attempt cannot help, unless the user does something.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Never | Verdict::Unreadable | Verdict::WrongToken | Verdict::Mismatch(_)
        )
    }

    /// The connection was lost.
    pub(crate) fn lost(message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Connection, message.as_ref(), Verdict::Again(Duration::ZERO))
    }

    /// Whether the connection was lost: another one may continue at once.
    pub(crate) fn is_lost(&self) -> bool {
        let lost = matches!(
            self.verdict,
            Verdict::Again(Duration::ZERO) | Verdict::Unreachable(_) | Verdict::Silent(_)
        );
        lost && self.trouble.kind == TroubleKind::Connection
    }

    /// No connection could be made since `began`.
    pub(crate) fn unreachable(began: Instant, message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Connection, message.as_ref(), Verdict::Unreachable(began))
    }

    /// A connection was made after `began`, and nothing was received on it.
    pub(crate) fn silent(began: Instant, message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Connection, message.as_ref(), Verdict::Silent(began))
    }

    /// The name servers know no such host.
    pub(crate) fn unknown_host(began: Instant, message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Connection, message.as_ref(), Verdict::UnknownHost(began))
    }

    /// The server sent fewer bytes than the minimum rate asks for.
    pub(crate) fn too_slow(message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Connection, message.as_ref(), Verdict::TooSlow)
    }

    /// The time before which another attempt makes no sense; `None` if none does, or what was received is in doubt.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Again(after) | Verdict::Busy(after) => Some(after),
            Verdict::TooSlow | Verdict::Unreachable(_) | Verdict::Silent(_) => Some(Duration::ZERO),
            Verdict::Never
            | Verdict::Unreadable
            | Verdict::WrongToken
            | Verdict::Mismatch(_)
            | Verdict::Metalink
            | Verdict::StartOver
            | Verdict::Discard
            | Verdict::UnknownHost(_) => None,
        }
    }

    /// The same fault of a server that is not the one of the job, such as one that it redirects to: the attempt has failed, and about the
    /// server of the job it says nothing.
    pub(crate) fn of_another_server(self) -> Fault {
        match self.verdict {
            Verdict::Unreachable(_) | Verdict::Silent(_) | Verdict::UnknownHost(_) => {
                Fault { verdict: Verdict::Again(Duration::ZERO), ..self }
            }
            _ => self,
        }
    }

    /// Since when its server is unreachable, if that is what it says. `known`: whether the server has answered before.
    pub(crate) fn unreachable_since(&self, known: bool) -> Option<Instant> {
        match self.verdict {
            Verdict::Unreachable(since) => Some(since),
            Verdict::Silent(since) | Verdict::UnknownHost(since) => known.then_some(since),
            _ => None,
        }
    }

    /// Whether it may be over a moment later, without a change of the source or by the user.
    pub(crate) fn is_of_moment(&self) -> bool {
        self.retry_after().is_some() || matches!(self.verdict, Verdict::UnknownHost(_))
    }

    /// The content is a metalink.
    pub(crate) fn metalink() -> Fault {
        Fault::new(TroubleKind::Other, "it is a metalink", Verdict::Metalink)
    }

    /// The digest of the content does not match.
    pub(crate) fn mismatch(by: DigestBy, message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Integrity, message.as_ref(), Verdict::Mismatch(by))
    }

    /// The source is not what it was.
    pub(crate) fn changed(message: impl AsRef<str>) -> Fault {
        Fault::new(TroubleKind::Integrity, message.as_ref(), Verdict::StartOver)
    }

    /// The local disk refused; what was fetched stays.
    pub(crate) fn disk(message: impl AsRef<str>) -> Fault {
        Fault::never(TroubleKind::Disk, message)
    }

    /// An operation on a local file failed. `doing`: the operation, as in "cannot read FILE".
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Fault {
        Fault::disk(format!("cannot {doing} {}: {}", path.shown(), reason(error)))
    }

    /// The peer broke the protocol, or speaks another one.
    pub(crate) fn violation(peer: &str, violation: &Violation) -> Fault {
        match violation {
            Violation::NotOurs(UnknownProtocol::Tls) => Fault::never(
                TroubleKind::Connection,
                format!("{peer} {}; use fdsp:// instead of fdsp+plain://", UnknownProtocol::Tls),
            )
            .or_by(", or leave out --plain"),
            Violation::NotOurs(_) => {
                Fault::never(TroubleKind::Connection, format!("{peer}: {violation}; check host and port"))
            }
            Violation::Version { .. } | Violation::Classic(_) => {
                Fault::never(TroubleKind::Connection, format!("{peer}: {violation}"))
            }
            Violation::Root => {
                Fault::new(TroubleKind::Integrity, &format!("{peer}: {violation}"), Verdict::Discard)
            }
            Violation::Truncated => Fault::lost(format!("{peer}: {violation}")),
            // Bytes can be damaged on their way; a new connection may do.
            _ => Fault::lost(format!(
                "{peer}: protocol error: {violation} (server bug or corrupted connection)"
            )),
        }
    }

    /// The server answered with an error.
    pub(crate) fn refused(path: &str, failure: &Failure) -> Fault {
        let about = failure.path.as_deref().filter(|about| !about.is_empty()).unwrap_or(path);
        let about = about.trim_start_matches('/');
        let text = |text: &str| if about.is_empty() { text.to_owned() } else { format!("/{about}: {text}") };
        let said =
            if failure.message.trim().is_empty() { failure.code.text() } else { failure.message.trim() };
        let after = Duration::from_secs(failure.retry_after.unwrap_or(0).into()).min(MAX_SERVER_DELAY);
        let never = |kind| Fault::never(kind, text(failure.code.text()));
        match failure.code {
            Code::NotFound => never(TroubleKind::NotFound),
            Code::WrongKind => never(TroubleKind::NotFound),
            Code::Unreadable => {
                // The server names the file as well, and the number of the system's error.
                let why = said.strip_prefix(about).and_then(|said| said.strip_prefix(": ")).unwrap_or(said);
                let why = without_number(why);
                let message = text(&format!("the server could not read it: {why}"));
                Fault::new(TroubleKind::Other, &message, Verdict::Unreadable)
            }
            Code::Changed | Code::Range => Fault::changed(text(failure.code.text())),
            Code::Busy | Code::ShuttingDown => {
                Fault::new(TroubleKind::Connection, failure.code.text(), Verdict::Busy(after))
            }
            Code::TimedOut | Code::TooSlow => {
                Fault::new(TroubleKind::Connection, failure.code.text(), Verdict::Again(after))
            }
            Code::Internal => Fault::new(
                TroubleKind::Other,
                &text(&format!("the server failed: {said}")),
                Verdict::Again(after),
            ),
            Code::Denied if !after.is_zero() => Fault::new(
                TroubleKind::Refused,
                &format!(
                    "too many wrong tokens came from this address, and the server refuses it for {} s; \
                     try again then",
                    after.as_secs()
                ),
                Verdict::Busy(after),
            ),
            Code::Denied => Fault::new(
                TroubleKind::Refused,
                "the server wants its token, and got none or a wrong one; paste the address that it shows",
                Verdict::WrongToken,
            )
            .or_by(", or give the token with --token-file"),
            Code::TlsRequired => Fault::never(
                TroubleKind::Connection,
                "the server speaks with TLS only; use fdsp:// instead of fdsp+plain://",
            )
            .or_by(", or leave out --plain"),
            Code::Unsupported | Code::Violation => Fault::never(TroubleKind::Other, text(said)),
        }
    }
}

/// Time until try number `attempt` after the first (from 1): exponential with jitter, and not before the
/// server wants it.
pub(crate) fn delay(attempt: u32, after: Duration, seed: u64) -> Duration {
    let backoff = ExponentialBuilder::default()
        .with_factor(2.0)
        .with_min_delay(MIN_DELAY)
        .with_max_delay(MAX_DELAY)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed);
    // Doubling has reached its cap long before that.
    let step = attempt.clamp(1, 16) as usize - 1;
    let wait = backoff.build().nth(step).unwrap_or(MAX_DELAY);
    // The server named the same time to many clients: the jitter spreads them.
    after + wait
}

#[cfg(test)]
mod tests;
