//! The one buffer of a connection in which bytes wait to be written.

/// The maximum number of bytes that an empty buffer keeps after [`Outgoing::release`].
const MAX_RETAINED_LEN: usize = 4 * 1024;

/// Bytes that wait to be written. All of its memory stays initialised, so that
/// content is read into it without zeroing it again for each frame.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Bytes outside of `start..end` are arbitrary.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outgoing {
    /// Without any memory.
    pub const fn new() -> Outgoing {
        Outgoing { bytes: Vec::new(), start: 0, end: 0 }
    }

    /// The bytes to write.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The number of bytes to write.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` bytes were written.
    pub fn sent(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Adds bytes: `fill` writes at most `room` of them into a buffer with arbitrary content, and returns how many.
    ///
    /// # Errors
    /// What `fill` returns; nothing was added then.
    pub fn fill<E>(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.make_room(room);
        let count = fill(&mut self.bytes[self.end..self.end + room])?.min(room);
        self.end += count;
        Ok(count)
    }

    /// Frees memory if nothing is pending, so that an idle connection costs little.
    pub fn release(&mut self) {
        if self.is_empty() && self.bytes.len() > MAX_RETAINED_LEN {
            self.bytes = Vec::new();
        }
    }

    /// Makes `bytes[end..end + room]` exist.
    fn make_room(&mut self, room: usize) {
        if self.end + room <= self.bytes.len() {
            return;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end + room;
        if needed > self.bytes.len() {
            self.bytes.resize(needed, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use crate::protocol::frame::outgoing::*;

    #[test]
    fn bytes_are_sent_in_the_order_in_which_they_were_pushed() {
        let mut out = Outgoing::new();
        out.push(b"hello ");
        out.push(b"world");
        out.sent(3);
        assert_eq!(out.as_slice(), b"lo world");
        out.push(b"!");
        assert_eq!(out.as_slice(), b"lo world!");
        out.sent(100);
        assert!(out.is_empty());
        out.push(b"again");
        assert_eq!(out.as_slice(), b"again");
    }

    #[test]
    fn a_failed_fill_adds_nothing() {
        let mut out = Outgoing::new();
        out.push(b"head:");
        let added = out.fill(8, |place| {
            place[..3].copy_from_slice(b"abc");
            Ok::<_, Infallible>(3)
        });
        assert_eq!((added, out.as_slice()), (Ok(3), &b"head:abc"[..]));
        assert_eq!(out.fill(8, |_| Err("no")), Err("no"));
        assert_eq!(out.as_slice(), b"head:abc");
    }

    #[test]
    fn release_frees_memory_only_if_nothing_is_pending() {
        let mut out = Outgoing::new();
        out.push(&[0; 100_000]);
        out.release();
        assert_eq!(out.len(), 100_000, "what waits is never released");
        out.sent(100_000);
        out.release();
        assert_eq!(out.bytes.capacity(), 0);
    }
}
