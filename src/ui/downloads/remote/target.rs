//! From what was typed to what is fetched.

use crate::{
    client::{Form, Locator, NewJob, Server},
    ui::downloads::model::defaults::Defaults,
};

/// Reads an address, or a path on the server at hand. The error is a sentence.
pub fn read(text: &str, server: Option<&Server>) -> Result<Locator, String> {
    let text = text.trim();
    if text.contains("://") {
        let mut address = Locator::parse(text).map_err(|error| error.to_string())?;
        if let Some(server) = server {
            address.complete(server);
        }
        return Ok(address);
    }
    let Some(server) = server else {
        return Err("no server yet: type an address such as fdsp://HOST/PATH".to_owned());
    };
    server.at(text).map_err(|error| error.to_string())
}

/// The directory that an address or a path is in, or is if it ends with a slash. The error is a sentence.
pub fn directory(text: &str, server: Option<&Server>) -> Result<Locator, String> {
    let text = text.trim();
    let address = read(text, server)?;
    let (_, path, _) = split(text);
    if path.ends_with('/') {
        return Ok(address);
    }
    Ok(address.parent().unwrap_or(address))
}

/// What was typed in three parts: the server, the path, and the pin. In a path without a server, all is the path.
pub fn split(text: &str) -> (&str, &str, &str) {
    let Some(start) = text.find("://").map(|scheme| scheme + 3) else { return ("", text, "") };
    let end = text[start..].find('#').map_or(text.len(), |pin| start + pin);
    let path = text[start..end].find('/').map_or(end, |slash| start + slash);
    (&text[..path], &text[path..end], &text[end..])
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
        extract: defaults.extract,
        listed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Locator::parse("fdsp+plain://nas").expect("an address").server()
    }

    #[test]
    fn addresses_and_paths_are_read() {
        let address = read(" fdsp+plain://other:1/a%20b ", Some(&server())).expect("an address");
        assert_eq!((address.server().name(), address.path()), ("other", "a b"));
        let path = read("/films/a b", Some(&server())).expect("a path");
        assert_eq!((path.server().name(), path.path()), ("nas", "films/a b"));
        assert!(read("/films", None).expect_err("no server").contains("fdsp://"));
        assert!(read("a/../b", Some(&server())).is_err());
    }

    #[test]
    fn the_directory_of_what_is_typed_keeps_its_server_and_pin() {
        let pin = format!("#sha256:{}", "a5".repeat(32));
        for (typed, directory) in [
            ("fdsp://h", "fdsp://h:7878/"),
            ("fdsp://h/", "fdsp://h:7878/"),
            ("fdsp://h/a", "fdsp://h:7878/"),
            ("fdsp://h/a/b", "fdsp://h:7878/a"),
            ("fdsp://h/a/b/", "fdsp://h:7878/a/b"),
        ] {
            let read = super::directory(&format!(" {typed}{pin} "), Some(&server())).expect(typed);
            assert_eq!(read.to_string(), format!("{directory}{pin}"));
        }
        for (typed, directory) in [("a", ""), ("/a/b", "a"), ("a#b/c", "a#b"), ("a/", "a"), ("", "")] {
            let read = super::directory(typed, Some(&server())).expect(typed);
            assert_eq!((read.server(), read.path()), (server(), directory), "{typed}");
        }
        assert!(super::directory("fdsp://h/#sha256:00", Some(&server())).is_err());
    }
}
