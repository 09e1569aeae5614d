//! Names of a tree that cannot stand beside each other on this machine's disk.

use std::collections::HashMap;

use super::manifest::Manifest;
use crate::client::folding::Folding;

/// Two entries of one directory whose names a file system takes for the same.
pub(super) fn twins(manifest: &Manifest, folding: Folding) -> Option<(u32, u32)> {
    if folding == Folding::default() {
        return None;
    }
    let mut seen = HashMap::new();
    manifest.entries().skip(1).find_map(|(index, entry)| {
        let before = seen.insert((entry.parent, folding.key(manifest.name(index))), index)?;
        Some((before, index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tree::manifest::tests::tree;

    #[test]
    fn twins_are_found_where_the_file_system_folds() {
        let case = Folding { case: true, normal: false };
        let normal = Folding { case: false, normal: true };
        let pair = |paths: &[&str], folding| twins(&tree(paths), folding).is_some();
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
    }
}
