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
        ("fdsp+plain://h/caf%E9/%ff", "h", 7878, "caf\0E9/\0FF"),
        ("fdsp+plain://h/a%2fb:c@d", "h", 7878, "a/b:c@d"),
        ("fdsp://host/a", "host", 7878, "a"),
        ("FDSP://host:1", "host", 1, ""),
        ("fdsp://[::1]:2/a/@b", "::1", 2, "a/@b"),
    ] {
        assert_eq!(parts(text), (host.to_owned(), port, path.to_owned()), "{text}");
    }
}

#[test]
fn scheme_token_and_pin_are_read() {
    let pin = Pin([0xa5; 32]);
    let token = Token::parse("S3cret-S3cret").unwrap();
    for (text, security, token) in [
        ("fdsp+plain://host/x".to_owned(), Security::Plain, None),
        ("fdsp+plain://S3cret-S3cret@host/x".to_owned(), Security::Plain, Some(&token)),
        ("fdsp://host/x".to_owned(), Security::Tls { pin: None }, None),
        (format!("fdsp://host/x#{pin}"), Security::Tls { pin: Some(pin) }, None),
        (format!("fdsp://S3cret-S3cret@host#{pin}"), Security::Tls { pin: Some(pin) }, Some(&token)),
    ] {
        let authority = Address::parse(&text).unwrap().authority;
        assert_eq!((authority.security, authority.token.as_ref()), (security, token), "{text}");
        assert_eq!((authority.host.as_str(), authority.port), ("host", 7878));
    }
}

#[test]
fn a_token_is_shown_only_on_demand() {
    let pin = Pin([0xa5; 32]);
    let address = Address::parse(&format!("fdsp://S3cret-S3cret@host/a b#{pin}")).unwrap();
    assert_eq!(address.to_string(), format!("fdsp://host:7878/a%20b#{pin}"));
    assert_eq!(address.revealed(), format!("fdsp://S3cret-S3cret@host:7878/a%20b#{pin}"));
    assert_eq!(Address::parse(&address.revealed()).as_ref(), Ok(&address));
    assert!(!format!("{address:?} {}", address.authority).contains("S3cret"));
}

#[test]
fn every_wrong_form_has_its_own_error() {
    use AddressError::{
        Host, Ipv6, NoBrackets, NoHost, NoPort, NoScheme, NotAlone, OtherScheme, Path, Percent, Pin,
        PlainPin, Port, Token,
    };
    let own = str::to_owned;
    for (text, error) in [
        ("", NoScheme),
        ("host/path", NoScheme),
        ("/path", NoScheme),
        ("fdsp+plain:/host", NoScheme),
        ("FDSP://S3cret-S3cret@host/x#sha256:00", Pin(PinError)),
        ("fdsp://host/x#", Pin(PinError)),
        ("fdsp://host/x#sha256:00", Pin(PinError)),
        ("fdsp://host/x#y", Pin(PinError)),
        ("fdsp://@host/x", Token(TokenError)),
        ("fdsp://a:b@host/x", Token(TokenError)),
        ("fdsp://S3cret-S3cret@S3cret-S3cret@host/x", Token(TokenError)),
        ("http://host/x", OtherScheme(own("http"))),
        ("://host", OtherScheme(own(""))),
        ("curl -L -o a.zip 'https://host/a.zip'", NotAlone),
        ("'fdsp://host/x", NotAlone),
        ("fdsp+plain://", NoHost),
        ("fdsp+plain:///x", NoHost),
        ("fdsp+plain://:80/x", NoHost),
        ("fdsp+plain://me@host/x", Token(TokenError)),
        ("fdsp+plain://ho st/x", Host(own("ho st"))),
        ("fdsp+plain://h\u{1b}[2J/x", Host(own("h\\u{1b}[2J"))),
        ("fdsp+plain://höst/x", Host(own("höst"))),
        ("fdsp+plain://::1/x", NoBrackets),
        ("fdsp+plain://[::1/x", Ipv6(own("::1"))),
        ("fdsp+plain://[host]/x", Ipv6(own("host"))),
        ("fdsp+plain://[]/x", Ipv6(own(""))),
        ("fdsp+plain://[fe80::1%]/x", Ipv6(own("fe80::1%"))),
        ("fdsp+plain://[::1]80/x", Port(own("80"))),
        ("fdsp+plain://host:/x", NoPort),
        ("fdsp+plain://host:0/x", Port(own("0"))),
        ("fdsp+plain://host:65536/x", Port(own("65536"))),
        ("fdsp+plain://host:-1/x", Port(own("-1"))),
        ("fdsp+plain://host:+80/x", Port(own("+80"))),
        ("fdsp+plain://host:http/x", Port(own("http"))),
        ("fdsp+plain://host/x#y", PlainPin),
        ("fdsp+plain://host#sha256:00", PlainPin),
        ("fdsp+plain://host/100%", Percent),
        ("fdsp+plain://host/%zz", Percent),
        ("fdsp+plain://host/%+1", Percent),
        ("fdsp+plain://host/%00E9", Path(PathError::Nul)),
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
        AddressError::NoScheme.to_string(),
        "an address begins with a scheme: write fdsp://HOST[:PORT]/PATH"
    );
}

#[test]
fn a_displayed_address_can_be_pasted() {
    for (text, shown) in [
        ("fdsp+plain://h", "fdsp+plain://h:7878/"),
        ("fdsp+plain://[::1]/a b", "fdsp+plain://[::1]:7878/a%20b"),
        ("fdsp+plain://[fe80::1%eth0]:1/%23%25%3F$'", "fdsp+plain://[fe80::1%25eth0]:1/%23%25%3F%24%27"),
        ("fdsp+plain://h:1/ü", "fdsp+plain://h:1/%C3%BC"),
        ("fdsp+plain://h:1/caf%e9%C3", "fdsp+plain://h:1/caf%E9%C3"),
        ("fdsp://h/a", "fdsp://h:7878/a"),
    ] {
        assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Ok(shown));
    }
}

#[test]
fn a_new_token_and_pin_of_a_server_replace_the_old_ones() {
    let authority = |text: &str| Address::parse(text).unwrap().authority;
    let pin = Pin([7; 32]);
    let named = authority(&format!("fdsp://sesame-sesame-sesame@h/#{pin}"));
    let mut known = authority("fdsp://other-other-other@h/");
    assert!(!known.follow(&authority("fdsp://sesame-sesame-sesame@h:1/")), "that is another one");
    assert!(!known.follow(&authority("fdsp://h/")), "nothing is named, nothing is taken away");
    assert!(known.follow(&named));
    assert_eq!(known, named);
    assert!(!known.follow(&named), "no news");
    assert!(!known.follow(&authority("fdsp+plain://h/")), "what was encrypted stays encrypted");
    assert_eq!(known, named);
}

#[test]
fn no_token_is_sent_to_a_server_with_another_pin() {
    let authority = |text: &str| Address::parse(text).unwrap().authority;
    let (pin, other) = (Pin([7; 32]), Pin([8; 32]));
    let known = authority(&format!("fdsp://sesame-sesame-sesame@h/#{pin}"));
    let other_server = authority(&format!("fdsp://h/#{other}"));
    let mut completed = other_server.clone();
    completed.complete(&known);
    assert_eq!(completed, other_server);
    let mut followed = known.clone();
    assert!(!followed.follow(&other_server), "a pin alone names another server");
    assert_eq!(followed, known);
    let renewed = authority(&format!("fdsp://other-other-other@h/#{other}"));
    assert!(followed.follow(&renewed), "what a server prints has both");
    assert_eq!(followed, renewed);
    // Anybody who writes an address can write a pin into it: that pin is not the one of the server that the token was given for.
    let known = authority("fdsp://sesame-sesame-sesame@h/");
    let mut completed = other_server.clone();
    completed.complete(&known);
    assert_eq!(completed, other_server);
    let mut followed = known.clone();
    assert!(!followed.follow(&other_server));
    assert!(followed.follow(&renewed));
    let mut without = authority(&format!("fdsp://h/#{pin}"));
    assert!(without.follow(&other_server), "there is no token that it could get");
}

/// An address with a pin alone can come from anywhere: a token that is typed later is not for that pin.
#[test]
fn token_and_pin_are_taken_as_a_pair() {
    let authority = |text: &str| Address::parse(text).unwrap().authority;
    let pin = Pin([7; 32]);
    let [bare, plain] = ["fdsp://h/", "fdsp+plain://h/"].map(authority);
    let pinned = authority(&format!("fdsp://h/#{pin}"));
    let with_token = authority("fdsp://sesame-sesame-sesame@h/");
    let both = authority(&format!("fdsp://sesame-sesame-sesame@h/#{pin}"));
    let completed = |typed: &Authority, known: &Authority| {
        let mut typed = typed.clone();
        typed.complete(known);
        typed
    };
    assert_eq!(completed(&with_token, &pinned), with_token);
    assert_eq!(completed(&pinned, &with_token), pinned);
    assert_eq!(completed(&plain, &both), plain, "nothing of TLS goes to a server without it");
    for part in [&bare, &with_token, &pinned] {
        assert_eq!(&completed(part, &both), &both);
    }
    let follows = |known: &Authority, now: &Authority| known.clone().follow(now);
    assert!(!follows(&pinned, &with_token));
    assert!(
        !follows(&plain, &with_token) && !follows(&with_token, &authority("fdsp+plain://other-token@h/"))
    );
    assert!(follows(&bare, &with_token) && follows(&pinned, &both) && follows(&bare, &pinned));
}

proptest! {
    #[test]
    fn any_path_survives_being_shown(
        path in ".{0,200}",
        port in 1u16..,
        pin in proptest::option::of(any::<[u8; 32]>()),
        token in proptest::option::of("[-._~a-zA-Z0-9]{8,128}"),
        plain: bool,
    ) {
        if let Ok(path) = RemotePath::parse(&path) {
            let security = if plain { Security::Plain } else { Security::Tls { pin: pin.map(Pin) } };
            let token = token.map(|token| Token::parse(&token).unwrap());
            let authority = Authority { token, ..Authority::new("h", port, security) };
            let address = Address { authority, path };
            let shown = address.revealed();
            prop_assert!(shown.is_ascii());
            prop_assert_eq!(Address::parse(&shown), Ok(address));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,100}", tail in any::<String>(), plain: bool) {
        let _ = Address::parse(&text);
        let scheme = if plain { "fdsp+plain" } else { "fdsp" };
        if let Ok(address) = Address::parse(&format!("{scheme}://{tail}")) {
            prop_assert_eq!(Address::parse(&address.revealed()), Ok(address));
        }
    }
}
