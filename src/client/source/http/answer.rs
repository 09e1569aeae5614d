//! What an answer says of the content: its version, size, range, name and digest.

use std::ops::Range;

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{
        ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
        DATE, ETAG, HeaderValue, LAST_MODIFIED, TRANSFER_ENCODING,
    },
};

use super::{faults, fields, validator::Validator};
use crate::{
    client::{
        api::{address::web, content::checksum::Checksum, views::view::TroubleKind},
        content::Access,
        error::Fault,
        metalink,
    },
    protocol::message::Timestamp,
};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) validator: Validator,
    /// Bytes of the whole content, if known.
    pub(super) total: Option<u64>,
    /// The bytes that follow; up to the end of the connection if they end at `u64::MAX`.
    pub(super) range: Range<u64>,
    /// The name, which the server has chosen.
    pub(super) name: String,
    pub(super) modified: Option<Timestamp>,
    /// The digest of the whole content.
    pub(super) digest: Option<Checksum>,
    pub(super) access: Access,
    pub(super) is_metalink: bool,
}

impl Head {
    /// Reads an answer with the status 200 or 206.
    pub(super) fn read(response: &Response, url: &Url, method: &Method) -> Result<Head, Fault> {
        let headers = response.headers();
        refuse_encoding(response, url)?;
        let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
        if lengths.iter().any(|length| *length != lengths[0]) {
            return Err(faults::violation(url, "it sends several lengths"));
        }
        if !lengths.is_empty() && is_chunked(response) {
            return Err(faults::violation(url, "it sends a length together with chunks"));
        }
        let length = lengths.first().and_then(|length| fields::number(length.to_str().ok()?));
        let (range, total) = if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = fields::text(response, CONTENT_RANGE).and_then(fields::content_range);
            let (range, total) =
                range.ok_or_else(|| faults::violation(url, "it sends a part without saying which"))?;
            if length.is_some_and(|length| length != range.end - range.start) {
                return Err(faults::violation(url, "the length of the part is not that of its range"));
            }
            (range, Some(total))
        } else {
            (0..length.unwrap_or(u64::MAX), length)
        };
        let (tag, modified) = (fields::text(response, ETAG), fields::text(response, LAST_MODIFIED));
        let validator = match total.is_none() && !is_chunked(response) && method != Method::HEAD {
            // The end of the connection may not be that of the content.
            true => Validator::of(None, None, None),
            false => Validator::of(tag, modified, fields::text(response, DATE)),
        };
        let has_ranges = response.status() == StatusCode::PARTIAL_CONTENT
            || fields::text(response, ACCEPT_RANGES).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
        let is_parallel = has_ranges && validator.is_strong() && total.is_some();
        let name = name(response, url);
        Ok(Head {
            validator,
            total,
            range,
            is_metalink: metalink::is_named_so(&name) || is_metalink(response),
            name,
            modified: modified.and_then(fields::timestamp),
            digest: digest(response),
            access: if is_parallel { Access::Ranges } else { Access::Sequential },
        })
    }
}

/// The content would have to be decompressed, and its ranges are not those of the file.
fn refuse_encoding(response: &Response, url: &Url) -> Result<(), Fault> {
    let mut encodings = response.headers().get_all(CONTENT_ENCODING).into_iter();
    let is_other = |encoding: &&HeaderValue| !encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    // Chunks are put together again; with another coding the bytes would not be those of the file.
    let is_coded = |coding: &&HeaderValue| {
        let coding = coding.as_bytes().trim_ascii();
        !coding.eq_ignore_ascii_case(b"chunked") && !coding.eq_ignore_ascii_case(b"identity")
    };
    let mut codings = response.headers().get_all(TRANSFER_ENCODING).into_iter();
    let Some(encoding) = encodings.find(is_other).or_else(|| codings.find(is_coded)) else { return Ok(()) };
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    let message = format!(
        "{}: the server sends it compressed ({encoding}), although that was not asked for",
        web::shown(url)
    );
    Err(Fault::never(TroubleKind::Other, message))
}

/// Whether the media type is that of a metalink.
fn is_metalink(response: &Response) -> bool {
    let kind = fields::text(response, CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(metalink::MEDIA_TYPE))
}

/// Whether the end of the content is marked.
fn is_chunked(response: &Response) -> bool {
    let coding = response.headers().get(TRANSFER_ENCODING);
    coding.is_some_and(|coding| coding.as_bytes().to_ascii_lowercase().ends_with(b"chunked"))
}

/// The name of `Content-Disposition`, else that of the URL.
pub(super) fn name(response: &Response, url: &Url) -> String {
    let disposition = response.headers().get(CONTENT_DISPOSITION);
    let named = disposition.and_then(|value| fields::file_name(value.as_bytes()));
    named.unwrap_or_else(|| web::name_of(url))
}

fn digest(response: &Response) -> Option<Checksum> {
    let amazon = || {
        // Of an object that was sent in parts it can be the digest of their digests.
        let of_all = fields::text(response, "x-amz-checksum-type").is_none_or(|kind| kind == "FULL_OBJECT");
        fields::text(response, "x-amz-checksum-sha256").filter(|_| of_all).and_then(fields::amazon_sha256)
    };
    fields::text(response, "repr-digest")
        .and_then(fields::repr_digest)
        .or_else(|| fields::text(response, "digest").and_then(fields::old_digest))
        .or_else(amazon)
}
