//! What distinguishes jobs of the same name: their host, their folder, or both.

use std::collections::{HashMap, hash_map::Entry};

/// A job: its name and its address.
pub type Named<'a> = (&'a str, &'a str);

/// The folders of a host.
struct Folders<'a> {
    first: &'a str,
    differ: bool,
}

/// The host and the folder of an address.
fn place(address: &str) -> (&str, &str) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let folder = path.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
    (host, folder)
}

/// For each job that is shown, what distinguishes it from all others of the same name, shown or not; `None` if there is no other, or
/// nothing does.
pub fn distinctions<'a>(shown: &[Named<'a>], all: impl Iterator<Item = Named<'a>>) -> Vec<Option<String>> {
    let mut by_name: HashMap<&str, HashMap<&str, Folders<'_>>> =
        shown.iter().map(|(name, _)| (*name, HashMap::new())).collect();
    for (name, address) in all {
        let Some(hosts) = by_name.get_mut(name) else { continue };
        let (host, folder) = place(address);
        match hosts.entry(host) {
            Entry::Vacant(vacant) => drop(vacant.insert(Folders { first: folder, differ: false })),
            Entry::Occupied(known) => {
                let folders = known.into_mut();
                folders.differ |= folders.first != folder;
            }
        }
    }
    let text = |(name, address): &Named<'_>| {
        let hosts = by_name.get(name)?;
        let (host, folder) = place(address);
        let text = match (hosts.len() > 1, hosts.values().any(|folders| folders.differ)) {
            (false, false) => "".to_owned(),
            (true, true) if !folder.is_empty() => format!("{host}/{folder}"),
            (true, _) => host.to_owned(),
            (false, true) => folder.to_owned(),
        };
        (!text.is_empty()).then_some(text)
    };
    shown.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_name_have_their_host_or_their_folder_beside_it() {
        let shown = |addresses: &[&str]| {
            let all: Vec<Named<'_>> = addresses.iter().map(|address| ("disk.img", *address)).collect();
            // What is not shown counts as well, and another name does not.
            let others = [("other.img", "fdsp://z/other.img")];
            let alone = distinctions(&all[..1], all.iter().copied().chain(others));
            let shown = distinctions(&all, all.iter().copied().chain(others));
            assert_eq!(alone[0], shown[0]);
            let shown = shown.into_iter().map(|place| place.unwrap_or("-".to_owned()));
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&["fdsp://a/disk.img"]), "-");
        assert_eq!(shown(&["fdsp://a/vm/disk.img#sha256:00", "fdsp://b:1/disk.img"]), "a b:1");
        assert_eq!(shown(&["fdsp://a/vm/one/disk.img", "fdsp://a/vm/two/disk.img"]), "vm/one vm/two");
        assert_eq!(
            shown(&["fdsp://a/x/disk.img", "fdsp://a/x/disk.img"]),
            "- -",
            "nothing distinguishes them"
        );
        assert_eq!(shown(&["fdsp://t@a/disk.img", "fdsp://a/x/disk.img"]), "- x");
        assert_eq!(
            shown(&["fdsp://a/x/disk.img", "fdsp://a/y/disk.img", "fdsp://b/disk.img"]),
            "a/x a/y b",
            "the host alone would not distinguish them"
        );
    }
}
