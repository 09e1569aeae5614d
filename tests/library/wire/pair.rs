//! Both machines in one thread, the content from memory.

use std::collections::BTreeMap;

use fdsp::protocol::{client::Client, error::Violation, frame::outgoing::Outgoing};

use crate::wire::{
    memory::{Memory, Stored},
    stream::{Seen, note},
};

/// A client, a server, and the bytes between them.
#[derive(Debug)]
pub struct Pair {
    pub client: Client,
    pub server: Memory,
    /// Everything that the server wrote.
    pub written: Vec<u8>,
    /// The maximum number of bytes that are moved at once.
    pub step: usize,
}

impl Pair {
    pub fn new() -> Pair {
        Pair {
            client: Client::new("test client"),
            server: Memory::new(BTreeMap::new(), None),
            written: Vec::new(),
            step: usize::MAX,
        }
    }

    pub fn with(path: &str, stored: Stored) -> Pair {
        let mut pair = Pair::new();
        pair.server.stored.insert(path.to_owned(), stored);
        pair
    }

    /// Moves bytes until neither side has any. Returns the events of the client.
    pub fn run(&mut self) -> Vec<Seen> {
        let (mut seen, mut out) = (Vec::new(), Outgoing::new());
        loop {
            let count = self.client.outgoing().len().min(self.step);
            if count == 0 && out.is_empty() {
                return seen;
            }
            let request = self.client.outgoing()[..count].to_vec();
            self.client.sent(count);
            self.server.serve(&request, &mut out).expect("our client keeps to the protocol");
            while !out.is_empty() {
                let count = out.len().min(self.step);
                let bytes = out.as_slice()[..count].to_vec();
                self.written.extend_from_slice(&bytes);
                out.sent(count);
                if let Err(violation) = self.deliver(&bytes, &mut seen) {
                    seen.push(Seen::Violation(violation));
                    return seen;
                }
            }
        }
    }

    fn deliver(&mut self, mut bytes: &[u8], seen: &mut Vec<Seen>) -> Result<(), Violation> {
        loop {
            let (used, event) = self.client.receive(bytes)?;
            event.iter().for_each(|event| note(seen, event));
            if (used, event) == (0, None) {
                return Ok(());
            }
            bytes = &bytes[used..];
        }
    }
}
