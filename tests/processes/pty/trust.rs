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
    session.send(&format!(":\x15fdsp://{TOKEN}@127.0.0.1:{port}/two\r"));
    session.wait_for("Type yes to trust it");
    let heard = impostor.heard();
    assert!(!heard.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "the token was sent");
    session.signal(rustix::process::Signal::TERM);
    session.end();
}

#[test]
fn a_server_removed_from_known_servers_is_asked_about_at_once() {
    let (_served, service) = served("--public");
    let (port, home) = (service.port.to_string(), tempfile::tempdir().expect("a folder"));
    let arguments = ["-H", "127.0.0.1", "-P", &port, "one"];
    let mut session = Session::start(TUI, &arguments, home.path(), (120, 40));
    session.wait_for("Type yes to trust it");
    session.send("yes\r");
    session.wait_for("verified");
    let known = home.path().join("fdsp/known_servers");
    let text = fs::read_to_string(&known).expect("it was accepted");
    let kept: String =
        text.lines().filter(|line| !line.contains(&port)).map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    fs::write(&known, kept).expect("written");
    session.send(":\x15two\r");
    session.wait_for("Type yes to trust it");
    assert!(!home.path().join("two").exists());
    session.signal(rustix::process::Signal::TERM);
    session.end();
}
