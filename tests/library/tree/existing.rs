//! Existing targets.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
};

use fdsp::client::{Existing, NewJob, TroubleKind};

use crate::tree::{
    fetch::tree,
    folder::{everything, look, same, write},
    support::{Client, Served},
};

#[test]
fn a_different_tree_is_kept_and_the_difference_reported() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client = Client::quick();
    write(client.folder.path(), "t/a.txt", b"mine");
    let before = look(&client.path("t"));
    let job = tree(&client, &served, "t");
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    let text = trouble.message.as_str();
    assert!(text.contains("differs from the server's in a.txt and ") && text.contains("--update"), "{text}");
    assert!(look(&client.path("t")) == before);
    assert_eq!(client.names(), ["t"]);
}

#[test]
fn overwrite_replaces_the_whole_tree() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    everything(&folder);
    let mut client = Client::quick();
    write(client.folder.path(), "t/mine", b"mine");
    write(client.folder.path(), "t/bin", b"a file in the place of a folder");
    let job = tree(&client, &served, "t");
    let done = client.run(NewJob { existing: Existing::Overwrite, ..job }).unwrap();
    same(&folder, &client.path("t"));
    assert_eq!((client.names(), done.deleted), (vec!["t".to_owned()], 2));
}

#[test]
fn the_mode_of_a_replaced_file_is_kept() {
    let served = Served::new();
    write(served.folder.path(), "t/small", b"new");
    write(served.folder.path(), "t/large", &crate::tree::folder::content(crate::tree::folder::MIB + 5, 1));
    for existing in [Existing::Update, Existing::Overwrite] {
        let mut client = Client::quick();
        for name in ["t/small", "t/large"] {
            write(client.folder.path(), name, b"old");
            fs::set_permissions(client.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::set_permissions(client.path("t"), fs::Permissions::from_mode(0o700)).unwrap();
        let job = tree(&client, &served, "t");
        client.run(NewJob { existing, ..job }).unwrap();
        same(&served.folder.path().join("t"), &client.path("t"));
        for (name, mode) in [("t", 0o700), ("t/small", 0o600), ("t/large", 0o600)] {
            let found = fs::metadata(client.path(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{existing:?}: {name}");
        }
    }
}

/// A file that replaces a link has the permissions of other new files, not those of the link.
#[test]
fn a_replaced_link_does_not_set_the_mode_of_the_file() {
    let served = Served::new();
    for (name, size) in [("t/small", 3), ("t/large", crate::tree::folder::MIB + 5)] {
        write(served.folder.path(), name, &crate::tree::folder::content(size, 1));
    }
    write(served.folder.path(), "t/new", b"new");
    let mut client = Client::quick();
    fs::create_dir(client.path("t")).unwrap();
    for name in ["t/small", "t/large"] {
        symlink("elsewhere", client.path(name)).unwrap();
    }
    let job = tree(&client, &served, "t");
    client.run(NewJob { existing: Existing::Update, ..job }).unwrap();
    same(&served.folder.path().join("t"), &client.path("t"));
    let mode = |name| fs::metadata(client.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("t/small"), mode("t/large")), (mode("t/new"), mode("t/new")));
    assert_eq!(mode("t/new") & 0o022, 0, "the tests run with an ordinary umask");
}

/// A folder in which several users may create files, such as `/tmp`.
#[test]
fn files_of_another_user_in_a_shared_folder_are_rejected() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives directories away");
        return;
    }
    let served = Served::new();
    for name in ["t/dir/file", "t/file"] {
        write(served.folder.path(), name, b"content");
    }
    // The tree itself, a folder in it, and a file.
    for (given_away, shared) in [("t", ""), ("t/dir", "t"), ("t/file", "t"), ("t/dir/file", "t/dir")] {
        let mut client = Client::quick();
        for name in ["t/dir/file", "t/file"] {
            write(client.folder.path(), name, b"content");
        }
        let job = tree(&client, &served, "t");
        chown(client.path(given_away), Some(1234), None).unwrap();
        fs::set_permissions(client.path(shared), fs::Permissions::from_mode(0o1777)).unwrap();
        let before = look(&client.path("t"));
        for existing in [Existing::Keep, Existing::Update, Existing::Overwrite] {
            if existing == Existing::Overwrite && given_away != "t" {
                // The whole tree is replaced without being compared.
                continue;
            }
            let trouble = client.run(NewJob { existing, ..job.clone() }).unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Disk);
            let expected = format!("{} belongs to another user (1234)", client.path(given_away).display());
            assert!(trouble.message.as_str().starts_with(&expected), "{existing:?}: {trouble}");
        }
        assert!(look(&client.path("t")) == before);
        // In a private folder, its owner allows the files of another user.
        fs::set_permissions(client.path(shared), fs::Permissions::from_mode(0o2775)).unwrap();
        client.run(job).unwrap();
    }
}

/// A folder that was deleted on the server and created again, or a mount that is gone, is served as an empty one.
#[test]
fn an_empty_folder_does_not_replace_one_with_files() {
    let served = Served::new();
    fs::create_dir_all(served.folder.path().join("t/empty")).unwrap();
    let mut client = Client::quick();
    write(client.folder.path(), "t/d/mine", b"mine");
    let before = look(&client.path("t"));
    for existing in [Existing::Overwrite, Existing::Update] {
        let job = tree(&client, &served, "t");
        let ended = client.run(NewJob { existing, ..job.clone() });
        if existing == Existing::Overwrite {
            let trouble = ended.unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Disk);
            let text = trouble.message.as_str();
            assert!(text.contains("has 1 file (d/mine)") && text.contains("delete "), "{text}");
            assert!(look(&client.path("t")) == before);
        } else {
            assert_eq!(ended.unwrap().deleted, 0);
        }
        assert_eq!(fs::read(client.path("t/d/mine")).unwrap(), b"mine");
        assert_eq!(client.names(), ["t"]);
    }
    fs::remove_dir_all(client.path("t")).unwrap();
    let job = tree(&client, &served, "t");
    client.run(NewJob { existing: Existing::Overwrite, ..job }).unwrap();
    assert_eq!(client.names(), ["t"]);
}

#[test]
fn a_file_at_the_target_of_a_tree_is_kept() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    for existing in [Existing::Keep, Existing::Update, Existing::Overwrite] {
        let mut client = Client::quick();
        fs::write(client.path("t"), "mine").unwrap();
        let job = tree(&client, &served, "t");
        let trouble = client.run(NewJob { existing, ..job }).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
        assert_eq!(
            (fs::read(client.path("t")).unwrap(), client.names()),
            (b"mine".to_vec(), vec!["t".to_owned()])
        );
    }
}

#[test]
fn an_update_replaces_no_file_by_a_folder_and_no_folder_by_a_file() {
    for (mine, theirs) in [("t/x", "t/x/y"), ("t/x/y", "t/x")] {
        let served = Served::new();
        write(served.folder.path(), theirs, b"theirs");
        let mut client = Client::quick();
        write(client.folder.path(), mine, b"mine");
        let job = NewJob { existing: Existing::Update, ..tree(&client, &served, "t") };
        let trouble = client.run(job).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
        assert!(trouble.message.as_str().contains("t/x is a directory on one side only"), "{trouble}");
        assert_eq!(fs::read(client.path(mine)).unwrap(), b"mine");
        assert_eq!(client.names(), ["t"]);
    }
}

#[test]
fn no_file_is_written_through_a_link() {
    let served = Served::new();
    write(served.folder.path(), "t/x/y", b"theirs");
    write(served.folder.path(), "t/z", b"theirs");
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "y", b"precious");
    let mut client = Client::quick();
    fs::create_dir(client.path("t")).unwrap();
    symlink(outside.path(), client.path("t/x")).unwrap();
    symlink(outside.path().join("y"), client.path("t/z")).unwrap();
    let job = NewJob { existing: Existing::Update, ..tree(&client, &served, "t") };
    let trouble = client.run(job.clone()).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
    fs::remove_file(client.path("t/x")).unwrap();
    client.run(job).unwrap();
    assert_eq!(fs::read(outside.path().join("y")).unwrap(), b"precious");
    assert!(
        client.path("t/z").symlink_metadata().unwrap().is_file(),
        "the link is replaced, not what it leads to"
    );
    assert_eq!(fs::read(client.path("t/x/y")).unwrap(), b"theirs");
}

#[test]
fn a_target_created_during_the_download_is_not_overwritten() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client =
        Client::new(fdsp::client::Config { limit: Some(3_000_000), ..crate::tree::support::config() });
    let job = tree(&client, &served, "t");
    let id = client.add(job);
    client.started(id);
    write(client.folder.path(), "t/mine", b"mine");
    let trouble = client.end(id).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
    assert_eq!(fs::read(client.path("t/mine")).unwrap(), b"mine");
    assert_eq!(client.names(), ["t", "t.part"], "what was fetched is kept");
    fs::remove_dir_all(client.path("t")).unwrap();
    let job = tree(&client, &served, "t");
    let done = client.run(job).unwrap();
    assert_eq!((done.transferred, client.names()), (0, vec!["t".to_owned()]));
}

#[test]
fn a_work_folder_beside_a_complete_tree_is_removed() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    everything(&folder);
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    write(client.folder.path(), "t.part/fdsp-tree/a.txt", b"te");
    fs::create_dir(client.path("t.part/fdsp-parts")).unwrap();
    let whole = NewJob { save_as: Some("u".into()), ..job.clone() };
    client.run(whole).unwrap();
    fs::rename(client.path("u"), client.path("t")).unwrap();
    let done = client.run(job).unwrap();
    assert_eq!((done.transferred, client.names()), (0, vec!["t".to_owned()]));
}
