//! Responses: the head, and how the end of the content is marked.

use std::{
    fmt::{Display, Write},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    protocol::{error::Code, frame::outgoing::Outgoing, message::Timestamp},
    server::{api::response_header::add_response_headers, connection::output::Output},
};

/// A status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 200,
    PartialContent = 206,
    Found = 302,
    SeeOther = 303,
    NotModified = 304,
    PermanentRedirect = 308,
    BadRequest = 400,
    Unauthorized = 401,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    PreconditionFailed = 412,
    UriTooLong = 414,
    RangeNotSatisfiable = 416,
    ExpectationFailed = 417,
    MisdirectedRequest = 421,
    TooManyRequests = 429,
    HeadTooLarge = 431,
    InternalError = 500,
    NotImplemented = 501,
    Unavailable = 503,
    OtherVersion = 505,
}

impl Status {
    /// Of a request that failed with this code of version 1.
    pub fn of(code: Code) -> Status {
        match code {
            Code::NotFound => Status::NotFound,
            Code::WrongKind => Status::BadRequest,
            Code::Range => Status::RangeNotSatisfiable,
            Code::Busy | Code::Changed => Status::Unavailable,
            _ => Status::InternalError,
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::PartialContent => "Partial Content",
            Status::Found => "Found",
            Status::SeeOther => "See Other",
            Status::NotModified => "Not Modified",
            Status::PermanentRedirect => "Permanent Redirect",
            Status::BadRequest => "Bad Request",
            Status::Unauthorized => "Unauthorized",
            Status::NotFound => "Not Found",
            Status::MethodNotAllowed => "Method Not Allowed",
            Status::RequestTimeout => "Request Timeout",
            Status::PreconditionFailed => "Precondition Failed",
            Status::UriTooLong => "URI Too Long",
            Status::RangeNotSatisfiable => "Range Not Satisfiable",
            Status::ExpectationFailed => "Expectation Failed",
            Status::MisdirectedRequest => "Misdirected Request",
            Status::TooManyRequests => "Too Many Requests",
            Status::HeadTooLarge => "Request Header Fields Too Large",
            Status::InternalError => "Internal Server Error",
            Status::NotImplemented => "Not Implemented",
            Status::Unavailable => "Service Unavailable",
            Status::OtherVersion => "HTTP Version Not Supported",
        }
    }
}

/// What of a request decides how its response is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Whether only the head is sent.
    pub head_only: bool,
    /// Whether the client speaks HTTP/1.0.
    pub is_old: bool,
    /// Whether the connection ends after the response.
    pub must_close: bool,
}

impl Exchange {
    /// Of a request that could not be parsed.
    pub const UNKNOWN: Exchange = Exchange { head_only: false, is_old: false, must_close: true };
}

/// The length of the content of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is no content.
    Absent,
    /// This many bytes.
    Known(u64),
    /// The content has an end mark: it is chunked.
    Marked,
}

/// A response that is being written.
pub(crate) struct Response {
    status: Status,
    head: String,
}

impl Response {
    pub fn new(status: Status) -> Response {
        Response { status, head: format!("HTTP/1.1 {} {}\r\n", status as u16, status.phrase()) }
    }

    /// Adds a field. The value has neither line ends nor other control characters.
    pub fn field(mut self, name: &str, value: impl Display) -> Response {
        let begin = self.head.len();
        // Writing to a string does not fail.
        let _ = write!(self.head, "{name}: {value}");
        debug_assert!(!self.head[begin..].contains(|c: char| c.is_ascii_control()), "{name}");
        self.head.push_str("\r\n");
        self
    }

    /// Adds a field if there is a value.
    pub fn optional(self, name: &str, value: Option<impl Display>) -> Response {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Writes the head.
    pub fn write(self, exchange: Exchange, length: Length, output: &mut Output) {
        let status = self.status;
        let own = Arc::clone(&output.shared);
        let terms = &own.services.terms;
        let mut response = self
            .field("Date", httpdate::fmt_http_date(SystemTime::now()))
            .field("X-Content-Type-Options", "nosniff")
            .field("Referrer-Policy", "no-referrer");
        response = match length {
            Length::Absent => response,
            Length::Known(length) => response.field("Content-Length", length),
            Length::Marked => response.field("Transfer-Encoding", "chunked"),
        };
        response = match exchange {
            Exchange { must_close: true, .. } => response.field("Connection", "close"),
            Exchange { is_old: true, .. } => response.field("Connection", "keep-alive"),
            _ => response,
        };
        add_response_headers(
            &terms.response_headers,
            status as u16,
            terms.tokens.is_locked(),
            &mut response.head,
        );
        response.head.push_str("\r\n");
        output.status(status as u16);
        output.out.push(response.head.as_bytes());
    }

    /// Writes the head, and a sentence as the content.
    pub fn text(self, exchange: Exchange, sentence: &str, output: &mut Output) {
        self.content(exchange, "text/plain; charset=utf-8", format!("{sentence}\n").as_bytes(), output);
    }

    /// Writes the head and the content.
    pub fn content(self, exchange: Exchange, media_type: &str, content: &[u8], output: &mut Output) {
        let response = self.field("Content-Type", media_type).field("Cache-Control", "no-store");
        response.write(exchange, Length::Known(content.len() as u64), output);
        if !exchange.head_only {
            output.body(content.len());
            output.out.push(content);
        }
    }
}

/// Bytes of a chunk beside its content: six digits and a line end before it, a line end after it.
pub(crate) const CHUNK_OVERHEAD: usize = CHUNK_HEAD + 2;
const CHUNK_HEAD: usize = 8;
/// The maximum length of the content of a chunk.
pub(crate) const MAX_CHUNK: usize = 64 * 1024;
/// The end mark of chunked content.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Adds a chunk to the output: `fill` writes its content into a buffer of `room` bytes, at most [`MAX_CHUNK`], and returns the length.
/// No content makes no chunk, since that would be the end mark.
pub(crate) fn chunk<E>(
    room: usize,
    out: &mut Outgoing,
    fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, E> {
    let (room, mut count) = (room.min(MAX_CHUNK), 0);
    out.fill(room + CHUNK_OVERHEAD, |buffer| {
        count = fill(&mut buffer[CHUNK_HEAD..CHUNK_HEAD + room])?.min(room);
        if count == 0 {
            return Ok(0);
        }
        buffer[..CHUNK_HEAD].copy_from_slice(format!("{count:06x}\r\n").as_bytes());
        buffer[CHUNK_HEAD + count..CHUNK_OVERHEAD + count].copy_from_slice(b"\r\n");
        Ok(CHUNK_OVERHEAD + count)
    })?;
    Ok(count)
}

/// Adds bytes to the output as chunks.
pub(crate) fn push(bytes: &[u8], out: &mut Outgoing) {
    for piece in bytes.chunks(MAX_CHUNK) {
        let Ok(_) = chunk(piece.len(), out, |buffer| {
            buffer.copy_from_slice(piece);
            Ok::<_, std::convert::Infallible>(piece.len())
        });
    }
}

/// A point in time in whole seconds, if HTTP has it.
pub(crate) fn http_time(time: Timestamp) -> Option<SystemTime> {
    /// The end of the year 9999.
    const MAX_SECONDS: u64 = 253_402_300_799;
    let seconds = u64::try_from(time.seconds).ok().filter(|seconds| *seconds <= MAX_SECONDS)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_chunked_and_ends_with_a_mark() {
        let mut out = Outgoing::new();
        push(b"hello", &mut out);
        push(b"", &mut out);
        out.push(LAST_CHUNK);
        assert_eq!(out.as_slice(), b"000005\r\nhello\r\n0\r\n\r\n");
        let mut out = Outgoing::new();
        push(&vec![7; MAX_CHUNK + 1], &mut out);
        assert_eq!(out.len(), MAX_CHUNK + 1 + 2 * CHUNK_OVERHEAD);
        assert!(out.as_slice().starts_with(b"010000\r\n"));
    }

    #[test]
    fn times_that_http_does_not_have_are_left_out() {
        let at = |seconds| http_time(Timestamp { seconds, nanoseconds: 5 });
        assert_eq!(at(-1), None);
        assert_eq!(at(i64::MAX), None);
        assert_eq!(at(999), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(999)));
    }
}
