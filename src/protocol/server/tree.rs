//! The pages of a tree, as the server writes them.

use crate::protocol::{
    frame::{Kind, control, outgoing::Outgoing},
    message::{Missing, Totals, TreeEntry, TreeNode},
};

const PAGE_BEGIN: &[u8] = br#"{"entries":["#;
const PAGE_END: &[u8] = br#"],"more":true}"#;
/// The maximum length of a page, unless one entry alone has more. Over a link that breaks often, each page must be received whole.
const MAX_PAGE_LEN: usize = 16 * 1024;
/// The maximum length of the end of a page, without the names of missing entries.
const MAX_END_LEN: usize = 256;

/// Writes the pages of one answer. To end it with an error instead, drop it and call
/// [`crate::protocol::server::Server::failure`].
#[derive(Debug)]
pub struct TreeWriter {
    request: u32,
    /// The page, up to its last entry.
    page: Vec<u8>,
    /// The totals of all entries so far.
    totals: Totals,
}

impl TreeWriter {
    pub(super) fn new(request: u32) -> TreeWriter {
        TreeWriter { request, page: PAGE_BEGIN.to_vec(), totals: Totals::default() }
    }

    /// The totals of the entries so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Adds the next entry, and writes the page before if it does not fit there.
    pub fn push(&mut self, entry: &TreeEntry, out: &mut Outgoing) {
        match &entry.node {
            TreeNode::File { size, .. } => {
                self.totals.files += 1;
                self.totals.bytes = self.totals.bytes.saturating_add(*size);
            }
            TreeNode::Directory => self.totals.directories += 1,
            TreeNode::Link { .. } => self.totals.links += 1,
        }
        let begin = self.page.len();
        self.append(entry);
        if self.page.len() + MAX_END_LEN > MAX_PAGE_LEN {
            self.page.truncate(begin);
            self.flush(out);
            self.append(entry);
        }
    }

    fn append(&mut self, entry: &TreeEntry) {
        if !self.is_empty() {
            self.page.push(b',');
        }
        serde_json::to_writer(&mut self.page, entry)
            .expect("an entry has no map that JSON could not express");
    }

    fn is_empty(&self) -> bool {
        self.page.len() == PAGE_BEGIN.len()
    }

    /// Writes a page of the entries since the last one, if there are any.
    pub fn flush(&mut self, out: &mut Outgoing) {
        if !self.is_empty() {
            self.page.extend_from_slice(PAGE_END);
            self.write(out);
        }
    }

    /// Sets how many bytes of the files are on the disk.
    pub fn data_bytes(&mut self, bytes: u64) {
        self.totals.data_bytes = Some(bytes).filter(|bytes| *bytes < self.totals.bytes);
    }

    /// Writes the last page. Returns the totals of all pages.
    pub fn end(mut self, omitted: u64, missing: Option<Missing>, out: &mut Outgoing) -> Totals {
        let totals = Totals { omitted, missing, ..std::mem::take(&mut self.totals) };
        let mut end = br#"],"more":false,"totals":"#.to_vec();
        serde_json::to_writer(&mut end, &totals).expect("totals have no map that JSON could not express");
        end.push(b'}');
        if self.page.len() + end.len() > MAX_PAGE_LEN {
            self.flush(out);
        }
        self.page.extend_from_slice(&end);
        self.write(out);
        totals
    }

    fn write(&mut self, out: &mut Outgoing) {
        control::write_json(Kind::TreeAnswer, self.request, &self.page, out);
        self.page.truncate(PAGE_BEGIN.len());
    }
}
