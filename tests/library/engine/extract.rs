//! Archives are extracted only on request.

use std::{
    fs,
    io::Cursor,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown, symlink},
    },
    time::{Duration, SystemTime},
};

use fdsp::client::{Command, Existing, NewJob, TroubleKind};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::engine::support::{Client, Served, content};

fn served() -> Served {
    let served = Served::new();
    served.write("tree/a", b"content");
    served.write("tree/deep/er/large", &content(3_000_000, 1));
    served.write("tree/deep/text", "again ".repeat(100_000).as_bytes());
    let at = |path: &str| served.folder.path().join(path);
    fs::create_dir(at("tree/empty")).unwrap();
    symlink("/etc/passwd", at("tree/outward")).unwrap();
    fs::set_permissions(at("tree/a"), PermissionsExt::from_mode(0o751)).unwrap();
    fs::File::options().write(true).open(at("tree/a")).unwrap().set_modified(old()).unwrap();
    served
}

fn old() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890)
}

fn extracting(client: &Client, served: &Served, path: &str) -> NewJob {
    NewJob { extract: true, ..client.job(served.at(), path) }
}

#[test]
fn an_extracted_folder_equals_the_served_one() {
    let served = served();
    let mut client = Client::quick();
    let job = extracting(&client, &served, "tree");
    let finished = client.run(job.clone()).unwrap();
    assert_eq!(finished.path, client.path("tree.zip"));
    assert_eq!(finished.extracted, Some(client.path("tree")));
    for path in ["tree/a", "tree/deep/er/large", "tree/deep/text"] {
        assert!(fs::read(served.folder.path().join(path)).unwrap() == fs::read(client.path(path)).unwrap());
    }
    assert!(client.path("tree/empty").is_dir() && !client.path("tree/outward").exists());
    let metadata = fs::metadata(client.path("tree/a")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o700, 0o700);
    assert_eq!(metadata.modified().unwrap(), old());
    // Once more: both exist.
    assert_eq!(client.run(job.clone()).unwrap().extracted, Some(client.path("tree")));
    // A changed file is not replaced, and the archive is kept.
    fs::write(client.path("tree/a"), "changed").unwrap();
    let trouble = client.run(job.clone()).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("differs from tree.zip in a"), "{trouble}");
    let beside = NewJob { existing: Existing::Rename, ..job };
    assert_eq!(client.run(beside).unwrap().extracted, Some(client.path("tree (1)")));
    assert_eq!(client.names(), ["tree", "tree (1)", "tree (1).zip", "tree.zip"]);
}

/// A folder in which several users may create files, such as `/tmp`.
#[test]
fn an_extracted_folder_of_another_user_in_a_shared_folder_is_rejected() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives directories away");
        return;
    }
    let served = served();
    let mut client = Client::quick();
    let job = extracting(&client, &served, "tree");
    client.run(job.clone()).unwrap();
    fs::set_permissions(client.path(""), PermissionsExt::from_mode(0o1777)).unwrap();
    client.run(job.clone()).unwrap();
    chown(client.path("tree"), Some(1234), None).unwrap();
    let trouble = client.run(job.clone()).unwrap_err();
    let expected = format!("{} belongs to another user (1234)", client.path("tree").display());
    assert!(trouble.message.as_str().starts_with(&expected), "{trouble}");
    // The same for a file in an extracted folder that other users may write to.
    chown(client.path("tree"), Some(0), None).unwrap();
    fs::set_permissions(client.path("tree"), PermissionsExt::from_mode(0o1777)).unwrap();
    client.run(job.clone()).unwrap();
    chown(client.path("tree/a"), Some(1234), None).unwrap();
    let trouble = client.run(job).unwrap_err();
    assert!(trouble.message.as_str().contains("differs from tree.zip in a"), "{trouble}");
}

#[test]
fn archives_are_extracted_only_on_request_and_files_never() {
    let served = served();
    let mut client = Client::quick();
    assert_eq!(client.get(served.at(), "tree").unwrap().extracted, None);
    let job = extracting(&client, &served, "tree/a");
    assert_eq!(client.run(job).unwrap().extracted, None);
    assert_eq!(client.names(), ["a", "tree.zip"]);
}

/// A job whose extraction failed can be retried without a server.
#[test]
fn a_retry_starts_with_the_extraction() {
    let served = served();
    let mut client = Client::quick();
    fs::write(client.path("tree"), "in the way").unwrap();
    // A killed run has left this.
    fs::create_dir_all(client.path("tree.zip.unpack/fdsp-unpacking/deep")).unwrap();
    let id = client.add(extracting(&client, &served, "tree"));
    assert_eq!(client.end(id).unwrap_err().kind, TroubleKind::Disk);
    assert_eq!(client.names(), ["tree", "tree.zip"]);
    fs::remove_file(client.path("tree")).unwrap();
    drop(served);
    client.engine.command(Command::Retry(vec![id]));
    assert_eq!(client.end(id).unwrap().extracted, Some(client.path("tree")));
    assert!(client.path("tree/a").exists());
}

/// Also a job whose archive was deleted meanwhile.
#[test]
fn a_deleted_archive_is_fetched_again() {
    let served = served();
    let mut client = Client::quick();
    fs::write(client.path("tree"), "in the way").unwrap();
    let id = client.add(extracting(&client, &served, "tree"));
    assert_eq!(client.end(id).unwrap_err().kind, TroubleKind::Disk);
    fs::remove_file(client.path("tree")).unwrap();
    fs::remove_file(client.path("tree.zip")).unwrap();
    client.engine.command(Command::Retry(vec![id]));
    assert!(client.end(id).unwrap_err().message.as_str().contains("is gone; retry"));
    client.engine.command(Command::Retry(vec![id]));
    assert_eq!(client.end(id).unwrap().extracted, Some(client.path("tree")));
}

#[test]
fn one_unsupported_entry_does_not_prevent_the_extraction_of_the_others() {
    let served = Served::new();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["../evil", "a\u{202e}b", "good"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
    }
    served.write("evil.zip", zip.finish().unwrap().get_ref());
    let mut client = Client::quick();
    let job = extracting(&client, &served, "evil.zip");
    let finished = client.run(job).unwrap();
    let missing: Vec<_> = finished.missing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(missing, ["../evil", "a‹U+202E›b"]);
    assert_eq!(client.names(), ["evil", "evil.zip"]);
    assert!(client.path("evil/good").is_file());
    assert_eq!(fs::read_dir(client.path("evil")).unwrap().count(), 1);
}

#[test]
fn names_that_are_not_utf8_are_extracted_unchanged() {
    let served = Served::new();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9/na\xefve.txt");
    fs::create_dir_all(served.folder.path().join("tree").join(odd).parent().unwrap()).unwrap();
    fs::write(served.folder.path().join("tree").join(odd), "content").unwrap();
    let mut client = Client::quick();
    let job = extracting(&client, &served, "tree");
    for _ in 0..2 {
        let finished = client.run(job.clone()).unwrap();
        assert_eq!(finished.missing.count, 0);
        assert_eq!(fs::read(client.path("tree").join(odd)).unwrap(), b"content");
    }
}
