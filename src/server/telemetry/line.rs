//! A line of the access log: the combined format of Apache and nginx, or JSON.

use std::{fmt::Write, time::SystemTime};

use serde::Serialize;
use time::{
    OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use super::record::Record;

/// How the lines of an access log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// The combined format of Apache and nginx.
    #[default]
    Combined,
    /// A JSON object.
    Json,
}

#[derive(Serialize)]
struct Members<'a> {
    time: String,
    peer: std::net::IpAddr,
    port: u16,
    dialect: &'a str,
    method: &'a str,
    target: &'a str,
    protocol: &'a str,
    status: u16,
    bytes: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl AccessLogFormat {
    /// The line of a request, with its end.
    pub(super) fn line(self, record: &Record) -> String {
        match self {
            AccessLogFormat::Combined => combined(record),
            AccessLogFormat::Json => json(record),
        }
    }
}

fn combined(record: &Record) -> String {
    const TIME: &[BorrowedFormatItem<'_>] =
        format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    let time = moment(record.at).format(TIME).unwrap_or_default();
    let Record { method, target, protocol, status, bytes, .. } = record;
    let request = match method.is_empty() {
        true => "-".to_owned(),
        false => format!("{} {} {protocol}", escaped(method), escaped(target)),
    };
    let optional = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), escaped);
    let (referer, agent) = (optional(&record.referer), optional(&record.agent));
    let peer = record.peer.ip().to_canonical();
    format!("{peer} - - [{time}] \"{request}\" {status} {bytes} \"{referer}\" \"{agent}\"\n")
}

fn json(record: &Record) -> String {
    let members = Members {
        time: moment(record.at).format(&Rfc3339).unwrap_or_default(),
        peer: record.peer.ip().to_canonical(),
        port: record.peer.port(),
        dialect: record.dialect,
        method: &record.method,
        target: &record.target,
        protocol: record.protocol,
        status: record.status,
        bytes: record.bytes,
        seconds: record.seconds,
        referer: record.referer.as_deref(),
        user_agent: record.agent.as_deref(),
        error: record.error.as_ref().map(|error| error.as_str()),
    };
    // A struct of texts and numbers has a form in JSON.
    ascii(&serde_json::to_string(&members).unwrap_or_default()) + "\n"
}

/// JSON with nothing that drives a terminal: characters other than ASCII, which are in its texts only, are escaped.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            ' '..='~' => ascii.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
    }
    ascii
}

fn moment(at: SystemTime) -> OffsetDateTime {
    at.into()
}

/// As nginx escapes: one line, one pair of quotes, ASCII.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=31 | 127.. => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\x{byte:02X}");
            }
            byte => escaped.push(byte.into()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    fn record(target: &str, agent: &str) -> Record {
        let peer = "[::ffff:192.0.2.1]:5000".parse().unwrap();
        let record = Record::new(peer, "http", "HTTP/1.1").of("GET", target);
        let mut record = record.with_page(None, Some(agent));
        record.at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        (record.status, record.bytes) = (206, 17);
        record.finish(Instant::now());
        record.seconds = 0.25;
        record
    }

    #[test]
    fn lines_are_as_other_programs_read_them() {
        let record = record("/a?token=x", "one \"two\"\n");
        assert_eq!(
            AccessLogFormat::Combined.line(&record),
            "192.0.2.1 - - [09/Sep/2001:01:46:40 +0000] \"GET /a?token=... HTTP/1.1\" 206 17 \"-\" \"one \\x22two\\x22\\x0A\"\n"
        );
        assert_eq!(
            AccessLogFormat::Json.line(&record),
            "{\"time\":\"2001-09-09T01:46:40Z\",\"peer\":\"192.0.2.1\",\"port\":5000,\"dialect\":\"http\",\"method\":\"GET\",\
             \"target\":\"/a?token=...\",\"protocol\":\"HTTP/1.1\",\"status\":206,\"bytes\":17,\"seconds\":0.25,\
             \"user_agent\":\"one \\\"two\\\"\\n\"}\n"
        );
        let odd = AccessLogFormat::Json.line(&self::record("/", "\u{9b}31m \u{202e} \u{1f600} \u{7f}"));
        assert!(odd.contains("\"\\u009b31m \\u202e \\ud83d\\ude00 \\u007f\""), "{odd}");
        let unparsed = Record::new(record.peer, "http", "HTTP/1.1");
        assert!(AccessLogFormat::Combined.line(&unparsed).contains("\"-\" 0 0 \"-\" \"-\""));
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// No client can add a line, or end a pair of quotes.
        #[test]
        fn a_request_is_one_line(target in any::<String>(), agent in any::<String>()) {
            let record = record(&target, &agent);
            let line = AccessLogFormat::Combined.line(&record);
            prop_assert_eq!(line.matches('"').count(), 6);
            for line in [line, AccessLogFormat::Json.line(&record)] {
                prop_assert!(line.ends_with('\n') && line.trim_end_matches('\n').chars().all(|c| c != '\n' && c != '\r'));
            }
        }
    }
}
