//! Sessions that are resumed, and those that must not be.

use std::{fs, ops::ControlFlow, path::PathBuf, time::Duration};

use crate::{
    client::{
        api::settings::config::Trust,
        source::{fdsp::link::Link, limiter::Limiter, timeouts::Timeouts},
    },
    protocol::{
        address::Security,
        client::{Event, Request},
        message::Stat,
    },
    server::{self, Arch, Certificate, Server},
};

use super::*;

fn served(arch: Arch) -> (tempfile::TempDir, Server, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Some(Certificate::Temporary);
    let config = server::Config { arch, identity, ..server::Config::local(folder.path()) };
    let server = server::start(config, Arc::new(|_: &server::Event| {})).unwrap();
    let authority = Authority { token: None, ..server.address().authority.clone() };
    (folder, server, authority)
}

/// Connects, and has a request answered. Returns whether the session was resumed.
async fn connect(authority: &Authority, handshakes: &Handshakes) -> Result<bool, Fault> {
    let silence = Duration::from_secs(30);
    let timeouts = Timeouts { silence, speed_limit: 0, speed_time: silence };
    let mut link = Link::open(authority, timeouts, handshakes).await?;
    let request = Request::Stat(Stat { path: String::new() });
    let answered = |event: Event<'_>| {
        let is_answer = matches!(event, Event::Meta { .. } | Event::Failed { .. });
        Ok(if is_answer { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    link.ask(&request, &Limiter::new(None), answered).await?;
    let is_resumed = link.is_resumed();
    link.close().await;
    Ok(is_resumed)
}

fn without_pin(authority: &Authority) -> Authority {
    Authority { security: Security::Tls { pin: None }, ..authority.clone() }
}

/// Accepts new servers, and remembers them in a file.
fn accepting() -> (tempfile::TempDir, PathBuf, Handshakes) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("known_servers");
    let trust = Trust { known: Some(path.clone()), accept_new: true, ..Trust::default() };
    (place, path, Handshakes::new(trust))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_resumes_the_session_of_the_first_with_every_architecture() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let (_folder, _server, authority) = served(arch);
        let handshakes = Handshakes::new(Trust::default());
        assert!(!connect(&authority, &handshakes).await.unwrap(), "{arch}");
        for _ in 0..3 {
            assert!(connect(&authority, &handshakes).await.unwrap(), "{arch}");
        }
        let others = Handshakes::new(Trust::default());
        assert!(!connect(&authority, &others).await.unwrap(), "{arch}: another run has no sessions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_trust_is_removed_has_to_show_its_certificate_again() {
    let (_folder, _server, authority) = served(Arch::Async);
    let ((_place, path, handshakes), authority) = (accepting(), without_pin(&authority));
    assert!(!connect(&authority, &handshakes).await.unwrap());
    assert!(connect(&authority, &handshakes).await.unwrap());
    fs::write(&path, "").unwrap();
    assert!(!connect(&authority, &handshakes).await.unwrap(), "the line was deleted");
    assert!(connect(&authority, &handshakes).await.unwrap(), "it was accepted again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_never_resumed_for_another_pin() {
    let (_folder, _server, authority) = served(Arch::Async);
    let handshakes = Handshakes::new(Trust::default());
    connect(&authority, &handshakes).await.unwrap();
    assert!(connect(&authority, &handshakes).await.unwrap());
    let other = Authority { security: Security::Tls { pin: Some(Pin([7; 32])) }, ..authority.clone() };
    let fault = connect(&other, &handshakes).await.unwrap_err();
    assert!(fault.trouble.message.as_str().contains("SERVER IDENTITY CHANGED"), "{}", fault.trouble);
    assert!(connect(&authority, &handshakes).await.unwrap(), "the right pin still resumes");
    let (_place, _, handshakes) = accepting();
    let unpinned = without_pin(&authority);
    connect(&unpinned, &handshakes).await.unwrap();
    assert!(!connect(&authority, &handshakes).await.unwrap(), "sessions belong to one address and pin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_has_to_be_of_the_certificate_that_was_trusted() {
    let (_folder, _server, authority) = served(Arch::Async);
    let handshakes = Handshakes::new(Trust::default());
    connect(&authority, &handshakes).await.unwrap();
    let name = server_name(&authority).unwrap();
    let sessions = handshakes.take(&authority).unwrap();
    let wrong = Sessions { pin: Some(Pin([7; 32])), ..sessions };
    let stream = TcpStream::connect((authority.host.as_str(), authority.port)).await.unwrap();
    let connection = UnbufferedClientConnection::new(Arc::clone(&wrong.config), name.clone()).unwrap();
    let mut session = Session::new(connection);
    while !session.is_established() {
        session.open(&mut Vec::new()).unwrap();
        flush(&stream, &mut session).await.unwrap();
        if !session.is_established() {
            assert_ne!(receive(&stream, &mut session).await.unwrap(), 0);
        }
    }
    assert!(session.is_resumed());
    let error = verify_resumed(&session, &wrong, &name).unwrap_err();
    assert!(error.to_string().contains("another certificate"), "{error}");
}
