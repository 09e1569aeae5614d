//! Errors of the protocol: the codes that are sent, and the violations that are detected.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::preamble::TLS_FIRST_BYTE;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $wire:literal, $text:literal;)+) => {
        /// The code of an `error` frame. A code that the receiver does not know counts as
        /// [`Code::Internal`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// Its text in the frame.
            pub fn wire(self) -> &'static str {
                match self { $(Code::$variant => $wire),+ }
            }

            /// A sentence for users, without a full stop.
            pub fn text(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }
        }
    };
}

codes! {
    /// `violation`: the peer broke the protocol. For the connection.
    Violation = "violation", "the other side broke the protocol";
    /// `unsupported`: a request of a kind that this server does not know. For the request.
    Unsupported = "unsupported", "the server cannot do that";
    /// `not_found`: the path is absent, or not permitted; the two are not distinguished. For the request.
    NotFound = "not_found", "not found on the server";
    /// `wrong_kind`: a directory where a file was requested, or the reverse. For the request.
    WrongKind = "wrong_kind", "the path is of another kind than was asked for";
    /// `range`: the first block begins after the end of the content. For the request.
    Range = "range", "the range begins after the end of the content";
    /// `changed`: the content has changed, before or during the answer. For the request.
    Changed = "changed", "the source changed on the server";
    /// `unreadable`: the server could not read a source, which `path` names. For the request.
    Unreadable = "unreadable", "the server could not read the source";
    /// `busy`: too many connections, requests of one, or too much costly work at the same time; see
    /// `retry_after`. For the request or the connection.
    Busy = "busy", "the server is busy";
    /// `too_slow`: the peer received less than the minimum rate. For the connection.
    TooSlow = "too_slow", "the transfer was slower than the server allows";
    /// `timed_out`: a handshake or idle deadline passed. For the connection.
    TimedOut = "timed_out", "nothing came within the time that the server allows";
    /// `denied`: the server needs a token, and that of `hello` is wrong; see `retry_after`. For the connection.
    Denied = "denied", "the server wants its token";
    /// `tls_required`: the server accepts only TLS. For the connection.
    TlsRequired = "tls_required", "the server speaks with TLS only";
    /// `shutting_down`: the server stops; see `retry_after`. For the connection.
    ShuttingDown = "shutting_down", "the server is stopping";
    /// `internal`: anything else on the server's side. For the request.
    Internal = "internal", "the server failed";
}

impl From<String> for Code {
    fn from(wire: String) -> Self {
        Code::ALL.iter().copied().find(|code| code.wire() == wire).unwrap_or(Code::Internal)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.wire().to_owned()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// The peer broke the protocol, or uses another one. Final: the machine that
/// returned it accepts nothing more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Violation {
    /// The first bytes are not this protocol's.
    #[error("the other side is not an fdsp server: it {0}")]
    NotOurs(UnknownProtocol),
    /// A preamble of this protocol that contradicts itself.
    #[error("malformed preamble")]
    Preamble,
    /// No version in common.
    #[error(
        "the other side speaks versions {lowest} to {highest}, this program only {}",
        super::preamble::VERSION
    )]
    Version {
        /// Their lowest.
        lowest: u8,
        /// Their highest.
        highest: u8,
    },
    /// An invalid frame header.
    #[error("malformed frame header: {0}")]
    Header(&'static str),
    /// A frame of this kind is not allowed here.
    #[error("unexpected {0} frame")]
    Unexpected(&'static str),
    /// A payload longer than its kind may have.
    #[error("a {kind} frame of {length} bytes is longer than the {limit} allowed")]
    TooLong {
        /// Name of the frame kind.
        kind: &'static str,
        /// Announced bytes.
        length: u64,
        /// Allowed bytes.
        limit: u64,
    },
    /// A payload that is not the JSON of its kind.
    #[error("malformed {kind} message: {reason}")]
    Json {
        /// Name of the frame kind.
        kind: &'static str,
        /// The error of the parser.
        reason: String,
    },
    /// Content that contradicts its announcement.
    #[error("content contradicts its announcement: {0}")]
    Content(&'static str),
    /// Every block has its announced hash, and the whole content has not: none of it can be trusted.
    #[error("the digest of the whole content is not what the server says")]
    Root,
    /// Not the expected message of a classic exchange.
    #[error("the other side does not speak this classic dialect: {0}")]
    Classic(&'static str),
    /// The peer closed in the middle of a frame or an answer.
    #[error("the connection was closed in the middle of an answer")]
    Truncated,
}

/// The protocol of a peer with another one, guessed from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownProtocol {
    /// Began with `HTTP/`.
    Http,
    /// Began with `SSH-`.
    Ssh,
    /// Began with a TLS record.
    Tls,
    /// Closed without a byte.
    Silent,
    /// Anything else.
    Unknown,
}

/// The first bytes of known protocols. A TLS peer answers unknown bytes with an alert (0x15) of
/// version 3.x.
const BEGINNINGS: [(&[u8], UnknownProtocol); 4] = [
    (b"HTTP/", UnknownProtocol::Http),
    (b"SSH-", UnknownProtocol::Ssh),
    (&[TLS_FIRST_BYTE, 3], UnknownProtocol::Tls),
    (&[0x15, 3], UnknownProtocol::Tls),
];

impl UnknownProtocol {
    /// The protocol that begins like this, if it is known.
    pub fn of(begin: &[u8]) -> Option<UnknownProtocol> {
        let known = BEGINNINGS.iter().find(|(beginning, _)| begin.starts_with(beginning));
        known.map(|(_, protocol)| *protocol)
    }

    /// Whether more bytes could make it one of those that are known.
    pub(super) fn may_begin(begin: &[u8]) -> bool {
        BEGINNINGS.iter().any(|(beginning, _)| beginning.starts_with(begin))
    }
}

impl std::fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            UnknownProtocol::Http => "answers like a web server (HTTP)",
            UnknownProtocol::Ssh => "answers like an SSH server",
            UnknownProtocol::Tls => "answers with TLS",
            UnknownProtocol::Silent => "closed the connection without an answer",
            UnknownProtocol::Unknown => "answers in an unknown protocol",
        })
    }
}
