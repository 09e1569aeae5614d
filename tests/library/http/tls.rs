//! Web servers with TLS: pins, certificates of their own, and redirects to addresses without encryption.

use std::io::Write;

use fdsp::client::{Config, Doubt, Locator, Origin, TroubleKind, Trust};

use super::{TAG, assert_content, get, once, received};
use crate::{
    engine::{
        scripted::listen,
        support::{Client, content},
    },
    shared::web::{Answer, Web},
};

fn serve(file: &[u8]) -> Web {
    let file = file.to_vec();
    Web::secure(move |request| Answer::of(request, &file, TAG, &[]))
}

#[test]
fn a_pin_decides_which_server_is_meant() {
    let file = content(3_000_000, 1);
    let web = serve(&file);
    let pin = web.pin.clone().unwrap();
    let mut client = Client::new(once());
    let job = client.job_at(Locator::parse(&format!("{}#{pin}", web.url("a.bin"))).unwrap());
    let finished = client.run(job).unwrap();
    assert_content(&finished, &file);
    assert_eq!(finished.origin, Origin::Certificate(pin.parse().unwrap()));
    assert!(web.requests().iter().all(|request| !request.path.contains('#')), "the pin is not sent");
    let wrong = format!("{}#sha256:{}", web.url("b.bin"), "0".repeat(64));
    let job = client.job_at(Locator::parse(&wrong).unwrap());
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert!(trouble.message.as_str().contains("IDENTITY CHANGED"), "{trouble}");
}

#[test]
fn an_unknown_certificate_is_a_question() {
    let file = content(1000, 1);
    let web = serve(&file);
    let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert!(
        matches!(trouble.doubt(), Some(Doubt::New(new)) if new.pin.to_string() == web.pin.clone().unwrap())
    );
    assert!(web.requests().is_empty(), "nothing was asked");
    let config = once();
    let trust = Trust { accept_new: true, ..config.trust.clone() };
    let mut client = Client::new(Config { trust, ..config });
    assert_content(&get(&mut client, &web, "a.bin").unwrap(), &file);
}

#[test]
fn the_authorities_of_a_file_are_trusted() {
    let file = content(1000, 1);
    let web = serve(&file);
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("ca.pem");
    std::fs::write(&authorities, web.certificate.as_ref().unwrap()).unwrap();
    let config = once();
    let trust = Trust { authorities: Some(authorities), ..config.trust.clone() };
    received(Config { trust, ..config }, &web, "a.bin", &file);
}

#[test]
fn a_redirect_to_an_address_without_encryption_is_refused() {
    let plain = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: {}", plain.url("x"));
    let web = Web::secure(move |_| Answer::empty("302 Found", &[&location]));
    let mut client = Client::new(once());
    let job =
        client.job_at(Locator::parse(&format!("{}#{}", web.url("a"), web.pin.clone().unwrap())).unwrap());
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert!(trouble.message.as_str().contains("not encrypted"), "{trouble}");
    assert!(plain.requests().is_empty());
}

#[test]
fn a_server_without_tls_is_an_error() {
    let at = listen(|_, mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Until the client closes.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let mut client = Client::new(once());
    let job = client.job_at(Locator::parse(&format!("https://{at}/a")).unwrap());
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("TLS"), "{trouble}");
}
