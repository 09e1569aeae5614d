//! Lists of checksums: those that the user names, and those that are beside the file.

use fdsp::client::{
    self, DigestBy, DigestKind, Finished, Locator, NewJob, Proof, SumsAt, Trouble, TroubleKind,
};
use sha2::{Digest as _, Sha256, Sha512};

use super::{TAG, job, once};
use crate::{
    engine::support::{Client, MIB, content},
    shared::web::{Answer, Web},
};

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// A server of a file and of other paths with these texts.
fn serve(file: &[u8], texts: Vec<(&'static str, String)>) -> Web {
    let file = file.to_vec();
    Web::new(move |request| match request.path.split('?').next() {
        Some("/dir/a.iso") => Answer::of(request, &file, TAG, &[]),
        path => match texts.iter().find(|(name, _)| path == Some(name)) {
            Some((_, text)) => Answer::whole(text.as_bytes(), &[]),
            None => Answer::empty("404 Not Found", &[]),
        },
    })
}

fn fetch(web: &Web, sums: SumsAt) -> Result<Finished, Trouble> {
    let mut client = Client::new(once());
    let job = NewJob { sums: Some(sums), ..job(&client, web, "dir/a.iso?x=1") };
    client.run(job)
}

fn verified(digest: DigestKind, by: DigestBy) -> Option<Proof> {
    Some(Proof::Verified { digest, by })
}

#[test]
fn the_list_of_the_user_has_the_checksum() {
    let file = content(2 * MIB, 1);
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("SHA256SUMS");
    let right = format!("{}  other.iso\n{} *a.iso\n", "0".repeat(64), sha256(&file));
    std::fs::write(&list, &right).unwrap();
    let web = serve(&file, vec![("/SHA256SUMS", right)]);
    let at_web = || SumsAt::Web(Locator::parse(&web.url("SHA256SUMS")).unwrap());
    for at in [SumsAt::File(list), at_web()] {
        let finished = fetch(&web, at).unwrap();
        assert_eq!(finished.proof, verified(DigestKind::Sha256, DigestBy::User));
    }
}

#[test]
fn a_file_that_is_not_listed_or_differs_is_not_done() {
    let web = |list: String| serve(b"content", vec![("/sums", list)]);
    let hex = |len: usize| "ab".repeat(len / 2);
    for (list, part) in [
        (format!("{}  b.iso\n", hex(64)), "sums does not list 'a.iso'"),
        (format!("{}  a.iso\n", hex(64)), "checksum mismatch: expected sha256:abab"),
        (format!("{}  a.iso\n", hex(40)), "with SHA-1 only, which is too weak"),
        ("<html>login</html>".to_owned(), "is not a list of checksums"),
    ] {
        let web = web(list.clone());
        let at = SumsAt::Web(Locator::parse(&web.url("sums")).unwrap());
        let trouble = fetch(&web, at).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Integrity, "{list}: {trouble}");
        assert!(trouble.message.as_str().contains(part), "{list}: {trouble}");
        let asked = web
            .requests()
            .iter()
            .any(|request| request.path.starts_with("/dir/a") && request.method == "GET");
        assert_eq!(asked, part.contains("mismatch"), "{list}: nothing is fetched without a checksum");
    }
    let web = web(String::new());
    let gone = SumsAt::Web(Locator::parse(&web.url("none")).unwrap());
    let trouble = fetch(&web, gone).unwrap_err();
    assert!(trouble.kind == TroubleKind::NotFound && trouble.message.as_str().contains("/none"), "{trouble}");
}

#[test]
fn a_list_beside_the_file_is_used_where_it_lists_the_file() {
    let file = content(MIB, 1);
    let other = "0".repeat(64);
    for (texts, proof) in [
        (
            vec![("/dir/SHA256SUMS", format!("{}  a.iso\n", sha256(&file)))],
            verified(DigestKind::Sha256, DigestBy::Server),
        ),
        (vec![("/dir/a.iso.sha256", sha256(&file))], verified(DigestKind::Sha256, DigestBy::Server)),
        (
            vec![("/dir/a.iso.sha512", format!("{}  a.iso", hex::encode(Sha512::digest(&file))))],
            verified(DigestKind::Sha512, DigestBy::Server),
        ),
        (
            vec![("/dir/a.iso.b3", blake3::hash(&file).to_string())],
            verified(DigestKind::Blake3, DigestBy::Server),
        ),
        // Neither a list, nor one of this file, nor in the same folder.
        (vec![("/dir/SHA256SUMS", "<html></html>".to_owned())], Some(Proof::SameVersion)),
        (vec![("/dir/SHA256SUMS", other.clone())], Some(Proof::SameVersion)),
        (vec![("/dir/SHA256SUMS", format!("{other}  b.iso\n"))], Some(Proof::SameVersion)),
        (vec![("/SHA256SUMS", format!("{other}  a.iso\n"))], Some(Proof::SameVersion)),
    ] {
        let web = serve(&file, texts.clone());
        assert_eq!(fetch(&web, SumsAt::Beside).unwrap().proof, proof, "{texts:?}");
    }
}

#[test]
fn a_file_that_differs_from_the_list_beside_it_is_not_done() {
    let web = serve(b"content", vec![("/dir/SHA256SUMS", format!("{}  a.iso\n", "0".repeat(64)))]);
    let trouble = fetch(&web, SumsAt::Beside).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity);
    assert!(trouble.message.as_str().contains("checksum mismatch: expected sha256:0000"), "{trouble}");
}

/// Both are in the list, and the server names the other one.
#[test]
fn the_server_does_not_choose_the_line_of_a_list() {
    let (wanted, other) = (content(MIB, 1), content(MIB, 2));
    let list = format!("{}  a.iso\n{}  other.iso\n", sha256(&wanted), sha256(&other));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("SHA256SUMS");
    std::fs::write(&path, list).unwrap();
    let named = "Content-Disposition: attachment; filename=other.iso";
    let web = Web::new(move |request| Answer::of(request, &other, TAG, &[named]));
    assert_eq!(fetch(&web, SumsAt::File(path)).unwrap_err().kind, TroubleKind::Integrity);
}

/// A metalink names contents that the list says nothing about.
#[test]
fn a_metalink_in_the_place_of_a_file_does_not_avoid_its_checksum() {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let text = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"f\"><url>{}</url></file></metalink>",
        other.url("x")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("SHA256SUMS");
    std::fs::write(&path, format!("{}  a.iso\n", sha256(b"the file"))).unwrap();
    let kind = "Content-Type: application/metalink4+xml";
    let web = Web::new(move |request| Answer::of(request, text.as_bytes(), TAG, &[kind]));
    assert_eq!(fetch(&web, SumsAt::File(path)).unwrap_err().kind, TroubleKind::Integrity);
    assert!(other.requests().is_empty());
}

/// The server of the file is well, which does not make the attempts uncounted.
#[test]
fn a_list_at_a_server_that_is_away_fails_after_the_retries() {
    let web = serve(b"content", Vec::new());
    let mut client = Client::new(client::Config { retries: 2, ..once() });
    let sums = Some(SumsAt::Web(Locator::parse("http://127.0.0.1:1/SHA256SUMS").unwrap()));
    let job = NewJob { sums, ..job(&client, &web, "dir/a.iso") };
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("list of checksums"), "{trouble}");
}
