//! Which servers a client trusts, and which clients a server accepts, with whole programs.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::process::Signal;

use crate::shared::{
    impostor::Impostor,
    program::{self, Home, Running, Service, at},
    secure::Secure,
};

/// A home with something to serve, and a server of its own.
fn served(options: &str) -> (Home, Service) {
    let home = Home::new();
    home.write("served/file", "content");
    let service = Service::start(&home, &home.path().join("served"), options);
    (home, service)
}

/// Fetches `file` and expects an exit code. Returns the output.
#[track_caller]
fn fetch(home: &Home, code: i32, arguments: &[&str]) -> String {
    let _ = fs::remove_file(home.path().join("got/file"));
    let outcome = home.run([&["-d", "got"], arguments].concat());
    assert_eq!(outcome.code, code, "{arguments:?}: {outcome:#?}");
    assert_eq!(home.path().join("got/file").exists(), code == 0, "{arguments:?}: {outcome:#?}");
    outcome.stderr
}

fn says(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no '{part}' in {text}"));
}

/// The address without its pin.
fn unpinned(address: &str) -> &str {
    address.split('#').next().expect("an address")
}

fn known(home: &Home) -> String {
    fs::read_to_string(home.path().join(".local/state/fdsp/known_servers")).unwrap_or_default()
}

fn set_mode(home: &Home, name: &str, mode: u32) {
    fs::set_permissions(home.path().join(name), fs::Permissions::from_mode(mode)).expect("ours");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_pinned_address_is_sufficient_and_stays_the_same() {
    let (home, first) = served("");
    fetch(&home, 0, &[&first.at("file")]);
    assert_eq!(known(&home), "", "a pin says it all");
    let pin = |service: &Service| service.address.split_once('#').expect("a pin").1.to_owned();
    let before = pin(&first);
    drop(first);
    let second = Service::start(&home, &home.path().join("served"), "");
    assert_eq!(pin(&second), before);
    let state = home.path().join(".local/state/fdsp/server");
    assert_eq!((mode(&state), mode(&state.join("identity.pem"))), (0o700, 0o600));
}

#[test]
fn a_wrong_pin_is_rejected() {
    let (home, service) = served("--public");
    let other = format!("sha256:{}", "0".repeat(64));
    let said = fetch(&home, 5, &[&at(&format!("{}#{other}", unpinned(&service.address)), "file")]);
    says(&said, &["SERVER IDENTITY CHANGED", "the pin is", &other]);
    let port = service.port.to_string();
    let server = ["-H", "127.0.0.1", "-P", &port];
    fetch(&home, 5, &[&server[..], &["--pin", &other, "file"]].concat());
    let right = service.address.split_once('#').expect("a pin").1;
    fetch(&home, 0, &[&server[..], &["--pin", right, "file"]].concat());
}

#[test]
fn a_new_server_is_rejected_until_accepted_and_a_changed_one_always() {
    let (home, service) = served("");
    let address = format!("{}file", unpinned(&service.address));
    says(&fetch(&home, 5, &[&address]), &["is not known yet", "sha256:", "--accept-new"]);
    assert_eq!(known(&home), "");
    fetch(&home, 0, &["--accept-new", &address]);
    let pin = service.address.split_once('#').expect("a pin").1.to_owned();
    assert!(
        known(&home).contains(&format!("127.0.0.1:{} {pin} first-use\n", service.port)),
        "{}",
        known(&home)
    );
    assert_eq!(mode(&home.path().join(".local/state/fdsp/known_servers")), 0o600);
    fetch(&home, 0, &[&address]);

    // As if another server had this address before.
    let list = home.path().join(".local/state/fdsp/known_servers");
    let before = format!("sha256:{}", "0".repeat(64));
    fs::write(&list, known(&home).replace(&pin, &before)).expect("written");
    for arguments in [&[&address[..]][..], &["--accept-new", &address]] {
        let said = fetch(&home, 5, arguments);
        says(&said, &["SERVER IDENTITY CHANGED", "and was", &pin, &before, "known_servers"]);
        assert!(!said.contains("trying again"), "{said}");
    }
    // Its own pin is enough, and so is forgetting the old one.
    fetch(&home, 0, &[&service.at("file")]);
    fs::remove_file(&list).expect("removed");
    fetch(&home, 0, &["--accept-new", &address]);
}

#[test]
fn tls_on_only_one_side_is_reported_by_both() {
    let (home, secure) = served("");
    let port = secure.port.to_string();
    let said = fetch(&home, 3, &["--plain", "-H", "127.0.0.1", "-P", &port, "file"]);
    says(&said, &["with TLS only", "fdsp://", "--plain"]);
    let (home, mut plain) = served("--plain");
    let port = plain.port.to_string();
    assert!(plain.address.starts_with("fdsp+plain://"), "{}", plain.address);
    let said = fetch(&home, 3, &["-H", "127.0.0.1", "-P", &port, "file"]);
    says(&said, &["speaks without TLS", "fdsp+plain://", "--plain"]);
    let event = plain.lines.event("disconnected");
    assert_eq!(event["reason"], "a client with TLS; this server was started without");
    fetch(&home, 0, &["--plain", "-H", "127.0.0.1", "-P", &port, "file"]);
    fetch(&home, 0, &[&plain.at("file")]);
}

#[test]
fn a_token_from_every_source_is_required() {
    let home = Home::new();
    home.write("served/file", "content").write("token", "the-right-one\n").write("wrong", "the-wrong-one");
    for options in ["--token the-right-one", "--token-file token"] {
        let service = Service::start(&home, &home.path().join("served"), options);
        assert!(service.address.contains("://the-right-one@127.0.0.1:"), "{}", service.address);
        fetch(&home, 0, &[&service.at("file")]);
        let bare = service.at("file").replace("the-right-one@", "");
        fetch(&home, 0, &["--token", "the-right-one", &bare]);
        fetch(&home, 0, &["--token-file", "token", &bare]);
        for wrong in
            [&[&bare[..]][..], &["--token-file", "wrong", &bare], &["--token", "the-right-on", &bare]]
        {
            says(&fetch(&home, 5, wrong), &["wants its token"]);
        }
        // The token of the environment is for the server of -H, and for no other address.
        let with_environment = |arguments: &[&str]| {
            let mut command = home
                .command(["--retries", "0", "--retry-max-time", "0.1", "-d", "got"].iter().chain(arguments));
            command.env("FDSP_TOKEN", "the-right-one");
            program::finish(command.spawn().expect("the binary starts")).code
        };
        let (server, pin) = bare.rsplit_once('#').expect("a pin");
        let port = server.trim_end_matches("/file").rsplit(':').next().expect("a port");
        assert_eq!(with_environment(&["-H", "127.0.0.1", "-P", port, "--pin", pin, "file"]), 0);
        assert_eq!(with_environment(&[&bare]), 5);
    }
    let logs = fs::read_dir(home.path().join(".local/state/fdsp")).expect("logs").flatten();
    for log in logs.filter(|log| log.path().extension().is_some_and(|it| it == "log")) {
        let text = fs::read_to_string(log.path()).expect("a log");
        assert!(!text.contains("the-right") && !text.contains("the-wrong"), "{text}");
    }
}

#[test]
fn classic_and_a_token_exclude_each_other() {
    let home = Home::new();
    home.write("served/file", "content").write("token", "the-right-one\n");
    set_mode(&home, "token", 0o600);
    for options in ["--token the-right-one", "--token-file token"] {
        let outcome = home.line(&format!("--serve --headless -P 0 --classic {options} served"));
        assert_eq!(outcome.code, 2, "{outcome:#?}");
        says(outcome.is_one_sentence(), &["neither TLS nor tokens", "leave out --classic"]);
    }
}

#[test]
fn a_token_is_sent_without_tls_only_if_both_sides_allow_it() {
    let (home, service) = served("--plain --token the-right-one");
    let said = fetch(&home, 5, &[&service.at("file")]);
    says(&said, &["could read the token", "--plain"]);
    fetch(&home, 0, &["--plain", &service.at("file")]);
}

/// A relaying server has another certificate: a proof for it is not valid for the real server.
#[test]
fn a_relaying_server_cannot_use_the_proof_of_a_client() {
    let token = "the-right-one-of-22-characters";
    let (home, right) = served(&format!("--token {token}"));
    // The certificate that the client receives instead.
    let upstream = Service::start(&home, &home.path().join("served"), "--plain");
    let protocols = [&b"fdsp/1-proof"[..], b"fdsp/1"];
    let relay = Impostor::start(([127, 0, 0, 1], upstream.port).into(), &protocols, Vec::new());
    let address = format!("fdsp://{token}@{}/file", relay.at);
    fetch(&home, 0, &["--accept-new", &address]);
    says(&known(&home), &[&format!("{} {} first-use\n", relay.at, relay.pin)]);
    let heard = relay.heard();
    let text = String::from_utf8_lossy(&heard).into_owned();
    says(&text, &["\"nonce\":", "\"token_proof\":"]);
    assert!(!text.contains(token), "{text}");

    // The relay sends what it has received to the right server.
    let stream = TcpStream::connect(("127.0.0.1", right.port)).expect("a connection");
    let mut replay = Secure::new(stream, &protocols);
    replay.write_all(&heard).expect("sent");
    let mut answer = Vec::new();
    replay.read_to_end(&mut answer).expect("an answer");
    says(&String::from_utf8_lossy(&answer), &["\"denied\""]);
    assert!(!String::from_utf8_lossy(&answer).contains("welcome"));
    fetch(&home, 0, &[&right.at("file")]);

    // It is a known server now and wants the token itself, but its certificate was not compared.
    relay.select(&[b"fdsp/1"]);
    let before = relay.heard().len();
    says(&fetch(&home, 5, &["--accept-new", &address]), &["the token itself", &relay.pin.to_string()]);
    assert_eq!(relay.heard().len(), before, "the client sent something");
}

/// Only a server whose certificate is verified is sent the token itself.
#[test]
fn a_server_without_proofs_gets_the_token_only_if_its_certificate_is_known() {
    let token = "the-right-one-of-22-characters";
    let (home, upstream) = served(&format!("--plain --token {token}"));
    let old = Impostor::start(([127, 0, 0, 1], upstream.port).into(), &[b"fdsp/1"], Vec::new());
    let address = format!("fdsp://{token}@{}/file", old.at);
    says(&fetch(&home, 5, &[&address]), &["is not known yet"]);
    says(&fetch(&home, 5, &["--accept-new", &address]), &["the token itself", "paste the whole address"]);
    assert_eq!(
        (known(&home), old.heard()),
        (String::new(), Vec::new()),
        "the client sent something, or accepted the server"
    );
    // By a pin.
    fetch(&home, 0, &[&format!("{address}#{}", old.pin)]);
    says(&String::from_utf8_lossy(&old.heard()), &[token]);
    // By its user, as in a file of an earlier version.
    home.write(".local/state/fdsp/known_servers", format!("{} {}\n", old.at, old.pin));
    fetch(&home, 0, &[&address]);
}

#[test]
fn a_server_warns_about_a_short_token() {
    let home = Home::new();
    home.write("served/file", "content").write("token", "of-21-characters-long");
    set_mode(&home, "token", 0o600);
    for (options, warns) in [
        ("--token of-21-characters-long", true),
        ("--token-file token", true),
        ("--token of-22-characters-longer", false),
        ("--public", false),
    ] {
        let mut command = home.command(["--serve", "-P", "0", "--log-file", "log"]);
        command.args(options.split_whitespace()).arg("served");
        let mut server = Running::start(command);
        let address = server.stdout().next();
        assert!(address.starts_with("fdsp://"), "{address}");
        server.signal(Signal::TERM);
        let said = server.end().stderr;
        assert_eq!(said.contains("the token has fewer than 22 characters"), warns, "{said}");
        assert!(!said.contains("of-21"), "{said}");
    }
}

#[test]
fn a_server_does_not_serve_its_own_key_and_tokens() {
    let home = Home::new();
    home.write("served/file", "x")
        .write("served/token", "12345678")
        .write("served/key.pem", "x")
        .write("c", "x");
    let refused = |line: &str, parts: &[&str]| {
        let outcome = home.line(line);
        assert_eq!(outcome.code, 2, "tui {line}: {outcome:#?}");
        says(outcome.is_one_sentence(), parts);
    };
    let state = "/.local/state/fdsp'";
    refused("--serve -P 0", &["cannot serve", state, "another folder", "--hidden never", "XDG_STATE_HOME"]);
    assert!(!home.path().join(".local").exists(), "before anything is made");
    drop(Service::start(&home, &home.path().join("served"), ""));
    refused("--serve -P 0 .local/state", &["cannot serve", state]);
    refused("--serve -P 0 --public .local/state/fdsp/server", &["cannot serve", "it is in", state]);
    refused("--demo", &["cannot serve", state]);
    refused("--serve -P 0 --token-file served/token served", &["/served/token'", "elsewhere"]);
    refused("--serve -P 0 --tls-cert c --tls-key served/key.pem served", &["/served/key.pem'", "elsewhere"]);
    std::os::unix::fs::symlink(".", home.path().join("link")).expect("made");
    refused("--serve -P 0 link", &["cannot serve", state]);
    refused("--serve -P 0 --hidden never", &["cannot serve", state, "--symlinks never"]);
    let service = Service::start(&home, home.path(), "--hidden never --symlinks never");
    fetch(&home, 0, &[&service.at("served/file")]);
    fetch(&home, 4, &[&service.at(".local/state/fdsp/server/identity.pem")]);
}

#[test]
fn a_secret_that_others_can_read_causes_a_warning() {
    let home = Home::new();
    home.write("served/file", "content").write("token", "the-right-one");
    let service = Service::start(&home, &home.path().join("served"), "--token the-right-one");
    let bare = service.at("file").replace("the-right-one@", "");
    for (mode, warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        set_mode(&home, "token", mode);
        let got = format!("got-{mode:o}");
        let outcome = home.run(["--token-file", "token", "-d", &got, &bare]);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let sentence = "tui: warning: other users can read the token in 'token': run chmod 600 on it";
        assert_eq!(outcome.stderr.contains(sentence), warned, "{mode:o}: {outcome:#?}");
    }
    let key = home.path().join(".local/state/fdsp/server/identity.pem");
    fs::copy(key, home.path().join("key.pem")).expect("a key");
    set_mode(&home, "key.pem", 0o644);
    let options = ["--serve", "-P", "0", "--tls-cert", "key.pem", "--tls-key", "key.pem", "served"];
    let mut server = Running::start(home.command(options));
    let sentence = "tui: warning: other users can read the key in 'key.pem': run chmod 600 on it";
    assert_eq!(server.stderr().next(), sentence);
}

#[test]
fn conflicting_options_are_reported() {
    let home = Home::new();
    home.write("served/file", "x").write("short", "x");
    set_mode(&home, "short", 0o600);
    let pin = format!("sha256:{}", "0".repeat(64));
    for (line, parts) in [
        ("--token short1 fdsp://h/a".to_owned(), &["--token", "8 to 128"][..]),
        ("--token-file short fdsp://h/a".to_owned(), &["short", "does not hold a token"]),
        ("--token-file nowhere fdsp://h/a".to_owned(), &["nowhere", "No such file"]),
        ("--token 12345678 --token-file short fdsp://h/a".to_owned(), &["--token", "--token-file"]),
        ("--token 12345678 fdsp://h/a fdsp://g/a".to_owned(), &["one server", "several"]),
        (format!("--pin {pin} --plain -H h a"), &["--pin", "TLS"]),
        ("--pin sha256:00 -H h a".to_owned(), &["64 hex digits"]),
        ("--plain fdsp://h/a".to_owned(), &["--plain", "fdsp+plain://"]),
        ("--protocol classic fdsp://h/a".to_owned(), &["not support TLS", "fdsp+plain://"]),
        ("--serve --accept-new".to_owned(), &["--accept-new", "--serve"]),
        ("--public -H h a".to_owned(), &["--public", "--serve"]),
        ("--serve --public --token 12345678".to_owned(), &["--public"]),
        ("--serve --tls-cert a".to_owned(), &["--tls-key"]),
        ("--serve --tls-key a".to_owned(), &["--tls-cert"]),
        ("--serve --plain --tls-key a --tls-cert a".to_owned(), &["--plain"]),
        (
            "--serve -P 0 --tls-key short --tls-cert short served".to_owned(),
            &["short", "no valid certificate"],
        ),
    ] {
        let outcome = home.line(&line);
        assert_eq!(outcome.code, 2, "tui {line}: {outcome:#?}");
        says(outcome.is_one_sentence(), parts);
        assert!(!outcome.stderr.contains("short1") && !outcome.stderr.contains("12345678"), "{outcome:#?}");
    }
}

#[test]
fn a_certificate_trusted_by_the_system_is_accepted() {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let root = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned()];
    let leaf = rcgen::CertificateParams::new(names).expect("parameters").signed_by(&key, &issuer);
    let home = Home::new();
    home.write("served/file", "content").write("root.pem", root.pem()).write("key.pem", key.serialize_pem());
    home.write("cert.pem", leaf.expect("a certificate").pem());
    let options = "-H localhost --tls-cert cert.pem --tls-key key.pem";
    let service = Service::start(&home, &home.path().join("served"), options);
    assert!(service.address.starts_with("fdsp://localhost:"), "{}", service.address);
    let address = format!("{}file", unpinned(&service.address));
    let vouched = |address: &str| {
        let mut command =
            home.command(["--retries", "0", "--retry-max-time", "0.1", "--overwrite", "-d", "got", address]);
        command.env("SSL_CERT_FILE", home.path().join("root.pem"));
        program::finish(command.spawn().expect("the binary starts")).code
    };
    assert_eq!(vouched(&address), 0);
    assert_eq!(known(&home), "");
    // It is valid for this name only.
    assert_eq!(vouched(&address.replace("localhost", "127.0.0.1")), 5);
    fetch(&home, 5, &[&address]);
}

/// An attacker can write an address with a pin. A session saves the refused download with that pin; a token given later for this host must
/// not be sent to it.
#[test]
fn a_token_is_not_sent_to_the_pin_of_a_saved_download() {
    let (home, service) = served("--plain --token the-right-one");
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], service.port));
    let impostor = Impostor::start(server, &[b"fdsp/1"], Vec::new());
    let port = impostor.at.port().to_string();
    let session = ["--headless", "--session", "s", "-d", "got"];
    let address = format!("fdsp://127.0.0.1:{port}/file#{}", impostor.pin);
    let outcome = home.run([&session[..], &[&address]].concat());
    assert_eq!(outcome.code, 5, "{outcome:#?}");
    says(&outcome.stderr, &["wants its token"]);
    assert!(impostor.heard().windows(5).any(|part| part == b"hello" || part == b"agent"), "it was asked");

    let mut command = home.command([&session[..], &["-H", "127.0.0.1", "-P", &port, "other"]].concat());
    command.env("FDSP_TOKEN", "the-right-one");
    let outcome = program::finish(command.spawn().expect("the binary starts"));
    assert_eq!(outcome.code, 5, "{outcome:#?}");
    says(&outcome.stderr, &["wants its token", "is not known yet"]);
    assert!(!impostor.heard().windows(13).any(|part| part == b"the-right-one"), "the token was sent");
}
