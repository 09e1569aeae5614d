//! The File Download Service Protocol, version 1: the wire specification and its machines.
//!
//! Nothing here does I/O or reads a clock. [`client::Client`] and [`server::Server`] are one
//! state machine for each role: bytes in, events out, and a buffer of bytes to write. Another
//! implementation can be written from this page alone; `tests/second_client.py` is one.
//!
//! # Goals and non-goals
//!
//! - Received content is verified block by block, and as a whole by the digest that `b3sum` prints.
//! - Any range of blocks can be requested, so that a broken transfer resumes where it broke.
//! - A content that changes between or during requests is reported, and two versions are never mixed.
//! - Requests are pipelined; TCP does flow control, there are no acknowledgements.
//! - *Not* goals: writing to the server, multiplexing of answers, secrecy (that is the transport's, see "TLS").
//!
//! # Conventions
//!
//! The transport is an ordered stream of bytes in both directions: TLS over TCP, or bare TCP, by default on port 7878.
//! Integers are unsigned and little-endian, unless a table says otherwise. Text is UTF-8. JSON is
//! RFC 8259, always one object; unknown members are ignored, however often they occur, a known one twice is malformed, and
//! a missing member that is not marked optional is a violation. An optional member may also be `null`,
//! which means the same as leaving it out. Digests are BLAKE3: 32 bytes, in JSON as 64 hex
//! digits, written in lower case and read in either. "MiB" is 1048576 bytes, "KiB" 1024.
//!
//! # The first byte
//!
//! The first byte that a client sends selects the protocol: `0x00` begins the preamble below,
//! `0x16` a TLS record, anything else is a path in a [`classic`] dialect (refused unless it is
//! enabled on the server).
//!
//! # TLS
//!
//! A server uses TLS or not, as its address says: `fdsp://[TOKEN@]HOST[:PORT]/PATH[#PIN]` or
//! `fdsp+plain://[TOKEN@]HOST[:PORT]/PATH`. The version is TLS 1.3 (RFC 8446), without early data and without client
//! certificates. A client offers `fdsp/1-proof` and `fdsp/1` by ALPN (RFC 7301), and a server selects the first of them that it is offered; one
//! that is offered other names only refuses, and one that is offered none accepts. The two differ only in what "Tokens" says; the
//! first programs of this version support only `fdsp/1`. A client sends nothing to a server that selects neither. Inside TLS everything is
//! as without it, from the preamble on. Classic dialects are never used inside TLS.
//!
//! In *PATH* `%` and two hex digits are the byte of that value, decoded once, before the path is taken apart: `%2F` separates
//! segments like `/`, `%00` names nothing, and bytes that are not UTF-8 are those of a name that is not. `#`, `%` and what RFC 3986 does not allow in a path are escaped; `?` has no other meaning. *HOST* is
//! a name, or an address, of IPv6 in brackets; the `%` before a zone is written `%25`, and `%` is read, too. Without *PORT* it is 7878.
//!
//! *PIN* is `sha256:` and the SHA-256 of the server's certificate, the first one that it sends, as it sends it (DER), in 64 hex
//! digits. A client with a pin accepts the certificate that has it, whatever its content, and no other. A client without
//! one accepts a certificate that is valid for the host by the system's authorities, or that its user has accepted for this host and
//! port before; about any other one it asks its user, or refuses. In each case the server proves by the handshake's signature that it
//! has the certificate's key.
//!
//! A server may send session tickets (RFC 8446, section 4.6.1), and a client may resume a session with one, but only for the same host, port and
//! *PIN*. The server shows no certificate then: the client verifies that of the session again, as if it were shown. A server keeps the keys
//! of its tickets in memory only.
//!
//! Either side ends with `close_notify` before it closes; an end without one is a connection that was cut off, whatever
//! was received before.
//!
//! | met | what happens |
//! |---|---|
//! | a preamble by a server with TLS | it answers with its preamble and `error` `tls_required` for request 0, and closes |
//! | a TLS record by a server without TLS | it answers with the fatal alert `unexpected_message` (`15 03 03 00 02 02 0a`), and closes |
//! | that alert as the first answer to a client with TLS | it reports that the server does not use TLS |
//! | what is not a handshake | the fatal alert that RFC 8446 gives for it, and closes; for a record that is empty or too long `decode_error` (`15 03 03 00 02 02 32`), and none for a message that is announced with more than 65535 bytes |
//!
//! # Tokens
//!
//! A server may require a *token*: 8 to 128 of the characters `A`-`Z`, `a`-`z`, `0`-`9`, `-`, `.`, `_` and `~`. The client shows that it
//! has the token in `hello`, and in no other message. To a server that has selected `fdsp/1-proof` the client sends a proof instead of the token:
//!
//! | member | value |
//! |---|---|
//! | `nonce` | 32 random bytes, new for each connection |
//! | `token_proof` | HMAC-SHA-256 (RFC 2104); its key is the token, its text is `fdsp/1 token` (12 bytes), the SHA-256 of the server's certificate as this client was shown it (32 bytes; what a *PIN* has), and the nonce (32 bytes) |
//!
//! The server compares it with the one over the certificate that it has presented on this connection. A proof that a server relays to
//! another server is not valid there, because their certificates differ. Only a party that can decrypt the connection to the server could replay a proof to it.
//! A server does not remember nonces. A short token can be guessed from a proof; 22 characters drawn at random cannot.
//!
//! The client sends the token itself to a server that has selected `fdsp/1` only if the server's certificate is verified: it has the pin of
//! the address, is valid by the system's authorities, or was accepted by the user. A certificate that was accepted without being compared is
//! not verified. Without TLS there is no proof, and others could read the token: a client sends it only if the user has allowed that.
//!
//! `token_id` says which of several tokens it is: a name of 1 to 128 bytes, or an object with `path` (path) and `expires` (u64, seconds since
//! 1970-01-01 UTC) for the token of a share. Without it, it is the server's only one. For a server without such tokens, every `token_id` is wrong.
//!
//! A server that requires no token ignores these members. For every server a `hello` is malformed if it has a `token` of another form, both a
//! `token` and a `token_proof`, a `nonce` or a `token_proof` alone, or a `token_id` out of bounds. A server that requires a token, and received
//! another one or none, waits, answers with `error` `denied` for request 0 instead of `welcome`, and closes. After too many wrong tokens, proofs
//! or `token_id`s a peer gets `denied` with a `retry_after`, in seconds, even for the right token; a server may still accept one that is too
//! long to be guessed. Without a `retry_after` the client does not try the same token again.
//!
//! # Preamble
//!
//! Each side sends 8 bytes once; the client first, and it may continue without waiting.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 5 | `00 46 44 53 50` (NUL, `FDSP`) |
//! | 5 | 1 | lowest version that the sender supports |
//! | 6 | 1 | highest version that the sender supports, not less than the lowest |
//! | 7 | 1 | zero |
//!
//! The server answers with the version that both use from here on in *both* version bytes: the highest
//! that both support. If they have no common version, it answers with its own range and closes; one that supports only version 1 answers with 1 and 1. So
//! a client accepts an answer as the agreed version only if it supports that version. A range of several versions is no agreement: if the
//! client supports one of them, it is a violation, otherwise there is no common version. This page is version 1.
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
//! | kind | name | from | request | payload | length |
//! |---|---|---|---|---|---|
//! | `0x01` | `hello` | client | 0 | JSON | at most 64 KiB |
//! | `0x02` | `stat` | client | its number | JSON | at most 64 KiB |
//! | `0x03` | `list` | client | its number | JSON | at most 64 KiB |
//! | `0x04` | `get` | client | its number | JSON | at most 64 KiB |
//! | `0x05` | `hashes` | client | its number | JSON | at most 64 KiB |
//! | `0x06` | `tree` | client | its number | JSON | at most 64 KiB |
//! | `0x07` | `files` | client | its number | JSON | at most 64 KiB |
//! | `0x08` | `reserved` | client | its number | | at most 64 KiB |
//! | `0x0f` | `goodbye` | either | 0 | JSON | at most 64 KiB |
//! | `0x81` | `welcome` | server | 0 | JSON | at most 64 KiB |
//! | `0x82` | `meta` | server | the `stat`'s | JSON | at most 64 KiB |
//! | `0x83` | `entries` | server | the `list`'s | JSON | at most 64 KiB |
//! | `0x84` | `content` | server | the `get`'s or `hashes`' | JSON | at most 64 KiB |
//! | `0x85` | `hashes` | server | the `hashes`' | the table in "Block hashes" | 8 + 32 × *n* bytes, *n* from 1 to 2047 |
//! | `0x86` | `tree` | server | the `tree`'s | JSON | at most 64 KiB |
//! | `0x87` | `file` | server | the `files`' | JSON | at most 64 KiB |
//! | `0x88` | `done` | server | the `files`' | the file's BLAKE3 digest | 32 bytes |
//! | `0x89` | `same` | server | the `files`' | nothing | 0 bytes |
//! | `0x8a` | `differs` | server | the `files`' | nothing | 0 bytes |
//! | `0x8b` | `missed` | server | the `files`' | JSON | at most 64 KiB |
//! | `0x8c` | `working` | server | the `files`', `get`'s, `list`'s or `tree`'s | nothing | 0 bytes |
//! | `0x90` | `data` | server | the `get`'s or `files`' | content bytes | 1 byte to 256 KiB |
//! | `0x91` | `block` | server | the `get`'s or `files`' | the table in "Content" | 48 bytes |
//! | `0x92` | `end` | server | the `get`'s, `hashes`' or `files`' | JSON | at most 64 KiB |
//! | `0x93` | `hole` | server | the `get`'s | nothing | 0 bytes |
//! | `0x9f` | `error` | server | the failed one's, or 0 | JSON | at most 64 KiB |
//!
//! # Exchange
//!
//! ```text
//! client                                server
//! preamble, hello ────────────────────▶
//! stat | list | get | tree … ─────────▶  (pipelined)
//!                 ◀──────────────────── preamble, welcome
//!                 ◀──────────────────── the answers, in the order of the requests
//! goodbye, close ─────────────────────▶
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `stat` | `meta` or `error` |
//! | `list` | `entries` or `error`; a page: ask again with `after` = its last name while `more`; any number of `working` may precede it if the request has `working` |
//! | `get` | `error`, or `content` (`data`+ `block`)\* `end`, with `hole` for any of the `data`+ if the request has `holes`; any number of `working` may precede `content` or `error` if the request has `working`; at any place after `content` an `error` may end it instead |
//! | `hashes` | `error`, or `content` `hashes`\* `end`; the same |
//! | `tree` | `tree`+, the last with `more` false; any number of `working` may precede each if the request has `working`; at any place an `error` may end it instead |
//! | `files` | for each file in the order of the request `file` (`data`+ `block`)\* `done`, or `same`, or `differs`, or `missed`, which at any place between `file` and `done` may end that file instead; any number of `working` may precede each of these, none follows the last; then `end`; at any place an `error` may end it instead |
//!
//! Request numbers are chosen by the client, never 0, each greater than the one before. Every frame
//! of an answer carries the number of its request. An `error` ends the answer of its request and
//! leaves the connection usable; the bytes of a block without its `block` are unverified. An `error` for
//! request 0 is about the connection; it may be sent between any two frames, also instead of `welcome`, and
//! the server closes after it. The client need not wait for `welcome` before its first request. A server
//! reads at most `pipeline` (see `welcome`) requests ahead of the one that it answers; further ones wait unread,
//! which is no violation. It reads nothing while an answer waits to be sent: a client that sends many requests must read meanwhile, or
//! both may wait forever.
//!
//! Either side may end the connection: the client when it has sent its last request, the server between two
//! answers. It sends `goodbye`, and nothing after it. A server that receives one answers all earlier requests,
//! may send a goodbye, and closes. Requests that a server's `goodbye` leaves without an answer were not started; they
//! can be sent again elsewhere. Closing without a goodbye between two answers is no violation. A server reads nothing after a client's
//! `goodbye`, so that it closes without an `error`, whatever follows. A client that closes only its sending side (in TLS with
//! `close_notify`) after complete frames receives all answers. But one that has sent no goodbye before it closes
//! its sending side counts as gone once an answer of which nothing is sent has been prepared for 3 s. A server that is about to stop sends a goodbye
//! on connections without a transfer. On one on which a `get`, `hashes`, `tree` or `files` was requested it answers further requests
//! until the client closes it or a deadline passes: a client that has several connections, or reads slowly, needs it again. A client
//! closes a connection that it does not need any more.
//!
//! ```text
//! client:  ── preamble, hello sent ──▶ GREETING ── welcome ──▶ OPEN ◀── meta, entries, error ───────┐
//!                                         │                     │ └─ a request sent ────────────────┘
//!                                         │                     ├── content ──▶ CONTENT ── end, error ──▶ OPEN
//!                                         │                     ├── tree, more ──▶ TREE ── tree, the last; error ──▶ OPEN
//!                                         │                     └── file, same, differs, missed, working ──▶ FILES ── end, error ──▶ OPEN
//!                                         └── error (0): from every state; goodbye: from GREETING and OPEN ──▶ CLOSED
//!
//! FILES:   BETWEEN ── file ──▶ FILE ── done, missed ──▶ BETWEEN ◀── same, differs, missed, working ──┐
//!                                                        └───────────────────────────────────────────┘
//!
//! server:  PREAMBLE ── preamble ──▶ GREETING ── hello ──▶ OPEN ◀── stat, list, get, hashes, tree, files ──┐
//!                                                          └───────────────────────────────────────────┘
//!                                                          └── goodbye ──▶ CLOSED
//! ```
//!
//! In CONTENT follows what the table above says, `data` and `block` for a `get` and the server's `hashes` for a `hashes`.
//! In FILE follow `data` and `block` as for a `get`. A `tree` of one page, and a `files` for no file, leave OPEN for no other
//! state: the page, or the `end`, is all of the answer.
//! A `working` that a `get`, `list` or `tree` asks for leaves no state for another. Any other frame that has no arrow in a state is a violation.
//!
//! # Messages
//!
//! Types: *text* is a JSON string; *u32*, *u64*, *i64* are JSON integers of that range, without fraction or
//! exponent; *identity* is a text of 1 to 128 characters, see "Identity"; *path* is a text, see "Paths" and "Names that are not UTF-8"; *time* is an object with
//! `s` (i64, seconds since 1970-01-01 UTC) and `ns` (u32, nanoseconds within that second, below
//! 1,000,000,000); *mode* is a u32 with permission bits as in `chmod`, at most 511 (0o777).
//!
//! `hello`, the first frame of a client:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `agent` | text | program and version, for the server's log |
//! | `token` | token, optional | see "Tokens" |
//! | `nonce`, `token_proof` | 64 hex digits each, both or none, and none beside `token` | the same |
//! | `token_id` | text or object, optional | the same |
//!
//! `welcome`, the server's answer to it:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `agent` | text | program and version |
//! | `pipeline` | u32 | how many requests the server reads ahead of the one that it answers |
//! | `parallel` | u32 | how many connections of one client the server serves at the same time; further ones only wait |
//!
//! `stat` requests the metadata of a path:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | |
//!
//! `meta` answers it:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `kind` | `"file"` or `"directory"` | anything else is answered with `not_found` |
//! | `name` | text | the last segment of the path; of the served folder, its own name |
//! | `size` | u64, for files | bytes; without meaning for others |
//! | `modified` | time | last modification |
//! | `mode` | mode | |
//! | `identity` | identity, for files | without meaning for others |
//!
//! `list` requests a page of a directory:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | the directory |
//! | `after` | text, optional | entries whose name is greater than this only |
//! | `limit` | u32, optional | the maximum number of entries (0 counts as 1); the server may send fewer, but at least one while there is one |
//! | `names` | `"utf8"` or `"bytes"`, optional | whether the answer may have escapes in names, see "Names that are not UTF-8" (default `"utf8"`: it may not) |
//! | `working` | boolean, optional | `true`: the client takes `working` frames (default `false`); see "Work" |
//!
//! `entries` answers it:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `entries` | list of entries | strictly rising by the bytes of their names |
//! | `more` | boolean | whether there are entries after the last one of this page |
//!
//! An entry:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `name` | text | one segment of a path: not empty, not `.` or `..`, without `/` and NUL, at most 255 bytes. A name that is not UTF-8 has escapes if the request has `names` `"bytes"`. Otherwise each byte of it that is not UTF-8 is written as `%` and two upper-case hex digits, and so are `%` and, where the name of another entry would be the same, further bytes: such a name is at most 765 bytes, and names nothing |
//! | `kind` | `"file"`, `"directory"` or `"other"` | `other` is what is listed but not served: a device, a broken link, without `names` `"bytes"` a name that is not UTF-8 |
//! | `size` | u64, optional | bytes; files have one |
//! | `modified` | time | |
//!
//! `get` requests a range of blocks of a file, or of a directory as an archive:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | |
//! | `form` | `"auto"`, `"file"` or `"zip"`; optional | `file`: a file as itself; `zip`: a directory as a zip archive; `auto` (the default): the one that fits. A form that does not fit is answered with `wrong_kind` |
//! | `first_block` | u64, optional | index of the first block (default 0) |
//! | `blocks` | u64, optional | how many blocks at most; to the end if absent |
//! | `identity` | text, optional | refuse with `changed` unless the content has this identity, also where it cannot be one: empty, or longer than 128 characters |
//! | `skip` | u64, optional | bytes of the first block that the client has, and that are not sent (default 0); see "Parts of a block" |
//! | `root` | boolean, optional | `end` is to carry `root` also if the answer is not the whole content, where the server knows it without reading the content (default `false`) |
//! | `missing` | boolean, optional | `true`: the `end` of an archive names its missing entries (default `false`) |
//! | `holes` | boolean, optional | `true`: the client takes `hole` frames (default `false`); see "Holes" |
//! | `working` | boolean, optional | `true`: the client takes `working` frames before `content` (default `false`); see "Work" |
//!
//! `hashes` requests the hashes of a range of a file's blocks. It has the members of `get`, with the same meaning, but ignores `skip`, `root` and `working`; the
//! `form` `"zip"` is answered with `wrong_kind`, and so is a directory.
//!
//! `content` announces the content, or that whose hashes follow:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `form` | `"file"` or `"zip"` | what follows |
//! | `name` | text | a name for the content: the last segment of the path (of the served folder, its own name), with `.zip` after it for an archive. To be sanitised, never used as it is |
//! | `size` | u64; for files always, for archives if known | bytes of the whole content, not of the range |
//! | `sources` | sources, for archives | the files of the archive |
//! | `modified` | time | of the file or directory |
//! | `mode` | mode | |
//! | `identity` | identity | |
//! | `first_block` | u64 | index of the first block that follows, or whose hash does: the one that was asked for |
//! | `skip` | u64, optional | bytes of that block that are not sent: as many as the `get` asks to skip, or 0, the default, from a server that does not skip |
//! | `data_bytes` | u64, optional; for a file, if the request has `holes` | bytes of the whole content that are on the server's disk, the others being in holes; an estimate |
//!
//! Sources:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `bytes` | u64 | of all files together |
//! | `files` | u64 | their number |
//! | `directories` | u64 | their number, the one that was asked for among them |
//! | `omitted` | u64 | entries that are not in the archive, because they are neither files nor directories inside the served folder (devices, sockets, links that lead nowhere, outside, or to a directory); and the missing ones, if the request was without `missing` |
//!
//! `end` ends it:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `size` | u64, if the end of the content was reached | bytes of the whole content |
//! | `root` | digest, if the answer was the whole content, or all of its hashes; otherwise only if the `get` asks for it, and the server knows it | BLAKE3 of it |
//! | `identity` | identity | the one of `content`, which still held after the last block, or its hash |
//! | `missing` | missing, optional | of an archive whose request had `missing`, if anything is; whichever range of it the answer was |
//!
//! Missing entries (see "Missing entries"):
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `count` | u64 | how many there are |
//! | `entries` | list of missing entries | the first ones: at least one if there are any, at most 100, and at most 32 KiB of JSON |
//!
//! A missing entry:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | text | from the requested directory, for users: bytes that are not UTF-8 and invisible characters are replaced |
//! | `reason` | text | why it is missing, for users |
//!
//! `tree` requests the entries of a directory, at any depth:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | the directory |
//! | `missing` | boolean, optional | `true`: `totals` names the missing entries of the tree (default `false`) |
//! | `names` | `"utf8"` or `"bytes"`, optional | whether the answer may have escapes in paths and targets, see "Names that are not UTF-8" (default `"utf8"`: it may not) |
//! | `after` | path, optional | entries after this one only, in the order of a tree: an answer that broke off is continued |
//! | `working` | boolean, optional | `true`: the client takes `working` frames (default `false`); see "Work" |
//!
//! The server's `tree` is a page of the answer, see "Trees":
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `entries` | list of tree entries | in order |
//! | `more` | boolean | whether another page follows |
//! | `totals` | totals, on the last page | what all pages of the answer hold; `omitted` counts all of the directory |
//!
//! A tree entry:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | text | segments as in "Paths", joined by single `/`, from the directory that was asked for; empty for that itself |
//! | `kind` | `"file"`, `"directory"` or `"link"` | |
//! | `size` | u64, for files and nothing else | bytes |
//! | `identity` | identity, for files and nothing else | |
//! | `modified` | time | last modification; of a link its own |
//! | `mode` | mode | without meaning for links |
//! | `target` | text, for links and nothing else | the text of the link |
//!
//! Totals:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `bytes` | u64 | of all files together |
//! | `data_bytes` | u64, optional | bytes of all files of the tree, whatever `after`, that are on the server's disk, if that is fewer; an estimate, see "Holes" |
//! | `files`, `directories`, `links` | u64 | their numbers; the directory that was asked for is one |
//! | `omitted` | u64 | entries that are not in the tree by policy: devices, sockets, links that lead nowhere or outside; and the missing ones, if the request was without `missing` |
//! | `missing` | missing, optional | if the request had `missing`, and anything is |
//!
//! `files` requests files of a tree:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | the directory that the others are relative to |
//! | `files` | list of wanted files | in the order in which they are to be answered; one that is listed twice is answered twice |
//! | `content` | boolean, optional | `false`: no content, only whether the files have their digests (default `true`) |
//! | `largest` | u64, optional | a file of more bytes is `missed` as `changed`, without being compared with a `digest` |
//!
//! A wanted file:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | path | from that directory; an empty one is the directory itself, `missed` as `wrong_kind` |
//! | `digest` | digest, optional | BLAKE3 of the client's file |
//! | `skip` | u64, optional | bytes of its first block that the client has, and that are not sent (default 0); see "Parts of a block" |
//!
//! `file` announces one of them:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `size` | u64 | bytes |
//! | `modified` | time | |
//! | `mode` | mode | |
//! | `identity` | identity | the present one, which may differ from that in the tree |
//! | `skip` | u64, optional | as in `content` |
//!
//! `missed` has the members of `error`. The `end` of a `files` has none.
//!
//! `error`:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `code` | text | see "Errors" |
//! | `message` | text | a sentence for users |
//! | `path` | text, optional | the path of the error, relative to the served folder; for users |
//! | `retry_after` | u32, optional | seconds after which a retry makes sense |
//!
//! `goodbye`:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `reason` | text | a sentence for users |
//!
//! # Content
//!
//! Content is sent in blocks of 1 MiB ([`digest::BLOCK_SIZE`]), of which the last one is the
//! rest. Block `n` is the bytes from `n` MiB. A block is one or more `data` frames, none of which reaches into the
//! next block, followed by one `block` frame:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | index of the block |
//! | 8 | 8 | position: bytes of the sources read so far. For a file, the offset at the block's end; for an archive, progress measured in `sources.bytes`, which it never exceeds. It never falls within an answer |
//! | 16 | 32 | chaining value of the block |
//!
//! The chaining value is BLAKE3's for the subtree that the block is: its chunks are numbered from
//! 1024 × index, and no node has the ROOT flag, also when the block is the only one (`blake3::hazmat`: input offset
//! `index` MiB, `finalize_non_root`). The BLAKE3 digest of the
//! whole content is the root of the tree over all chaining values: while there is more than one, the left
//! side of a tree of `n` blocks are the first 2^k, the greatest power of two below `n`, and its parent node joins both sides; the topmost one has the ROOT
//! flag. For a content of one block or none it is computed from the content itself.
//! `end` carries it as `root` when the answer was the whole content, and the receiver compares.
//!
//! An answer is the blocks from `first_block` on, at most `blocks` of them, until the content ends. One that begins
//! exactly at the content's end (an empty content's always does), or asks for 0 blocks, has no block: `content`
//! is followed by `end`. One that begins after it is answered with `range`. The end of the content is reached if the
//! last byte of the answer is the content's last; by an answer without blocks, if it begins at the content's end. So the `end` of an
//! empty content has `size` and `root`, that of an answer that begins at another content's end has `size`, and that of one that asked for 0
//! blocks elsewhere has neither. Where `content` names no size, a block shorter than 1 MiB is the last.
//!
//! # Parts of a block
//!
//! A client that has the first bytes of a block, but not all of them, asks with `skip` for the rest: the first `data` of the answer
//! begins `skip` bytes after the block's first one, and `content` or `file` repeats the number. Everything else is as without it: the `block`
//! frame, its chaining value, `root` and `done` are of the whole block and the whole content, which the server reads for that. The client
//! hashes the local bytes together with the received ones. If the chaining value does not match, it cannot know which of the two are wrong: it keeps nothing of
//! the block, and requests all of it. The content may have another identity than the local bytes; then the same happens, unless the `get` names the identity.
//!
//! `skip` is less than the length of the first block, and than what is asked for of it; otherwise the answer is `error` with `range`,
//! for a wanted file `missed` with it. Where the length of an archive is not known before, that may follow `content`. Without a
//! `skip` in `content` or `file`, or with 0, `data` begins with the block's first byte, whatever was requested.
//!
//! # Holes
//!
//! A `get` with `holes` says that the client takes a `hole` instead of the `data` of a block of zeros. It represents the whole
//! block, as long as the block is in this content, of a file only, and where no byte of it is skipped. Its `block` frame follows as for any other block: both sides hash the zeros. A server
//! sends it for blocks that take no space on its disk, and may also send the zeros.
//! A `hashes` with `holes` only has `data_bytes` in its `content`.
//!
//! # Block hashes
//!
//! A client that has some of a file's content, perhaps of another version of it, asks for the hashes of its
//! blocks, and then for the blocks that it does not have. Each `hashes` frame of the answer has some of them, in the order of the blocks and
//! without gaps:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | index of the block that the first value belongs to |
//! | 8 + 32 × *i* | 32 | chaining value of the *i*-th block from there on, as in its `block` frame |
//!
//! The range is that of a `get` with the same members, its end included: at most `blocks` of them, until the content ends; an
//! answer without any where a `get` would have no block. The server may have to read the content for it, and sends the hashes
//! while it reads. `end` carries `root` when the answer began with block 0 and reached the content's end; the receiver compares it with the
//! root of the tree over the values, unless there is exactly one, which does not determine it. Only the content proves the hashes.
//!
//! # Trees
//!
//! A directory as itself is fetched in two steps: `tree` lists its entries, and `files` (or for large ones, `get`) fetches the files.
//!
//! The entries of a tree begin with the directory itself and are sorted by the segments of their paths, each compared by its
//! bytes (as if `/` were the lowest byte); so each directory directly precedes its entries, and no path occurs twice. All files are regular ones: a
//! link to one that is not kept as a link is in the tree as the file. The pages are sent while the directory is read; an answer is
//! complete only with its last page. The number of entries is not limited; a client that keeps them reports an error if there are too many for it.
//!
//! An interrupted answer is continued by a `tree` with `after`, the path of the last received entry. Its entries are those
//! after that one in the present directory; `files` shows whether earlier ones have changed meanwhile. A server that does not know
//! `after` begins with the directory itself. Pages are small (those of this server have at most 16 KiB, or one entry), so that one is received before a
//! bad link breaks again.
//!
//! A link is in the tree as a link if it leads to a file or directory of the same tree, and its target is a relative path of at most
//! 4096 bytes with `..` only before the first other segment, and no more of them than the link's own directory is deep in the tree: then no
//! link leads out of the tree, whichever others it goes through.
//!
//! A `files` is answered file by file. Where a digest is named, and is that of the file as it is now, the file is answered with
//! `same`. Else it is answered with `differs` if no content is wanted, and otherwise with `file`, its content from the first
//! block to the last as for a `get` (with its `skip`), and `done`. `done` carries the digest of the whole content, which the receiver compares
//! with the root over the received content; the server has compared the identity after the last block, or sends `missed` with `changed` instead. The
//! content of a file without `done` is not verified. While the server reads a large file to compare it, it sends a `working` now and then, which says
//! nothing else; a client need not wait longer than reading the file can take, however many it receives. `missed` is for one file what `error` is for a request, and the answer continues
//! with the next file.
//!
//! # Work
//!
//! A server may have to read all of a large directory before it can send anything of it: to plan an archive, to find the first names of a
//! `list`, or to find the entries after `after` in a `tree`. Meanwhile it sends a `working` now and then (this server every 250 ms) to a client that asks for
//! it, so that the client can distinguish it from a lost server. A `working` says nothing else: a client need not wait longer than it allows
//! for that work, however many it receives.
//!
//! # Missing entries
//!
//! Entries that the policy excludes from an archive or tree are *omitted*: they are counted, and the answer is complete. A file or directory that
//! belongs to the directory and cannot be delivered is *missing*: one that the server may not or cannot read, a file that is shorter than
//! its size, one that changes without a change of its size or times (as in `/proc`), a path of more than 4096 bytes in a tree, a name that is not UTF-8 in a tree that was not asked for with `names` `"bytes"`, and
//! a path too long for the format of an archive. The answer then has everything else. Each file beneath a
//! directory whose path or name cannot be carried is counted; a directory that cannot be read, or that is empty, counts as one.
//!
//! A server finds them before the first byte of an archive, and while it walks a tree. A file that becomes unreadable later ends an archive
//! with `error`, and is `missed` in a `files`.
//!
//! # Identity
//!
//! `meta`, `content`, `end`, `file` and the entries of a tree carry an *identity*: an opaque text of 1 to 128 characters that is
//! different whenever the content may have changed. A `get` or `hashes` may name the one that it expects: the server
//! answers `error` with `changed` if it is no longer that. The server compares again after the last
//! block, and answers `changed` instead of `end` if it no longer holds; an `end` therefore says that everything sent in this answer belongs to that identity.
//!
//! # Paths
//!
//! `/`-separated, relative to the served folder; a leading `/` and empty or `.` segments are ignored.
//! A path is at most 4096 bytes, a segment at most 255; `..`, NUL, and longer ones name nothing (answered
//! with `not_found`). An empty path is the served folder itself.
//!
//! # Names that are not UTF-8
//!
//! JSON cannot hold them. In a path, a name or the target of a link, each byte that is not part of UTF-8 is written as an *escape*: U+0000
//! and two upper-case hex digits, in JSON `\u0000E9` for the byte `E9`. Everything else is written as it is. No name has a NUL, so a
//! name that is UTF-8 is its own text and no two names have one text. A text whose escapes are ASCII or, together with what is
//! beside them, for UTF-8, and a text with a U+0000 without two such digits, stand for no name: a server answers such a path with `not_found`,
//! and for a client it is a violation.
//!
//! A request may have escapes in its paths at any time; then `meta` and `content` have them in `name`. An answer to `list` or `tree` has
//! them only if the request has `names` `"bytes"`: other clients do not receive bytes. Lengths and orders are those of the bytes that a
//! text stands for. A server that does not know `names` answers as without it.
//!
//! In an archive such a name is stored as it is, without the flag that says UTF-8 (APPNOTE.TXT, general purpose bit 11).
//!
//! # Limits
//!
//! | what | at most |
//! |---|---|
//! | payload of a control frame | 64 KiB |
//! | payload of a `data` frame | 256 KiB |
//! | path, segment | 4096, 255 bytes |
//! | identity | 128 characters |
//! | index of a block | 2^44 − 1 |
//! | an archive | its `sources.bytes`, a 64th of them, and 16 KiB for each file and directory and once more |
//!
//! No side needs to keep more of an incomplete frame than a control frame's payload. Deadlines, rates, the numbers of connections, of requests of one and of costly
//! answers at the same time are the server's settings; an `error` says which one was exceeded.
//!
//! # Violations
//!
//! A violation is final: the side that notices it reads and answers nothing more on this connection.
//!
//! | seen by the server | it |
//! |---|---|
//! | not the preamble (nor a TLS record, nor a path of a classic dialect where those are served) | answers with a sentence of text for people, to HTTP as a response with status 400, and closes |
//! | a preamble with an empty range or without the zero | closes |
//! | no complete request within the handshake deadline, which begins with the connection and has TLS, preamble and `hello` in it | closes, after `error` `timed_out` if the received bytes begin like the preamble |
//! | no version in common | answers its preamble, closes |
//! | a wrong token or proof, or none, where the server requires a token | `error` `denied` for request 0, closes |
//! | unknown kind, a server's kind, flags or reserved not zero, a length that its kind may not have, malformed JSON, request number 0 or not rising, another number than 0 where 0 must be, anything before `hello`, a second `hello`, anything after `goodbye` | `error` `violation` for request 0, closes |
//! | a `digest` that is not one | the same |
//! | the reserved kind (`0x08`), kept for a request of a later version | no violation: `error` `unsupported` for that request, continues |
//! | no request for the idle deadline, or reading slower than the minimum rate | `error` `timed_out` or `too_slow` for request 0, closes |
//!
//! | seen by the client | it |
//! |---|---|
//! | not the preamble | reports that the peer uses another protocol (HTTP, SSH, TLS are named), closes |
//! | a preamble that names no single version | reports which versions the server has, closes |
//! | unknown kind, a client's or reserved kind, flags or reserved not zero, a length that its kind may not have, malformed JSON | reports a violation, closes |
//! | a frame that has no arrow in the diagram, or for another request than the first unanswered one | the same |
//! | `content` of another form (for `hashes`, any but `"file"`), first block or identity than asked for; without what its form must have; a size before its first block, or above what an archive of its sources can have | the same |
//! | `content` or `file` with a `skip` that is neither 0 nor the one that was asked for (for `hashes`, any but 0), or not less than the first block, if its length is known | the same |
//! | a `working` that was not asked for, or after `content` | the same |
//! | a `hole` that was not asked for, of an archive, in a block or after a short one, or beyond the announced size or the blocks asked for; `data_bytes` of an archive or without `holes` | the same |
//! | `hashes` out of order, beyond the announced size or the blocks asked for, or whose length is not one of theirs | the same |
//! | `data` beyond the announced size, the most that an archive can have, the blocks asked for, the end of a block, or after a short block | the same |
//! | `block` without `data` (what is skipped does not count), out of order, short but not at the end, with a position that falls or exceeds the sources, or is not the offset for a file | the same |
//! | missing entries fewer than named, named more than 100, or counted and none named; missing entries in the `end` of a file | the same |
//! | `end` in a block, before the size or the blocks asked for, with another size or identity, with `size` or `root` missing or present against the table (a `root` that the `get` asks for may be either), or with a `root` that is not the digest of the received content | the same; after a wrong `root` no received content may be kept |
//! | `entries` that do not rise strictly, not after `after`, more than `limit`, none though there are `more`, or with a name that is no segment | the same |
//! | an escape in an answer to a `list` or `tree` without `names` `"bytes"` | the same |
//! | a `tree` whose first entry is not the directory (nor, if asked for with `after`, one that may follow that), with entries out of order, an invalid path, before its directory or in an entry that is no directory, without the members of its kind or with those of another kind, with a link that may lead out, with sizes of more than 2^64 − 1 bytes together, no entries though there are `more`, `totals` missing or present against `more` or other than those of the entries | the same |
//! | `same` for a file without `digest`, `differs` where content is wanted or `file` where none is, a `file` larger than `largest`, `done` before the size or with another digest than that of the received content, `end` before the last file, anything but `end` after it | the same; after a wrong digest no content of the file may be kept |
//! | a `meta`, `content`, `file` or tree entry whose mode, time or identity is out of its range | the same |
//! | a chaining value that does not match | reports the block as corrupt; that block's bytes must not be kept, the answer continues |
//! | closed in the middle of a frame, of an answer, or before one that was asked for, without a goodbye or `error` for request 0 | reports the connection as lost |
//!
//! # Errors
//!
//! | code | for | meaning |
//! |---|---|---|
//! | `violation` | connection | the client broke the protocol |
//! | `unsupported` | request | a kind of request that this server does not know |
//! | `not_found` | request | the path is absent, or not permitted; the two are not distinguished |
//! | `wrong_kind` | request | a directory where a file was asked for, or the reverse |
//! | `range` | request | the first block begins after the end of the content, or `skip` is not less than it |
//! | `changed` | request | the content has changed, before or during the answer |
//! | `unreadable` | request | the server could not read a source, which `path` names |
//! | `busy` | request or connection | for a connection: too many of them, or too many requests of this one; for a request: too many archives are being planned, trees read or files hashed at the same time, or what is planned would take too much memory; see `retry_after` |
//! | `too_slow` | connection | the peer received less than the minimum rate |
//! | `timed_out` | connection | a handshake or idle deadline passed |
//! | `denied` | connection | the server requires a token, and that of `hello` is wrong; see `retry_after` |
//! | `tls_required` | connection | the server accepts only TLS |
//! | `shutting_down` | connection | the server stops, and does not finish running answers; see `retry_after` |
//! | `internal` | request | anything else on the server's side; also what an unknown code counts as |
//!
//! # The machines
//!
//! Neither machine does I/O: its owner moves the bytes. Each takes received bytes in any pieces, and returns the same events
//! however they were cut. A fault of the peer is a [`error::Violation`].
//!
//! | | [`client::Client`] | [`server::Server`] |
//! |---|---|---|
//! | inputs | `receive`, `skipped`, `sent`, `end_of_stream` | `receive`, `end_of_stream` |
//! | commands | `request`, `goodbye` | `welcome`, `meta`, `entries`, `content`, `hashes`, `tree`, `files`, `failure`, `working`, `abort`, `goodbye` |
//! | outputs | the events of `receive`, `outgoing` | the events of `receive`, what commands add to an [`frame::outgoing::Outgoing`] |

pub mod address;
pub mod classic;
pub mod client;
pub mod digest;
pub mod error;
pub mod frame;
#[cfg(test)]
mod fuzzing;
pub mod message;
pub mod path;
pub mod preamble;
pub mod server;
pub mod trust;
