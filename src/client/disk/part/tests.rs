//! Which files may be opened as a `.part`, and what other programs may do to it.

use crate::client::disk::{folder::Folders, part::*};
use rustix::fs::{FileType, Mode};
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
};

fn folder() -> (tempfile::TempDir, Arc<Folder>) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folders::default().open(dir.path()).unwrap();
    (dir, folder)
}

fn refused(folder: &Arc<Folder>) -> String {
    Part::create(folder, "x".as_ref()).unwrap_err().trouble.message.to_string()
}

#[test]
fn links_devices_and_files_with_two_names_are_refused() {
    let (dir, folder) = folder();
    let part = dir.path().join("x.part");
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();

    symlink(&victim, &part).unwrap();
    assert!(refused(&folder).contains("symbolic link"));
    fs::remove_file(&part).unwrap();

    fs::hard_link(&victim, &part).unwrap();
    assert!(refused(&folder).contains("second name"));
    fs::remove_file(&part).unwrap();

    fs::create_dir(&part).unwrap();
    assert!(refused(&folder).contains("is a directory"));
    fs::remove_dir(&part).unwrap();

    rustix::fs::mknodat(rustix::fs::CWD, &part, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(refused(&folder).contains("not a regular file"));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_file_of_another_user_in_a_shared_folder_is_refused() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files away");
        return;
    }
    let (dir, folder) = folder();
    let part = dir.path().join("x.part");
    fs::write(&part, "").unwrap();
    chown(&part, Some(1), None).unwrap();
    chown(dir.path(), Some(2), None).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    // The system may refuse that itself, with another message.
    Part::create(&folder, "x".as_ref()).unwrap_err();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Part::create(&folder, "x".as_ref()).unwrap();
}

/// A journal shows that this program has created the `.part`; the journal of another user shows nothing.
#[test]
fn a_journal_of_another_user_does_not_count() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files away");
        return;
    }
    let (dir, folder) = folder();
    let [part, journal] = ["x.part", "x.part.fdsp"].map(|name| dir.path().join(name));
    fs::write(&part, "precious").unwrap();
    fs::write(&journal, "anything").unwrap();
    chown(&journal, Some(1), None).unwrap();
    for (mode, is_ours) in [(0o1777, false), (0o755, true)] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Part::open(&folder, "x".as_ref()).unwrap().is_ours(), is_ours, "{mode:o}");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(refused(&folder).contains("nothing shows that it is an unfinished download"));
    assert_eq!(fs::read_to_string(&part).unwrap(), "precious");
}

#[test]
fn a_part_of_an_earlier_version_becomes_private() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, folder) = folder();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    for (content, journal, expected) in [("", false, 0o600), ("begun", true, 0o600), ("mine", false, 0o644)] {
        let part = dir.path().join("x.part");
        fs::write(&part, content).unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o644)).unwrap();
        if journal {
            fs::write(dir.path().join("x.part.fdsp"), "anything").unwrap();
        }
        drop(Part::open(&folder, "x".as_ref()).unwrap());
        assert_eq!(mode("x.part"), expected, "{content}");
        let _ = fs::remove_file(dir.path().join("x.part.fdsp"));
    }
}

#[test]
fn a_second_client_is_refused() {
    let (_dir, folder) = folder();
    let mut first = Part::create(&folder, "x".as_ref()).unwrap();
    let refused = refused(&folder);
    assert!(refused.starts_with("another client is downloading to "), "{refused}");
    assert!(
        refused.ends_with("; wait until it has finished, stop it, or save to another folder"),
        "{refused}"
    );
    first.close(None);
    Part::create(&folder, "x".as_ref()).unwrap();
}

/// The server may refuse a file only after it has announced it.
#[test]
fn an_empty_part_can_be_removed_and_opened_again() {
    let (dir, folder) = folder();
    let mut part = Part::create(&folder, "x".as_ref()).unwrap();
    fs::write(dir.path().join("x.part.fdsp"), "").unwrap();
    part.claim(3, None).unwrap();
    part.remove_empty();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(part.reopen().unwrap(), "it is not taken for one that was changed");
    part.write(b"abc", 0).unwrap();
    part.remove_empty();
    part.close(None);
    assert_eq!(fs::read(dir.path().join("x.part")).unwrap(), b"abc");
}

#[test]
fn a_change_while_it_is_closed_is_noticed() {
    let (dir, folder) = folder();
    let mut part = Part::create(&folder, "x".as_ref()).unwrap();
    part.claim(3, None).unwrap();
    part.write(b"abc", 0).unwrap();
    part.close(None);
    assert!(part.reopen().unwrap());
    part.close(None);
    fs::write(dir.path().join("x.part"), "abcd").unwrap();
    assert!(!part.reopen().unwrap());
    part.discard();
    assert!(!dir.path().join("x.part").exists());
}

#[test]
fn a_file_that_replaced_it_while_it_was_closed_is_not_ours() {
    let (dir, folder) = folder();
    let mut part = Part::create(&folder, "x".as_ref()).unwrap();
    part.close(None);
    fs::write(dir.path().join("mine"), "precious").unwrap();
    fs::rename(dir.path().join("mine"), dir.path().join("x.part")).unwrap();
    assert!(!part.reopen().unwrap() && !part.is_ours());
    part.discard();
    assert_eq!(fs::read(dir.path().join("x.part")).unwrap(), b"precious");
}

#[test]
fn a_change_while_it_is_open_is_noticed() {
    let (dir, folder) = folder();
    let mut part = Part::create(&folder, "x".as_ref()).unwrap();
    part.claim(6, None).unwrap();
    part.write(b"abc", 0).unwrap();
    assert!(!part.writer().unwrap().is_touched());
    overwrite(&dir.path().join("x.part"), b"X");
    part.write(b"def", 3).unwrap();
    assert!(part.writer().unwrap().is_touched(), "what came after it does not hide it");
    part.close(None);
    assert!(!part.reopen().unwrap());
    assert!(!part.writer().unwrap().is_touched() && part.is_ours());
}

#[test]
fn a_part_of_another_version_is_set_aside_and_not_emptied() {
    let (dir, folder) = folder();
    fs::write(dir.path().join("x.zip.part"), "precious").unwrap();
    for (text, other) in [("fdsp-control 3 0a", true), ("fdsp-control 1", true), ("something else", false)] {
        fs::write(dir.path().join("x.zip.part.fdsp"), crate::client::disk::journal::seal::plain(text))
            .unwrap();
        let part = Part::open(&folder, "x.zip".as_ref()).unwrap();
        assert_eq!(part.is_of_another_version(), other, "{text}");
    }
    fs::write(dir.path().join("x.zip (1).part"), "of the user").unwrap();
    Part::open(&folder, "x.zip".as_ref()).unwrap().set_aside().unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!((read("x.zip (1).part"), read("x.zip (2).part")), ("of the user".into(), "precious".into()));
    assert!(read("x.zip (2).part.fdsp").contains("something else"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn a_closed_part_occupies_only_its_content() {
    let (dir, folder) = folder();
    let mut part = Part::create(&folder, "x".as_ref()).unwrap();
    part.claim(8 << 20, None).unwrap();
    part.write(b"abc", 0).unwrap();
    part.close(None);
    let data = dir.path().join("x.part").metadata().unwrap();
    assert!(data.len() == 3 && data.blocks() * 512 < 1 << 20, "{data:?}");
}

#[test]
fn a_part_that_is_also_the_target_loses_its_own_name() {
    let (dir, folder) = folder();
    fs::write(dir.path().join("x"), "whole").unwrap();
    fs::hard_link(dir.path().join("x"), dir.path().join("x.part")).unwrap();
    assert_eq!(Part::open(&folder, "x".as_ref()).unwrap().length().unwrap(), 0);
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"whole");
}

#[test]
fn only_the_own_file_is_deleted() {
    let (dir, folder) = folder();
    let part = Part::create(&folder, "x".as_ref()).unwrap();
    fs::remove_file(dir.path().join("x.part")).unwrap();
    fs::write(dir.path().join("x.part"), "of another program").unwrap();
    assert!(!part.is_in_place());
    part.discard();
    assert!(dir.path().join("x.part").exists());
}

#[test]
fn a_part_of_another_program_is_neither_emptied_nor_deleted() {
    let (dir, folder) = folder();
    fs::write(dir.path().join("x.part"), "precious").unwrap();
    assert!(refused(&folder).contains("x.part is in the way"));
    let mut part = Part::open(&folder, "x".as_ref()).unwrap();
    assert!(part.clear().is_err());
    part.discard();
    assert_eq!(fs::read(dir.path().join("x.part")).unwrap(), b"precious");
    fs::write(dir.path().join("x.part.fdsp"), "damaged").unwrap();
    Part::create(&folder, "x".as_ref()).unwrap().discard();
    assert!(!dir.path().join("x.part").exists());
}

#[test]
fn a_size_that_no_disk_can_store_is_refused() {
    let (_dir, folder) = folder();
    let part = Part::create(&folder, "x".as_ref()).unwrap();
    for size in [u64::MAX, i64::MAX as u64] {
        assert_eq!(part.claim(size, None).unwrap_err().trouble.kind, crate::client::TroubleKind::Disk);
    }
}
