//! Web servers with TLS: pins, certificates of their own, and redirects that would give up the encryption.

use fdsp::client::{Config, Doubt, Locator, Origin, Trust, TroubleKind};

use super::{TAG, assert_content, get, once};
use crate::{
    engine::support::{Client, content},
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
    assert!(matches!(trouble.doubt.as_deref(), Some(Doubt::New(new)) if new.pin.to_string() == web.pin.clone().unwrap()));
    assert!(web.requests().is_empty(), "nothing was asked");
    let config = once();
    let trust = Trust { accept_new: true, ..config.trust.clone() };
    let mut client = Client::new(Config { trust, ..config });
    assert_content(&get(&mut client, &web, "a.bin").unwrap(), &file);
}

#[test]
fn a_redirect_to_an_address_without_encryption_is_refused() {
    let plain = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: {}", plain.url("x"));
    let web = Web::secure(move |_| Answer::empty("302 Found", &[&location]));
    let mut client = Client::new(once());
    let job = client.job_at(Locator::parse(&format!("{}#{}", web.url("a"), web.pin.clone().unwrap())).unwrap());
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert!(trouble.message.as_str().contains("not encrypted"), "{trouble}");
    assert!(plain.requests().is_empty());
}

#[test]
fn a_server_without_tls_is_an_error() {
    let plain = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let mut client = Client::new(once());
    let job = client.job_at(Locator::parse(&plain.url("a").replace("http://", "https://")).unwrap());
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("TLS"), "{trouble}");
}
