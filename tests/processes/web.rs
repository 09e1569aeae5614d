//! The program against web servers, our own and those that others have written. Where one is not installed, its test says so and ends.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    time::Instant,
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

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

/// A free port.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// Waits until a server listens.
fn listens(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed().as_secs() < 60, "it does not listen");
        std::thread::yield_now();
    }
}

/// The path of a program that is a server; those of daemons are not always in PATH.
fn server(home: &Home, name: &str, version: &str) -> Option<String> {
    let places = [name.to_owned(), format!("/usr/sbin/{name}")];
    places
        .into_iter()
        .find(|program| home.other(program, [version]).output().is_ok_and(|out| out.status.success()))
}

/// Starts nginx in a folder of its own, with these lines in its server.
fn nginx(home: &Home, lines: &str) -> Option<Running> {
    let program = server(home, "nginx", "-v")?;
    let at = home.path().display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/t; proxy_temp_path {at}/t; fastcgi_temp_path {at}/t;\n\
         uwsgi_temp_path {at}/t; scgi_temp_path {at}/t; default_type text/plain; gzip_types *; gzip_min_length 1;\n\
         server {{ root {at}/served; {lines} }} }}"
    );
    home.write("nginx.conf", config);
    let path = home.path().join("nginx.conf");
    Some(Running::start(home.other(&program, ["-c".as_ref(), path.as_os_str()])))
}

/// Compression is only for clients that ask for it.
#[test]
fn nginx_is_fetched_from_in_ranges() {
    for gzip in ["on", "off"] {
        let home = Home::new();
        let file = noise(40_000_000);
        home.write("served/a.bin", &file);
        let port = port();
        let Some(_nginx) = nginx(&home, &format!("listen 127.0.0.1:{port}; gzip {gzip};")) else {
            return eprintln!("skipped: nginx is not installed");
        };
        listens(port);
        let url = format!("http://127.0.0.1:{port}/a.bin");
        let outcome = home.run(["--headless", "--json", "--proxy", "none", "-d", "got", &url]);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        assert_eq!(outcome.events("done")[0]["proof"], json!({"how": "same-version"}), "{outcome:#?}");
        assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
    }
}

#[test]
fn nginx_with_a_certificate_of_its_own_is_fetched_from_by_its_authority() {
    let home = Home::new();
    let file = noise(9_000_000);
    home.write("served/a.bin", &file);
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    home.write("cert.pem", made.cert.pem()).write("key.pem", made.signing_key.serialize_pem());
    let (port, at) = (port(), home.path().display().to_string());
    let lines = format!(
        "listen 127.0.0.1:{port} ssl; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;"
    );
    let Some(_nginx) = nginx(&home, &lines) else { return eprintln!("skipped: nginx is not installed") };
    listens(port);
    let url = format!("https://127.0.0.1:{port}/a.bin");
    let arguments = ["--headless", "--json", "--proxy", "none", "--ca-file", "cert.pem", "-d", "got", &url];
    let outcome = home.run(arguments);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
    let unknown = home.run(["--headless", "--proxy", "none", "-d", "other", &url]);
    assert_eq!(unknown.code, 5, "{unknown:#?}");
}

/// Two servers of nginx, one of which has another file of the same size.
#[test]
fn mirrors_are_fetched_from_and_named() {
    let home = Home::new();
    let file = noise(30_000_000);
    home.write("served/a.bin", &file).write("served/other/a.bin", vec![7; file.len()]);
    let port = port();
    let Some(_nginx) = nginx(&home, &format!("listen 127.0.0.1:{port}; limit_rate 4m;")) else {
        return eprintln!("skipped: nginx is not installed");
    };
    listens(port);
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let (first, wrong) = (url("a.bin"), url("other/a.bin"));
    let arguments = ["--headless", "--json", "--proxy", "none", "-d", "got", "--mirror", &wrong, &first];
    let outcome = home.run(arguments);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(fs::read(home.path().join("got/a.bin")).expect("read") == file);
    let sources = &outcome.events("done")[0]["sources"];
    assert!(
        sources[1]["dropped"].as_str().is_some_and(|why| why.contains("another content")),
        "{outcome:#?}"
    );
    assert_eq!((&outcome.events("source")[0]["address"], &sources[1]["bytes"]), (&json!(wrong), &json!(0)));
}

/// Sends a request as a client of S3 does. Returns the answer.
fn s3(port: u16, method: &str, path: &str, fields: &str, body: &[u8]) -> String {
    use std::io::{Read, Write};

    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("received");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    answer
}

/// As of an object storage: the digest is announced when it is asked for, and the tag of an object that was sent in parts is no digest.
#[test]
fn objects_of_an_object_storage_are_fetched_and_proven() {
    let home = Home::new();
    let Some(program) = server(&home, "moto_server", "--help") else {
        return eprintln!("skipped: moto is not installed");
    };
    let port = port();
    let arguments = ["-H".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()];
    let _moto = Running::start(home.other(&program, arguments));
    listens(port);
    let file = noise(6_000_000);
    let public = "x-amz-acl: public-read\r\n";
    s3(port, "PUT", "/bucket", public, b"");
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha256::digest(&file));
    let fields =
        format!("{public}x-amz-sdk-checksum-algorithm: SHA256\r\nx-amz-checksum-sha256: {digest}\r\n");
    s3(port, "PUT", "/bucket/whole.bin", &fields, &file);
    let begun = s3(port, "POST", "/bucket/parts.bin?uploads", public, b"");
    let id = begun.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).expect("an id");
    let mut list = String::from("<CompleteMultipartUpload>");
    for (number, part) in file.chunks(5_500_000).enumerate() {
        let number = number + 1;
        let answer =
            s3(port, "PUT", &format!("/bucket/parts.bin?partNumber={number}&uploadId={id}"), "", part);
        let tag =
            answer.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a tag").trim().to_owned();
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    list += "</CompleteMultipartUpload>";
    s3(port, "POST", &format!("/bucket/parts.bin?uploadId={id}"), "", list.as_bytes());
    for (name, proof) in [
        ("whole.bin", json!({"how": "verified", "digest": "sha256", "by": "server"})),
        ("parts.bin", json!({"how": "same-version"})),
    ] {
        let url = format!("http://127.0.0.1:{port}/bucket/{name}");
        let outcome = home.run(["--headless", "--json", "--proxy", "none", "-d", "got", &url]);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        assert_eq!(outcome.events("done")[0]["proof"], proof, "{outcome:#?}");
        assert!(fs::read(home.path().join("got").join(name)).expect("read") == file);
    }
}

/// A name in it leads to no other folder than one below that of the download.
#[test]
fn a_local_metalink_is_fetched() {
    let home = Home::new();
    let file = noise(3_000_000);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, Some("\"v1\""), &[]));
    let digest = hex::encode(Sha256::digest(&file));
    let metalink = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"../a.bin\"><size>{}</size>\
         <hash type=\"sha-256\">{digest}</hash><url>{}</url></file></metalink>",
        file.len(),
        web.url("x")
    );
    home.write("list.meta4", metalink);
    let outcome = home.run(["--headless", "--json", "--proxy", "none", "-d", "got", "list.meta4"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let proof = json!({"how": "verified", "digest": "sha256", "by": "metalink"});
    assert_eq!(outcome.events("done")[0]["proof"], proof, "{outcome:#?}");
    assert!(fs::read(home.path().join("got/__/a.bin")).expect("read") == file);
    let wrong = home.write("bad.meta4", "<a/>").run(["--headless", "bad.meta4"]);
    assert_eq!(wrong.code, 2, "{wrong:#?}");
}
