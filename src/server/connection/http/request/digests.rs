//! Which digest of the content a client asks for: `Want-Repr-Digest` (RFC 9530), or `Want-Digest` (RFC 3230) of older clients.

use super::fields::Fields;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It does not want a SHA-256 digest.
    Nothing,
    /// It says nothing.
    IfKnown,
    /// `Repr-Digest`.
    Repr,
    /// `Digest`, too.
    Old,
}

impl Wanted {
    /// What the fields of a request ask for. Only SHA-256 is supported; others are as if they were not named.
    pub fn of(fields: &Fields) -> Wanted {
        if let Some(value) = fields.get("want-repr-digest") {
            return match weight(value, "=") {
                Some(true) => Wanted::Repr,
                Some(false) => Wanted::Nothing,
                None => Wanted::IfKnown,
            };
        }
        match fields.get("want-digest").and_then(|value| weight(value, ";q=")) {
            Some(true) => Wanted::Old,
            Some(false) => Wanted::Nothing,
            None => Wanted::IfKnown,
        }
    }
}

/// Whether SHA-256 is wanted; `None` if it is not named. Its weight follows `sign`, and is above 0 without it.
fn weight(value: &str, sign: &str) -> Option<bool> {
    value.split(',').find_map(|part| {
        let part: String = part.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let (name, weight) = part.split_once(sign).unwrap_or((&part, "1"));
        name.eq_ignore_ascii_case("sha-256").then(|| weight.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_asked_for_in_two_ways() {
        for (name, value, wanted) in [
            ("Want-Repr-Digest", "sha-256=10", Wanted::Repr),
            ("Want-Repr-Digest", "sha-512=3, sha-256 = 1", Wanted::Repr),
            ("Want-Repr-Digest", "sha-256=0", Wanted::Nothing),
            ("Want-Repr-Digest", "sha-512=3", Wanted::IfKnown),
            ("Want-Repr-Digest", ",=;\"", Wanted::IfKnown),
            ("Want-Digest", "SHA-256", Wanted::Old),
            ("Want-Digest", "md5, sha-256;q=0.3", Wanted::Old),
            ("Want-Digest", "sha-256;q=0", Wanted::Nothing),
            ("Accept", "sha-256", Wanted::IfKnown),
        ] {
            let header = httparse::Header { name, value: value.as_bytes() };
            assert_eq!(Wanted::of(&Fields::new(&[header])), wanted, "{name}: {value}");
        }
    }
}
