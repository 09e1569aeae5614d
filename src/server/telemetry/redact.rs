//! Removes secrets from the targets and links of requests: the values of parameters whose names say that they are one, and passwords.

use crate::text::secret_names::is_secret;

/// What stands in place of a secret.
const REDACTED: &str = "...";
/// The maximum length of a target in a record, in bytes.
const MAX_TARGET_LEN: usize = 4096;
/// The same for every other text.
const MAX_TEXT_LEN: usize = 512;

/// The target of a request, of which secrets are removed.
pub(super) fn redacted_target(target: &str) -> String {
    bounded(redact(target), MAX_TARGET_LEN)
}

/// A link, of which secrets and the user are removed.
pub(super) fn redacted_link(link: &str) -> String {
    let Some((scheme, rest)) = link.split_once("://") else { return bounded(redact(link), MAX_TEXT_LEN) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    bounded(redact(&format!("{scheme}://{host}{path}")), MAX_TEXT_LEN)
}

/// A text that is not longer than a record may have it.
pub(super) fn shortened(text: &str) -> String {
    bounded(text.to_owned(), MAX_TEXT_LEN)
}

fn redact(text: &str) -> String {
    // What follows a '#' is never sent by a browser; another client may.
    let text = text.split('#').next().unwrap_or_default();
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    // Programs differ in whether ';' separates parameters.
    let parts = query.split_inclusive(['&', ';', '?']).map(|part| {
        let end = part.len() - part.ends_with(['&', ';', '?']) as usize;
        let (part, separator) = part.split_at(end);
        match part.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(name) => {
                format!("{name}={REDACTED}{separator}")
            }
            _ => format!("{part}{separator}"),
        }
    });
    format!("{path}?{}", parts.collect::<String>())
}

fn bounded(mut text: String, length: usize) -> String {
    let end = (0..=length.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    #[test]
    fn secrets_are_removed_from_targets_and_links() {
        for (target, shown) in [
            ("/a%20b?zip", "/a%20b?zip"),
            ("/?token=abc", "/?token=..."),
            ("/a?x=1&token=abc&sort=-size", "/a?x=1&token=...&sort=-size"),
            ("/a?%74oken=abc;Access_Token=d", "/a?%74oken=...;Access_Token=..."),
            ("/a?X-Amz-Signature=abc&keys", "/a?X-Amz-Signature=...&keys"),
            ("/a?b?token=abc", "/a?b?token=..."),
            ("/a#token=abc", "/a"),
        ] {
            assert_eq!(redacted_target(target), shown);
        }
        for (link, shown) in [
            ("https://me:word@host:1/a?token=b", "https://host:1/a?token=..."),
            ("https://me@host", "https://host"),
            ("https://host/a@b", "https://host/a@b"),
            ("about:blank", "about:blank"),
        ] {
            assert_eq!(redacted_link(link), shown);
        }
        assert_eq!(redacted_target(&"\u{fc}".repeat(4000)).len(), MAX_TARGET_LEN);
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// However a request is written, the token that this server takes from it is in no record.
        #[test]
        fn no_token_is_left(before in "[a-z&;=?%/]{0,12}", after in "[a-z&;=?%/]{0,12}") {
            let target = format!("/p?{before}&token=Q9SECRETQ9&{after}");
            prop_assert!(!redacted_target(&target).contains("Q9SECRETQ9"), "{}", target);
            let link = format!("https://u:Q9SECRETQ9@host{target}");
            prop_assert!(!redacted_link(&link).contains("Q9SECRETQ9"), "{}", link);
        }
    }
}
