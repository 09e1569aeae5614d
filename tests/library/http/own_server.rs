//! Servers of this program as web servers: the digest that they compute after the transfer is the proof.

use std::fs;

use fdsp::{
    client::{DigestBy, DigestKind, Locator, Proof, TroubleKind},
    protocol::address::Security,
    server::{self, Arch, Certificate, Config},
};

use super::{TAG, assert_content, get, once, received};
use crate::{
    engine::support::{Client, MIB, content},
    shared::web::{Answer, Web},
};

const LINK: &str = "Link: <?blake3>; rel=\"urn:fdsp:blake3\"";
const BY_SERVER: Option<Proof> = Some(Proof::Verified { digest: DigestKind::Blake3, by: DigestBy::Server });

#[test]
fn a_large_file_is_verified_after_the_transfer() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let folder = tempfile::tempdir().unwrap();
        // Of a smaller one the server sends the digest at once.
        let file = content(17 * MIB, 1);
        fs::write(folder.path().join("a.bin"), &file).unwrap();
        let identity = Some(Certificate::Temporary);
        let config = Config { arch, identity, ..Config::local(folder.path()) };
        let server = server::start(config, std::sync::Arc::new(|_| {})).unwrap();
        let Security::Tls { pin: Some(pin) } = server.address().authority.security else { panic!("no pin") };
        let mut client = Client::new(once());
        let url = format!("https://{}/a.bin#{pin}", server.local_addr());
        let job = client.job_at(Locator::parse(&url).unwrap());
        let finished = client.run(job).unwrap();
        assert_content(&finished, &file);
        assert_eq!(finished.proof, BY_SERVER, "{arch}");
    }
}

#[test]
fn another_digest_after_the_transfer_is_an_error() {
    let file = content(3 * MIB, 1);
    let (served, digest) = (file.clone(), blake3::hash(&file).to_hex().to_string());
    let answer = move |digest: String| {
        let served = served.clone();
        Web::new(move |request| match request.path.ends_with("?blake3") {
            true => Answer::new("200 OK", &[]).body(format!("{digest}  a.bin\n").as_bytes()),
            false => Answer::of(request, &served, TAG, &[LINK]),
        })
    };
    assert_eq!(received(once(), &answer(digest), "a.bin", &file).proof, BY_SERVER);
    let trouble = get(&mut Client::new(once()), &answer("0".repeat(64)), "a.bin").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
}

#[test]
fn without_a_digest_after_the_transfer_the_download_is_done_all_the_same() {
    let file = content(3 * MIB, 1);
    for later in [
        Answer::empty("503 Service Unavailable", &[]),
        Answer::new("200 OK", &[]).body(b"no digest"),
        Answer::new("200 OK", &[]).body(&[b'a'; 100_000]),
        Answer::new("200 OK", &[]).body(&[b'a'; 64]).cut(10),
    ] {
        let served = file.clone();
        let web = Web::new(move |request| match request.path.ends_with("?blake3") {
            true => later.clone(),
            false => Answer::of(request, &served, TAG, &[LINK]),
        });
        assert_eq!(received(once(), &web, "a.bin", &file).proof, Some(Proof::SameVersion));
    }
    // Another server cannot vouch for it, and is not asked.
    let other = Web::new(|_| Answer::new("200 OK", &[]).body(format!("{}  a\n", "0".repeat(64)).as_bytes()));
    let (served, link) = (file.clone(), format!("Link: <{}>; rel=\"urn:fdsp:blake3\"", other.url("a")));
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[&link]));
    assert_eq!(received(once(), &web, "a.bin", &file).proof, Some(Proof::SameVersion));
    assert!(other.requests().is_empty());
}
