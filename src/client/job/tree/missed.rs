//! Files of a tree that were not received, and why.

use std::{collections::HashSet, time::Duration};

use super::manifest::Manifest;
use crate::{
    client::{
        api::views::view::TroubleKind,
        error::{Fault, Verdict},
    },
    protocol::message::Missing,
    text::SafeText,
};

/// Files that were not received, and why.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// The first fault that another attempt cannot fix, otherwise the first fault.
    fault: Option<Fault>,
    count: usize,
    unreadable: Unreadable,
    /// Files that the server refused to send.
    refused: HashSet<u32>,
}

/// Files that the server cannot read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    pub(super) missing: Missing,
    pub(super) indices: HashSet<u32>,
    pub(super) bytes: u64,
}

impl Missed {
    fn note(&mut self, fault: Fault) {
        self.count += 1;
        let graver = fault.verdict == Verdict::Never
            && self.fault.as_ref().is_some_and(|before| before.verdict != Verdict::Never);
        if graver || self.fault.is_none() {
            self.fault = Some(fault);
        }
    }

    /// A file is not the version in the listing.
    pub(super) fn changed(&mut self, path: &str) {
        let fault = Fault::changed(format!("/{path} changed on the server while the tree was fetched"));
        // Files are independent: the verified ones are kept.
        self.note(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }

    /// The server refused to send a file. `shown` is its path from the served folder.
    pub(super) fn refused(&mut self, manifest: &Manifest, index: u32, shown: &str, fault: Fault) {
        let path = shown;
        self.refused.insert(index);
        match fault.trouble.kind {
            _ if fault.verdict == Verdict::Unreadable => {
                let said = fault.trouble.message.as_str();
                let why = said.strip_prefix(&format!("/{shown}: ")).unwrap_or(said);
                let lost = &mut self.unreadable;
                if lost.indices.insert(index) {
                    lost.missing.add(SafeText::new(&manifest.path(index)).as_str(), why);
                    lost.bytes = lost.bytes.saturating_add(manifest.size(index));
                }
            }
            // It was listed: the next attempt lists the tree again.
            TroubleKind::NotFound => self.changed(path),
            _ if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) => self.changed(path),
            _ => self.note(fault),
        }
    }

    /// Whether the server refused to send a file.
    pub(super) fn is_refused(&self, index: u32) -> bool {
        self.refused.contains(&index)
    }

    /// Returns the files that the server cannot read.
    ///
    /// # Errors
    /// Other files were not received.
    pub(super) fn none(self) -> Result<Unreadable, Fault> {
        let Some(mut fault) = self.fault else { return Ok(self.unreadable) };
        if self.count > 1 {
            let others = self.count - 1;
            let text = format!("{} (and {others} more); all others are kept", fault.trouble.message);
            fault.trouble.message = SafeText::new(&text);
        }
        Err(fault)
    }
}
