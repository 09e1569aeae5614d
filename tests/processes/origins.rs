//! The `done` event and the log name the server that verified the download.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::shared::{
    folder::{MIB, content},
    program::{Home, Running, Service},
    proxy::Proxy,
    target::until,
};

/// A home with something to serve.
fn home() -> Home {
    let home = Home::new();
    home.write("served/file", content(6 * MIB + 99, 1)).write("served/d/1-small", content(5000, 2));
    home.write("served/d/2-large", content(4 * MIB, 3)).write("served/d/3-small", content(7000, 4));
    home
}

/// A server of this folder, with a certificate of its own.
fn serve(home: &Home, options: &str) -> (Home, Service) {
    let own = Home::new();
    let service = Service::start(&own, &home.path().join("served"), options);
    (own, service)
}

fn pin(service: &Service) -> &str {
    service.address.split_once('#').expect("a pin").1
}

/// Fetches and returns the `done` event. Checks that the log names the same server.
#[track_caller]
fn fetch(home: &Home, arguments: &[&str], address: &str) -> Value {
    fs::write(home.path().join("log"), "").expect("written");
    let outcome = home.run([&["--json", "--log-file", "log", "-d", "got"], arguments, &[address]].concat());
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let done = outcome.events("done").remove(0);
    let origins = done["origins"].as_array().expect("a list");
    let [origin] = &origins[..] else { panic!("not one server: {done}") };
    let from = match origin.as_str().expect("a text") {
        "plain" => ", without TLS",
        pin => {
            let hex = pin.rsplit(':').next().expect("a pin");
            &format!(", certificate {}…", &hex[..8])
        }
    };
    let log = fs::read_to_string(home.path().join("log")).expect("a log");
    assert!(log.lines().any(|line| line.contains(": done, ") && line.ends_with(from)), "{from}: {log}");
    done
}

/// Starts a download and interrupts it once some of it is verified.
fn begin(home: &Home, arguments: &[&str], service: &Service, path: &str, is_begun: impl Fn(&Path) -> bool) {
    let gate = Proxy::gate(SocketAddr::from((Ipv4Addr::LOCALHOST, service.port)), 3 * (MIB + 1000) + 30_000);
    let (own, through) = (format!(":{}/", service.port), format!(":{}/", gate.at().port()));
    let address = service.at(path).replace(&own, &through);
    let mut command = home.command(["-q", "-d", "got"].iter().chain(arguments).chain([&&*address]));
    command.stderr(std::process::Stdio::null());
    let mut client = Running::start(command);
    until("a verified block", || is_begun(&home.path().join("got")));
    client.signal(Signal::INT);
    assert_eq!(client.end().code, 130);
}

/// Counts the lines of a control file that begin with this word.
fn noted(control: &Path, word: &str) -> usize {
    let text = fs::read_to_string(control).unwrap_or_default();
    text.lines().filter(|line| line.split(' ').nth(1) == Some(word)).count()
}

/// Whether enough is verified to see later whether it was used.
fn is_begun(got: &Path) -> bool {
    let blocks = |control: &str| noted(&got.join(control), "block") >= 2;
    blocks("file.part.fdsp")
        || blocks("d.zip.part.fdsp")
        || noted(&got.join("d.part/fdsp-control"), "file") >= 2
}

/// Path, options, and whether local content is compared with another server's instead of fetched again.
const FETCHED: [(&str, &[&str], bool); 3] =
    [("file", &[], true), ("d", &["--as", "zip"], false), ("d", &["--as", "tree"], true)];

#[test]
fn done_names_the_certificate_of_the_server() {
    let home = home();
    let (_first, service) = serve(&home, "");
    for (path, arguments, _) in FETCHED {
        let done = fetch(&home, arguments, &service.at(path));
        assert_eq!(done["origins"], json!([pin(&service)]), "{path}");
        // The target exists and is compared.
        let again = fetch(&home, arguments, &service.at(path));
        assert_eq!(again["origins"], done["origins"], "{path}");
    }
}

#[test]
fn a_server_without_tls_is_reported_as_plain() {
    let home = home();
    let (_own, service) = serve(&home, "--plain --classic");
    for (path, arguments, _) in FETCHED {
        assert_eq!(fetch(&home, arguments, &service.at(path))["origins"], json!(["plain"]), "{path}");
    }
    let done = fetch(&home, &["--protocol", "classic", "--rename"], &service.at("file"));
    assert_eq!(done["origins"], json!(["plain"]));
}

#[test]
fn a_resumed_download_names_the_server_that_verified_all_of_it() {
    for (path, arguments, is_compared) in FETCHED {
        let home = home();
        let (first, second) = (serve(&home, "").1, serve(&home, "").1);
        assert_ne!(pin(&first), pin(&second));
        begin(&home, arguments, &first, path, is_begun);
        let done = fetch(&home, arguments, &first.at(path));
        assert_eq!(done["origins"], json!([pin(&first)]), "{path}");
        assert!(done["resumed"].as_u64() > Some(0), "{done}");
        fs::remove_dir_all(home.path().join("got")).expect("removed");

        begin(&home, arguments, &first, path, is_begun);
        let done = fetch(&home, arguments, &second.at(path));
        assert_eq!(
            done["origins"],
            json!([pin(&second)]),
            "{path}: the blocks of the first server were compared"
        );
        assert_eq!(done["resumed"].as_u64() > Some(0), is_compared, "{done}");
    }
}
