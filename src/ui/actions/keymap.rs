//! From keys to actions: the table's default keys, with those of the configuration in their place.

use std::collections::HashMap;

use super::{
    context::Context,
    key::{Key, NoSuchKey},
    table::{Action, TABLE},
};

/// The keys in force.
#[derive(Clone, Debug)]
pub struct KeyMap {
    lookup: HashMap<(Context, Key), Action>,
    keys: HashMap<Action, Vec<Key>>,
}

/// The `[keys]` section cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no such action.
    #[error("keys.{0}: there is no such action; the help page and config/default.toml list them")]
    NoSuchAction(String),
    /// A key cannot be read.
    #[error("keys.{action}: {problem}")]
    NoSuchKey {
        /// The action's name.
        action: &'static str,
        /// What is wrong.
        problem: NoSuchKey,
    },
    /// A key would do two things in one place.
    #[error(
        "keys.{second}: the key {key} already means {first} in the {context}; give one of the two another key",
        context = context.title()
    )]
    Conflict {
        /// The key's name.
        key: String,
        /// Where.
        context: Context,
        /// The first one of the two in the table.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
}

impl KeyError {
    /// The actions that it is about, the one first that was more likely changed.
    pub fn actions(&self) -> Vec<&str> {
        match self {
            KeyError::NoSuchAction(name) => vec![name],
            KeyError::NoSuchKey { action, .. } => vec![action],
            KeyError::Conflict { first, second, .. } => vec![second, first],
        }
    }
}

impl Default for KeyMap {
    fn default() -> KeyMap {
        // The table is constant, and a test holds that it has no conflict.
        KeyMap::new(std::iter::empty::<(String, Vec<String>)>())
            .unwrap_or_else(|_| KeyMap { lookup: HashMap::new(), keys: HashMap::new() })
    }
}

impl KeyMap {
    /// The table's keys, with the keys of the actions named in `overrides` in place of theirs; an empty
    /// list leaves an action without a key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new<N, L, K>(overrides: impl IntoIterator<Item = (N, L)>) -> Result<KeyMap, KeyError>
    where
        N: AsRef<str>,
        L: IntoIterator<Item = K>,
        K: AsRef<str>,
    {
        let mut given: HashMap<Action, Vec<Key>> = HashMap::new();
        for (name, keys) in overrides {
            let action = Action::named(name.as_ref())
                .ok_or_else(|| KeyError::NoSuchAction(name.as_ref().chars().take(40).collect()))?;
            given.insert(action, parse(action, keys)?);
        }
        let mut map = KeyMap { lookup: HashMap::new(), keys: HashMap::with_capacity(TABLE.len()) };
        for spec in TABLE {
            let keys = match given.remove(&spec.action) {
                Some(keys) => keys,
                None => parse(spec.action, spec.keys)?,
            };
            for &context in spec.contexts {
                for &key in keys.iter().filter(|key| !(context.is_text() && key.is_text())) {
                    match map.lookup.insert((context, key), spec.action) {
                        Some(other) if other != spec.action => {
                            return Err(KeyError::Conflict {
                                key: key.to_string(),
                                context,
                                first: other.name(),
                                second: spec.name,
                            });
                        }
                        _ => {}
                    }
                }
            }
            map.keys.insert(spec.action, keys);
        }
        Ok(map)
    }

    /// What a key does.
    pub fn action(&self, context: Context, key: impl Into<Key>) -> Option<Action> {
        self.lookup.get(&(context, key.into())).copied()
    }

    /// All keys of an action, the one to show first.
    pub fn keys(&self, action: impl Into<Action>) -> &[Key] {
        self.keys.get(&action.into()).map_or(&[], Vec::as_slice)
    }

    /// The key to show for an action in a context, if it has one that works there.
    pub fn shown(&self, context: Context, action: impl Into<Action>) -> Option<Key> {
        let action = action.into();
        self.keys(action).iter().copied().find(|key| self.action(context, *key) == Some(action))
    }
}

fn parse<K: AsRef<str>>(action: Action, keys: impl IntoIterator<Item = K>) -> Result<Vec<Key>, KeyError> {
    keys.into_iter()
        .map(|key| key.as_ref().parse())
        .collect::<Result<_, _>>()
        .map_err(|problem| KeyError::NoSuchKey { action: action.name(), problem })
}
