//! User names, passwords, cookies and header fields: each is sent to the server that it is for, and to no other.

use std::sync::Arc;

use fdsp::client::{
    Command, Config, Cookies, CurlCommand, Doubt, Edit, Event, Locator, Netrc, NewJob, TroubleKind, Trust,
    Web as Settings, WebHeader,
};

use super::{TAG, assert_content, get, job, once};
use crate::{
    engine::support::Client,
    shared::web::{Answer, Request, Web},
};

/// A server with the content, and one that redirects to it. Both are other origins, by their ports.
fn redirected() -> (Web, Web) {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: {}", other.url("x"));
    (Web::new(move |_| Answer::empty("302 Found", &[&location])), other)
}

fn with(settings: impl FnOnce(&mut Settings)) -> Config {
    let mut config = once();
    settings(&mut config.web);
    config
}

/// The values of a field in all requests; every request is the same.
#[track_caller]
fn sent(web: &Web, name: &str) -> Option<String> {
    let values: Vec<_> =
        web.requests().iter().map(|request| request.header(name).map(str::to_owned)).collect();
    assert!(!values.is_empty() && values.iter().all(|value| *value == values[0]), "{values:?}");
    values[0].clone()
}

#[test]
fn a_password_of_netrc_is_sent_to_the_server_of_the_address_alone() {
    let (web, other) = redirected();
    let netrc = Netrc::parse("machine 127.0.0.1 login me password s3cret").unwrap();
    let mut client = Client::new(with(|web| web.netrc = Some(Arc::new(netrc))));
    get(&mut client, &web, "a").unwrap();
    assert_eq!(sent(&web, "authorization").as_deref(), Some("Basic bWU6czNjcmV0"));
    assert_eq!(sent(&other, "authorization"), None);
}

#[test]
fn what_the_address_or_a_field_says_comes_before_netrc() {
    let netrc =
        Netrc::parse("machine 127.0.0.1 login me password s3cret default login x password y").unwrap();
    for (user, header, expected) in [
        ("me:other@", None, Some("Basic bWU6b3RoZXI=")),
        ("me@", None, Some("Basic bWU6czNjcmV0")),
        ("", Some("Authorization: Bearer t"), Some("Bearer t")),
    ] {
        let web = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
        let mut client = Client::new(with(|web| web.netrc = Some(Arc::new(netrc.clone()))));
        let address = web.url("a").replace("http://", &format!("http://{user}"));
        let headers = header.map(|header| WebHeader::parse(header).unwrap());
        let job = client.job_at(Locator::parse(&address).unwrap());
        client.run(NewJob { headers: headers.into_iter().collect(), ..job }).unwrap();
        assert_eq!(sent(&web, "authorization").as_deref(), expected, "{user}");
    }
}

#[test]
fn cookies_are_sent_to_what_they_match_also_after_a_redirect() {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let location = format!("Location: http://localhost:{}/x", other.at.port());
    let web = Web::new(move |_| Answer::empty("302 Found", &[&location]));
    let line = |domain: &str, path: &str, secure: &str, expiry: &str, name: &str| {
        format!("{domain}\tFALSE\t{path}\t{secure}\t{expiry}\t{name}\ts3cret\n")
    };
    let file = [
        line("127.0.0.1", "/", "FALSE", "0", "own"),
        line("127.0.0.1", "/dir/", "FALSE", "0", "dir"),
        line("127.0.0.1", "/other", "FALSE", "0", "path"),
        line("127.0.0.1", "/", "TRUE", "0", "secure"),
        line("127.0.0.1", "/", "FALSE", "1000", "expired"),
        line("#HttpOnly_localhost", "/", "FALSE", "0", "second"),
    ]
    .concat();
    let cookies = Cookies::parse(file.as_bytes()).unwrap();
    let mut client = Client::new(with(|web| web.cookies = Some(Arc::new(cookies))));
    get(&mut client, &web, "dir/a").unwrap();
    assert_eq!(sent(&web, "cookie").as_deref(), Some("dir=s3cret; own=s3cret"));
    assert_eq!(sent(&other, "cookie").as_deref(), Some("second=s3cret"));
}

#[test]
fn a_command_of_curl_is_requested_with_its_fields() {
    let (web, other) = redirected();
    let text = format!(
        "curl '{}' -H 'X-Key: s3cret' -b 'sid=1' -u me:pass -A agent -e https://r.example/ -H 'Range: bytes=0-1' --compressed",
        web.url("a")
    );
    let CurlCommand { address, headers } = CurlCommand::parse(&text).unwrap();
    let cookies = Cookies::parse(b"127.0.0.1\tFALSE\t/\tFALSE\t0\tjar\t2").unwrap();
    let mut client = Client::new(with(|web| {
        web.cookies = Some(Arc::new(cookies));
        web.user_agent = Some("configured".to_owned());
        web.referer = Some("https://configured.example/".to_owned());
    }));
    let job = client.job_at(Locator::Http(address));
    let finished = client.run(NewJob { headers, ..job }).unwrap();
    assert_content(&finished, b"content");
    for (name, value) in [
        ("x-key", "s3cret"),
        ("cookie", "sid=1; jar=2"),
        ("authorization", "Basic bWU6cGFzcw=="),
        ("user-agent", "agent"),
        ("referer", "https://r.example/"),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(sent(&web, name).as_deref(), Some(value), "{name}");
    }
    for name in ["x-key", "authorization", "referer"] {
        assert_eq!(sent(&other, name), None, "{name}");
    }
    assert_eq!(sent(&other, "cookie").as_deref(), Some("jar=2"), "it matches that server by its own rules");
    assert_eq!(sent(&other, "user-agent").as_deref(), Some("configured"));
}

#[test]
fn header_fields_are_not_sent_to_the_server_of_a_new_address() {
    let old = Web::new(|_| Answer::empty("404 Not Found", &[]));
    let new = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let mut client = Client::new(once());
    let headers = vec![WebHeader::parse("X-Key: s3cret").unwrap()];
    let id = client.add(NewJob { headers, ..job(&client, &old, "a") });
    client.end(id).unwrap_err();
    let address = Locator::parse(&new.url("a")).unwrap();
    client.engine.command(Command::Edit(id, Edit::Address(address)));
    client.end(id).unwrap();
    assert_eq!(sent(&old, "x-key").as_deref(), Some("s3cret"));
    assert_eq!(sent(&new, "x-key"), None);
}

/// The metalink chooses them, not the user.
#[test]
fn what_the_user_has_given_is_not_sent_to_servers_that_a_metalink_names() {
    let other = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let text = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"f\"><size>7</size><url>{}</url></file></metalink>",
        other.url("x")
    );
    let web = Web::new(move |_| Answer::whole(text.as_bytes(), &["Content-Type: application/metalink4+xml"]));
    let netrc = Netrc::parse("default login x password y").unwrap();
    let mut client = Client::new(with(|web| {
        web.netrc = Some(Arc::new(netrc));
        web.headers = vec![WebHeader::parse("X-Key: s3cret").unwrap()];
        web.referer = Some("https://example.org/".to_owned());
    }));
    let job = job(&client, &web, "f.meta4");
    client.add(job);
    client.wait("the file", |event| match event {
        Event::Done { .. } => Some(()),
        Event::Failed { trouble, .. } => panic!("{trouble}"),
        _ => None,
    });
    for (name, value) in
        [("x-key", "s3cret"), ("authorization", "Basic eDp5"), ("referer", "https://example.org/")]
    {
        assert_eq!(sent(&web, name).as_deref(), Some(value));
        assert_eq!(sent(&other, name), None);
    }
}

#[test]
fn all_cookies_are_in_one_field() {
    let web = Web::new(|request| Answer::of(request, b"content", TAG, &[]));
    let mut client = Client::new(once());
    let headers = ["Cookie: a=1", "Cookie: b=2"].map(|text| WebHeader::parse(text).unwrap()).to_vec();
    let job = NewJob { headers, ..job(&client, &web, "a") };
    client.run(job).unwrap();
    assert_eq!(sent(&web, "cookie").as_deref(), Some("a=1; b=2"));
}

/// With `--accept-new` the certificate of an unknown server is accepted, but not verified.
#[test]
fn secrets_are_not_sent_to_a_server_whose_certificate_is_not_verified() {
    let serve = |request: &Request| Answer::of(request, b"content", TAG, &[]);
    let config = || {
        let config = once();
        Config { trust: Trust { accept_new: true, ..config.trust.clone() }, ..config }
    };
    let web = Web::secure(serve);
    let pin = web.pin.clone().unwrap();
    let secret = |address: &str| Locator::parse(&address.replace("https://", "https://me:s3cret@")).unwrap();
    let mut client = Client::new(config());
    let job = client.job_at(secret(&web.url("a")));
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert!(matches!(trouble.doubt(), Some(Doubt::New(new)) if new.pin.to_string() == pin), "{trouble}");
    assert!(trouble.message.as_str().contains(&format!("add #{pin}")), "{trouble}");
    assert!(web.requests().is_empty(), "nothing was sent");
    // Without secrets it is accepted; that is not enough to send secrets afterwards.
    get(&mut client, &web, "b").unwrap();
    let count = web.requests().len();
    let job = client.job_at(secret(&web.url("c")));
    assert_eq!(client.run(job).unwrap_err().kind, TroubleKind::Refused);
    assert_eq!(web.requests().len(), count);
    // The pin is.
    let job = client.job_at(secret(&format!("{}#{pin}", web.url("d"))));
    assert_content(&client.run(job).unwrap(), b"content");
    assert!(web.requests()[count..].iter().all(|request| request.header("authorization").is_some()));
}
