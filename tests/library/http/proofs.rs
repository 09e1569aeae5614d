//! Digests: those that the server announces, and those that the user gives.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fdsp::client::{Checksum, DigestBy, DigestKind, NewJob, Proof, TroubleKind};
use sha2::{Digest as _, Sha256, Sha512};

use super::{TAG, get, job, once, received};
use crate::{
    engine::support::{Client, MIB, content},
    shared::web::{Answer, Web},
};

#[test]
fn the_digest_of_the_server_is_compared() {
    let file = content(10 * MIB, 1);
    let sha256 = BASE64_STANDARD.encode(Sha256::digest(&file));
    let sha512 = BASE64_STANDARD.encode(Sha512::digest(&file));
    for (field, digest) in [
        (format!("Repr-Digest: sha-256=:{sha256}:"), DigestKind::Sha256),
        (format!("Repr-Digest: sha-512=:{sha512}:"), DigestKind::Sha512),
        (format!("Digest: SHA-256={sha256}"), DigestKind::Sha256),
        (format!("x-amz-checksum-sha256: {sha256}"), DigestKind::Sha256),
    ] {
        let (served, name) = (file.clone(), field.clone());
        let web = Web::new(move |request| Answer::of(request, &served, TAG, &[&field]));
        let finished = received(once(), &web, "a.bin", &file);
        assert_eq!(finished.proof, Some(Proof::Verified { digest, by: DigestBy::Server }), "{name}");
    }
}

#[test]
fn a_file_with_another_digest_than_the_server_announces_is_not_done() {
    let field = format!("Repr-Digest: sha-256=:{}:", BASE64_STANDARD.encode([0; 32]));
    let web = Web::new(move |request| Answer::of(request, b"content", TAG, &[&field]));
    let mut client = Client::new(once());
    let trouble = get(&mut client, &web, "a.bin").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity);
    assert!(trouble.message.as_str().contains("checksum mismatch"), "{trouble}");
    assert!(!client.names().contains(&"a.bin".to_owned()));
}

#[test]
fn the_digest_of_the_user_decides() {
    let file = content(MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
    let mut client = Client::new(once());
    let given = Checksum::Sha512(Sha512::digest(&file).into());
    let right = NewJob { checksum: Some(given), ..job(&client, &web, "a.bin") };
    let finished = client.run(right).unwrap();
    let proof = Proof::Verified { digest: DigestKind::Sha512, by: DigestBy::User };
    assert_eq!(finished.proof, Some(proof));
    let wrong = NewJob { checksum: Some(Checksum::Sha512([0; 64])), ..job(&client, &web, "b.bin") };
    let trouble = client.run(wrong).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
}
