//! How it is known that a finished download is what its source has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::api::content::{
    checksum::Checksum,
    described::{PieceDigest, Pieces},
};

/// The strongest proof of a finished download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Proof {
    /// It has the digest that was announced.
    Verified {
        /// The kind of the digest.
        digest: DigestKind,
        /// Who has announced it.
        by: DigestBy,
    },
    /// All its parts are of one version: the server sent the same strong validator with each of them.
    SameVersion,
    /// Nothing shows it but the length.
    Unproven,
}

/// The kind of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestKind {
    /// BLAKE3.
    Blake3,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5.
    Md5,
}

/// Who has announced a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestBy {
    /// The user: it proves the content.
    User,
    /// The server: it proves the transfer, and not who has made the content.
    Server,
    /// A metalink: it proves the content as much as the metalink is trusted.
    Metalink,
}

impl Proof {
    /// It has this digest.
    pub(crate) fn verified(checksum: &Checksum, by: DigestBy) -> Proof {
        let digest = match checksum {
            Checksum::Blake3(_) => DigestKind::Blake3,
            Checksum::Sha256(_) => DigestKind::Sha256,
            Checksum::Sha512(_) => DigestKind::Sha512,
            Checksum::Md5(_) => DigestKind::Md5,
        };
        Proof::Verified { digest, by }
    }

    /// Each of its pieces has the digest that a metalink gives.
    pub(crate) fn of_pieces(pieces: &Pieces) -> Proof {
        let digest = match pieces.algorithm() {
            PieceDigest::Sha256 => DigestKind::Sha256,
            PieceDigest::Sha512 => DigestKind::Sha512,
            PieceDigest::Md5 => DigestKind::Md5,
        };
        Proof::Verified { digest, by: DigestBy::Metalink }
    }

    /// Verified block by block, by a server of this program.
    pub(crate) const BLOCKS: Proof = Proof::Verified { digest: DigestKind::Blake3, by: DigestBy::Server };

    /// Whether it was verified block by block, by a server of this program.
    pub fn is_by_blocks(self) -> bool {
        self == Proof::BLOCKS
    }

    /// The proof in few words.
    pub fn brief(self) -> String {
        match self {
            Proof::Verified { digest, by: DigestBy::User } => format!("verified by the given {digest}"),
            Proof::Verified { digest, by: DigestBy::Server } => format!("verified by the server's {digest}"),
            Proof::Verified { digest, by: DigestBy::Metalink } => {
                format!("verified by the metalink's {digest}")
            }
            Proof::SameVersion => "same version".to_owned(),
            Proof::Unproven => "unproven".to_owned(),
        }
    }

    /// The proof as a sentence.
    pub fn sentence(self) -> String {
        match self {
            Proof::Verified { .. } => self.brief(),
            Proof::SameVersion => {
                "same version in all parts, by the server's validator; no digest".to_owned()
            }
            Proof::Unproven => "unproven: no digest, and no validator of the server for all of it".to_owned(),
        }
    }
}

impl fmt::Display for DigestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DigestKind::Blake3 => "BLAKE3",
            DigestKind::Sha256 => "SHA-256",
            DigestKind::Sha512 => "SHA-512",
            DigestKind::Md5 => "MD5",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_read_as_it_was_written() {
        let by_user = Proof::verified(&Checksum::Sha256([1; 32]), DigestBy::User);
        for (proof, text) in [
            (by_user, r#"{"how":"verified","digest":"sha256","by":"user"}"#),
            (Proof::BLOCKS, r#"{"how":"verified","digest":"blake3","by":"server"}"#),
            (Proof::SameVersion, r#"{"how":"same-version"}"#),
            (Proof::Unproven, r#"{"how":"unproven"}"#),
        ] {
            assert_eq!(serde_json::to_string(&proof).unwrap(), text);
            assert_eq!(serde_json::from_str::<Proof>(text).unwrap(), proof);
        }
    }
}
