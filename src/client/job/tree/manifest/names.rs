//! Entries of a tree that the local file system cannot store: names that it rejects, or treats as the same.

use std::{collections::HashMap, os::fd::BorrowedFd};

use rustix::{fs::AtFlags, io::Errno};

use crate::{
    client::{
        disk::{
            folder::Folder,
            name::{
                folding::Folding,
                unstorable::{self, Probe},
            },
        },
        job::tree::manifest::{Entry, Manifest, Node},
    },
    protocol::path::odd_name,
    text::SafeText,
};
/// Entries whose names a file system treats as that of an earlier one in the same directory, and why they are missing.
pub(crate) fn twins(manifest: &Manifest, folding: Folding) -> HashMap<u32, String> {
    let mut twins = HashMap::new();
    if folding == Folding::default() {
        return twins;
    }
    let mut seen = HashMap::new();
    for (index, entry) in manifest.entries().skip(1) {
        let name = odd_name::to_text(manifest.disk_name(index).as_encoded_bytes());
        let name = (entry.parent, folding.key(&name));
        let first = *seen.entry(name).or_insert(index);
        if first != index {
            let first = SafeText::new(manifest.name(first));
            twins.insert(index, format!("it has the same name as {first} for this file system"));
        }
    }
    twins
}

/// Whether any name has to be tested.
pub(crate) fn is_any_doubtful(manifest: &Manifest, folder: &Folder) -> bool {
    let is_link = |entry: &Entry| matches!(entry.node, Node::Link { .. });
    let is_doubtful = |index| unstorable::is_doubtful(manifest.disk_name(index), folder);
    manifest.entries().skip(1).any(|(index, entry)| is_link(entry) || is_doubtful(index))
}

/// Entries that the file system of an empty directory cannot store, and why not. They are tested before anything is received.
pub(crate) fn unstorable(
    manifest: &Manifest,
    folder: &Folder,
    probe: BorrowedFd<'_>,
) -> HashMap<u32, String> {
    let names = Probe::new(folder, probe);
    let mut links = None;
    let mut lost = HashMap::new();
    for (index, entry) in manifest.entries().skip(1) {
        let name = manifest.disk_name(index);
        let refused = match entry.node {
            Node::Link { .. } => links.get_or_insert_with(|| refuses_links(probe)).clone(),
            Node::File { .. } | Node::Directory => None,
        };
        let refused = refused.or_else(|| names.refusal(name));
        if let Some(why) = refused {
            lost.insert(index, why);
        }
    }
    lost
}

fn refuses_links(probe: BorrowedFd<'_>) -> Option<String> {
    const LINK: &str = "link";
    match rustix::fs::symlinkat("target", probe, LINK) {
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
            Some("it is a link, and this file system has none".to_owned())
        }
        _ => {
            let _ = rustix::fs::unlinkat(probe, LINK, AtFlags::empty());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{disk::folder::Folders, job::tree::manifest::tests::tree};
    use std::os::fd::AsFd;

    #[test]
    fn twins_are_found_where_the_file_system_folds() {
        let case = Folding { case: true, normal: false };
        let normal = Folding { case: false, normal: true };
        let pair = |paths: &[&str], folding| !twins(&tree(paths), folding).is_empty();
        for (one, other, by_case, by_normal) in [
            ("README", "readme", true, false),
            ("straße", "STRASSE", true, false),
            ("σ", "ς", true, false),
            ("\u{e9}", "e\u{301}", true, true),
            ("\u{c9}", "e\u{301}", true, false),
            ("a", "b", false, false),
            ("d/a", "A", false, false),
        ] {
            assert_eq!(pair(&[one, other], case), by_case, "{one} {other}");
            assert_eq!(pair(&[one, other], normal), by_normal, "{one} {other}");
            assert!(!pair(&[one, other], Folding::default()));
        }
        assert!(pair(&["D/a", "d/b"], case), "directories are names, too");
        let manifest = tree(&["README", "Readme", "readme", "x"]);
        let twins = twins(&manifest, case);
        let mut lost: Vec<_> =
            twins.iter().map(|(index, why)| (manifest.path(*index), why.as_str())).collect();
        lost.sort_unstable();
        let why = "it has the same name as README for this file system";
        assert_eq!(lost, [("Readme".to_owned(), why), ("readme".to_owned(), why)]);
    }

    #[test]
    fn an_ordinary_file_system_accepts_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let manifest = tree(&["a:b", "a.", " b", "c ", "caf\0E9", &"x".repeat(255), "plain"]);
        assert!(is_any_doubtful(&manifest, &folder));
        assert_eq!(unstorable(&manifest, &folder, folder.handle.as_fd()), HashMap::new());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(!is_any_doubtful(&tree(&["a", "b/c"]), &folder));
    }

    #[test]
    fn names_that_are_too_long_for_the_file_system_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::limited(dir.path(), 14);
        let (long, manifest) = ("x".repeat(15), tree(&["short", &"x".repeat(15), "fourteen_bytes"]));
        assert!(is_any_doubtful(&manifest, &folder) && !is_any_doubtful(&tree(&["short"]), &folder));
        let lost = unstorable(&manifest, &folder, folder.handle.as_fd());
        let lost: Vec<_> = lost.iter().map(|(index, why)| (manifest.path(*index), why.as_str())).collect();
        assert_eq!(lost, [(long, "its name is too long for this file system")]);
    }
}
