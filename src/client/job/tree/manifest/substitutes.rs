//! Substitutes for names and link targets of a tree that are not portable.

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt,
};

use crate::client::{
    api::settings::config::Names,
    disk::name::{SafeName, substitutes},
    job::tree::manifest::{Manifest, Node},
};
/// Names and link targets that are saved instead of the server's, by the index of the entry.
#[derive(Debug, Default)]
pub(crate) struct Substitutes {
    pub(crate) names: HashMap<u32, OsString>,
    pub(crate) targets: HashMap<u32, OsString>,
}

impl Substitutes {
    /// Chooses them for all entries that need one, in at most `longest` bytes.
    pub(crate) fn choose(manifest: &Manifest, longest: usize) -> Substitutes {
        let entries = manifest.entries().skip(1);
        let named = entries.map(|(index, entry)| (index, entry.parent, manifest.name(index)));
        let names = substitutes::choose(named, longest);
        let targets = targets(manifest, &names);
        Substitutes { names, targets }
    }
}

/// The targets of links to renamed entries. Targets outside of the tree keep their names where possible.
fn targets(manifest: &Manifest, names: &HashMap<u32, OsString>) -> HashMap<u32, OsString> {
    let is_link = |node| matches!(node, Node::Link { .. });
    if !manifest.entries().any(|(_, entry)| is_link(entry.node)) {
        return HashMap::new();
    }
    let inside: HashMap<(u32, &str), u32> = manifest
        .entries()
        .skip(1)
        .map(|(index, entry)| ((entry.parent, manifest.name(index)), index))
        .collect();
    let mut targets = HashMap::new();
    for (index, entry) in manifest.entries() {
        let Node::Link { target } = entry.node else { continue };
        let mut at = Some(entry.parent);
        let segments = manifest.text(target).split('/').map(|segment| match segment {
            "" | "." => Cow::Borrowed(OsStr::new(segment)),
            ".." => {
                at = at.map(|at| manifest.entry(at).parent);
                Cow::Borrowed(OsStr::new(segment))
            }
            name => {
                at = at.and_then(|at| inside.get(&(at, name)).copied());
                match at.and_then(|at| names.get(&at)) {
                    Some(substitute) => Cow::Borrowed(substitute.as_os_str()),
                    None if at.is_some() => Cow::Borrowed(OsStr::new(name)),
                    None => Cow::Owned(SafeName::fitting(name, Names::Portable).as_os_str().to_owned()),
                }
            }
        });
        let segments: Vec<_> = segments.map(|segment| segment.as_encoded_bytes().to_vec()).collect();
        let changed = segments.join(&b'/');
        if changed != manifest.text(target).as_bytes() {
            targets.insert(index, OsString::from_vec(changed));
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{
            api::content::origin::Origin,
            job::tree::manifest::{
                gathering::Gathering,
                tests::{entry, file},
            },
        },
        protocol::message::{Totals, TreeNode},
    };

    /// The paths of the entries on the disk, and the targets of the links.
    fn saved(entries: &[(&str, TreeNode)]) -> (Vec<String>, Vec<String>) {
        saved_within(255, entries)
    }

    /// The same where names have at most `longest` bytes.
    fn saved_within(longest: usize, entries: &[(&str, TreeNode)]) -> (Vec<String>, Vec<String>) {
        let mut gathering = Gathering::new(Names::Portable, Origin::plain("h"));
        gathering.add(&entry("", TreeNode::Directory)).unwrap();
        entries.iter().for_each(|(path, node)| gathering.add(&entry(path, node.clone())).unwrap());
        let manifest = gathering.finish(Totals::default(), longest);
        assert!(manifest.missing.is_none());
        let paths = (1..manifest.len()).map(|index| manifest.disk_path(index).to_str().unwrap().to_owned());
        let links = manifest.entries().filter_map(|(index, entry)| match entry.node {
            Node::Link { target } => Some(manifest.disk_target(index, target).to_str().unwrap().to_owned()),
            _ => None,
        });
        (paths.collect(), links.collect())
    }

    #[test]
    fn an_unportable_name_has_a_substitute_that_is_free() {
        let (paths, _) = saved(&[
            ("CON", TreeNode::Directory),
            ("CON/x:y", file()),
            ("a:b", file()),
            ("a?b", file()),
            ("a_b", file()),
            ("caf\0E8", file()),
            ("caf\0E9", file()),
        ]);
        let mark = |name: &str| blake3::hash(name.as_bytes()).to_hex()[..8].to_owned();
        let expected = [
            "_CON".to_owned(),
            "_CON/x_y".to_owned(),
            format!("a_b~{}", mark("a:b")),
            format!("a_b~{}", mark("a?b")),
            "a_b".to_owned(),
            "caf_".to_owned(),
            format!("caf_~{}", mark("caf\0E9")),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn names_that_other_systems_treat_as_the_same_get_different_ones() {
        let (paths, _) = saved(&[("README.md", file()), ("readme.md", file())]);
        let mark = &blake3::hash(b"readme.md").to_hex()[..8];
        assert_eq!(paths, ["README.md".to_owned(), format!("readme~{mark}.md")]);
    }

    #[test]
    fn links_lead_to_the_substitutes() {
        let link = |target: &str| TreeNode::Link { target: target.to_owned() };
        let (_, targets) = saved(&[
            ("d:", TreeNode::Directory),
            ("d:/f:", file()),
            ("d:/l", link("../d:/./f:")),
            ("l", link("d:/f:")),
            ("m", link("l/absent:")),
            ("n", link("plain")),
        ]);
        assert_eq!(targets, ["../d_/./f_", "d_/f_", "l/absent_", "plain"]);
    }

    #[test]
    fn a_name_that_is_too_long_is_shortened() {
        let (long, other) = (format!("{}.txt", "a".repeat(252)), format!("{}.txt", "a".repeat(253)));
        let (paths, _) = saved(&[(&long, file()), (&other, file())]);
        assert!(paths.iter().all(|name| name.len() <= 255 && name.ends_with(".txt")) && paths[0] != paths[1]);
    }

    #[test]
    fn a_name_that_is_too_long_for_the_file_system_is_shortened() {
        let names = ["1", "2"].map(|last| format!("{}{last}.txt", "a".repeat(150)));
        let device = format!("com1.{}", "a".repeat(138));
        let link = TreeNode::Link { target: format!("../{}", names[1]) };
        let entries = [
            (&*device, file()),
            (&*names[0], file()),
            (&*names[1], file()),
            ("d", TreeNode::Directory),
            ("d/l", link),
        ];
        let (paths, links) = saved_within(143, &entries);
        let mark = &blake3::hash(names[1].as_bytes()).to_hex()[..8];
        let expected = [
            format!("_com1.{}", "a".repeat(137)),
            format!("{}.txt", "a".repeat(139)),
            format!("{}~{mark}.txt", "a".repeat(130)),
        ];
        assert_eq!(paths[..3], expected);
        assert_eq!(links, [format!("../{}", expected[2])]);
    }
}
