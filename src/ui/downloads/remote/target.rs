//! From what was typed to what is fetched.

use crate::{
    client::{Form, NewJob},
    protocol::{
        address::{Address, Authority},
        path::RemotePath,
    },
    ui::downloads::model::defaults::Defaults,
};

/// Reads an address, or a path on the server at hand. The error is a sentence.
pub fn read(text: &str, server: Option<&Authority>) -> Result<Address, String> {
    let text = text.trim();
    if text.contains("://") {
        let mut address = Address::parse(text).map_err(|error| error.to_string())?;
        if let Some(server) = server {
            address.authority.complete(server);
        }
        return Ok(address);
    }
    let Some(authority) = server else {
        return Err("no server yet: type an address such as fdsp://HOST/PATH".to_owned());
    };
    let path = RemotePath::parse(text).map_err(|error| error.to_string())?;
    Ok(Address { authority: authority.clone(), path })
}

/// The directory that an address or a path is in, or is if it ends with a slash. The error is a sentence.
pub fn directory(text: &str, server: Option<&Authority>) -> Result<Address, String> {
    let text = text.trim();
    let address = read(text, server)?;
    let (_, path, _) = split(text);
    if path.ends_with('/') {
        return Ok(address);
    }
    let path = parent(&address.path).unwrap_or_default();
    Ok(Address { path, ..address })
}

/// What was typed in three parts: the server, the path, and the pin. In a path without a server, all is the path.
pub fn split(text: &str) -> (&str, &str, &str) {
    let Some(start) = text.find("://").map(|scheme| scheme + 3) else { return ("", text, "") };
    let end = text[start..].find('#').map_or(text.len(), |pin| start + pin);
    let path = text[start..end].find('/').map_or(end, |slash| start + slash);
    (&text[..path], &text[path..end], &text[end..])
}

/// A job for an address, with everything else as usual.
pub fn job(address: Address, form: Form, defaults: &Defaults) -> NewJob {
    NewJob {
        address,
        speak: defaults.speak,
        form,
        folder: defaults.folder.clone(),
        save_as: None,
        existing: defaults.existing,
        checksum: None,
        extract: defaults.extract,
    }
}

/// A name below a directory; `None` if it is no single segment.
pub fn child(directory: &RemotePath, name: &str) -> Option<RemotePath> {
    if name.contains('/') || matches!(name, "" | "." | "..") {
        return None;
    }
    RemotePath::parse(&format!("{}/{name}", directory.as_str())).ok()
}

/// The directory above; `None` above the served folder.
pub fn parent(path: &RemotePath) -> Option<RemotePath> {
    if path.is_root() {
        return None;
    }
    let above = path.as_str().rsplit_once('/').map_or("", |(above, _)| above);
    RemotePath::parse(above).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::address::Security;

    fn server() -> Authority {
        Authority::new("nas", 7878, Security::Plain)
    }

    #[test]
    fn addresses_and_paths_are_read() {
        let address = read(" fdsp+plain://other:1/a%20b ", Some(&server())).expect("an address");
        assert_eq!((address.authority.host.as_str(), address.path.as_str()), ("other", "a b"));
        let path = read("/films/a b", Some(&server())).expect("a path");
        assert_eq!((path.authority.host.as_str(), path.path.as_str()), ("nas", "films/a b"));
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
            assert_eq!((read.authority, read.path.as_str()), (server(), directory), "{typed}");
        }
        assert!(super::directory("fdsp://h/#sha256:00", Some(&server())).is_err());
    }

    #[test]
    fn names_of_a_listing_are_single_segments() {
        let films = RemotePath::parse("films").expect("a path");
        assert_eq!(child(&films, "a.iso").expect("a name").as_str(), "films/a.iso");
        let odd = child(&films, "caf\0E9").expect("a name");
        assert_eq!(
            Address { authority: server(), path: odd }.to_string(),
            "fdsp+plain://nas:7878/films/caf%E9"
        );
        for hostile in ["..", ".", "", "a/b", "/etc", "\0", "a\x002Fb", "\x002E\x002E", "\0C3\0A9"] {
            assert_eq!(child(&films, hostile), None, "{hostile:?}");
        }
        assert_eq!(parent(&films).expect("the root").as_str(), "");
        assert_eq!(parent(&RemotePath::default()), None);
    }
}
