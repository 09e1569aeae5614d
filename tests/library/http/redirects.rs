//! Redirects: what belongs to one server is not sent to another one, and encryption is not given up.

use fdsp::client::{Config, Locator, TroubleKind, WebHeader};

use super::{TAG, assert_content, get, once};
use crate::{
    engine::support::{Client, content},
    shared::web::{Answer, Web},
};

#[test]
fn a_redirect_is_followed_and_names_the_file() {
    let file = content(20_000_000, 1);
    let served = file.clone();
    let web = Web::new(move |request| match request.path.as_str() {
        "/old" => Answer::empty("302 Found", &["Location: /dir/new.bin"]),
        _ => Answer::of(request, &served, TAG, &[]),
    });
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "old").unwrap();
    assert_content(&finished, &file);
    assert_eq!(finished.path, client.path("new.bin"));
    let old = web.requests().iter().filter(|request| request.path == "/old").count();
    assert_eq!(old, 1, "where it leads is remembered");
}

#[test]
fn endless_redirects_end() {
    let web = Web::new(|request| Answer::empty("302 Found", &[&format!("Location: /{}", request.number)]));
    let trouble = get(&mut Client::new(once()), &web, "a").unwrap_err();
    assert!(trouble.message.as_str().contains("redirects more than 10 times"), "{trouble}");
    assert_eq!(web.requests().len(), 11);
}

#[test]
fn a_redirect_without_a_valid_address_is_an_error() {
    for location in ["", "Location: ftp://h/x", "Location: http://"] {
        let web = Web::new(move |_| {
            Answer::empty("302 Found", &[location].map(|line| if line.is_empty() { "X: y" } else { line }))
        });
        let trouble = get(&mut Client::new(once()), &web, "a").unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Other, "{location}: {trouble}");
    }
}

#[test]
fn header_fields_of_the_user_are_not_sent_to_another_server() {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: {}", other.url("x"));
    let web = Web::new(move |_| Answer::empty("302 Found", &[&location]));
    let config = once();
    let settings = fdsp::client::Web {
        headers: ["X-Key: s3cret", "Cookie: a=b"].map(|field| WebHeader::parse(field).unwrap()).into(),
        user_agent: Some("browser".to_owned()),
        referer: Some("https://example.org/".to_owned()),
        ..config.web.clone()
    };
    let mut client = Client::new(Config { web: settings, ..config });
    get(&mut client, &web, "a").unwrap();
    for (server, is_own) in [(&web, true), (&other, false)] {
        for request in server.requests() {
            let sent = |name, value| request.header(name) == is_own.then_some(value);
            assert!(sent("x-key", "s3cret") && sent("cookie", "a=b"), "{request:?}");
            assert!(sent("referer", "https://example.org/"), "{request:?}");
            assert_eq!(request.header("user-agent"), Some("browser"));
        }
    }
}

#[test]
fn the_password_is_not_sent_to_another_server() {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: {}", other.url("x"));
    let web = Web::new(move |_| Answer::empty("302 Found", &[&location]));
    let mut client = Client::quick();
    let address = Locator::parse(&web.url("a").replace("http://", "http://me:pass%20word@")).unwrap();
    assert!(!address.to_string().contains("pass"));
    let job = client.job_at(address);
    client.run(job).unwrap();
    let sent: Vec<_> =
        web.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [Some("Basic bWU6cGFzcyB3b3Jk".to_owned())]);
    assert!(other.requests().iter().all(|request| request.header("authorization").is_none()));
}

/// The server of the address answers each time: it is not unreachable, and the attempts are counted.
#[test]
fn a_redirect_to_a_server_that_is_away_fails_after_the_retries() {
    for to in ["http://127.0.0.1:1/x", "http://no-such-host.invalid/x"] {
        let location = format!("Location: {to}");
        let web = Web::new(move |_| Answer::empty("302 Found", &[&location]));
        let mut client = Client::new(Config { retries: 2, ..once() });
        let trouble = get(&mut client, &web, "a").unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Connection, "{trouble}");
        assert!(web.requests().len() < 20, "{}", web.requests().len());
    }
}
