//! The File Download Service Protocol, version 1: the wire specification and its machines.
//!
//! Nothing here does I/O or reads a clock. [`client::Client`] and [`server::Server`] are one
//! state machine for each role: bytes in, events out, and a buffer of bytes to write. Another
//! implementation can be written from this page alone.
//!
//! # Goals, and what are none
//!
//! - What arrives is verified block by block, and as a whole by the digest that `b3sum` prints.
//! - Any range of blocks can be asked for, so that a broken transfer goes on where it broke.
//! - A content that changes between or during requests is reported, never spliced.
//! - Requests are pipelined; TCP does flow control, there are no acknowledgements.
//! - *Not* goals: writing to the server, multiplexing of answers, secrecy (that is the transport's).
//!
//! # Conventions
//!
//! Integers are unsigned and little-endian. Text is UTF-8. JSON objects may carry unknown members,
//! which are ignored; a missing member that is not marked optional is a violation. Digests are
//! BLAKE3: 32 bytes, in JSON as 64 lower-case hex digits.
//!
//! # The first byte
//!
//! The first byte that a client sends tells what it speaks: `0x00` begins the preamble below,
//! `0x16` a TLS record, anything else is a path in a [`classic`] dialect (refused unless the
//! server has that switched on).
//!
//! # Preamble
//!
//! Each side sends 8 bytes once; the client first, and it may go on without waiting.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 5 | `00 46 44 53 50` (NUL, `FDSP`) |
//! | 5 | 1 | lowest version that the sender speaks |
//! | 6 | 1 | highest version that the sender speaks |
//! | 7 | 1 | zero |
//!
//! The server answers with the version that both use from here on in *both* version bytes. If there
//! is none in common it answers with its own range and closes.
//!
//! # Frames
//!
//! After the preamble both directions are a sequence of frames: a header of 12 bytes, then the
//! payload.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | kind |
//! | 1 | 1 | flags, zero |
//! | 2 | 2 | reserved, zero |
//! | 4 | 4 | length of the payload in bytes |
//! | 8 | 4 | request: the number that the client gave its request; 0 for the connection itself |
//!
//! | kind | name | from | payload | at most |
//! |---|---|---|---|---|
//! | `0x01` | `hello` | client | JSON [`message::Hello`] | 64 KiB |
//! | `0x02` | `stat` | client | JSON [`message::Stat`] | 64 KiB |
//! | `0x03` | `list` | client | JSON [`message::List`] | 64 KiB |
//! | `0x04` | `get` | client | JSON [`message::Get`] | 64 KiB |
//! | `0x05` | `hashes` | client | reserved | 64 KiB |
//! | `0x06` | `tree` | client | reserved | 64 KiB |
//! | `0x0f` | `goodbye` | either | JSON [`message::Goodbye`] | 64 KiB |
//! | `0x81` | `welcome` | server | JSON [`message::Welcome`] | 64 KiB |
//! | `0x82` | `meta` | server | JSON [`message::Meta`] | 64 KiB |
//! | `0x83` | `entries` | server | JSON [`message::Entries`] | 64 KiB |
//! | `0x84` | `content` | server | JSON [`message::Content`] | 64 KiB |
//! | `0x85` | `hashes` | server | reserved | 64 KiB |
//! | `0x86` | `tree` | server | reserved | 64 KiB |
//! | `0x90` | `data` | server | content bytes, at least one | 256 KiB |
//! | `0x91` | `block` | server | [`frame::BlockMark`], 48 bytes | 48 bytes |
//! | `0x92` | `end` | server | JSON [`message::End`] | 64 KiB |
//! | `0x9f` | `error` | server | JSON [`message::Failure`] | 64 KiB |
//!
//! # Exchange
//!
//! ```text
//! client                                server
//! preamble, hello ────────────────────▶
//! stat | list | get … (pipelined) ────▶
//!                 ◀──────────────────── preamble, welcome
//!                 ◀──────────────────── the answers, in the order of the requests
//! goodbye, close ─────────────────────▶
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `stat` | `meta` or `error` |
//! | `list` | `entries` or `error`; a page: ask again with `after` = its last name while `more` |
//! | `get` | `error`, or `content` (`data`+ `block`)\* then `end` or `error` |
//!
//! Request numbers are chosen by the client, never 0, each greater than the one before. Every frame
//! of an answer carries the number of its request. An `error` ends the answer of its request and
//! leaves the connection usable; an `error` for request 0 is about the connection, and the sender
//! closes after it. The client need not wait for `welcome` before its first request. A server
//! answers at most [`message::Welcome::pipeline`] requests ahead; further ones wait unread, which is
//! no violation.
//!
//! # Content
//!
//! Content is sent in blocks of [`digest::BLOCK_SIZE`] (1 MiB, 1048576 bytes), the last one being what is
//! left. Block `n` is the bytes from `n` MiB. A block is one or more `data` frames followed by one `block`
//! frame:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | index of the block |
//! | 8 | 8 | position: bytes of the sources read so far. For a file, the offset at the block's end; for an archive, progress measured in [`message::Sources::bytes`] |
//! | 16 | 32 | chaining value of the block |
//!
//! The chaining value is BLAKE3's for the subtree that the block is (`blake3::hazmat`: input offset
//! `index` MiB, `finalize_non_root`), also when the block is the only one. The BLAKE3 digest of the
//! whole content is the root of the tree over all chaining values; for a content of one block or
//! none it is computed from the content itself. `end` carries it as `root` when the answer was the
//! whole content, and the receiver compares.
//!
//! An empty content has no block: `content` is followed by `end`.
//!
//! # Identity
//!
//! `meta`, `content` and `end` carry an *identity*: an opaque text of 1 to 128 characters that is
//! different whenever the content may have changed. A `get` may name the one that it expects: the server
//! answers `error` with `changed` if it is no longer that. The server compares again after the last
//! block; an `end` therefore says that everything sent in this answer belongs to that identity.
//!
//! # Paths
//!
//! `/`-separated, relative to the served folder; a leading `/` and empty or `.` segments mean nothing.
//! A path is at most 4096 bytes, a segment at most 255; `..` and NUL are violations of the request (answered
//! with `not_found`). An empty path is the served folder itself.
//!
//! # Violations
//!
//! | seen by the server | it |
//! |---|---|
//! | not the preamble, or one that trickles past the handshake deadline | closes (`timed_out` if it was ours) |
//! | no version in common | answers its preamble, closes |
//! | unknown kind, a server's kind, flags or reserved not zero, a length over the kind's maximum, malformed JSON, request number 0 or not rising, anything before `hello`, a second `hello` | `error` `violation` for request 0, closes |
//! | a reserved kind (`0x05`, `0x06`) | `error` `unsupported` for that request, goes on |
//! | no request for the idle deadline, or reading slower than the minimum rate | `error` `timed_out` or `too_slow`, closes |
//!
//! | seen by the client | it |
//! |---|---|
//! | not the preamble | reports that the peer is something else (HTTP, SSH, TLS are named), closes |
//! | a frame out of the order above, a client's kind, an answer to another request, more content than announced, a block of another size than it must be, a `block` index out of order | reports a violation, closes |
//! | chaining value or root that does not match | reports the block as corrupt; that block's bytes must not be kept |
//! | closed in the middle of an answer | reports the connection as lost |
//!
//! # Errors
//!
//! See [`error::Code`], one table for constants, text and documentation.

pub mod address;
mod answers;
pub mod classic;
pub mod client;
mod content;
mod control;
pub mod digest;
pub mod error;
pub mod frame;
pub mod message;
pub mod outgoing;
pub mod path;
pub mod preamble;
mod reader;
mod receiving;
pub mod server;
