//! Which server has proven a content: an identity and hashes are worth as much as the server that sent them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    protocol::{
        address::Security,
        digest::Hash,
        trust::pin::{Pin, PinError},
    },
    text::units,
};

/// A server, by what it has proven about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// Not recorded. No connection has this origin, so that content with this origin is always compared. Finished downloads of earlier versions have it.
    #[default]
    Unknown,
    /// A server without TLS, which has proven nothing: the BLAKE3 of its host name, which distinguishes it from other hosts.
    Plain(Hash),
    /// A web server with TLS and a trusted certificate: the BLAKE3 of its `HOST:PORT`. Its certificate may be another one on each connection.
    Site(Hash),
    /// The server with this certificate, which was verified in the handshake.
    Certificate(Pin),
}

const UNKNOWN: &str = "unknown";
const PLAIN: &str = "plain";
const SITE: &str = "https";

impl Origin {
    /// Returns "all from" and the server, for the log and the details; `None` if it is not recorded.
    pub fn sentence(self) -> Option<String> {
        match self {
            Origin::Unknown => None,
            Origin::Plain(_) => Some("all from a server without TLS".to_owned()),
            Origin::Site(_) => Some("all from a server with a trusted certificate".to_owned()),
            Origin::Certificate(pin) => Some(format!("all from {pin}")),
        }
    }

    /// The server in few words, for a line of the log; `None` if it is not recorded.
    pub(crate) fn brief(self) -> Option<String> {
        match self {
            Origin::Unknown => None,
            Origin::Plain(_) => Some("without TLS".to_owned()),
            Origin::Site(_) => Some("trusted certificate".to_owned()),
            Origin::Certificate(pin) => {
                let pin = pin.to_string();
                let hex = pin.rsplit(':').next().unwrap_or_default();
                Some(format!("certificate {}", units::short_digest(hex)))
            }
        }
    }

    /// A server without TLS on a host.
    pub(crate) fn plain(host: &str) -> Origin {
        Origin::Plain(Hash(*blake3::hash(host.as_bytes()).as_bytes()))
    }

    /// Whether a server that is reached in this way can be this one.
    pub(crate) fn is_possible(self, security: Security) -> bool {
        match (self, security) {
            (Origin::Unknown | Origin::Site(_), _) => false,
            (Origin::Plain(_), security) => security == Security::Plain,
            (Origin::Certificate(_), Security::Plain) => false,
            (Origin::Certificate(own), Security::Tls { pin }) => pin.is_none_or(|pin| pin == own),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Unknown => f.write_str(UNKNOWN),
            Origin::Plain(_) => f.write_str(PLAIN),
            Origin::Site(_) => f.write_str(SITE),
            Origin::Certificate(pin) => pin.fmt(f),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        match origin {
            Origin::Plain(host) => format!("{PLAIN}:{host}"),
            Origin::Site(host) => format!("{SITE}:{host}"),
            origin => origin.to_string(),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = PinError;

    fn try_from(text: String) -> Result<Origin, PinError> {
        let host = |kind: &str| Hash::from_hex(text.strip_prefix(kind)?.strip_prefix(':')?);
        match (host(PLAIN), host(SITE), text.as_str()) {
            (Some(host), ..) => Ok(Origin::Plain(host)),
            (_, Some(host), _) => Ok(Origin::Site(host)),
            // Without a host it is any server without TLS.
            (.., UNKNOWN | PLAIN) => Ok(Origin::Unknown),
            (.., pin) => Pin::parse(pin).map(Origin::Certificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_it_was_written() {
        for origin in [
            Origin::Unknown,
            Origin::plain("nas"),
            Origin::Site(Hash([5; 32])),
            Origin::Certificate(Pin([7; 32])),
        ] {
            let text = serde_json::to_string(&origin).unwrap();
            assert_eq!(serde_json::from_str::<Origin>(&text).unwrap(), origin, "{text}");
        }
        assert!(serde_json::from_str::<Origin>("\"sha256:00\"").is_err());
        assert_eq!(serde_json::from_str::<Origin>("\"plain\"").unwrap(), Origin::Unknown);
        assert_ne!(Origin::plain("nas"), Origin::plain("other"));
        assert_eq!(Origin::plain("nas").to_string(), "plain");
    }

    #[test]
    fn an_address_with_a_pin_excludes_every_other_origin() {
        let (own, other) = (Pin([1; 32]), Pin([2; 32]));
        let pinned = Security::Tls { pin: Some(own) };
        for (origin, security, possible) in [
            (Origin::Certificate(own), pinned, true),
            (Origin::Certificate(other), pinned, false),
            (Origin::Certificate(other), Security::Tls { pin: None }, true),
            (Origin::Certificate(own), Security::Plain, false),
            (Origin::plain("nas"), pinned, false),
            (Origin::plain("nas"), Security::Plain, true),
            (Origin::Unknown, Security::Plain, false),
            (Origin::Unknown, Security::Tls { pin: None }, false),
        ] {
            assert_eq!(origin.is_possible(security), possible, "{origin} by {security:?}");
        }
    }
}
