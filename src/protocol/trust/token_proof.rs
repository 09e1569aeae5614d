//! Proofs that a client has a token. A server that receives a proof cannot use it at another server.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{pin::Pin, token::Token};

/// The first bytes of the authenticated text, so that a code computed for another purpose is never a proof.
const CONTEXT: &[u8] = b"fdsp/1 token";

/// HMAC-SHA-256 with the token as its key, over the certificate that the client was shown and a nonce. `Debug` does not show it: a
/// short token could be guessed from it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenProof {
    nonce: [u8; 32],
    code: [u8; 32],
}

impl TokenProof {
    /// Proves that this client has the token, to the server with this certificate and to no other.
    pub fn new(token: &Token, certificate: Pin, nonce: [u8; 32]) -> TokenProof {
        let code = mac(token, certificate, &nonce).finalize().into_bytes().into();
        TokenProof { nonce, code }
    }

    /// Whether it proves that a client has the token and was shown this certificate. Compares in constant time.
    pub fn is_valid(&self, token: &Token, certificate: Pin) -> bool {
        mac(token, certificate, &self.nonce).verify(&self.code.into()).is_ok()
    }

    /// Reads nonce and code, 64 hex digits each; `None` if one of them is something else.
    pub(crate) fn parse(nonce: &str, code: &str) -> Option<TokenProof> {
        let read = |text: &str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
        };
        Some(TokenProof { nonce: read(nonce)?, code: read(code)? })
    }

    /// Nonce and code as [`TokenProof::parse`] reads them.
    pub(crate) fn to_texts(&self) -> [String; 2] {
        [&self.nonce, &self.code].map(hex::encode)
    }
}

fn mac(token: &Token, certificate: Pin, nonce: &[u8; 32]) -> Hmac<Sha256> {
    let key = token.reveal().as_bytes();
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(CONTEXT).chain_update(certificate.0).chain_update(nonce)
}

impl fmt::Debug for TokenProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenProof(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::protocol::trust::token_proof::*;

    fn token(text: &str) -> Token {
        Token::parse(text).unwrap()
    }

    /// Computed by Python's `hmac`.
    #[test]
    fn a_proof_equals_the_example_of_the_specification() {
        let proof = TokenProof::new(&token("sesame-sesame-sesame"), Pin([1; 32]), [2; 32]);
        let [nonce, code] = proof.to_texts();
        assert_eq!(nonce, "02".repeat(32));
        assert_eq!(code, "a33ed0b9540d354569c83e39ceec8edbff98188135ee84960807b59f7597431a");
        assert!(!format!("{proof:?}").contains("02"));
    }

    #[test]
    fn a_proof_depends_on_token_certificate_and_nonce() {
        let (right, certificate) = (token("the-right-one"), Pin([1; 32]));
        let proof = TokenProof::new(&right, certificate, [2; 32]);
        assert!(proof.is_valid(&right, certificate));
        assert!(!proof.is_valid(&right, Pin([3; 32])), "as a relaying server would send it on");
        assert!(!proof.is_valid(&token("the-wrong-one"), certificate));
        assert!(!TokenProof { nonce: [4; 32], ..proof.clone() }.is_valid(&right, certificate));
        for at in 0..32 {
            let mut other = proof.clone();
            other.code[at] ^= 1 << (at % 8);
            assert!(!other.is_valid(&right, certificate), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn a_proof_is_parsed_as_it_is_written(nonce: [u8; 32], code: [u8; 32]) {
            let proof = TokenProof { nonce, code };
            let [nonce, code] = proof.to_texts();
            for nonce in [nonce.to_uppercase(), nonce] {
                prop_assert_eq!(TokenProof::parse(&nonce, &code), Some(proof.clone()));
            }
        }

        #[test]
        fn only_64_hex_digits_are_a_nonce_or_a_code(text in "[0-9a-f]{0,63}|[0-9a-f]{65,130}|[0-9a-z]{63}[^0-9a-fA-F]|\\PC*") {
            let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let other = "0".repeat(64);
            prop_assert_eq!(TokenProof::parse(&text, &other).is_some(), is_hex);
            prop_assert_eq!(TokenProof::parse(&other, &text).is_some(), is_hex);
        }
    }
}
