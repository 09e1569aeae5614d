//! The digest of a content that was received from a server of this program: it says in a `Link` where the digest is, and computes it on request.

use std::sync::PoisonError;

use reqwest::{Method, StatusCode, header::LINK};

use super::{
    Http, fields,
    request::{Ask, Reply},
};
use crate::client::api::content::checksum::Checksum;

/// The relation of the link: a text that begins with the digest in hex, as `b3sum` prints it.
const RELATION: &str = "urn:fdsp:blake3";
/// The maximum length of that text in bytes.
const MAX_LEN: usize = 16 * 1024;

impl Http {
    /// Notes where an answer says that the digest is. Another server cannot vouch for the content.
    pub(super) fn note_digest(&self, reply: &Reply) {
        let links = reply.response.headers().get_all(LINK).into_iter();
        let link = links.filter_map(|value| fields::link(value.to_str().ok()?, RELATION)).next();
        let url = link.and_then(|link| reply.url.join(link).ok());
        let url = url.filter(|url| url.origin() == reply.url.origin());
        *self.digest_at.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// The digest, if the server has said where it is, and answers in time: the content is complete without it.
    pub(in super::super) async fn digest_afterwards(&self) -> Option<Checksum> {
        let url = self.digest_at.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let ask = Ask { method: Method::GET, range: None, condition: None, worked: true };
        let read = async {
            let Reply { mut response, .. } = self.send_to(&ask, url).await.ok()?;
            if response.status() != StatusCode::OK {
                return None;
            }
            let mut text = Vec::new();
            while let Some(piece) = response.chunk().await.ok()? {
                text.extend_from_slice(&piece);
                if text.len() > MAX_LEN {
                    return None;
                }
            }
            digest(&String::from_utf8_lossy(&text))
        };
        let digest = tokio::time::timeout(self.clients.timeouts().silence.saturating_mul(2), read).await;
        let digest = digest.ok().flatten();
        if digest.is_none() {
            tracing::info!("{}: the server has not sent the digest of what was received", self.address);
        }
        digest
    }
}

/// The digest in a line of `b3sum`, which begins with a backslash if the name after it is escaped.
fn digest(text: &str) -> Option<Checksum> {
    let line = text.strip_prefix('\\').unwrap_or(text);
    let (digits, rest) = line.split_at_checked(64)?;
    rest.starts_with(' ').then(|| format!("blake3:{digits}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    #[test]
    fn a_digest_is_the_beginning_of_a_line() {
        let digits = "ab".repeat(32);
        for text in [format!("{digits}  name\n"), format!("\\{digits}  a\\\\b\n")] {
            assert_eq!(digest(&text), Some(Checksum::Blake3([0xab; 32])));
        }
        for text in
            ["", "ab  name", &format!("{digits}0  name"), &format!("x{}  name", &digits[1..]), &digits]
        {
            assert_eq!(digest(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = digest(&text);
        }
    }
}
