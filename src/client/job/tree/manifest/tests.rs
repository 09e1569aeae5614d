//! What a manifest knows of its entries, and trees for other tests.

use proptest::prelude::*;

use super::{gathering::Gathering, *};
use crate::{
    client::api::settings::config::Names,
    protocol::message::{TreeEntry, TreeNode},
};

pub fn entry(path: &str, node: TreeNode) -> TreeEntry {
    let modified = Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
    TreeEntry { path: path.to_owned(), modified, mode: 0o755, node }
}

/// A file of one byte.
pub fn file() -> TreeNode {
    TreeNode::File { size: 1, identity: "i".to_owned() }
}

/// A tree of files with these paths and the directories that these need.
pub fn tree(paths: &[&str]) -> Manifest {
    let mut all = std::collections::BTreeMap::new();
    for path in paths {
        let segments: Vec<_> = path.split('/').collect();
        for depth in 1..segments.len() {
            all.insert(segments[..depth].to_vec(), TreeNode::Directory);
        }
        all.insert(segments, TreeNode::File { size: 1, identity: format!("id {path}") });
    }
    let mut gathering = Gathering::new(Names::Exact, Origin::plain("h"));
    gathering.add(&entry("", TreeNode::Directory)).unwrap();
    for (segments, node) in all {
        gathering.add(&entry(&segments.join("/"), node)).unwrap();
    }
    gathering.finish(Totals::default(), 255)
}

#[test]
fn entries_know_their_paths() {
    let manifest = tree(&["a/b/c", "a/b/d", "a/e", "f", "g/h"]);
    let paths: Vec<_> = manifest.entries().map(|(index, _)| manifest.path(index)).collect();
    assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a/b/d", "a/e", "f", "g", "g/h"]);
    let ends = manifest.ends();
    let inside = |directory| manifest.children(directory, &ends).collect::<Vec<_>>();
    assert_eq!((inside(0), inside(1), inside(2)), (vec![1, 6, 7], vec![2, 5], vec![3, 4]));
    assert_eq!(manifest.identity(3), "id a/b/c");
}

#[test]
fn excluded_entries_are_missing() {
    let manifest = tree(&["a/b/c", "a/b/d", "a/e", "f", "g/h"]);
    let kept = manifest.without(&[(2, "x".to_owned()), (6, "y".to_owned())].into());
    let paths: Vec<_> = kept.entries().map(|(index, _)| kept.path(index)).collect();
    assert_eq!(paths, ["", "a", "a/e", "g", "g/h"]);
    let missing: Vec<_> =
        kept.missing.entries.iter().map(|entry| (entry.path.as_str(), entry.reason.as_str())).collect();
    assert_eq!(missing, [("a/b/c", "x"), ("a/b/d", "x"), ("f", "y")]);
    assert_eq!((kept.totals.files, kept.totals.directories, kept.totals.bytes), (2, 3, 2));
}

proptest! {
    #[test]
    fn files_are_in_the_order_of_sort(paths in prop::collection::btree_set("[ab.~-]{1,2}(/[ab.~-]{1,2}){0,3}", 0..30)) {
        let fits = |path: &&str| path.split('/').all(|name| !matches!(name, "." | ".."));
        let clash = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
        let paths: Vec<&str> = paths.iter().map(String::as_str).filter(fits).filter(|path| !clash(path)).collect();
        let manifest = tree(&paths);
        let found: Vec<_> = manifest.files_by_path().into_iter().map(|index| manifest.path(index)).collect();
        let mut expected = paths;
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
