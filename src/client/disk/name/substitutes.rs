//! Substitutes for names that are not portable, or too long for the file system: `a:b` is saved as `a_b`. A substitute is derived from
//! the names in the directory, so that another run finds it again.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
};

use crate::client::{
    api::settings::config::Names,
    disk::name::{SafeName, folding::Folding, length},
};

/// An entry of a tree: its number, that of the directory that it is in, and its name.
pub(crate) type Named<'a> = (u32, u32, &'a str);

/// The substitutes of all entries whose names are not portable, longer than `longest` bytes, or the same as an earlier one's on other
/// systems, by their numbers.
pub(crate) fn choose<'a>(entries: impl Iterator<Item = Named<'a>>, longest: usize) -> HashMap<u32, OsString> {
    let folding = Folding::elsewhere(Names::Portable);
    let key = |parent: u32, name: &OsStr| (parent, folding.key(&name.to_string_lossy()));
    let mut taken = HashSet::new();
    let mut odd = Vec::new();
    for (number, parent, name) in entries {
        let stays = name.len() <= longest && SafeName::exact(name, Names::Portable).is_ok();
        if !stays || !taken.insert(key(parent, OsStr::new(name))) {
            odd.push((number, parent, name));
        }
    }
    let mut substitutes = HashMap::new();
    for (number, parent, own) in odd {
        let plain = length::within(SafeName::fitting(own, Names::Portable).as_os_str(), longest);
        let digest = blake3::hash(own.as_bytes()).to_hex();
        let mark = |length| length::marked(&plain, &format!("~{}", &digest[..length]), longest);
        let mut candidates = std::iter::once(plain.clone()).chain([8, 16, 64].map(mark));
        // No other name has the whole digest by chance. If one has, the file is not saved.
        let free = candidates.find(|name| taken.insert(key(parent, name)));
        substitutes.insert(number, free.unwrap_or_else(|| mark(64)));
    }
    substitutes
}
