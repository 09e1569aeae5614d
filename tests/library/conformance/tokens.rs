//! Which clients are accepted.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::{
        address::Security,
        client::Client,
        error::Code,
        message::{Credential, Failure},
        trust::{pin::Pin, token::Token, token_proof::TokenProof},
    },
    server::{Access, Arch, Event, Limits},
};
use serde_json::json;

use crate::conformance::{
    frames,
    harness::{Served, serve, serve_to},
    line::Line,
    peer::{Incoming, Peer, get},
};

fn token(text: &str) -> Token {
    Token::parse(text).unwrap()
}

/// A server with the token `the-right-one` and a file.
fn guarded(arch: Arch) -> Served {
    guarded_by("the-right-one", arch)
}

fn guarded_by(right: &str, arch: Arch) -> Served {
    let served = serve_to(Access::Token(token(right)), arch, Limits::default());
    served.file("file", b"x");
    served
}

fn with(served: &Served, token: Option<&Token>) -> Peer {
    with_credential(served, token.cloned().map(Credential::Token))
}

fn with_credential(served: &Served, credential: Option<Credential>) -> Peer {
    let mut peer = Peer::connect(served.address);
    peer.machine = Client::with_credential("conformance", credential);
    peer
}

/// Proves that it has this token.
fn with_proof(served: &Served, token: &Token, certificate: Pin) -> Peer {
    with_credential(served, Some(Credential::Proof(TokenProof::new(token, certificate, [7; 32]))))
}

/// The certificate of a server with TLS.
fn certificate(served: &Served) -> Option<Pin> {
    match served.server().address().authority.security {
        Security::Tls { pin } => pin,
        Security::Plain => None,
    }
}

/// The error that the server sends instead of a welcome.
fn refusal(mut peer: Peer) -> Failure {
    peer.request(&crate::conformance::peer::stat("file"));
    let all = peer.rest();
    let [Incoming::Failed(0, failure), Incoming::Closed(Ok(()))] = &all[..] else { panic!("{all:?}") };
    failure.clone()
}

pub fn right_and_wrong(arch: Arch) {
    let served = guarded(arch);
    let right = token("the-right-one");
    assert_eq!(with(&served, Some(&right)).get(get("file")).unwrap().bytes, b"x");
    for wrong in
        [None, Some(token("the-wrong-one")), Some(token("the-right-on")), Some(token("the-right-one-"))]
    {
        let failure = refusal(with(&served, wrong.as_ref()));
        assert_eq!((failure.code, failure.retry_after), (Code::Denied, None), "{wrong:?}");
    }
    served.wait_for_end("denied: no token");
    served.wait_for_end("denied: a wrong token");
    let shown = format!("{:?}", served.snapshot());
    assert!(!shown.contains("-one"), "{shown}");
    served.wait("warning", |event| {
        let said = format!("{event} {}", serde_json::to_string(event).unwrap());
        assert!(!said.contains("wrong-one") && !said.contains("right-on-"), "{said}");
        matches!(event, Event::Failed { .. }).then_some(())
    });
    assert_eq!(with(&served, Some(&right)).get(get("file")).unwrap().bytes, b"x");
}

/// A proof is valid for one token and one certificate, and never without TLS.
pub fn proofs(arch: Arch) {
    let served = guarded(arch);
    let (right, other) = (token("the-right-one"), Pin([1; 32]));
    let certificate = certificate(&served);
    if let Some(certificate) = certificate {
        let mut peer = with_proof(&served, &right, certificate);
        assert_eq!(peer.get(get("file")).unwrap().bytes, b"x");
    }
    let wrong = [(token("the-wrong-one"), certificate.unwrap_or(other)), (right, other)];
    // All at once: each is answered after a second.
    let wrong = wrong.map(|(token, certificate)| {
        let mut peer = with_proof(&served, &token, certificate);
        peer.flush();
        peer
    });
    for peer in wrong {
        let failure = refusal(peer);
        assert_eq!((failure.code, failure.retry_after), (Code::Denied, None));
    }
    served.wait_for_end("denied: a wrong token, or the client was shown another certificate");
}

/// The only token has no name.
pub fn token_ids(arch: Arch) {
    let served = guarded(arch);
    let lines = [
        json!({"agent": "by hand", "token": "the-right-one", "token_id": "ann"}),
        json!({"agent": "by hand", "token_id": {"path": "", "expires": 4_000_000_000_u64}}),
    ]
    .map(|hello| {
        let mut line = Line::connect(served.address);
        line.write_all(&[&frames::PREAMBLE[..], &frames::json(0x01, 0, &hello)].concat()).unwrap();
        line
    });
    for mut line in lines {
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).unwrap();
        let [(0x9f, 0, failure)] = &frames::frames(&answer[8..])[..] else { panic!("{answer:?}") };
        let failure: Failure = serde_json::from_slice(failure).unwrap();
        assert_eq!(failure.code, Code::Denied);
    }
    served.wait_for_end("denied: a token_id that this server does not have");
}

pub fn none_needed(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let any = token("any-other-token");
    assert_eq!(with(&served, Some(&any)).get(get("file")).unwrap().bytes, b"x");
    assert_eq!(with_proof(&served, &any, Pin([1; 32])).get(get("file")).unwrap().bytes, b"x");
}

/// Other clients are served while a client waits for its refusal (unless the server serves one at a time).
pub fn a_wrong_token_is_answered_late(arch: Arch) {
    let served = guarded(arch);
    let start = Instant::now();
    let mut wrong = with(&served, Some(&token("the-wrong-one")));
    wrong.flush();
    if arch != Arch::Single {
        with(&served, Some(&token("the-right-one"))).get(get("file")).unwrap();
    }
    assert_eq!(refusal(wrong).code, Code::Denied);
    assert!(start.elapsed() >= Duration::from_millis(900), "it was answered at once");
}

/// After too many wrong tokens or proofs even the right one is rejected for a while, unless it is long.
pub fn rate_limited_after_wrong_tokens(arch: Arch) {
    // One at a time would take several seconds.
    if arch == Arch::Single {
        return;
    }
    let long = "the-right-one-that-cannot-be-guessed";
    for right in ["the-right-one", long] {
        let served = guarded_by(right, arch);
        let certificate = certificate(&served);
        let shown = certificate.unwrap_or(Pin([1; 32]));
        let guesses: Vec<_> = (0..10)
            .map(|number| {
                let guess = token(&format!("the-guess-{number}"));
                let mut peer = match number % 2 {
                    0 => with(&served, Some(&guess)),
                    _ => with_proof(&served, &guess, shown),
                };
                peer.flush();
                peer
            })
            .collect();
        guesses.into_iter().for_each(|peer| assert_eq!(refusal(peer).retry_after, None));
        let mut tries = vec![with(&served, Some(&token(right)))];
        tries.extend(certificate.map(|certificate| with_proof(&served, &token(right), certificate)));
        if right == long {
            for mut peer in tries.drain(..) {
                assert_eq!(peer.get(get("file")).unwrap().bytes, b"x");
            }
        }
        let guess = token("the-guess-10");
        tries.extend([with(&served, Some(&guess)), with_proof(&served, &guess, shown)]);
        for peer in tries {
            let failure = refusal(peer);
            assert_eq!(failure.code, Code::Denied);
            assert!(failure.retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)), "{failure:?}");
        }
        served.wait_for_end("turned away");
    }
}
