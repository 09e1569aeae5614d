//! The log under fuzzing: a record is one line without control characters.

use time::UtcOffset;
use tracing::Level;

use super::{LogRing, layer, subscriber};
use crate::fuzzing::{Fuzz, assert_harmless};

#[test]
fn records_are_fuzzed() {
    Fuzz::new("text").rounds(1500).run(|input| {
        let text = String::from_utf8_lossy(input);
        let ring = LogRing::with_capacity(4);
        let lines = layer::Lines::new(None, None, Some(ring.clone()), false, UtcOffset::UTC);
        tracing::subscriber::with_default(subscriber(lines, Level::INFO), || {
            tracing::info!(name = &*text, path = ?text, "{text}");
        });
        let records = ring.get(0..u64::MAX);
        assert_eq!(records.len(), 1);
        assert_harmless(records[0].text.as_str());
        assert_harmless(&records[0].clock());
        records[0].text.as_str().len().min(100)
    });
}
