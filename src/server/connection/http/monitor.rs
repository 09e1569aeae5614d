//! Requests to the address of the metrics, parsed as strictly as all others.

use super::request::head::{self, Method, Request, find_end};
use crate::protocol::path::RemotePath;

/// The maximum length of its head in bytes.
pub(crate) const MAX_HEAD_LEN: usize = head::MAX_HEAD_LEN;

/// A request to the address of the metrics.
pub(crate) enum MonitorRequest {
    /// It is refused.
    Refused,
    /// It is for this path.
    Path {
        path: RemotePath,
        /// The host that it is for; `None` only for HTTP/1.0.
        host: Option<String>,
        /// Whether only the head of the answer is wanted.
        head_only: bool,
    },
}

/// Parses the first request in some bytes, of which the first `searched` were searched for its end before; `None` if they have no whole
/// head yet.
pub(crate) fn parse_monitor_request(bytes: &[u8], searched: &mut usize) -> Option<MonitorRequest> {
    let Ok(end) = find_end(bytes, searched) else { return Some(MonitorRequest::Refused) };
    Some(match Request::parse(&bytes[..end?]) {
        Ok(Request {
            method: method @ (Method::Get | Method::Head), target, host, has_body: false, ..
        }) => MonitorRequest::Path { path: target.path, host, head_only: method == Method::Head },
        Ok(_) | Err(_) => MonitorRequest::Refused,
    })
}
