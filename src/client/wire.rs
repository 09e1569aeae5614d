//! The bytes of one connection: a stream, a receive buffer that exists only while content comes, and the
//! timeout.

use std::{io, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{dial, rate::Limiter, retry::Fault};

/// Bytes of the receive buffer at first: enough for answers and small files.
const SMALL: usize = 64 * 1024;
/// Bytes of it once that was filled: large reads are what makes a receiver fast.
const LARGE: usize = 512 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    peer: String,
    patience: Duration,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, peer: String, patience: Duration) -> Wire {
        Wire { stream, buffer: Vec::new(), start: 0, end: 0, peer, patience }
    }

    /// The other side, for people.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Bytes that were received and not used.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The first `count` of them were used.
    pub(super) fn used(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Frees the buffer: nothing comes for a while.
    pub(super) fn rest(&mut self) {
        if self.start == self.end {
            (self.buffer, self.start, self.end) = (Vec::new(), 0, 0);
        }
    }

    /// Writes some of `bytes`; how many.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        loop {
            timeout(self.patience, self.stream.writable()).await.map_err(|_| self.stalled())?.ok();
            match self.stream.try_write(bytes) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// Reads once, as much as the limit allows; `false` at the end of the stream.
    pub(super) async fn fill(&mut self, limiter: &Limiter) -> Result<bool, Fault> {
        limiter.allowed().await;
        let was_full = self.end == self.buffer.len();
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if was_full {
            self.buffer.resize(if self.buffer.is_empty() { SMALL } else { LARGE }, 0);
        }
        let room = self.end.saturating_add(limiter.quantum()).min(self.buffer.len());
        loop {
            // Also yields now and then while there is always something to read.
            timeout(self.patience, self.stream.readable()).await.map_err(|_| self.stalled())?.ok();
            match self.stream.try_read(&mut self.buffer[self.end..room]) {
                Ok(count) => {
                    self.end += count;
                    limiter.spend(count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// Whether nothing was said or closed while nobody listened.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn lost(&self, error: &io::Error) -> Fault {
        Fault::lost(format!("the connection to {} was lost: {}", self.peer, dial::reason(error)))
    }

    fn stalled(&self) -> Fault {
        Fault::lost(format!("{} sent nothing for {} s", self.peer, self.patience.as_secs_f32()))
    }
}
