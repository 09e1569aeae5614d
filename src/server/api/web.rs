//! How browsers and curl reach a server.

use serde::Serialize;

use crate::protocol::address::Authority;

/// The address for browsers, and what curl needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebAccess {
    /// The address, without a token.
    pub address: String,
    /// The SHA-256 digest of the server's public key in base64; `None` without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether a token is needed, as the password of any user.
    pub needs_token: bool,
}

impl WebAccess {
    /// Of a server at this address.
    pub(crate) fn new(authority: &Authority, public_key: Option<String>) -> WebAccess {
        let scheme = if authority.security.is_encrypted() { "https" } else { "http" };
        let address = format!("{scheme}://{authority}/");
        WebAccess { address, public_key, needs_token: authority.token.is_some() }
    }

    /// A command that downloads the served folder as a zip. curl asks for the token.
    pub fn curl(&self) -> String {
        let mut command = "curl".to_owned();
        if let Some(key) = &self.public_key {
            command += &format!(" -k --pinnedpubkey sha256//{key}");
        }
        if self.needs_token {
            command += " -u token";
        }
        command + &format!(" -OJ '{}?zip'", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        address::Security,
        trust::{pin::Pin, token::Token},
    };

    #[test]
    fn the_command_has_the_key_and_not_the_token() {
        let plain = Authority::new("::1", 80, Security::Plain);
        assert_eq!(WebAccess::new(&plain, None).curl(), "curl -OJ 'http://[::1]:80/?zip'");
        let token = Token::parse("the-right-one").ok();
        let security = Security::Tls { pin: Some(Pin([1; 32])) };
        let secure = Authority { token, ..Authority::new("files.example", 7878, security) };
        assert_eq!(
            WebAccess::new(&secure, Some("AAAA=".to_owned())).curl(),
            "curl -k --pinnedpubkey sha256//AAAA= -u token -OJ 'https://files.example:7878/?zip'"
        );
    }
}
