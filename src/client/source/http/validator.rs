//! What shows that two answers are of one version of a content (RFC 9110, section 8.8).

use std::time::{Duration, SystemTime};

use httpdate::parse_http_date;

/// The time by which a date of modification must be older than its answer: the content may have changed twice within a second.
const MIN_AGE: Duration = Duration::from_secs(1);

/// A validator. Its text is the identity of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Validator {
    /// A strong entity tag, with its quotes.
    Tag(String),
    /// A date of modification that is strong, since the answer is more recent.
    Date(String),
    /// None that proves anything; weak ones, by which a change may still be noticed.
    Weak(String),
}

const TAG: &str = "etag ";
const DATE: &str = "modified ";
const WEAK: &str = "unproven";

impl Validator {
    /// The strongest validator of an answer.
    pub(super) fn of(tag: Option<&str>, modified: Option<&str>, date: Option<&str>) -> Validator {
        if let Some(tag) = tag.filter(|tag| is_strong(tag)) {
            return Validator::Tag(tag.to_owned());
        }
        match modified {
            Some(modified) if is_older(modified, date) => Validator::Date(modified.to_owned()),
            _ => {
                let weak = tag.into_iter().chain(modified).fold(String::new(), |all, one| all + " " + one);
                Validator::Weak(weak)
            }
        }
    }

    /// Reads an identity.
    pub(crate) fn parse(identity: &str) -> Validator {
        match (identity.strip_prefix(TAG), identity.strip_prefix(DATE)) {
            (Some(tag), _) => Validator::Tag(tag.to_owned()),
            (_, Some(date)) => Validator::Date(date.to_owned()),
            _ => Validator::Weak(identity.strip_prefix(WEAK).unwrap_or_default().to_owned()),
        }
    }

    /// The identity of the content.
    pub(crate) fn identity(&self) -> String {
        match self {
            Validator::Tag(tag) => format!("{TAG}{tag}"),
            Validator::Date(date) => format!("{DATE}{date}"),
            Validator::Weak(weak) => format!("{WEAK}{weak}"),
        }
    }

    /// Whether equal validators prove one version.
    pub(crate) fn is_strong(&self) -> bool {
        !matches!(self, Validator::Weak(_))
    }

    /// The value of `If-Range`.
    pub(super) fn condition(&self) -> Option<&str> {
        match self {
            Validator::Tag(text) | Validator::Date(text) => Some(text),
            Validator::Weak(_) => None,
        }
    }
}

fn is_strong(tag: &str) -> bool {
    tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')
}

/// Whether a date of modification is older than the answer (RFC 9110, section 8.8.2.2).
fn is_older(modified: &str, date: Option<&str>) -> bool {
    let parse = |text: &str| parse_http_date(text).ok();
    let (Some(modified), Some(date)) = (parse(modified), date.and_then(parse)) else { return false };
    let age = date.duration_since(modified).unwrap_or_default();
    modified > SystemTime::UNIX_EPOCH && age >= MIN_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn only_strong_validators_prove_a_version() {
        let of = |tag, modified, date| Validator::of(tag, modified, date).identity();
        assert_eq!(of(Some("\"a\""), Some(MODIFIED), Some(LATER)), "etag \"a\"");
        assert_eq!(of(Some("W/\"a\""), Some(MODIFIED), Some(LATER)), format!("modified {MODIFIED}"));
        assert_eq!(of(Some("W/\"a\""), Some(MODIFIED), Some(SAME)), format!("unproven W/\"a\" {MODIFIED}"));
        assert_eq!(of(None, Some(MODIFIED), None), format!("unproven {MODIFIED}"));
        assert_eq!(of(None, Some("yesterday"), Some(LATER)), "unproven yesterday");
        assert_eq!(of(Some("a"), None, None), "unproven a", "a tag has quotes");
        assert_eq!(of(None, None, None), "unproven");
    }

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        for validator in [
            Validator::Tag("\"a\"".into()),
            Validator::Date(MODIFIED.into()),
            Validator::Weak(" W/\"b\"".into()),
        ] {
            assert_eq!(Validator::parse(&validator.identity()), validator);
            assert_eq!(validator.is_strong(), validator.condition().is_some());
        }
    }
}
