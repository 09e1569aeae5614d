//! Which names of a tree can stand on this machine's disk as they are. A tree has to be what the server has, so that none
//! is changed; one that cannot stay is refused.

use std::collections::HashMap;

use super::manifest::Manifest;
use crate::client::folding::Folding;

/// Why a name is refused.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    match name {
        "" | "." | ".." => return Some("is no name of a file"),
        _ if name.len() > 255 => return Some("is too long for a file"),
        _ if name.contains(['/', '\0']) => return Some("is no name of a file"),
        _ => {}
    }
    let hides = |c: char| {
        // Controls act on the terminal of whoever lists the folder, bidirectional ones show another name than it is.
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.contains(hides).then_some("has characters that a terminal obeys instead of showing them")
}

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
    use proptest::prelude::*;

    #[test]
    fn names_of_real_trees_stay() {
        for name in
            ["a", ".hidden", "größe", "aux.c", "system-\\x2d.slice", "a b", "~", "❤\u{fe0f}.png", "e\u{301}"]
        {
            assert_eq!(refused(name), None, "{name}");
        }
        for name in ["", ".", "..", "a/b", "a\0", "a\n", "\u{1b}[2J", "\u{202e}gpj.exe", "a\u{85}"] {
            assert!(refused(name).is_some(), "{name:?}");
        }
        assert!(refused(&"x".repeat(256)).is_some());
    }

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

    proptest! {
        #[test]
        fn nothing_that_is_no_single_name_passes(name in any::<String>()) {
            if refused(&name).is_none() {
                let path = std::path::Path::new(&name);
                prop_assert_eq!(path.file_name(), Some(std::ffi::OsStr::new(&name)));
                prop_assert_eq!(path.components().count(), 1);
            }
        }
    }
}
