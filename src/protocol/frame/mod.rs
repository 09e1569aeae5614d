//! Frame headers, the block mark and the hashes: the binary part of the wire format.

pub(crate) mod control;
pub mod outgoing;
pub(crate) mod reader;

use super::{digest::Hash, error::Violation};

/// The length of a frame header.
pub const HEADER: usize = 12;
/// The maximum length of a control message.
pub const MAX_CONTROL: u32 = 64 * 1024;
/// The maximum length of a `data` frame.
pub const MAX_DATA: u32 = 256 * 1024;
/// The maximum number of values in a `hashes` frame of the server.
pub const MAX_HASHES: usize = 2047;
/// The length of a `hashes` frame of the server before its values.
pub(crate) const HASHES_HEADER_LEN: usize = 8;
/// The length of one of those values, and of a `done` frame.
pub(crate) const HASH_LEN: usize = 32;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $wire:literal, $name:literal, $max:expr;)+) => {
        /// The kind of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[doc = $doc])+ $variant = $wire,)+ }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),+];

            fn from_wire(byte: u8) -> Option<Kind> {
                match byte { $($wire => Some(Kind::$variant),)+ _ => None }
            }

            /// Its name in the specification.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name),+ }
            }

            /// The maximum length of its payload.
            pub fn max_length(self) -> u32 {
                match self { $(Kind::$variant => $max),+ }
            }
        }
    };
}

kinds! {
    /// The client's first frame.
    Hello = 0x01, "hello", MAX_CONTROL;
    /// Asks what a path is.
    Stat = 0x02, "stat", MAX_CONTROL;
    /// Asks for a page of a directory.
    List = 0x03, "list", MAX_CONTROL;
    /// Asks for content.
    Get = 0x04, "get", MAX_CONTROL;
    /// Asks for the hashes of blocks.
    HashesRequest = 0x05, "hashes", MAX_CONTROL;
    /// Asks what a directory holds, at any depth.
    TreeRequest = 0x06, "tree", MAX_CONTROL;
    /// Asks for many files.
    FilesRequest = 0x07, "files", MAX_CONTROL;
    /// Reserved for a request of a later version.
    Reserved = 0x08, "reserved", MAX_CONTROL;
    /// Announces an orderly close, from either side.
    Goodbye = 0x0f, "goodbye", MAX_CONTROL;
    /// Answers `hello`.
    Welcome = 0x81, "welcome", MAX_CONTROL;
    /// Answers `stat`.
    Meta = 0x82, "meta", MAX_CONTROL;
    /// Answers `list`.
    Entries = 0x83, "entries", MAX_CONTROL;
    /// Announces content.
    Content = 0x84, "content", MAX_CONTROL;
    /// Hashes of blocks.
    HashesAnswer = 0x85, "hashes", (HASHES_HEADER_LEN + MAX_HASHES * HASH_LEN) as u32;
    /// A page of a tree.
    TreeAnswer = 0x86, "tree", MAX_CONTROL;
    /// Announces one of many files.
    File = 0x87, "file", MAX_CONTROL;
    /// Ends one of many files.
    Done = 0x88, "done", HASH_LEN as u32;
    /// Says that one of many files is what the client has.
    Same = 0x89, "same", 0;
    /// Says that one of many files is not what the client has.
    Differs = 0x8a, "differs", 0;
    /// Says why one of many files, or the rest of it, is not sent.
    Missed = 0x8b, "missed", MAX_CONTROL;
    /// Says that the server works on what it sends next.
    Working = 0x8c, "working", 0;
    /// Content bytes.
    Data = 0x90, "data", MAX_DATA;
    /// Closes a block.
    Block = 0x91, "block", BlockMark::LENGTH as u32;
    /// Ends content.
    End = 0x92, "end", MAX_CONTROL;
    /// A whole block of zeros, which are not sent.
    Hole = 0x93, "hole", 0;
    /// Says why a request or the connection failed.
    Error = 0x9f, "error", MAX_CONTROL;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind.
    pub kind: Kind,
    /// Bytes of the payload, within the kind's maximum.
    pub length: u32,
    /// The request, 0 for the connection.
    pub request: u32,
}

impl Header {
    /// Its bytes on the wire.
    pub fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = self.kind as u8;
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.request.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Unknown kind, non-zero reserved bytes, or a length over the kind's maximum.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Header, Violation> {
        let [kind, flags, r0, r1, l0, l1, l2, l3, q0, q1, q2, q3] = *bytes;
        let kind = Kind::from_wire(kind).ok_or(Violation::Header("unknown kind"))?;
        if [flags, r0, r1] != [0; 3] {
            return Err(Violation::Header("reserved bytes are not zero"));
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > kind.max_length() {
            return Err(Violation::TooLong {
                kind: kind.name(),
                length: length.into(),
                limit: kind.max_length().into(),
            });
        }
        Ok(Header { kind, length, request: u32::from_le_bytes([q0, q1, q2, q3]) })
    }
}

/// The payload of a `block` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMark {
    /// Index of the block that just ended.
    pub index: u64,
    /// Bytes of the sources read so far.
    pub position: u64,
    /// Chaining value of the block.
    pub hash: [u8; 32],
}

impl BlockMark {
    /// Bytes on the wire.
    pub const LENGTH: usize = 48;

    /// Its bytes on the wire.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..].copy_from_slice(&self.hash);
        bytes
    }

    /// Reads one.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> BlockMark {
        let (index, rest) = bytes.split_first_chunk().expect("48 > 8");
        let (position, rest) = rest.split_first_chunk().expect("40 > 8");
        let hash = *rest.first_chunk().expect("32 bytes are left");
        BlockMark { index: u64::from_le_bytes(*index), position: u64::from_le_bytes(*position), hash }
    }
}

/// Reads the payload of a `hashes` frame of the server: the index of the first block, and the values from there on.
pub(crate) fn decode_hashes(payload: &[u8]) -> (u64, Vec<Hash>) {
    let Some((index, values)) = payload.split_first_chunk() else { return (0, Vec::new()) };
    let (values, _) = values.as_chunks();
    (u64::from_le_bytes(*index), values.iter().copied().map(Hash).collect())
}
