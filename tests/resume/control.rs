//! A control file that is damaged, or is something else: it only ever saves work.

use std::{fs, os::unix::fs::PermissionsExt, os::unix::fs::symlink};

use crate::support::{Folder, MIB, Served, content};

/// Interrupts a download of 4 MiB after 2, spoils the control file, and downloads.
fn spoilt(spoil: impl FnOnce(&Folder, &std::path::Path)) -> Folder {
    let served = Served::new();
    let bytes = content(4 * MIB, 1);
    served.write("a", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 2);
    spoil(&folder, &folder.path("a.part.fdsp"));
    let finished = folder.fetch(served.at(), "a").unwrap();
    assert!(fs::read(finished.path).unwrap() == bytes);
    folder
}

#[test]
fn garbage_is_no_error() {
    let folder = spoilt(|_, control| fs::write(control, content(5000, 1)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn none_is_no_error() {
    let folder = spoilt(|_, control| fs::remove_file(control).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn one_of_another_version_is_no_error() {
    let folder = spoilt(|_, control| {
        let text = fs::read_to_string(control).unwrap();
        assert!(text.contains(" fdsp-control 1\n") && text.contains("fdsp+plain://127.0.0.1:"), "{text}");
        fs::write(control, text.replace("fdsp-control 1", "fdsp-control 2")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_link_is_not_followed() {
    let folder = spoilt(|folder, control| {
        fs::rename(control, folder.path("victim")).unwrap();
        symlink(folder.path("victim"), control).unwrap();
    });
    let victim = fs::read_to_string(folder.path("victim")).unwrap();
    assert!(victim.contains(" clean "), "it is as it was: {victim}");
    assert_eq!(folder.names(), ["a", "victim"]);
}

#[test]
fn a_directory_is_in_nobodys_way() {
    let folder = spoilt(|_, control| {
        fs::remove_file(control).unwrap();
        fs::create_dir(control).unwrap();
    });
    assert_eq!(folder.names(), ["a", "a.part.fdsp"]);
}

#[test]
fn a_read_only_one_is_replaced() {
    let folder =
        spoilt(|_, control| fs::set_permissions(control, fs::Permissions::from_mode(0o444)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_claim_that_is_not_true_is_not_believed() {
    // The `.part` of another download comes under the control file.
    let folder = spoilt(|folder, _| {
        fs::write(folder.path("other"), content(2 * MIB, 7)).unwrap();
        fs::rename(folder.path("other"), folder.path("a.part")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}
