//! `hello`, the first message of a client, with its credential.

use serde::{Deserialize, Serialize};

use crate::protocol::{
    path::MAX_PATH,
    trust::{pin::Pin, token::Token, token_proof::TokenProof},
};

/// The maximum length of a token's id in bytes.
const MAX_TOKEN_NAME: usize = 128;

/// The first frame of a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct Hello {
    /// Program and version, for the log of the other side.
    pub agent: String,
    /// Shows a server that wants a token that the client has it.
    pub credential: Option<Credential>,
    /// Which of the server's tokens it is; absent for the server's only one.
    pub token_id: Option<TokenId>,
}

/// What shows that a client has a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The token itself.
    Token(Token),
    /// A proof, which only the server with the certificate that the client was shown can use.
    Proof(TokenProof),
}

impl Credential {
    /// Whether it shows that a client has this token. A proof is valid only for a server with a certificate.
    pub fn is_of(&self, token: &Token, certificate: Option<Pin>) -> bool {
        match self {
            Credential::Token(own) => own == token,
            Credential::Proof(proof) => certificate.is_some_and(|pin| proof.is_valid(token, pin)),
        }
    }
}

/// Which of a server's tokens a client means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum TokenId {
    /// The one with this name, of 1 to 128 bytes.
    Name(String),
    /// The token for one path, with an expiry time.
    Share {
        /// The path, of at most 4096 bytes.
        path: String,
        /// When it expires, in seconds since 1970-01-01 UTC.
        expires: u64,
    },
}

impl TokenId {
    fn is_bounded(&self) -> bool {
        match self {
            TokenId::Name(name) => (1..=MAX_TOKEN_NAME).contains(&name.len()),
            TokenId::Share { path, .. } => path.len() <= MAX_PATH,
        }
    }
}

/// The JSON members of `hello`.
#[derive(Deserialize, Serialize)]
struct Members {
    agent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_proof: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<TokenId>,
}

/// Why a `hello` is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum MembersError {
    #[error("token and token_proof exclude each other")]
    TokenAndProof,
    #[error("nonce and token_proof belong together")]
    HalfOfProof,
    #[error("nonce and token_proof are 64 hex digits each")]
    Proof,
    #[error("a token_id that is too long, or empty")]
    TokenId,
}

impl TryFrom<Members> for Hello {
    type Error = MembersError;

    fn try_from(members: Members) -> Result<Hello, MembersError> {
        let Members { agent, token, nonce, token_proof, token_id } = members;
        let proof = match (nonce, token_proof) {
            (Some(nonce), Some(code)) => Some(TokenProof::parse(&nonce, &code).ok_or(MembersError::Proof)?),
            (None, None) => None,
            _ => return Err(MembersError::HalfOfProof),
        };
        let credential = match (token, proof) {
            (Some(_), Some(_)) => return Err(MembersError::TokenAndProof),
            (Some(token), None) => Some(Credential::Token(token)),
            (None, proof) => proof.map(Credential::Proof),
        };
        if token_id.as_ref().is_some_and(|id| !id.is_bounded()) {
            return Err(MembersError::TokenId);
        }
        Ok(Hello { agent, credential, token_id })
    }
}

impl From<Hello> for Members {
    fn from(hello: Hello) -> Members {
        let Hello { agent, credential, token_id } = hello;
        let (token, proof) = match credential {
            None => (None, None),
            Some(Credential::Token(token)) => (Some(token), None),
            Some(Credential::Proof(proof)) => (None, Some(proof)),
        };
        let (nonce, token_proof) = proof.map(|proof| proof.to_texts().into()).unzip();
        Members { agent, token, nonce, token_proof, token_id }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hello(members: serde_json::Value) -> Result<Hello, String> {
        serde_json::from_value(members).map_err(|error| error.to_string())
    }

    #[test]
    fn a_hello_is_parsed_as_it_is_written() {
        let token = Token::parse("the-right-one").unwrap();
        let proof = TokenProof::new(&token, Pin([1; 32]), [2; 32]);
        for (credential, words) in [
            (None, &[][..]),
            (Some(Credential::Token(token)), &["\"token\":\"the-right-one\""]),
            (Some(Credential::Proof(proof)), &["\"nonce\":\"0202", "\"token_proof\":"]),
        ] {
            for token_id in [
                None,
                Some(TokenId::Name("ann".into())),
                Some(TokenId::Share { path: "a/b".into(), expires: 1_800_000_000 }),
            ] {
                let (agent, credential) = ("test".to_owned(), credential.clone());
                let hello = Hello { agent, credential, token_id };
                let json = serde_json::to_string(&hello).unwrap();
                assert!(words.iter().all(|word| json.contains(word)), "{json}");
                assert_eq!(json.contains("token_id"), hello.token_id.is_some(), "{json}");
                assert!(!format!("{hello:?}").contains("right"));
                assert_eq!(serde_json::from_str::<Hello>(&json).unwrap(), hello);
            }
        }
    }

    #[test]
    fn half_a_proof_and_two_credentials_are_malformed() {
        let (code, long) = ("0f".repeat(32), "n".repeat(129));
        let (path, token) = ("p".repeat(4097), "the-right-one");
        for (members, reason) in [
            (json!({"token": token, "nonce": code, "token_proof": code}), "exclude each other"),
            (json!({"token": token, "nonce": code}), "belong together"),
            (json!({"nonce": code}), "belong together"),
            (json!({"token_proof": code}), "belong together"),
            (json!({"nonce": null, "token_proof": code}), "belong together"),
            (json!({"nonce": code[1..], "token_proof": code}), "64 hex digits"),
            (json!({"nonce": code, "token_proof": code[2..]}), "64 hex digits"),
            (json!({"nonce": code, "token_proof": ""}), "64 hex digits"),
            (json!({"nonce": code, "token_proof": "g".repeat(64)}), "64 hex digits"),
            (json!({"nonce": code, "token_proof": 1}), "a string"),
            (json!({"token": "short"}), "a token is"),
            (json!({"token_id": ""}), "too long, or empty"),
            (json!({"token_id": long}), "too long, or empty"),
            (json!({"token_id": {"path": path, "expires": 1}}), "too long, or empty"),
            (json!({"token_id": {"path": "a"}}), "did not match"),
            (json!({"token_id": {"path": "a", "expires": -1}}), "did not match"),
            (json!({"token_id": 7}), "did not match"),
        ] {
            let mut members = members;
            members["agent"] = "test".into();
            let error = hello(members.clone()).unwrap_err();
            assert!(error.contains(reason) && !error.contains(token), "{members}: {error}");
        }
        let members =
            json!({"agent": "test", "token": null, "nonce": code, "token_proof": code, "token_id": null});
        assert!(matches!(hello(members).unwrap().credential, Some(Credential::Proof(_))));
    }
}
