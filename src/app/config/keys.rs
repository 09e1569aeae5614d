//! `[keys]`: actions with other keys than their default ones. The screens check the names of actions and keys.

use std::collections::BTreeMap;

use super::Error;
use crate::text::SafeText;

/// The keys that a file sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    /// The file.
    path: SafeText,
    /// The keys by the name of the action.
    actions: BTreeMap<String, Set>,
}

/// The keys of one action.
#[derive(Clone, Debug, PartialEq)]
struct Set {
    line: usize,
    keys: Vec<String>,
}

impl Keys {
    pub(super) fn new(path: SafeText) -> Keys {
        Keys { path, actions: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, action: String, line: usize, keys: Vec<String>) {
        self.actions.insert(action, Set { line, keys });
    }

    /// Actions and their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.actions.iter().map(|(action, set)| (action.as_str(), set.keys.as_slice()))
    }

    /// Combines these keys with those of a lower layer.
    pub(super) fn combine(self, mut lower: Keys) -> Keys {
        let path = if self.actions.is_empty() { lower.path } else { self.path };
        lower.actions.extend(self.actions);
        Keys { path, actions: lower.actions }
    }

    /// An error about these actions, with the line of the first of them that the file sets.
    pub fn error(&self, actions: &[&str], reason: &str) -> Error {
        let line = |action: &&str| self.actions.iter().find(|(name, _)| name.starts_with(*action));
        let line = actions.iter().find_map(line).map_or(1, |(_, set)| set.line);
        Error::File { path: self.path.clone(), line, reason: SafeText::new(reason) }
    }
}
