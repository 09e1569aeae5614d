//! The high-water mark of what was received.

/// The most bytes of something that were received at any time. Only an attempt that raises it has made progress: bytes that
/// are received a second time do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HighWater(u64);

impl HighWater {
    /// Records how many bytes are local. Returns whether these are more than ever before.
    pub(crate) fn rises_to(&mut self, bytes: u64) -> bool {
        let rises = bytes > self.0;
        self.0 = self.0.max(bytes);
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_received_again_are_no_progress() {
        let mut mark = HighWater::default();
        assert!(!mark.rises_to(0));
        assert!(mark.rises_to(5) && !mark.rises_to(5));
        assert!(!mark.rises_to(3), "some of it was corrupt");
        assert!(!mark.rises_to(5), "and is received again");
        assert!(mark.rises_to(6));
        assert!(mark > HighWater::default());
    }
}
