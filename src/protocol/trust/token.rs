//! Tokens: the secret that a client needs to fetch from a server.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The minimum length of a token.
const MIN_LEN: usize = 8;
/// The maximum length of a token.
const MAX_LEN: usize = 128;

/// Minimum length of a token that cannot be guessed offline: 128 random bits in base 64.
pub const MIN_SAFE_LEN: usize = 22;

/// A secret: `Debug` does not show it, there is no `Display`, it is compared in constant time, and its memory is wiped before it is
/// freed.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Token(Zeroizing<String>);

/// The text is not a token. It is not part of the error: it may be almost one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is {MIN_LEN} to {MAX_LEN} letters, digits, '-', '.', '_' and '~'")]
pub struct TokenError;

impl Token {
    /// Reads a token: characters that need no escape in an address (RFC 3986, "unreserved").
    ///
    /// # Errors
    /// It is too short or too long, or has other characters.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let fits = (MIN_LEN..=MAX_LEN).contains(&text.len());
        let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if fits && text.bytes().all(may) { Ok(Token(text.to_owned().into())) } else { Err(TokenError) }
    }

    /// A token of these random bytes: five bits of each are used.
    pub fn of(random: &[u8; 32]) -> Token {
        // Without letters that look like a digit.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
        Token(letters.collect::<String>().into())
    }

    /// Whether a server that receives a [`TokenProof`](crate::protocol::trust::token_proof::TokenProof) of it might guess it offline.
    pub fn is_short(&self) -> bool {
        self.0.len() < MIN_SAFE_LEN
    }

    /// The secret itself, for where it is sent, kept or pasted from.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Token {}

impl std::hash::Hash for Token {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl TryFrom<String> for Token {
    type Error = TokenError;

    fn try_from(text: String) -> Result<Token, TokenError> {
        Token::parse(&Zeroizing::new(text))
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::trust::token::*;

    #[test]
    fn a_token_has_only_characters_of_an_address() {
        for text in ["12345678", "aB3-._~x", &"x".repeat(128)] {
            assert_eq!(Token::parse(text).map(|token| token.reveal().to_owned()), Ok(text.to_owned()));
        }
        for text in
            ["", "1234567", "12345678 ", "1234 5678", "1234567@", "12345678/", &"x".repeat(129), "üüüüüüüü"]
        {
            assert_eq!(Token::parse(text), Err(TokenError), "{text}");
        }
    }

    #[test]
    fn a_random_token_is_valid() {
        let token = Token::of(&std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(Token::parse(token.reveal()), Ok(token.clone()));
        assert_eq!(token.reveal().len(), 32);
        assert_ne!(token, Token::of(&[0; 32]));
    }

    #[test]
    fn a_token_is_wiped() {
        fn is_wiped(_: &impl zeroize::ZeroizeOnDrop) {}
        is_wiped(&Token::of(&[7; 32]).0);
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::parse("very-secret-indeed").unwrap();
        assert!(!format!("{token:?} {:?}", Some(&token)).contains("secret"));
    }

    #[test]
    fn a_short_token_is_one_of_less_than_22_characters() {
        assert!(Token::parse(&"x".repeat(MIN_SAFE_LEN - 1)).unwrap().is_short());
        assert!(!Token::parse(&"x".repeat(MIN_SAFE_LEN)).unwrap().is_short());
        assert!(!Token::of(&[7; 32]).is_short());
    }
}
