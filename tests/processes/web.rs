//! The program against web servers, our own and those that others have written. Where one is not installed, its test says so and ends.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    time::Instant,
};

use serde_json::json;

use crate::shared::{
    program::{Home, Running},
    web::{Answer, Web},
};

/// Bytes that do not repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn an_address_of_a_web_server_is_fetched_and_proven() {
    let file = noise(3_000_000);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, Some("\"v1\""), &[]));
    let home = Home::new();
    let url = web.url("a.bin?token=s3cret").replace("http://", "http://me:s3cret@");
    let arguments = ["--headless", "--json", "--proxy", "none", "-d", "got", url.as_str()];
    let outcome = home.run(arguments);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let done = &outcome.events("done")[0];
    assert_eq!((&done["proof"], &done["bytes"]), (&json!({"how": "same-version"}), &json!(3_000_000)));
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
    assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{outcome:#?}");
    let digest = format!("sha256:{}", "0".repeat(64));
    let wrong =
        home.run(["--headless", "--proxy", "none", "--checksum", &digest, "-d", "wrong", &web.url("a.bin")]);
    assert_eq!(wrong.code, 6, "{wrong:#?}");
    let plain = home.run(["--headless", "--proxy", "none", "-d", "plain", &web.url("a.bin")]);
    assert!(plain.stderr.contains("same version, BLAKE3"), "{plain:#?}");
}

/// It has no ranges.
#[test]
fn the_server_of_python_is_fetched_from() {
    let home = Home::new();
    let file = noise(12_000_000);
    home.write("served/a.bin", &file);
    let script = "import functools, http.server as h, sys\n\
        s = h.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(h.SimpleHTTPRequestHandler, directory=sys.argv[1]))\n\
        print(s.server_port, flush=True)\n\
        s.serve_forever()";
    let served = home.path().join("served");
    let mut python =
        Running::start(home.other("python3", ["-c".as_ref(), script.as_ref(), served.as_os_str()]));
    let port = python.stdout().next();
    let url = format!("http://127.0.0.1:{}/a.bin", port.trim());
    let outcome = home.run(["--headless", "--json", "--proxy", "none", "-d", "got", &url]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
}

#[test]
fn nginx_is_fetched_from_in_ranges() {
    let home = Home::new();
    if home.other("nginx", ["-v"]).output().is_err() {
        return eprintln!("skipped: nginx is not installed");
    }
    let file = noise(40_000_000);
    home.write("served/a.bin", &file);
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let at = home.path().display();
    let config = format!(
        "daemon off; pid {at}/pid; error_log {at}/log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/t; proxy_temp_path {at}/t; fastcgi_temp_path {at}/t;\n\
         uwsgi_temp_path {at}/t; scgi_temp_path {at}/t; server {{ listen 127.0.0.1:{port}; root {at}/served; gzip on; }} }}"
    );
    home.write("nginx.conf", config);
    let path = home.path().join("nginx.conf");
    let _nginx = Running::start(home.other("nginx", ["-c".as_ref(), path.as_os_str()]));
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed().as_secs() < 30, "nginx does not listen");
        std::thread::yield_now();
    }
    let url = format!("http://127.0.0.1:{port}/a.bin");
    let outcome = home.run(["--headless", "--json", "--proxy", "none", "-d", "got", &url]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
}
