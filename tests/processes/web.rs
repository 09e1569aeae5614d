//! The program against web servers, our own and those that others have written. Where one is not installed, its test says so and ends.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    time::Instant,
};

use serde_json::json;
use sha2::Digest as _;

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

/// A signed link expires in the middle of a download; the next one has another signature.
#[test]
fn an_expired_link_is_replaced_and_what_was_received_stays() {
    let file = noise(9_000_000);
    let served = file.clone();
    let web = Web::new(move |request| match request.path.as_str() {
        "/a.bin?sig=n3w" => Answer::of(request, &served, Some("\"v1\""), &[]),
        _ if request.number == 0 => Answer::of(request, &served, Some("\"v1\""), &[]).cut(5_000_000),
        _ => Answer::empty("403 Forbidden", &[]),
    });
    let home = Home::new();
    let (old, new) = (web.url("a.bin?sig=s3cret"), web.url("a.bin?sig=n3w"));
    let usual = ["--headless", "--json", "--proxy", "none", "--session", "s", "-d", "got", "-s", "1"];
    let expired = home.run(usual.into_iter().chain([old.as_str()]));
    assert_ne!(expired.code, 0, "{expired:#?}");
    assert!(expired.stdout.contains("the link has expired (403 Forbidden)"), "{expired:#?}");
    let again = home.run(["--headless", "--proxy", "none", "--session", "s"]);
    assert!(again.stderr.contains("--replace-address OLD NEW"), "{again:#?}");
    let none = home.run(usual.into_iter().chain(["--replace-address", &web.url("b.bin"), &new]));
    assert_eq!(none.code, 2, "{none:#?}");
    assert!(none.stderr.contains("no unfinished download from"), "{none:#?}");
    let shown = web.url("a.bin?sig=REDACTED");
    let done = home.run(usual.into_iter().chain(["--replace-address", shown.as_str(), new.as_str()]));
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(
        done.events("done")[0]["resumed"].as_u64().is_some_and(|resumed| resumed >= 4_000_000),
        "{done:#?}"
    );
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
    for outcome in [&expired, &again, &none, &done] {
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{outcome:#?}");
    }
}

#[test]
fn netrc_cookies_curl_and_lists_of_checksums_are_options() {
    let web = Web::new(|request| Answer::of(request, b"content", Some("\"v1\""), &[]));
    let home = Home::new();
    let digest = hex::encode(sha2::Sha256::digest(b"content"));
    home.write("sums", format!("{digest}  1.bin\n{digest}  2.bin\n").as_bytes());
    home.write("netrc", b"machine 127.0.0.1 login me password s3cret\n");
    home.write("cookies", b"127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\ts3cret\n");
    fs::set_permissions(home.path().join("netrc"), fs::Permissions::from_mode(0o644)).expect("set");
    fs::set_permissions(home.path().join("cookies"), fs::Permissions::from_mode(0o600)).expect("set");
    let command = format!("curl '{}' -H 'X-Key: s3cret'", web.url("3.bin"));
    let several = web.url("[1-2].bin");
    let usual =
        ["--headless", "--json", "--proxy", "none", "--netrc-file", "netrc", "--load-cookies", "cookies"];
    let outcome = home.run(usual.into_iter().chain([
        "--checksum-file",
        "sums",
        "--glob",
        "-d",
        "got",
        several.as_str(),
    ]));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let proof = json!({"how": "verified", "digest": "sha256", "by": "user"});
    assert!(outcome.events("done").iter().all(|done| done["proof"] == proof), "{outcome:#?}");
    assert!(outcome.stderr.contains("other users can read the passwords in '"), "{outcome:#?}");
    assert!(!outcome.stderr.contains("the cookies in"), "{outcome:#?}");
    assert!(web.requests().iter().all(|request| {
        request.header("authorization") == Some("Basic bWU6czNjcmV0")
            && request.header("cookie") == Some("sid=s3cret")
    }));
    let count = web.requests().len();
    let third = home.run(usual.into_iter().chain(["--session", "s", "-d", "got", command.as_str()]));
    assert_eq!(third.code, 0, "{third:#?}");
    assert!(web.requests()[count..].iter().all(|request| request.header("x-key") == Some("s3cret")));
    let unlisted =
        home.run(usual.into_iter().chain(["--checksum-file", "sums", "-d", "got", &web.url("4.bin")]));
    assert_eq!(unlisted.code, 6, "{unlisted:#?}");
    let wrong = home.run(["--headless", "curl -k -b sid=s3cret https://h/"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("curl's option -k cannot be used here"), "{wrong:#?}");
    for outcome in [&outcome, &third, &unlisted, &wrong] {
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{outcome:#?}");
    }
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
