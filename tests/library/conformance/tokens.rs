//! Who is let in.

use std::time::{Duration, Instant};

use fdsp::{
    protocol::{client::Client, error::Code, message::Failure, token::Token},
    server::{Access, Arch, Event, Limits},
};

use crate::conformance::{
    harness::{Served, serve, serve_to},
    peer::{Came, Peer, get},
};

fn token(text: &str) -> Token {
    Token::parse(text).unwrap()
}

/// A server that wants `the-right-one`, and has a file.
fn guarded(arch: Arch) -> Served {
    guarded_by("the-right-one", arch)
}

fn guarded_by(right: &str, arch: Arch) -> Served {
    let served = serve_to(Access::Token(token(right)), arch, Limits::default());
    served.file("file", b"x");
    served
}

fn with(served: &Served, token: Option<&Token>) -> Peer {
    let mut peer = Peer::connect(served.address);
    peer.machine = Client::with_token("conformance", token);
    peer
}

/// What the server says instead of a welcome.
fn refusal(mut peer: Peer) -> Failure {
    peer.request(&crate::conformance::peer::stat("file"));
    let all = peer.rest();
    let [Came::Failed(0, failure), Came::Closed(Ok(()))] = &all[..] else { panic!("{all:?}") };
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

pub fn none_needed(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    assert_eq!(with(&served, Some(&token("any-that-comes"))).get(get("file")).unwrap().bytes, b"x");
}

/// Others go on while somebody waits to be told (where there are others).
pub fn kept_out_slowly(arch: Arch) {
    let served = guarded(arch);
    let start = Instant::now();
    let mut wrong = with(&served, Some(&token("the-wrong-one")));
    wrong.flush();
    if arch != Arch::Single {
        with(&served, Some(&token("the-right-one"))).get(get("file")).unwrap();
    }
    assert_eq!(refusal(wrong).code, Code::Denied);
    assert!(start.elapsed() >= Duration::from_millis(900), "it was told at once");
}

/// Too many wrong ones: not even the right one is let in, for a while, unless nobody could have guessed it.
pub fn turned_away(arch: Arch) {
    // One at a time would take its seconds.
    if arch == Arch::Single {
        return;
    }
    let long = "the-right-one-that-nobody-guesses";
    for right in ["the-right-one", long] {
        let served = guarded_by(right, arch);
        let guesses: Vec<_> = (0..10)
            .map(|number| {
                let mut peer = with(&served, Some(&token(&format!("the-guess-{number}"))));
                peer.flush();
                peer
            })
            .collect();
        guesses.into_iter().for_each(|peer| assert_eq!(refusal(peer).retry_after, None));
        let last = if right == long {
            assert_eq!(with(&served, Some(&token(right))).get(get("file")).unwrap().bytes, b"x");
            "the-guess-10"
        } else {
            right
        };
        let failure = refusal(with(&served, Some(&token(last))));
        assert_eq!(failure.code, Code::Denied);
        assert!(failure.retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)), "{failure:?}");
        served.wait_for_end("turned away");
    }
}
