//! The order of the entries, and links that go through each other.

use std::collections::BTreeMap;

use fdsp::protocol::path;
use proptest::prelude::*;

use super::{contradiction, directory, end, file, link, page, totals, tree};
use crate::wire::client_rejects::{accepted, refused, welcomed};

#[test]
fn trees_out_of_order() {
    let order = "entries out of order";
    let orphan = "an entry before the directory that it is in";
    for (entries, what) in [
        (vec![file("b", 1), file("a", 1)], order),
        (vec![file("a", 1), file("a", 1)], order),
        (vec![file("a", 1), directory("a")], order),
        (vec![directory("a"), link("a", "b")], order),
        (vec![file("a-", 1), directory("a")], order),
        (vec![directory("a"), file("a-", 1), file("a/b", 1)], order),
        (vec![directory("a"), file("a/b", 1), directory("a")], order),
        (vec![file("a/b", 1)], orphan),
        (vec![file("a", 1), file("a/b", 1)], orphan),
        (vec![link("a", "."), file("a/b", 1)], orphan),
        (vec![directory("a"), file("a/b/c", 1)], orphan),
        (vec![directory("a"), directory("b"), file("b/c/d", 1)], orphan),
        (vec![directory("a"), file("ab/c", 1)], orphan),
    ] {
        let entries = [vec![directory("")], entries].concat();
        contradiction(&page(welcomed(), &entries), what);
        // The same across pages.
        let (last, first) = entries.split_last().expect("an entry");
        contradiction(&page(page(welcomed(), first), std::slice::from_ref(last)), what);
    }
}

/// Names that collide, nest and are ordered in any way.
fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::collection::vec("[a -]{1,2}", 1..4).prop_map(|names| names.join("/")), 0..30)
}

proptest! {
    #![proptest_config(crate::shared::effort::cases(200))]

    #[test]
    fn a_tree_is_accepted_in_one_order_only(mut paths in paths(), swap in any::<(usize, usize)>()) {
        // All parent directories, too.
        for path in paths.clone() {
            paths.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        paths.push(String::new());
        paths.sort_by(|a, b| path::compare(a, b));
        paths.dedup();
        let stream = |paths: &[String]| {
            let entries: Vec<_> = paths.iter().map(|path| directory(path)).collect();
            end(welcomed(), &entries, &totals(0, 0, paths.len() as u64, 0))
        };
        accepted(&tree(), &stream(&paths));
        let (a, b) = (swap.0 % paths.len(), swap.1 % paths.len());
        if a != b {
            paths.swap(a, b);
            refused(&tree(), &stream(&paths));
        }
    }

    /// No combination of links leads out.
    #[test]
    fn accepted_links_stay_within_the_tree(
        targets in prop::collection::vec("(\\.\\./){0,3}[abxy.]{0,2}(/[abxy.]{1,2}){0,4}", 6),
    ) {
        let places = ["x", "y", "a/x", "a/y", "a/b/x", "b/y"];
        let links: BTreeMap<&str, &str> = places
            .into_iter()
            .zip(targets.iter().map(String::as_str))
            .filter(|(place, target)| path::is_target(place, target))
            .collect();
        for place in links.keys() {
            prop_assert!(stays_inside(place, &links), "{place} leads out: {links:?}");
        }
    }
}

/// Resolves a path in a tree with some directories and these links. Returns whether it stays inside.
fn stays_inside(path: &str, links: &BTreeMap<&str, &str>) -> bool {
    let mut at: Vec<String> = Vec::new();
    let mut rest: Vec<&str> = path.split('/').rev().collect();
    // A cycle stays inside.
    for _ in 0..1000 {
        match rest.pop() {
            None => return true,
            Some("" | ".") => {}
            Some("..") => {
                if at.pop().is_none() {
                    return false;
                }
            }
            Some(name) => {
                at.push(name.to_owned());
                let place = at.join("/");
                if let Some(target) = links.get(place.as_str()) {
                    at.pop();
                    rest.extend(target.split('/').rev());
                } else if !["a", "b", "a/b"].contains(&place.as_str()) {
                    return true;
                }
            }
        }
    }
    true
}
