//! Connections with TLS that break: damage and truncation are detected, and fetched again.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use fdsp::{
    client::{Command, Config, Doubt, Locator, NewServer, TroubleKind},
    protocol::{
        address::Security,
        trust::{pin::Pin, token::Token},
    },
    server::{self, Access, Certificate, Server},
};
use tempfile::TempDir;

use crate::engine::{
    impostor::Impostor,
    proxy::{Fault, Proxy},
    support::{Client, MIB, config, content},
};

const SIZE: usize = 3 * MIB + 4321;
/// Bytes of the server's side of a handshake, roughly.
const HANDSHAKE: usize = 800;

struct Served {
    folder: TempDir,
    server: Server,
    pin: Pin,
}

fn served() -> Served {
    served_to(Access::Public)
}

fn served_to(access: Access) -> Served {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), content(SIZE, 7)).unwrap();
    let identity = Some(Certificate::Temporary);
    let config = server::Config { identity, access, ..server::Config::local(folder.path()) };
    let server = server::start(config, Arc::new(|_| {})).unwrap();
    let Security::Tls { pin: Some(pin) } = server.address().authority.security else { panic!("no pin") };
    Served { folder, server, pin }
}

/// The file through a proxy, by a pinned address or another one.
fn at(proxy: &Proxy, pin: Option<Pin>) -> Locator {
    let pin = pin.map_or(String::new(), |pin| format!("#{pin}"));
    Locator::parse(&format!("fdsp://{}/a{pin}", proxy.at())).unwrap()
}

#[test]
fn every_network_fault_under_tls_is_detected_and_the_file_is_correct() {
    let served = served();
    for fault in [
        Fault::None,
        Fault::Pieces(3),
        Fault::CutAfter(3),
        Fault::CutAfter(HANDSHAKE / 2),
        Fault::CutAfter(MIB + MIB / 2),
        Fault::ResetAfter(HANDSHAKE),
        Fault::ResetAfter(2 * MIB),
        Fault::HalfCloseAfter(MIB + 5),
        Fault::StallAfter(HANDSHAKE / 2),
        Fault::StallAfter(MIB + 5),
        Fault::Flip(1),
        Fault::Flip(40),
        Fault::Flip(HANDSHAKE / 2),
        Fault::Flip(MIB + MIB / 2),
    ] {
        let proxy = Proxy::start(served.server.local_addr(), vec![fault]);
        // A wrong bit in a length makes one side wait. Where nothing waits, a slow machine must not be mistaken for a stalled side.
        let waits = matches!(fault, Fault::StallAfter(_) | Fault::Flip(_));
        let timeout = Duration::from_secs(if waits { 2 } else { 30 });
        let mut client = Client::new(Config { timeout, segments: 1, ..config() });
        let job = client.job_at(at(&proxy, Some(served.pin)));
        let finished = client.run(job).unwrap_or_else(|trouble| panic!("{fault:?}: {trouble}"));
        assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7), "{fault:?}");
        match fault {
            Fault::None | Fault::Pieces(_) => assert_eq!(proxy.carrying(), 1, "{fault:?}"),
            // A third one may have asked for the digest alone.
            _ => assert!((2..=3).contains(&proxy.connections()), "{fault:?}"),
        }
        assert!(finished.transferred <= (SIZE + 2 * MIB) as u64, "{fault:?}: {}", finished.transferred);
    }
}

#[test]
fn jobs_that_wait_for_an_unknown_server_resume_once_it_is_trusted() {
    let served = served();
    let proxy = Proxy::start(served.server.local_addr(), Vec::<Fault>::new());
    let mut client = Client::quick();
    let address = at(&proxy, None);
    let job = client.job_at(address.clone());
    let id = client.add(job);
    let trouble = client.end(id).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    let unknown = NewServer { server: address.server(), pin: served.pin };
    assert_eq!(trouble.doubt(), Some(&Doubt::New(unknown.clone())));
    // A user compares pins.
    std::thread::sleep(Duration::from_millis(100));
    let trusted = Instant::now();
    client.engine.command(Command::Trust(unknown));
    let finished = client.end(id).unwrap();
    assert!(finished.seconds <= trusted.elapsed().as_secs_f64(), "{} s", finished.seconds);
    assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7));

    // Another certificate at its address is refused at once, without a question.
    let other = self::served();
    proxy.lead_to(other.server.local_addr());
    drop(served);
    fs::remove_file(&finished.path).unwrap();
    let server = address.server();
    let job = client.job_at(address);
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    assert_eq!(trouble.doubt(), Some(&Doubt::Other(server)), "{trouble}");
    assert!(trouble.message.as_str().contains("SERVER IDENTITY CHANGED"), "{trouble}");
    assert!(other.folder.path().join("a").exists());
}

#[test]
fn jobs_refused_without_a_token_resume_once_it_is_given() {
    let token = Token::parse("sesame-sesame-sesame").unwrap();
    let served = served_to(Access::Token(token.clone()));
    let mut client = Client::quick();
    let whole = Locator::from(served.server.address().clone()).join("a").unwrap();
    assert_eq!(whole.revealed().matches(token.reveal()).count(), 1);
    // It is shown without its token.
    let job = client.job_at(Locator::parse(&whole.to_string()).unwrap());
    let id = client.add(job);
    let trouble = client.end(id).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    client.engine.command(Command::Reach(whole.server()));
    let finished = client.end(id).unwrap();
    assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7));
    let kept = client.engine.saved();
    assert_eq!(kept.queue[0].new.address, whole, "the next start knows it, too");
}

/// A server of another protocol may do anything with bytes that it does not understand. A pinned server of an earlier version is sent the
/// token itself.
#[test]
fn nothing_is_sent_to_a_server_that_did_not_select_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), content(5000, 7)).unwrap();
    let server = server::start(server::Config::local(folder.path()), Arc::new(|_| {})).unwrap();
    let token = Token::parse("sesame-sesame-sesame").unwrap();
    let (old, proof) = (&b"fdsp/1"[..], &b"fdsp/1-proof"[..]);
    for (protocols, said) in [
        (&[][..], None),
        (&[old][..], Some("\"token\":\"sesame-sesame-sesame\"")),
        (&[proof, old], Some("\"token_proof\":")),
        (&[proof], Some("\"token_proof\":")),
    ] {
        let impostor = Impostor::start(server.local_addr(), protocols, Vec::new());
        let address = format!("fdsp://{}@{}/a#{}", token.reveal(), impostor.at, impostor.pin);
        let mut client = Client::quick();
        let job = client.job_at(Locator::parse(&address).unwrap());
        let ended = client.run(job);
        let heard = String::from_utf8_lossy(&impostor.heard()).into_owned();
        if let Some(said) = said {
            ended.unwrap();
            assert!(heard.contains(said), "{heard}");
            assert_eq!(heard.contains("sesame"), said.contains("sesame"), "{heard}");
        } else {
            let trouble = ended.unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Connection, "{trouble}");
            assert!(trouble.message.as_str().contains("is not an fdsp server"), "{trouble}");
            assert_eq!(heard, "", "the client sent something");
        }
    }
}
