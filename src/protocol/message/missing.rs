//! Entries of a folder that an answer should have and does not have.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{protocol::error::Violation, text::SafeText, text::units};

/// The maximum number of named entries.
const MAX_ENTRIES: usize = 100;
/// The maximum number of named entries in a sentence.
const SHOWN: usize = 5;
/// The maximum number of characters of their paths in it.
const SHOWN_PATH: usize = 120;
/// The maximum length of the JSON of all named entries together, in bytes.
const MAX_LEN: usize = 32 * 1024;

/// Files and directories that cannot be read, carried or stored. Entries that the policy excludes are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// How many there are.
    pub count: u64,
    /// The first ones: at most 100, and at most 32 KiB of JSON.
    pub entries: Vec<MissingEntry>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingEntry {
    /// Its path from the folder, for users.
    pub path: String,
    /// Why it is missing, for users.
    pub reason: String,
}

impl Missing {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Counts an entry, and names it if there is room.
    pub fn add(&mut self, path: &str, reason: &str) {
        self.count = self.count.saturating_add(1);
        if self.entries.len() as u64 + 1 < self.count {
            // Only the first ones are named, without gaps.
            return;
        }
        self.entries.push(MissingEntry { path: path.to_owned(), reason: reason.to_owned() });
        let json = serde_json::to_vec(&self.entries).map_or(usize::MAX, |json| json.len());
        if self.entries.len() > MAX_ENTRIES || json > MAX_LEN {
            self.entries.pop();
        }
    }

    /// Counts the entries of another list, and names those for which there is room.
    pub fn merge(&mut self, other: &Missing) {
        let before = self.count;
        for MissingEntry { path, reason } in &other.entries {
            // They may be a peer's.
            self.add(SafeText::new(path).as_str(), SafeText::new(reason).as_str());
        }
        self.count = before.saturating_add(other.count);
    }

    /// How many of them are not named.
    pub fn unnamed(&self) -> u64 {
        self.count.saturating_sub(self.entries.len() as u64)
    }

    /// As a part of a sentence, with the names of the first ones: `3 entries missing: a (permission denied) and 2 more`.
    pub fn sentence(&self) -> String {
        let entries = if self.count == 1 { "entry" } else { "entries" };
        let named = &self.entries[..self.entries.len().min(SHOWN)];
        let name = |entry: &MissingEntry| format!("{} ({})", shortened(&entry.path), entry.reason);
        let names: Vec<_> = named.iter().map(name).collect();
        let others = match self.count.saturating_sub(named.len() as u64) {
            0 => String::new(),
            others => format!(" and {} more", units::count(others)),
        };
        format!("{} {entries} missing: {}{others}", units::count(self.count), names.join(", "))
    }

    pub(in crate::protocol) fn check(&self) -> Result<(), Violation> {
        match self.entries.len() {
            named if named as u64 > self.count => {
                Err(Violation::Content("more missing entries than counted"))
            }
            named if named > MAX_ENTRIES => Err(Violation::Content("too many names of missing entries")),
            0 if self.count > 0 => Err(Violation::Content("missing entries without a name")),
            _ => Ok(()),
        }
    }
}

/// A path without its middle, if it is long.
fn shortened(path: &str) -> Cow<'_, str> {
    let characters = path.chars().count();
    if characters <= SHOWN_PATH {
        return Cow::Borrowed(path);
    }
    let half = SHOWN_PATH / 2;
    let head: String = path.chars().take(half).collect();
    Cow::Owned(head + "…" + &path.chars().skip(characters - half).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_entries_are_named_and_all_are_counted() {
        let mut missing = Missing::default();
        for number in 0..1000 {
            missing.add(&format!("file {number}"), "permission denied");
        }
        assert_eq!((missing.count, missing.entries.len(), missing.unnamed()), (1000, 100, 900));
        assert_eq!(missing.entries[99].path, "file 99");
        assert!(missing.check().is_ok());
    }

    #[test]
    fn names_take_at_most_32_kib() {
        let mut missing = Missing::default();
        (0..50).for_each(|_| missing.add(&"\\".repeat(4096), "x"));
        let json = serde_json::to_vec(&missing.entries).unwrap();
        assert!(json.len() <= MAX_LEN && !missing.entries.is_empty(), "{}", json.len());
        assert_eq!(missing.count, 50);
    }

    #[test]
    fn a_sentence_has_the_first_names() {
        let mut missing = Missing::default();
        missing.add("a", "permission denied");
        assert_eq!(missing.sentence(), "1 entry missing: a (permission denied)");
        (0..1999).for_each(|_| missing.add("b", "x"));
        let expected =
            "2,000 entries missing: a (permission denied), b (x), b (x), b (x), b (x) and 1,995 more";
        assert_eq!(missing.sentence(), expected);
    }

    #[test]
    fn a_sentence_has_the_ends_of_long_paths() {
        let mut missing = Missing::default();
        missing.add(&format!("deep/{}/name", "é".repeat(2000)), "x");
        let said = missing.sentence();
        assert!(said.starts_with("1 entry missing: deep/é") && said.ends_with("é/name (x)"), "{said}");
        assert_eq!(said.chars().count(), 17 + 121 + 4);
        assert!(missing.entries[0].path.len() > 4000, "the list has all of it");
    }

    #[test]
    fn two_lists_are_merged() {
        let mut one = Missing::default();
        one.add("a", "x");
        let mut other = Missing::default();
        (0..150).for_each(|number| other.add(&number.to_string(), "y"));
        one.merge(&other);
        assert_eq!((one.count, one.entries.len()), (151, 100));
        assert_eq!((one.entries[0].path.as_str(), one.entries[1].path.as_str()), ("a", "0"));
        other.merge(&one);
        assert_eq!(other.count, 301);
    }

    #[test]
    fn a_list_that_contradicts_itself_is_a_violation() {
        let entry = |path: &str| MissingEntry { path: path.into(), reason: String::new() };
        let check = |count, entries| Missing { count, entries }.check().is_ok();
        assert!(check(0, vec![]) && check(1, vec![entry("a")]) && check(9, vec![entry("a")]));
        assert!(!check(0, vec![entry("a")]) && !check(1, vec![]));
        assert!(!check(1000, (0..101).map(|_| entry("a")).collect()));
    }
}
