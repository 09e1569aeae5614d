//! Trees that are fetched without an interruption.

use std::{fs, process::Command as Process, sync::Arc};

use fdsp::{
    client::{Checksum, Event, Existing, Form, JobState, NewJob, Speak, TroubleKind},
    server::{self, Arch, Limits},
};

use crate::tree::{
    folder::{digest, everything, look, many, same, write},
    support::{Client, MIB, Served, config, content},
};

pub fn tree(client: &Client, served: &Served, path: &str) -> NewJob {
    NewJob { form: Form::Tree, ..client.job(served.at(), path) }
}

#[test]
fn a_tree_is_received_from_every_architecture() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let served = Served::with(arch, None, Limits::default());
        let bytes = everything(&served.folder.path().join("t"));
        let mut client = Client::quick();
        let job = tree(&client, &served, "t");
        let id = client.add(job);
        let done = client.end(id).unwrap();
        same(&served.folder.path().join("t"), &client.path("t"));
        assert_eq!(client.names(), ["t"], "{arch:?}: nothing is left beside it");
        assert_eq!((done.bytes, done.transferred, done.resumed), (bytes, bytes, 0), "{arch:?}");
        assert_eq!((done.files, done.omitted), (Some(10), 0));
        assert_eq!(done.blake3, digest(&client.path("t")));
        assert_eq!(done.path, client.path("t"));
        let view = client.view(id);
        assert_eq!((view.files, view.size, view.received), (Some((10, 10)), Some(bytes), bytes));
        assert!(matches!(view.state, JobState::Done(_)));
    }
}

#[test]
fn the_served_folder_can_be_fetched_as_a_tree() {
    let served = Served::new();
    everything(served.folder.path());
    let mut client = Client::quick();
    let job = tree(&client, &served, "");
    let done = client.run(job).unwrap();
    same(served.folder.path(), &done.path);
}

#[test]
fn a_file_fetched_as_a_tree_is_received_as_a_file() {
    let served = Served::new();
    served.write("a", &content(3 * MIB, 1));
    let mut client = Client::quick();
    let job = tree(&client, &served, "a");
    let done = client.run(job).unwrap();
    assert_eq!((done.files, done.bytes), (None, 3 * MIB as u64));
    assert!(fs::read(client.path("a")).unwrap() == content(3 * MIB, 1));
}

#[test]
fn a_missing_path_is_not_found() {
    let served = Served::new();
    let mut client = Client::quick();
    let job = tree(&client, &served, "absent");
    assert_eq!(client.run(job).unwrap_err().kind, TroubleKind::NotFound);
    assert!(client.names().is_empty());
}

#[test]
fn an_empty_tree_becomes_an_empty_folder() {
    let served = Served::new();
    fs::create_dir(served.folder.path().join("t")).unwrap();
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    let done = client.run(job).unwrap();
    assert_eq!((done.bytes, done.files), (0, Some(0)));
    assert_eq!(done.blake3, blake3::hash(b"").to_hex().as_str());
    assert!(fs::read_dir(client.path("t")).unwrap().next().is_none());
}

#[test]
fn a_tree_is_saved_under_the_given_name() {
    let served = Served::new();
    write(served.folder.path(), "t/a", b"a");
    let mut client = Client::quick();
    let named = NewJob { save_as: Some("other".into()), ..tree(&client, &served, "t") };
    client.run(named.clone()).unwrap();
    assert_eq!(fs::read(client.path("other/a")).unwrap(), b"a");
    client.run(named).unwrap();
    assert_eq!(client.names(), ["other"], "it is the tree itself, also the second time");
    let into = NewJob { save_as: Some("other/".into()), ..tree(&client, &served, "t") };
    client.run(into).unwrap();
    assert_eq!(fs::read(client.path("other/t/a")).unwrap(), b"a");
}

#[test]
fn the_digest_of_a_tree_is_verified() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    everything(&folder);
    let mut wanted = [0; 32];
    for (byte, pair) in wanted.iter_mut().zip(digest(&folder).as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    }
    let mut client = Client::quick();
    let job = NewJob { checksum: Some(Checksum::Blake3([7; 32])), ..tree(&client, &served, "t") };
    let trouble = client.run(job.clone()).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
    assert_eq!(client.names(), ["t.part"], "what was fetched is kept, and is not called what it is not");
    assert!(trouble.message.as_str().ends_with("t.part, and the next attempt resumes it"), "{trouble}");
    let done = client.run(NewJob { checksum: Some(Checksum::Blake3(wanted)), ..job.clone() }).unwrap();
    assert_eq!((done.transferred, client.names()), (0, vec!["t".to_owned()]));
    // All files of an update are in place: no other attempt needs its work directory.
    write(client.folder.path(), "t/a.txt", b"changed");
    let update = NewJob { existing: Existing::Update, ..job.clone() };
    let trouble = client.run(update).unwrap_err();
    assert_eq!((trouble.kind, client.names()), (TroubleKind::Integrity, vec!["t".to_owned()]), "{trouble}");
    let trouble = client.run(NewJob { checksum: Some(Checksum::Md5([0; 16])), ..job }).unwrap_err();
    assert!(trouble.message.as_str().contains("BLAKE3 digest and no other"), "{trouble}");
}

#[test]
fn progress_counts_files_and_bytes() {
    let served = Served::new();
    many(&served.folder.path().join("t"), 200, 4096);
    write(&served.folder.path().join("t"), "large", &content(2 * MIB, 5));
    // Slow enough to be observed during the transfer.
    let mut client = Client::new(fdsp::client::Config { limit: Some(2_000_000), ..config() });
    let job = tree(&client, &served, "t");
    let id = client.add(job);
    let total = 200 * 4096 + 2 * MIB as u64;
    let files = client.wait("progress", |event| match event {
        Event::Progress { files, size, received, .. } if *received > 0 => {
            assert_eq!(*size, Some(total));
            *files
        }
        _ => None,
    });
    assert_eq!(files.1, 201);
    let done = client.end(id).unwrap();
    assert_eq!((done.bytes, done.transferred), (total, total));
    assert_eq!(client.view(id).progress, Some((total, total)));
}

#[test]
fn a_tree_is_synced_once_and_renamed_without_overwriting() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client = Client::new(fdsp::client::Config { sync: true, ..config() });
    let job = tree(&client, &served, "t");
    client.run(NewJob { existing: Existing::Rename, ..job.clone() }).unwrap();
    client.run(NewJob { existing: Existing::Rename, ..job }).unwrap();
    assert_eq!(client.names(), ["t", "t (1)"]);
    same(&client.path("t"), &client.path("t (1)"));
}

#[test]
fn the_classic_dialects_have_no_trees() {
    let dialect = fdsp::protocol::classic::Dialect::Classic;
    let served = Served::with(Arch::Async, Some(dialect), Limits::default());
    write(served.folder.path(), "t/a", b"a");
    let mut client = Client::quick();
    let job = NewJob { speak: Speak::Classic(dialect), ..tree(&client, &served, "t") };
    let done = client.run(job).unwrap();
    assert_eq!(
        (done.path, done.files),
        (client.path("t.zip"), None),
        "a folder is received as the original sends it"
    );
}

#[test]
fn a_large_tree_is_equal_according_to_diff() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let source = std::path::PathBuf::from(std::env::var_os("FDSP_TREE").unwrap_or_else(|| own.into()));
    if !source.is_dir() {
        println!("skipped: there is no {}", source.display());
        return;
    }
    if Process::new("diff").arg("--version").output().is_err() {
        println!("skipped: diff is not installed");
        return;
    }
    let server = server::start(server::Config::local(&source), Arc::new(|_| {})).unwrap();
    let mut client = Client::quick();
    let job = client.job(server.local_addr(), "");
    let job = NewJob { form: Form::Tree, save_as: Some("t".into()), ..job };
    let done = client.run(job).unwrap();
    println!("{done:?}");
    // Links out of the tree are left out, and a link to a file elsewhere is sent as that file.
    let mut diff = Process::new("diff");
    let output = diff.args(["-rq", "--no-dereference"]).arg(&source).arg(client.path("t")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (missing, others): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with(&format!("Only in {}", source.display())));
    assert!(missing.len() as u64 <= done.omitted, "{missing:#?}");
    let other = others.iter().find(|line| !line.contains("is a symbolic link while file"));
    assert_eq!(other, None);
    assert!(look(&client.path("t")).len() > 1);
}
