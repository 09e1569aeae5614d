//! The values of header fields: ranges, names, digests and times.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use httpdate::parse_http_date;
use percent_encoding::percent_decode_str;
use reqwest::{Response, header::AsHeaderName};

use crate::{client::api::content::checksum::Checksum, protocol::message::Timestamp, text::odd_name};

/// Reads `Content-Range: bytes FIRST-LAST/TOTAL` as the range `FIRST..LAST + 1` and the total.
pub(super) fn content_range(value: &str) -> Option<(std::ops::Range<u64>, u64)> {
    let (range, total) = unit(value)?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (first <= last && last < total).then(|| (first..last + 1, total))
}

/// Reads `Content-Range: bytes */TOTAL`.
pub(super) fn unsatisfied_range(value: &str) -> Option<u64> {
    number(unit(value)?.strip_prefix("*/")?)
}

fn unit(value: &str) -> Option<&str> {
    let (unit, rest) = value.trim().split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then_some(rest.trim())
}

/// Digits only: `parse` alone would take a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The seconds of `Retry-After`: a number, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    parse_http_date(value.trim()).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

/// A date as the time of modification.
pub(super) fn timestamp(value: &str) -> Option<Timestamp> {
    let time = parse_http_date(value.trim()).ok()?;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp { seconds: seconds.try_into().ok()?, nanoseconds: 0 })
}

/// The file name of `Content-Disposition` (RFC 6266): `filename*` (RFC 8187) before `filename`. A path in it is left out.
pub(super) fn file_name(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let mut plain = None;
    for (name, value) in parameters(&text) {
        match name.to_ascii_lowercase().as_str() {
            "filename*" => {
                if let Some(name) = extended(&value).as_deref().and_then(last_segment) {
                    return Some(name);
                }
            }
            "filename" => plain = plain.or_else(|| last_segment(&value)),
            _ => {}
        }
    }
    plain
}

fn last_segment(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

/// The parameters after the disposition: `; NAME=VALUE`, where a value may be quoted.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, value)) = rest.split_once('=') {
        let name = name.trim_matches(|c: char| c == ';' || c.is_whitespace()).to_owned();
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        found.push((name, value));
        rest = after;
    }
    found
}

/// The text up to the closing quote, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// Reads `UTF-8'LANGUAGE'PERCENT-ENCODED`.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let bytes: Vec<u8> = percent_decode_str(encoded).filter(|byte| *byte != 0).collect();
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => Some(odd_name::to_text(&bytes).into_owned()),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

/// The strongest digest of `Repr-Digest` (RFC 9530): `ALGORITHM=:BASE64:`.
pub(super) fn repr_digest(value: &str) -> Option<Checksum> {
    digest(value, |value| value.strip_prefix(':')?.split(':').next())
}

/// The strongest digest of `Digest` (RFC 3230): `ALGORITHM=BASE64`.
pub(super) fn old_digest(value: &str) -> Option<Checksum> {
    digest(value, |value| Some(value))
}

/// The digest of `x-amz-checksum-sha256`, unless it is one of several parts.
pub(super) fn amazon_sha256(value: &str) -> Option<Checksum> {
    checksum("sha-256", value.trim())
}

fn digest(value: &str, encoded: impl Fn(&str) -> Option<&str>) -> Option<Checksum> {
    let member = |member: &str| {
        let (algorithm, value) = member.split_once('=')?;
        checksum(algorithm.trim(), encoded(value.trim())?)
    };
    value.split(',').filter_map(member).max_by_key(|checksum| matches!(checksum, Checksum::Sha512(_)))
}

fn checksum(algorithm: &str, encoded: &str) -> Option<Checksum> {
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    match algorithm.to_ascii_lowercase().as_str() {
        "sha-256" => bytes.try_into().ok().map(Checksum::Sha256),
        "sha-512" => bytes.try_into().ok().map(Checksum::Sha512),
        _ => None,
    }
}

/// The text of a header field, if it is there once and has only printable ASCII.
pub(super) fn text(response: &Response, name: impl AsHeaderName) -> Option<&str> {
    let mut values = response.headers().get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// The target of the first link with a relation in a `Link` field (RFC 8288).
pub(super) fn link<'a>(value: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = value;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, parameters) = link.split_once('>')?;
        let end = end_of_link(parameters);
        let has_relation = parameters[..end].split(';').filter_map(|part| part.trim().split_once('=')).any(
            |(name, value)| {
                let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim_end().eq_ignore_ascii_case("rel")
                    && relations.any(|one| one.eq_ignore_ascii_case(relation))
            },
        );
        if has_relation {
            return Some(target);
        }
        rest = &parameters[end..];
    }
    None
}

/// Where the parameters of a link end: at a comma outside of quotes.
fn end_of_link(parameters: &str) -> usize {
    let mut is_quoted = false;
    let end = parameters.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    end.unwrap_or(parameters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_exactly() {
        assert_eq!(content_range("bytes 0-9/10"), Some((0..10, 10)));
        assert_eq!(content_range("Bytes 5-5/6"), Some((5..6, 6)));
        for wrong in
            ["bytes 0-10/10", "bytes 9-0/10", "bytes 0-9/*", "bytes +0-9/10", "0-9/10", "bytes */10", ""]
        {
            assert_eq!(content_range(wrong), None, "{wrong:?}");
        }
        assert_eq!((unsatisfied_range("bytes */10"), unsatisfied_range("bytes 0-9/10")), (Some(10), None));
    }

    #[test]
    fn the_name_of_a_disposition_is_read() {
        for (value, name) in [
            ("attachment; filename=a.iso", Some("a.iso")),
            ("attachment; filename=\"a \\\"b\\\".iso\"; size=1", Some("a \"b\".iso")),
            ("attachment; filename=\"x\"; filename*=UTF-8''na%C3%AFve.txt", Some("naïve.txt")),
            ("inline; FILENAME*=iso-8859-1'en'%A3.txt", Some("£.txt")),
            ("attachment; filename*=utf-7''x; filename=y", Some("y")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\\\temp\\\\a.txt\"", Some("a.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\"unclosed", Some("unclosed")),
            ("attachment", None),
            ("attachment; filename", None),
        ] {
            assert_eq!(file_name(value.as_bytes()).as_deref(), name, "{value}");
        }
    }

    #[test]
    fn digests_are_read() {
        let (sha, wrong) = (BASE64_STANDARD.encode([7; 32]), BASE64_STANDARD.encode([7; 31]));
        let long = BASE64_STANDARD.encode([9; 64]);
        let (sha256, sha512) = (Some(Checksum::Sha256([7; 32])), Some(Checksum::Sha512([9; 64])));
        assert_eq!(repr_digest(&format!("crc=:AA==:, sha-256=:{sha}:")), sha256);
        assert_eq!(repr_digest(&format!("sha-512=:{long}:, sha-256=:{sha}:")), sha512);
        assert_eq!(old_digest(&format!("SHA-256={sha},md5=AA==")), sha256);
        assert_eq!(amazon_sha256(&sha), sha256);
        assert_eq!(amazon_sha256(&format!("{sha}-3")), None, "a digest of the digests of parts");
        for wrong in [format!("sha-256=:{wrong}:"), format!("sha-256={sha}"), String::new(), "sha-256".into()]
        {
            assert_eq!(repr_digest(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_to_wait_are_seconds_or_dates() {
        let now = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = |value| retry_after(value, now).map(|time| time.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!((seconds("soon"), seconds("-5"), seconds("")), (None, None, None));
    }

    #[test]
    fn links_are_found_by_their_relation() {
        let value = "<?blake3>; rel=\"urn:fdsp:blake3\", </a,b>; title=\"x, <y>; rel=z\"; REL = next, <c>;rel=\"one two\"";
        for (relation, target) in [("urn:fdsp:blake3", "?blake3"), ("next", "/a,b"), ("two", "c")] {
            assert_eq!(link(value, relation), Some(target), "{relation}");
        }
        for (value, relation) in [(value, "three"), ("", "next"), ("<a", "next"), ("a>; rel=next", "next")] {
            assert_eq!(link(value, relation), None, "{value}");
        }
    }
}
