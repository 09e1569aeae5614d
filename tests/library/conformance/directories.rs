//! A directory is received as a zip of exactly its entries.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    os::unix::fs::PermissionsExt,
};

use fdsp::{
    protocol::message::{Form, Get},
    server::Arch,
};
use zip::ZipArchive;

use crate::conformance::{
    harness::{Served, noise, serve},
    peer::{Peer, Received, get},
};
use crate::shared::effort;

/// The entries of an archive: a directory's name ends with `/` and has no content.
fn unpack(bytes: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(all.insert(entry.name().unwrap().into_owned(), content).is_none(), "an entry twice");
    }
    all
}

fn fetch(served: &Served, path: &str) -> Received {
    let mut peer = Peer::connect(served.address);
    let received = peer.get(get(path)).unwrap();
    assert_eq!(received.content.form, Form::Zip);
    assert_eq!(received.end.size, Some(received.bytes.len() as u64));
    assert!(received.content.size.is_none_or(|size| size == received.bytes.len() as u64));
    let last = received.blocks.last().expect("no archive is empty");
    assert_eq!(last.position, received.content.sources.unwrap().bytes, "progress ends at its total");
    received
}

pub fn empty(arch: Arch) {
    let served = serve(arch);
    served.directory("nothing");
    let received = fetch(&served, "nothing");
    assert_eq!(received.content.name, "nothing.zip");
    let files: Vec<_> = unpack(received.bytes).into_iter().filter(|(name, _)| !name.ends_with('/')).collect();
    assert_eq!(files, []);
}

pub fn nested(arch: Arch) {
    let served = serve(arch);
    let names = ["a", "-b", "c d", "größe/файл", "größe/tief/er/🦀", "größe/tief/leer/", "zz/0", ".hidden"];
    for (seed, name) in names.iter().enumerate() {
        let path = format!("tree/{name}");
        match name.strip_suffix('/') {
            Some(_) => served.directory(&path),
            None => {
                served.directory(path.rsplit_once('/').unwrap().0);
                served.file(&path, &noise(seed * 100_000, seed as u64));
            }
        }
    }
    served.file("tree/text", "the same again and again ".repeat(100_000).as_bytes());
    let received = fetch(&served, "/tree/");
    assert_eq!(received.content.name, "tree.zip");
    let sources = received.content.sources.unwrap();
    assert_eq!((sources.files, sources.omitted), (8, 0));
    let all = unpack(received.bytes);
    for (seed, name) in names.iter().enumerate().filter(|(_, name)| !name.ends_with('/')) {
        assert!(all[&format!("tree/{name}")] == noise(seed * 100_000, seed as u64), "{name}");
    }
    assert_eq!(all["tree/text"].len(), 2_500_000);
    assert!(all.contains_key("tree/größe/tief/leer/"), "empty directories are kept");
}

pub fn many_files(arch: Arch) {
    let served = serve(arch);
    let each = effort::at_most(100, 500);
    for directory in 0..20 {
        served.directory(format!("tree/{directory}"));
        for file in 0..each {
            served.file(format!("tree/{directory}/{file}"), format!("{directory}/{file}").as_bytes());
        }
    }
    let received = fetch(&served, "tree");
    assert_eq!(received.content.sources.unwrap().files, 20 * each as u64);
    let all = unpack(received.bytes);
    let files = all.iter().filter(|(name, _)| !name.ends_with('/'));
    assert_eq!(files.clone().count(), 20 * each);
    for (name, content) in files {
        assert_eq!(name.strip_prefix("tree/").unwrap().as_bytes(), content);
    }
}

pub fn the_root(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"content");
    let received = fetch(&served, "");
    let folder = served.path("");
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(received.content.name, format!("{name}.zip"));
    assert_eq!(unpack(received.bytes)[&format!("{name}/file")], b"content");
}

/// Unreadable entries are missing: counted, named on request, and the others are sent.
pub fn unreadable(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/open", b"x");
    served.file("tree/secret", b"x");
    std::fs::set_permissions(served.path("tree/secret"), PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(served.path("tree/secret")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let mut peer = Peer::connect(served.address);
    let received = peer.get(get("tree")).unwrap();
    assert_eq!((received.content.sources.unwrap().omitted, received.end.missing), (1, None));
    let received = peer.get(Get { missing: true, ..get("tree") }).unwrap();
    assert_eq!(received.content.sources.unwrap().omitted, 0);
    let missing = received.end.missing.unwrap();
    assert_eq!((missing.count, missing.entries[0].path.as_str()), (1, "secret"));
    assert_eq!(unpack(received.bytes).into_keys().collect::<Vec<_>>(), ["tree/", "tree/open"]);
    served.wait("line in the log", |event| {
        event.to_string().contains("secret (permission denied)").then_some(())
    });
}
