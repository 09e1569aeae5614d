//! Clients that speak HTTP.

mod client;
mod operators;

use std::{
    fs::OpenOptions,
    io::{Cursor, Read},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use fdsp::{
    protocol::trust::token::Token,
    server::{Access, Arch, Command, Event, Limits},
};
use sha2::{Digest, Sha256};

use self::client::Browser;
pub use self::operators::{access_log, access_log_of_a_cut, metrics, response_headers};
use crate::conformance::{
    harness::{Served, is_secure, noise, serve, serve_to, serve_with},
    peer::{Peer, get},
};

/// More than all buffers on the way hold.
const LARGE: usize = 12 << 20;

/// A file of every size is sent whole, and its head alone for HEAD.
pub fn files(arch: Arch) {
    let served = serve(arch);
    let mut browser = Browser::connect(served.address);
    for (size, name) in [(0, "empty.txt"), (1, "one.bin"), (300_000, "a b.png"), (3_000_001, "\u{fc}.html")] {
        let content = noise(size, 7);
        served.file(name, &content);
        let target = name.replace(' ', "%20").replace('\u{fc}', "%C3%BC");
        for method in ["GET", "HEAD"] {
            if arch == Arch::Single {
                browser = Browser::connect(served.address);
            }
            browser.ask(method, &format!("/{target}"), "");
            let response = browser.head().unwrap();
            assert_eq!(response.status, 200, "{name}");
            assert_eq!(response.field("Content-Length"), Some(size.to_string().as_str()));
            assert_eq!(response.field("Accept-Ranges"), Some("bytes"));
            assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"));
            assert!(response.field("ETag").is_some_and(|tag| tag.len() == 34 && tag.starts_with('"')));
            assert!(response.field("Last-Modified").is_some() && response.field("Date").is_some());
            assert_eq!(response.field("Connection"), (arch == Arch::Single).then_some("close"));
            let disposition = response.field("Content-Disposition").unwrap().to_owned();
            assert!(disposition.ends_with(&format!("filename*=UTF-8''{target}")), "{disposition}");
            let is_active = name.ends_with("html");
            assert_eq!(disposition.starts_with("attachment"), is_active);
            assert_eq!(response.field("Content-Security-Policy").is_some(), is_active);
            if method == "GET" {
                assert!(browser.body(response).unwrap().body == content, "{name}");
            }
        }
    }
    served.wait("the whole file", |event| match event {
        Event::Sent { bytes: 3_000_001, part: false, .. } => Some(()),
        _ => None,
    });
    let row = |row: &fdsp::server::ConnectionView| row.dialect == Some("http");
    if arch != Arch::Single {
        assert!(served.snapshot().rows.iter().any(row));
    }
    let missing = Browser::connect(served.address).get("/absent");
    assert_eq!((missing.status, missing.text()), (404, "absent: not found\n"));
    assert_eq!(Browser::connect(served.address).get("/one.bin/").status, 404);
}

/// Ranges are as exact as they are asked for, and of the version that is asked for.
pub fn ranges(arch: Arch) {
    let served = serve(arch);
    let content = noise(3_000_001, 3);
    served.file("file", &content);
    let fetch = |fields: &str| Browser::connect(served.address).get_with("/file", fields);
    let tag = fetch("").field("ETag").unwrap().to_owned();
    for (range, expected) in [
        ("0-0", 0..1),
        ("1048575-1048577", 1_048_575..1_048_578),
        ("2999999-", 2_999_999..3_000_001),
        ("-5", 2_999_996..3_000_001),
    ] {
        let response = fetch(&format!("Range: bytes={range}\r\nIf-Range: {tag}\r\n"));
        assert_eq!(response.status, 206);
        let expected_field = format!("bytes {}-{}/3000001", expected.start, expected.end - 1);
        assert_eq!(response.field("Content-Range"), Some(expected_field.as_str()));
        assert!(response.body == content[expected], "{range}");
    }
    let after = fetch("Range: bytes=3000001-\r\n");
    assert_eq!((after.status, after.field("Content-Range")), (416, Some("bytes */3000001")));
    assert_eq!(fetch("Range: bytes=0-1,5-6\r\n").status, 200);
    assert_eq!(fetch(&format!("If-None-Match: {tag}\r\n")).status, 304);
    assert_eq!(fetch("If-Match: \"other\"\r\n").status, 412);
    served.file("file", &noise(3_000_001, 4));
    let changed = fetch(&format!("Range: bytes=5-\r\nIf-Range: {tag}\r\n"));
    assert_eq!((changed.status, changed.body.len()), (200, 3_000_001), "another version is not continued");
}

/// A folder is a page, JSON, and a zip.
pub fn folders(arch: Arch) {
    let served = serve(arch);
    served.directory("a folder/deeper");
    served.file("a folder/<b>&.txt", &noise(300_000, 1));
    served.file("a folder/text", "text ".repeat(100_000).as_bytes());
    let fetch = |target: &str| Browser::connect(served.address).get(target);
    let redirect = fetch("/a%20folder?sort=-size");
    assert_eq!((redirect.status, redirect.field("Location")), (302, Some("./a%20folder/?sort=-size")));
    let page = fetch("/a%20folder/");
    assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(
        page.field("Content-Security-Policy").unwrap().starts_with("default-src 'none'; style-src 'sha256-")
    );
    let text = page.text();
    for part in [
        "href=\"./deeper/\"",
        "href=\"./%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt</a>",
        "tui fdsp",
        "href=\"?zip\"",
        "href=\"?tar\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("<b>") && !text.contains("<script"), "{text}");
    assert_eq!(fetch("/").status, 200);
    let mut old = Browser::connect(served.address);
    old.send("GET /a%20folder/ HTTP/1.0\r\n\r\n");
    let old = old.receive().unwrap();
    assert!(old.field("Content-Length").is_some() && old.body.len() > 1000, "{old:?}");
    let json: serde_json::Value = serde_json::from_slice(&fetch("/a%20folder?json").body).unwrap();
    let names: Vec<_> =
        json.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["<b>&.txt", "deeper", "text"]);
    assert_eq!((&json[0]["size"], &json[0]["href"]), (&300_000.into(), &"./%3Cb%3E%26.txt".into()));
    for _ in 0..2 {
        let zip = fetch("/a%20folder?zip");
        assert_eq!(zip.field("Content-Type"), Some("application/zip"));
        let mut archive = zip::ZipArchive::new(Cursor::new(zip.body)).unwrap();
        let mut found = Vec::new();
        archive.by_name("a folder/<b>&.txt").unwrap().read_to_end(&mut found).unwrap();
        assert!(found == noise(300_000, 1));
    }
    served.wait("a whole archive", |event| match event {
        Event::Sent { part: false, .. } => Some(()),
        _ => None,
    });
}

/// An archive whose size is known is continued like a file.
pub fn ranges_of_an_archive(arch: Arch) {
    let served = serve(arch);
    served.directory("photos");
    served.file("photos/a.jpg", &noise(2_500_000, 1));
    served.file("photos/b.jpg", &noise(700_000, 2));
    let fetch = |fields: &str| Browser::connect(served.address).get_with("/photos?zip", fields);
    let whole = fetch("");
    assert_eq!(whole.field("Accept-Ranges"), Some("bytes"));
    assert_eq!(whole.field("Content-Length"), Some(whole.body.len().to_string().as_str()));
    let tag = whole.field("ETag").unwrap();
    for start in [1, 1_048_576, 2_600_001] {
        let rest = fetch(&format!("Range: bytes={start}-{}\r\nIf-Range: {tag}\r\n", start + 99_999));
        assert_eq!(rest.status, 206);
        assert!(rest.body == whole.body[start..start + 100_000], "{start}");
    }
    served.file("photos/b.jpg", &noise(700_000, 3));
    assert_eq!(fetch(&format!("Range: bytes=5-\r\nIf-Range: {tag}\r\n")).status, 200);
}

/// Digests are those of the usual programs, and a digest that is known is said of every answer.
pub fn digests(arch: Arch) {
    let served = serve(arch);
    let content = noise(2_500_000, 5);
    served.file("file", &content);
    let fetch = |target: &str| Browser::connect(served.address).get(target);
    let repr = |content: &[u8]| format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(content)));
    // A small file always has it; a large one has it where it is asked for, and from then on.
    assert_eq!(fetch("/file").field("Repr-Digest"), Some(repr(&content).as_str()));
    let large = noise(17 << 20, 6);
    served.file("large", &large);
    let fetch_with = |fields: &str| Browser::connect(served.address).get_with("/large", fields);
    for fields in ["", "Want-Repr-Digest: sha-512=1\r\n"] {
        assert_eq!(fetch_with(fields).field("Repr-Digest"), None, "{fields}");
    }
    // It does not wait for the digest, although it is asked for.
    assert_eq!(fetch_with("Want-Repr-Digest: sha-256=1\r\nRange: bytes=0-0\r\n").field("Repr-Digest"), None);
    let mut browser = Browser::connect(served.address);
    browser.ask("HEAD", "/large", "Want-Digest: sha-256\r\n");
    let asked = browser.head().unwrap();
    assert_eq!(asked.field("Repr-Digest"), Some(repr(&large).as_str()));
    assert_eq!(
        asked.field("Digest"),
        Some(format!("SHA-256={}", STANDARD.encode(Sha256::digest(&large))).as_str())
    );
    assert_eq!(fetch_with("").field("Repr-Digest"), Some(repr(&large).as_str()));
    assert_eq!(fetch_with("Want-Repr-Digest: sha-256=0\r\n").field("Repr-Digest"), None);
    for _ in 0..2 {
        assert_eq!(fetch("/file?blake3").text(), format!("{}  file\n", blake3::hash(&content)));
        let line = fetch("/file?sha256").text().to_owned();
        assert!(line.len() == 64 + 7 && line.ends_with("  file\n"), "{line}");
    }
    served.file("abc", b"abc");
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n";
    assert_eq!(fetch("/abc?sha256").text(), known);
    let digest = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    assert_eq!(fetch("/abc").field("Repr-Digest"), Some(digest));
    served.file("empty", b"");
    assert_eq!(fetch("/empty?blake3").text(), format!("{}  empty\n", blake3::hash(b"")));
    served.file("abc", b"abd");
    assert_eq!(fetch("/abc").field("Repr-Digest"), Some(repr(b"abd").as_str()), "not of the file as it was");
    assert_eq!((fetch("/?sha256").status, fetch("/?meta4").status), (400, 400));
}

/// A metalink has the digests of a file and of its pieces.
pub fn metalinks(arch: Arch) {
    let served = serve(arch);
    let content = noise(2_500_000, 5);
    served.directory("a b");
    served.file("a b/<file>&", &content);
    let response = Browser::connect(served.address).get("/a%20b/%3Cfile%3E%26?meta4");
    assert_eq!(response.field("Content-Type"), Some("application/metalink4+xml"));
    let text = response.text();
    let scheme = if is_secure(served.address) { "https" } else { "http" };
    let mut expected = vec![
        "<file name=\"&lt;file&gt;&amp;\">".to_owned(),
        format!(
            "<size>2500000</size><hash type=\"sha-256\">{}</hash>",
            hex::encode(Sha256::digest(&content))
        ),
        "<pieces length=\"1048576\" type=\"sha-256\">".to_owned(),
        format!("<url>{scheme}://localhost/a%20b/%3Cfile%3E"),
    ];
    expected.extend(
        content.chunks(1 << 20).map(|piece| format!("<hash>{}</hash>", hex::encode(Sha256::digest(piece)))),
    );
    for part in expected {
        assert!(text.contains(&part), "{part} in {text}");
    }
    assert_eq!(text.matches("<hash>").count(), 3);
    served.file("empty", b"");
    assert!(Browser::connect(served.address).get("/empty?meta4").text().contains("<size>0</size>"));
}

/// A folder is a tar of a known size, which resumes like a file, and of which GNU tar, where it is installed, makes the folder again.
pub fn tars(arch: Arch) {
    let served = serve(arch);
    let long = format!("tree/{}/{}", "d".repeat(90), "\u{fc}".repeat(60));
    served.directory(&long);
    served.directory("tree/empty");
    served.file(format!("{long}/deep.bin"), &noise(1_300_000, 1));
    served.file("tree/text", "text ".repeat(100_000).as_bytes());
    served.file("tree/nothing", b"");
    // Times are whole seconds in it.
    for path in crate::shared::folder::look(&served.path("tree")).into_keys() {
        let entry = std::fs::File::open(served.path("tree").join(path)).unwrap();
        entry.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_500_000_000)).unwrap();
    }
    let fetch = |fields: &str| Browser::connect(served.address).get_with("/tree?tar", fields);
    let whole = fetch("");
    assert_eq!((whole.status, whole.field("Content-Type")), (200, Some("application/x-tar")));
    assert_eq!(whole.field("Content-Length"), Some(whole.body.len().to_string().as_str()));
    assert!(whole.field("Content-Disposition").unwrap().starts_with("attachment; filename=\"tree.tar\""));
    assert!(fetch("").body == whole.body, "the same bytes each time");
    let tag = whole.field("ETag").unwrap();
    for start in [1, 512, 700_001, whole.body.len() - 1] {
        let part = fetch(&format!("Range: bytes={start}-\r\nIf-Range: {tag}\r\n"));
        assert_eq!(part.status, 206);
        assert!(part.body == whole.body[start..], "{start}");
    }
    let place = crate::shared::folder::temporary();
    std::fs::write(place.path().join("tree.tar"), &whole.body).unwrap();
    let tar = std::process::Command::new("tar").arg("-xf").arg("tree.tar").current_dir(place.path()).output();
    match tar {
        Ok(outcome) => {
            assert!(outcome.status.success() && outcome.stderr.is_empty(), "{outcome:?}");
            crate::shared::folder::same(&place.path().join("tree"), &served.path("tree"));
        }
        Err(error) => println!("skipped: tar is not installed: {error}"),
    }
    served.wait("a whole tar", |event| match event {
        Event::Sent { part: false, path, .. } if path.as_str() == "tree" => Some(()),
        _ => None,
    });
}

/// The links of a page keep its order and its place.
pub fn pages(arch: Arch) {
    let served = serve(arch);
    for number in 0..10_001 {
        served.file(format!("{number:05}"), b"");
    }
    let fetch = |target: &str| Browser::connect(served.address).get(target);
    let first = fetch("/?sort=-size");
    assert!(first.text().contains("href=\"?sort=-size&amp;after=09999\" rel=\"next\""), "the order is kept");
    assert!(first.text().contains("href=\"?json\""));
    let second = fetch("/?after=09999");
    assert!(second.text().contains("href=\"./10000\"") && !second.text().contains("href=\"./09999\""));
    assert!(second.text().contains("href=\"?json&amp;after=09999\""), "{}", second.text());
    let json: serde_json::Value = serde_json::from_slice(&fetch("/?json&after=09999").body).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["name"]), (1, &"10000".into()));
}

/// What has changed while it was sent never passes for whole.
pub fn changed(arch: Arch) {
    let served = serve(arch);
    for (target, change) in [("/tree/file.png", 0), ("/tree/file.png", 1), ("/tree?zip", 0), ("/tree?tar", 0)]
    {
        served.directory("tree");
        served.file("tree/file.png", &noise(LARGE, 1));
        // Compressed, so that the size is not known before.
        served.file("tree/text.txt", "text ".repeat(100_000).as_bytes());
        let mut browser = Browser::connect(served.address);
        browser.ask("GET", target, "");
        let head = browser.head().unwrap();
        assert_eq!(head.status, 200);
        let file = OpenOptions::new().write(true).open(served.path("tree/file.png")).unwrap();
        match change {
            0 => file.set_len(LARGE as u64 - 1).unwrap(),
            _ => std::fs::write(served.path("tree/file.png"), noise(LARGE, 2)).unwrap(),
        }
        assert!(browser.body(head).is_err(), "{target} passed for whole");
        served.wait_for_failure("changed");
    }
    served.file("file", b"x");
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"x");
}

/// A request that could be read in two ways ends the connection, so that nothing is hidden in it.
pub fn framing(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"content");
    let hidden = "GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let host = "Host: localhost\r\n";
    for (status, request) in [
        (
            400,
            format!(
                "GET / HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (400, format!("GET / HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n")),
        (501, format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: identity\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{host} folded\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{host}Name : value\r\n\r\n")),
        (400, "GET / HTTP/1.1\nHost: localhost\n\n".to_owned()),
        (400, format!("GET /\0 HTTP/1.1\r\n{host}\r\n")),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, format!("GET / HTTP/1.1\r\n{host}{host}\r\n")),
        (400, format!("GET /../file HTTP/1.1\r\n{host}\r\n")),
        (505, format!("GET / HTTP/2.0\r\n{host}\r\n")),
        (417, format!("GET / HTTP/1.1\r\n{host}Expect: a-miracle\r\nConnection: close\r\n\r\n")),
        (405, format!("POST / HTTP/1.1\r\n{host}Content-Length: 42\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(40_000))),
        (414, format!("GET /{} HTTP/1.1\r\n{host}\r\n", "y".repeat(40_000))),
        // A body that is not read may contain anything.
        (200, format!("GET /file HTTP/1.1\r\n{host}Content-Length: 42\r\nExpect: 100-continue\r\n\r\n")),
        (200, format!("GET /file HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n")),
    ] {
        let mut browser = Browser::connect(served.address);
        browser.send(request.clone() + hidden);
        let response = browser.receive().unwrap_or_else(|error| panic!("{error} after {request:?}"));
        assert_eq!((response.status, response.field("Connection")), (status, Some("close")), "{request:?}");
        assert_eq!(response.field("Allow"), (status == 405).then_some("GET, HEAD"));
        assert_eq!(browser.read_to_the_end(), b"", "{request:?}");
    }
}

/// Requests that are sent ahead are answered in their order; a server of one connection answers one.
pub fn pipelined(arch: Arch) {
    let served = serve(arch);
    let mut browser = Browser::connect(served.address);
    let mut requests = String::new();
    for number in 0..50 {
        served.file(format!("{number}"), &noise(number * 1000, 1));
        requests += &format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n");
    }
    browser.send(requests);
    for number in 0..if arch == Arch::Single { 1 } else { 50 } {
        assert!(browser.receive().unwrap().body == noise(number * 1000, 1), "{number}");
    }
    for (fields, kept) in [("", false), ("Connection: keep-alive\r\n", arch != Arch::Single)] {
        let mut old = Browser::connect(served.address);
        old.send(format!("GET /1 HTTP/1.0\r\n{fields}\r\n"));
        let response = old.receive().unwrap();
        assert_eq!(response.field("Connection"), Some(if kept { "keep-alive" } else { "close" }));
        if !kept {
            assert_eq!(old.read_to_the_end(), b"");
        }
    }
    // One byte at a time.
    let mut slow = Browser::connect(served.address);
    for byte in b"GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        slow.send([*byte]);
    }
    assert_eq!(slow.receive().unwrap().body.len(), 2000);
}

/// A browser that has asked for a server with TLS without it is sent to it.
pub fn without_tls(arch: Arch) {
    let served = serve(arch);
    assert!(is_secure(served.address));
    let mut browser = Browser::connect_plainly(served.address);
    browser.send(format!("GET /a%20b?zip HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", served.address.port()));
    let response = browser.receive().unwrap();
    let location = format!("https://localhost:{}/a%20b?zip", served.address.port());
    assert_eq!((response.status, response.field("Location")), (308, Some(location.as_str())));
    assert_eq!(browser.read_to_the_end(), b"");
}

/// A token is accepted as a password, as a bearer token, and once in a link, which gives a cookie. It is never logged.
pub fn tokens(arch: Arch) {
    let served = serve_to(Access::Token(Token::parse("the-right-one").unwrap()), arch, Limits::default());
    served.file("file", b"content");
    let fetch = |target: &str, fields: &str| Browser::connect(served.address).get_with(target, fields);
    let denied = fetch("/file", "");
    assert_eq!((denied.status, denied.field("Connection")), (401, Some("close")));
    // user:the-right-one
    for fields in
        ["Authorization: Basic dXNlcjp0aGUtcmlnaHQtb25l\r\n", "Authorization: Bearer the-right-one\r\n"]
    {
        let response = fetch("/file", fields);
        assert_eq!((response.status, response.text()), (200, "content"));
        assert_eq!(response.field("Cache-Control"), Some("private, no-cache"));
        assert_eq!(response.field("Vary"), Some("Authorization, Cookie"));
    }
    let link = fetch("/file?a=b&token=the-right-one", "");
    assert_eq!((link.status, link.field("Location")), (303, Some("./file?a=b")));
    let cookie = link.field("Set-Cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
            && !cookie.contains("the-right-one")
    );
    assert_eq!(cookie.contains("Secure"), is_secure(served.address));
    // To a browser, a redirect would continue what another site has begun, without the cookie.
    let page = fetch("/file?a=b&token=the-right-one", "Upgrade-Insecure-Requests: 1\r\n");
    assert_eq!((page.status, page.field("Location")), (200, None));
    assert!(page.field("Set-Cookie").is_some_and(|cookie| cookie.contains("SameSite=Strict")));
    assert!(
        page.text().contains("<meta http-equiv=\"refresh\" content=\"0;url=./file?a=b\">"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("the-right-one"));
    let pair = cookie.split(';').next().unwrap();
    let with_cookie = |pair: &str| fetch("/file", &format!("Cookie: a=b; {pair}\r\n")).status;
    assert_eq!((with_cookie(pair), with_cookie(&pair.replace('=', "=0"))), (200, 401));
    let start = Instant::now();
    assert_eq!(fetch("/file?token=the-wrong-one", "").status, 401);
    assert!(start.elapsed() >= Duration::from_millis(900), "guessing is slow");
    served.wait_for_failure("denied");
    for token in ["the-right-one", "the-wrong-one"] {
        assert_eq!(served.count(|event| format!("{event} {event:?}").contains(token)), 0, "{token}");
    }
}

/// A page of another site cannot read a server without a token by a name of its own.
pub fn hosts(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"content");
    for (host, status) in [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example", 421)]
    {
        let mut browser = Browser::connect(served.address);
        browser.send(format!("GET /file HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = browser.receive().unwrap();
        assert_eq!(response.status, status, "{host}");
        if status == 421 {
            assert!(response.text().contains("--host-name evil.example"), "{}", response.text());
        }
    }
}

/// A client whose address is blocked receives the reason and the time left.
pub fn blocked(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"content");
    served.server().command(Command::Block([127, 0, 0, 1].into(), Duration::from_secs(600)));
    let response = Browser::connect(served.address).get("/file");
    assert_eq!((response.status, response.field("Connection")), (503, Some("close")));
    let seconds: u64 = response.field("Retry-After").unwrap().parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
    served.server().command(Command::Unblock([127, 0, 0, 1].into()));
    assert_eq!(Browser::connect(served.address).get("/file").status, 200);
}

/// A request that is not complete in time is answered so, and an idle connection is closed without a word.
pub fn deadlines(arch: Arch) {
    let limits = Limits {
        handshake: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    let served = serve_with(arch, None, limits);
    served.file("file", b"content");
    let mut slow = Browser::connect(served.address);
    slow.send("GET / HTTP/1.1\r\nHost: local");
    let response = slow.receive().unwrap();
    assert_eq!((response.status, response.field("Connection")), (408, Some("close")));
    let mut idle = Browser::connect(served.address);
    assert_eq!(idle.get("/file").status, 200);
    assert_eq!(idle.read_to_the_end(), b"");
}

/// A drain closes an idle connection, and finishes what is being sent.
pub fn drained(arch: Arch) {
    let mut served = serve_with(arch, None, Limits { drain: Duration::from_secs(600), ..Limits::default() });
    served.file("file", &noise(LARGE, 1));
    let mut busy = Browser::connect(served.address);
    busy.ask("GET", "/file", "");
    let head = busy.head().unwrap();
    let mut idle = (arch != Arch::Single).then(|| {
        let mut idle = Browser::connect(served.address);
        idle.get_with("/file", "Range: bytes=0-0\r\n");
        idle
    });
    let server = served.server.take().unwrap();
    server.command(Command::Drain);
    if let Some(idle) = &mut idle {
        assert_eq!(idle.read_to_the_end(), b"");
    }
    assert!(busy.body(head).unwrap().body == noise(LARGE, 1));
    drop(busy);
    server.join().unwrap();
}

/// Clients that say much and ask nothing do not keep out one that is honest.
pub fn beside_floods(arch: Arch) {
    let served: Served = serve(arch);
    served.file("file", b"content");
    let flood: Vec<_> = (0..40)
        .map(|number| {
            let mut browser = Browser::connect_plainly(served.address);
            let _ = browser.socket().set_nonblocking(true);
            browser.send(match number % 4 {
                0 => "GET / HTTP/1.1\r\nHost: localhost".to_owned(),
                1 => "GET ".to_owned() + &"x".repeat(1000),
                2 => "GET /absent HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100),
                _ => "G".to_owned(),
            });
            browser
        })
        .collect();
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"content");
    assert_eq!(Browser::connect(served.address).get("/file").body, b"content");
    drop(flood);
}
