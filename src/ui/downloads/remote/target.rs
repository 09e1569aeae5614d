//! From what was typed to what is fetched.

use crate::{
    client::{
        Form, Locator, NewJob, Server, SumsAt,
        typed::{self, Request, TypedError},
    },
    ui::downloads::model::Defaults,
};

/// Reads what was typed: an address, or a path on the server at hand. The error is a sentence.
pub fn read(text: &str, defaults: &Defaults) -> Result<Locator, String> {
    read_at(text, defaults.server.as_ref(), defaults)
}

/// Reads what is to be fetched: the same, a command of curl, or patterns that stand for several addresses. None of them is empty.
pub fn requests(text: &str, at_hand: Option<&Server>, defaults: &Defaults) -> Result<Vec<Request>, String> {
    let requests = typed::requests(text, at_hand, defaults.plain, defaults.globs);
    requests.map_err(|error| in_words(error, defaults))
}

fn read_at(text: &str, at_hand: Option<&Server>, defaults: &Defaults) -> Result<Locator, String> {
    typed::read(text, at_hand, defaults.plain).map_err(|error| in_words(error, defaults))
}

fn in_words(error: TypedError, defaults: &Defaults) -> String {
    match (error, &defaults.named) {
        (TypedError::NoServer { .. }, Some(named)) => {
            format!("{named} has not answered yet; wait until it has, or type HOST:PORT/PATH")
        }
        (error, _) => error.to_string(),
    }
}

/// The directory that an address or a path is in, or is if it ends with a slash. The error is a sentence.
pub fn directory(text: &str, defaults: &Defaults) -> Result<Locator, String> {
    let text = text.trim();
    let address = read(text, defaults)?;
    let (_, path, _) = typed::split(text);
    if path.ends_with('/') {
        return Ok(address);
    }
    Ok(address.parent().unwrap_or(address))
}

/// A job for a request, with everything else as usual.
pub fn requested(Request { address, headers }: Request, defaults: &Defaults) -> NewJob {
    NewJob { headers, ..job(address, defaults.form, defaults) }
}

/// A job for an address, with everything else as usual.
pub fn job(address: Locator, form: Form, defaults: &Defaults) -> NewJob {
    NewJob {
        address,
        speak: defaults.speak,
        form,
        folder: defaults.folder.clone(),
        save_as: None,
        existing: defaults.existing,
        checksum: None,
        sums: defaults.find_checksums.then_some(SumsAt::Beside),
        headers: Vec::new(),
        extract: defaults.extract,
        mirrors: Vec::new(),
        described: None,
        listed: None,
        earlier: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::downloads::testing::{model, server};

    fn defaults() -> Defaults {
        model().defaults
    }

    #[test]
    fn addresses_and_paths_are_read() {
        let address = read(" fdsp+plain://other:1/a%20b ", &defaults()).expect("an address");
        assert_eq!((address.server().name(), address.path()), ("other", "a b"));
        let path = read("/films/a b", &defaults()).expect("a path");
        assert_eq!((path.server(), path.path()), (server(), "films/a b"));
        assert!(read("a/../b", &defaults()).is_err());
        let none = Defaults { server: None, ..defaults() };
        assert!(read("/films", &none).expect_err("no server").contains("fdsp://"));
        let named = Defaults { named: Some(server()), ..none };
        assert!(read("/films", &named).expect_err("no answer yet").starts_with("nas.local:7878 has not"));
        assert!(read("fdsp:///x", &named).expect_err("no host").contains("names no host"));
    }

    #[test]
    fn the_directory_of_what_is_typed_keeps_its_server_and_pin() {
        let pin = format!("#sha256:{}", "a5".repeat(32));
        for (typed, directory) in [
            ("fdsp://h", "fdsp://h:7878/"),
            ("fdsp://h/", "fdsp://h:7878/"),
            ("h:7878", "fdsp://h:7878/"),
            ("fdsp://h/a", "fdsp://h:7878/"),
            ("h:7878/a/b", "fdsp://h:7878/a"),
            ("fdsp://h/a/b/", "fdsp://h:7878/a/b"),
        ] {
            let read = super::directory(&format!(" {typed}{pin} "), &defaults()).expect(typed);
            assert_eq!(read.to_string(), format!("{directory}{pin}"));
        }
        for (typed, directory) in [("a", ""), ("/a/b", "a"), ("a#b/c", "a#b"), ("a/", "a"), ("", "")] {
            let read = super::directory(typed, &defaults()).expect(typed);
            assert_eq!((read.server(), read.path()), (server(), directory), "{typed}");
        }
        assert!(super::directory("fdsp://h/#sha256:00", &defaults()).is_err());
    }
}
