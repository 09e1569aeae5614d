//! The jobs of a session, of which an error names the number.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::client::api::saved::SavedJob;

/// Reads the queue.
pub(super) fn queue<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SavedJob>, D::Error> {
    from.deserialize_seq(Jobs("queue"))
}

/// Reads the discarded jobs.
pub(super) fn discarded<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SavedJob>, D::Error> {
    from.deserialize_seq(Jobs("discarded ones"))
}

struct Jobs(&'static str);

impl<'de> Visitor<'de> for Jobs {
    type Value = Vec<SavedJob>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of downloads")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<SavedJob>, A::Error> {
        let mut jobs = Vec::new();
        let named = |number: usize, error: A::Error| {
            A::Error::custom(format_args!("download {} of the {}: {error}", number + 1, self.0))
        };
        while let Some(job) = list.next_element().map_err(|error| named(jobs.len(), error))? {
            jobs.push(job);
        }
        Ok(jobs)
    }
}
