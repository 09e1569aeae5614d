//! Which servers the screen trusts, and what it sends to them.

use std::{fs, net::SocketAddr};

use crate::{
    pty::harness::{Session, TUI},
    shared::{
        impostor::Impostor,
        program::{Home, Service},
    },
};

const TOKEN: &str = "sesame-sesame-sesame";

/// A server of two small files.
fn served(options: &str) -> (Home, Service) {
    let home = Home::new();
    home.write("served/one", "1").write("served/two", "2");
    let service = Service::start(&home, &home.path().join("served"), options);
    (home, service)
}

/// An attacker can write an address with a pin: a token that is typed later must not be sent to that pin.
#[test]
fn an_address_with_a_token_does_not_inherit_the_pin_of_an_earlier_one() {
    let (_served, service) = served(&format!("--plain --token {TOKEN}"));
    let impostor =
        Impostor::start(SocketAddr::from(([127, 0, 0, 1], service.port)), &[b"fdsp/1"], Vec::new());
    let (port, home) = (impostor.at.port(), tempfile::tempdir().expect("a folder"));
    let mut session = Session::start(TUI, &[], home.path(), (120, 40));
    session.wait_for("quit");
    session.send(&format!("fdsp://127.0.0.1:{port}/one#{}\r", impostor.pin));
    session.wait_for("wants its token");
    session.send(&format!("i\x15fdsp://{TOKEN}@127.0.0.1:{port}/two\r"));
    session.wait_for("Type yes to trust it");
    let heard = impostor.heard();
    assert!(!heard.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "the token was sent");
    session.signal(rustix::process::Signal::TERM);
    session.end();
}

#[test]
fn a_server_removed_from_known_servers_is_a_new_question_at_once() {
    let (_served, service) = served("--public");
    let (port, home) = (service.port.to_string(), tempfile::tempdir().expect("a folder"));
    let arguments = ["-H", "127.0.0.1", "-P", &port, "one"];
    let mut session = Session::start(TUI, &arguments, home.path(), (120, 40));
    session.wait_for("Type yes to trust it");
    session.answer("yes\r");
    session.wait_for("verified");
    let known = home.path().join("fdsp/known_servers");
    let text = fs::read_to_string(&known).expect("it was accepted");
    let kept: String =
        text.lines().filter(|line| !line.contains(&port)).map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    fs::write(&known, kept).expect("written");
    session.send("i\x15two\r");
    session.wait_for("Type yes to trust it");
    assert!(!home.path().join("two").exists());
    session.signal(rustix::process::Signal::TERM);
    session.end();
}

/// An answer typed before its question was shown is ignored, also if only Enter follows.
#[test]
fn an_answer_typed_before_the_question_is_ignored() {
    let (_served, service) = served("--plain --public");
    let server = SocketAddr::from(([127, 0, 0, 1], service.port));
    let impostors = [(); 2].map(|()| Impostor::start(server, &[b"fdsp/1"], Vec::new()));
    let home = tempfile::tempdir().expect("a folder");
    let addresses =
        [("one", 0), ("two", 1)].map(|(path, index)| format!("fdsp://{}/{path}", impostors[index].at));
    let mut session = Session::start(TUI, &[&addresses[0], &addresses[1]], home.path(), (120, 40));
    // Both have failed when the first question is answered.
    session.wait("both refused", |screen| screen.contents().matches("not known yet, its").count() >= 2);
    let asked = |screen: &vt100::Screen| {
        let shown: String = screen.contents().split_whitespace().collect();
        impostors.iter().position(|impostor| shown.contains(&format!("Doesitshow{}?", impostor.pin)))
    };
    session.wait("a question", |screen| asked(screen).is_some());
    let first = usize::from(session.contents().contains(&format!("{} is not known yet. D", impostors[1].at)));
    session.answer("yes\ryes");
    session.wait("the other question", |screen| asked(screen) == Some(1 - first));
    session.send("\r");
    session.wait_for("Type yes or no");
    let known = fs::read_to_string(home.path().join("fdsp/known_servers")).unwrap_or_default();
    assert!(!known.contains(&impostors[1 - first].at.to_string()), "{known}");
    session.send("yes\r");
    session.wait_for("2 of 2 done");
    session.signal(rustix::process::Signal::TERM);
    session.end();
}

/// A server of an older version that was accepted without a question, and needs the token itself.
#[test]
fn a_first_use_server_gets_the_token_only_after_a_question() {
    let (_served, service) = served(&format!("--plain --token {TOKEN}"));
    let server = SocketAddr::from(([127, 0, 0, 1], service.port));
    let old = Impostor::start(server, &[b"fdsp/1"], Vec::new());
    let home = tempfile::tempdir().expect("a folder");
    let known = home.path().join("fdsp/known_servers");
    fs::create_dir_all(home.path().join("fdsp")).expect("a folder");
    let first_use = format!("{} {} first-use\n", old.at, old.pin);
    fs::write(&known, &first_use).expect("written");
    let address = format!("fdsp://{TOKEN}@{}/one", old.at);
    let mut session = Session::start(TUI, &[&address], home.path(), (120, 40));
    session.wait_for("Type yes to trust it");
    let shown: String = session.contents().split_whitespace().collect();
    assert!(shown.contains(&old.pin.to_string()), "{shown}");
    // After the answer "no" nothing is sent, and nothing changes.
    session.answer("no\r");
    session.wait("the answer is taken", |screen| !screen.contents().contains("Type yes"));
    assert_eq!(old.heard(), b"", "the client sent something");
    assert_eq!(fs::read_to_string(&known).expect("it is there"), first_use);
    session.send("\tR");
    session.wait_for("Type yes to trust it");
    assert_eq!(old.heard(), b"", "the client sent something");
    session.answer("yes\r");
    session.wait_for("one: done");
    assert!(old.heard().windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
    assert_eq!(fs::read_to_string(&known).expect("it is there"), first_use.replace(" first-use", ""));
    session.signal(rustix::process::Signal::TERM);
    session.end();
}
