//! Every form of an address, right and wrong.

use proptest::prelude::*;

use super::*;

fn parts(text: &str) -> (String, u16, String) {
    let Address { authority, path } = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    (authority.host, authority.port, path.as_str().to_owned())
}

#[test]
fn every_right_form_is_read() {
    for (text, host, port, path) in [
        ("fdsp+plain://host/a/b.txt", "host", 7878, "a/b.txt"),
        ("fdsp+plain://host:1/", "host", 1, ""),
        ("fdsp+plain://host", "host", 7878, ""),
        ("  FDSP+Plain://Host.Example:65535//a//./b/\n", "host.example", 65535, "a/b"),
        ("fdsp+plain://127.0.0.1:9000/x", "127.0.0.1", 9000, "x"),
        ("fdsp+plain://[::1]/x", "::1", 7878, "x"),
        ("fdsp+plain://[2001:DB8::0:1]:80/x", "2001:db8::1", 80, "x"),
        ("fdsp+plain://[fe80::1%25eth0]:80/x", "fe80::1%eth0", 80, "x"),
        ("fdsp+plain://[fe80::1%eth0]/x", "fe80::1%eth0", 7878, "x"),
        ("fdsp+plain://h/a%20b%2Bc+d?e", "h", 7878, "a b+c+d?e"),
        ("fdsp+plain://h/%C3%BCber/ünd", "h", 7878, "über/ünd"),
        ("fdsp+plain://h/a%2fb:c@d", "h", 7878, "a/b:c@d"),
    ] {
        assert_eq!(parts(text), (host.to_owned(), port, path.to_owned()), "{text}");
    }
}

#[test]
fn every_wrong_form_gets_its_sentence() {
    use AddressError::*;
    let own = str::to_owned;
    for (text, error) in [
        ("", NoScheme),
        ("host/path", NoScheme),
        ("/path", NoScheme),
        ("fdsp+plain:/host", NoScheme),
        ("fdsp://host/x", Tls),
        ("FDSP://token@host/x#sha256:00", Tls),
        ("http://host/x", OtherScheme(own("http"))),
        ("://host", OtherScheme(own(""))),
        ("fdsp+plain://", NoHost),
        ("fdsp+plain:///x", NoHost),
        ("fdsp+plain://:80/x", NoHost),
        ("fdsp+plain://me@host/x", User),
        ("fdsp+plain://ho st/x", Host(own("ho st"))),
        ("fdsp+plain://h\u{1b}[2J/x", Host(own("h\\u{1b}[2J"))),
        ("fdsp+plain://höst/x", Host(own("höst"))),
        ("fdsp+plain://::1/x", NoBrackets),
        ("fdsp+plain://[::1/x", Ipv6(own("::1"))),
        ("fdsp+plain://[host]/x", Ipv6(own("host"))),
        ("fdsp+plain://[]/x", Ipv6(own(""))),
        ("fdsp+plain://[fe80::1%]/x", Ipv6(own("fe80::1%"))),
        ("fdsp+plain://[::1]80/x", Port(own("80"))),
        ("fdsp+plain://host:/x", Port(own(""))),
        ("fdsp+plain://host:0/x", Port(own("0"))),
        ("fdsp+plain://host:65536/x", Port(own("65536"))),
        ("fdsp+plain://host:-1/x", Port(own("-1"))),
        ("fdsp+plain://host:+80/x", Port(own("+80"))),
        ("fdsp+plain://host:http/x", Port(own("http"))),
        ("fdsp+plain://host/x#y", Pin),
        ("fdsp+plain://host#sha256:00", Pin),
        ("fdsp+plain://host/100%", Percent),
        ("fdsp+plain://host/%zz", Percent),
        ("fdsp+plain://host/%+1", Percent),
        ("fdsp+plain://host/%ff", Utf8),
        ("fdsp+plain://host/a/../b", Path(PathError::Parent)),
        ("fdsp+plain://host/a/%2e%2E/b", Path(PathError::Parent)),
        ("fdsp+plain://host/%00", Path(PathError::Nul)),
    ] {
        assert_eq!(Address::parse(text), Err(error), "{text}");
    }
    assert_eq!(
        Address::parse(&format!("fdsp+plain://{}/", "h".repeat(254))),
        Err(Host(format!("{}…", "h".repeat(60))))
    );
    let long = format!("fdsp+plain://h/{}", "x".repeat(256));
    assert_eq!(Address::parse(&long), Err(Path(PathError::TooLong)));
}

#[test]
fn sentences_say_what_to_write() {
    assert_eq!(
        AddressError::Tls.to_string(),
        "this version speaks no TLS yet: use fdsp+plain://… instead of fdsp://…"
    );
    assert_eq!(
        AddressError::NoScheme.to_string(),
        "an address begins with a scheme: write fdsp+plain://HOST[:PORT]/PATH"
    );
}

#[test]
fn what_is_shown_can_be_pasted() {
    for (text, shown) in [
        ("fdsp+plain://h", "fdsp+plain://h:7878/"),
        ("fdsp+plain://[::1]/a b", "fdsp+plain://[::1]:7878/a%20b"),
        ("fdsp+plain://[fe80::1%eth0]:1/%23%25%3F$'", "fdsp+plain://[fe80::1%25eth0]:1/%23%25%3F%24%27"),
        ("fdsp+plain://h:1/ü", "fdsp+plain://h:1/%C3%BC"),
    ] {
        assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Ok(shown));
    }
}

proptest! {
    #[test]
    fn any_path_survives_being_shown(path in ".{0,200}", port in 1u16..) {
        if let Ok(path) = RemotePath::parse(&path) {
            let address = Address { authority: Authority { host: "h".to_owned(), port }, path };
            let shown = address.to_string();
            prop_assert!(shown.is_ascii());
            prop_assert_eq!(Address::parse(&shown), Ok(address));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,100}", tail in any::<String>()) {
        let _ = Address::parse(&text);
        if let Ok(address) = Address::parse(&format!("fdsp+plain://{tail}")) {
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }
}
