//! An entry of a folder as JSON: the members are those of nginx, and the link.

use serde::Serialize;

use crate::{
    protocol::message::{Entry, Kind},
    server::connection::http::response::http_time,
};

#[derive(Serialize)]
struct Members<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Relative to the folder. A name that is not UTF-8 is exact only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
}

/// An entry.
pub(super) fn entry(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Other => "other",
    };
    let members = Members {
        name: &entry.name,
        kind,
        mtime: http_time(entry.modified).map(httpdate::fmt_http_date),
        size: entry.size,
        href: super::page::link(entry),
    };
    // A struct of texts and numbers has a form in JSON.
    serde_json::to_string(&members).unwrap_or_default()
}
