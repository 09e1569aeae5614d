//! An answer with many files, as the server writes it.

use std::convert::Infallible;

use super::content::{ContentWriter, Filled};
use crate::protocol::{
    digest::Hash,
    frame::{Header, Kind, control, outgoing::Outgoing},
    message::{Failure, FileHead, FilesEnd},
};

/// Writes the answer for each file, in the order of the request, and the `end`. To end the answer with an
/// error instead, drop it and call [`crate::protocol::server::Server::failure`].
#[derive(Debug)]
pub struct FilesWriter {
    request: u32,
}

impl FilesWriter {
    pub(super) fn new(request: u32) -> FilesWriter {
        FilesWriter { request }
    }

    /// Says that the client has the next file.
    pub fn same(&mut self, out: &mut Outgoing) {
        self.header(Kind::Same, 0, out);
    }

    /// Says that the client does not have the next file, if no content is requested.
    pub fn differs(&mut self, out: &mut Outgoing) {
        self.header(Kind::Differs, 0, out);
    }

    /// Writes `working` while the next file is examined, so that the client waits. Returns whether
    /// it still does.
    pub fn working(&mut self, out: &mut Outgoing) {
        self.header(Kind::Working, 0, out);
    }

    /// Writes why the next file, or the rest of the current one, is not sent.
    pub fn missed(&mut self, failure: &Failure, out: &mut Outgoing) {
        control::write_failure(Kind::Missed, self.request, failure, out);
    }

    /// Announces the next file, and returns what writes its content, from the first byte to the last. The bytes that `head` skips are passed to
    /// [`ContentWriter::skipped`].
    pub fn begin(&mut self, head: &FileHead, out: &mut Outgoing) -> ContentWriter {
        control::write(Kind::File, self.request, head, out);
        ContentWriter::new(self.request, 0)
    }

    /// Ends a file of which all was written. Returns its digest.
    pub fn done(&mut self, content: ContentWriter, out: &mut Outgoing) -> Option<Hash> {
        let root = content.finish(out)?;
        self.header(Kind::Done, Kind::Done.max_length(), out);
        out.push(&root.0);
        Some(root)
    }

    /// Writes all of the next file, with this content.
    pub fn whole(&mut self, head: &FileHead, content: &[u8], out: &mut Outgoing) {
        let mut writer = self.begin(head, out);
        let skip = usize::try_from(head.skip).map_or(content.len(), |skip| skip.min(content.len()));
        let (skipped, mut rest) = content.split_at(skip);
        writer.skipped(skipped);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(writer.room().min(rest.len()));
            let position = (content.len() - after.len()) as u64;
            let Ok(_) = writer.data(out, |place| {
                place[..piece.len()].copy_from_slice(piece);
                Ok::<_, Infallible>(Filled { bytes: piece.len(), position })
            });
            rest = after;
        }
        self.done(writer, out);
    }

    /// Ends the answer.
    pub fn end(self, out: &mut Outgoing) {
        control::write(Kind::End, self.request, &FilesEnd {}, out);
    }

    fn header(&self, kind: Kind, length: u32, out: &mut Outgoing) {
        out.push(&Header { kind, length, request: self.request }.encode());
    }
}
