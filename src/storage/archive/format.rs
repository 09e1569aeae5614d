//! The records of a zip archive, byte by byte: APPNOTE.TXT 6.3.10 and Info-ZIP's extended timestamp.

use time::{OffsetDateTime, macros::datetime};

use crate::protocol::message::Timestamp;

/// The value of a size or offset field that refers to the zip64 records.
const ZIP64_MARKER: u32 = u32::MAX;
/// The limit above which the zip64 records are needed.
const ZIP64_LIMIT: u64 = ZIP64_MARKER as u64;
/// The most entries that the classic end record counts.
const MAX_ENTRIES: u64 = 0xffff;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;

/// Version 4.5 of the format, which has zip64.
const VERSION_ZIP64: u16 = 45;
/// Version 2.0, which has deflate and directories.
const VERSION_PLAIN: u16 = 20;
/// The upper byte of "version made by": external attributes are those of Unix.
const MADE_ON_UNIX: u16 = 3 << 8;

/// Sizes and checksum follow the content.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8.
const FLAG_UTF8: u16 = 1 << 11;

/// The first and the last time that the DOS fields can have.
const DOS_FIRST: OffsetDateTime = datetime!(1980-01-01 0:00 UTC);
const DOS_LAST: OffsetDateTime = datetime!(2107-12-31 23:59:59 UTC);

const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIMESTAMP: u16 = 0x5455;

const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const DOS_DIRECTORY: u32 = 0x10;

/// The form of an entry's content in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// As it is. Only where the header before it has its length, since a reader could not find its end otherwise.
    Stored,
    /// Raw deflate.
    Deflated,
    /// Raw deflate that does not shrink it, see [`Layout`].
    Blocks,
}

impl Method {
    /// Its number in the format.
    fn number(self) -> u16 {
        match self {
            Method::Stored => 0,
            Method::Deflated | Method::Blocks => 8,
        }
    }
}

/// A content as stored blocks of deflate (RFC 1951, 3.2.4): each has a header and the bytes as they are. All but the last are
/// as long as they can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bytes of the content, which is not empty.
    size: u64,
}

impl Layout {
    /// Bytes of the content in a block.
    const BLOCK_CONTENT: u64 = 0xffff;
    /// Bytes of the header before them.
    pub(super) const HEADER: usize = 5;
    const BLOCK_LEN: u64 = Self::BLOCK_CONTENT + Self::HEADER as u64;

    pub(super) fn new(size: u64) -> Layout {
        Layout { size }
    }

    /// Bytes that the first `count` bytes of the content take, without the header of a block that follows.
    pub(super) fn length(count: u64) -> u64 {
        count.saturating_add(count.div_ceil(Self::BLOCK_CONTENT).saturating_mul(Self::HEADER as u64))
    }

    /// Bytes of the content that are in the first `length` bytes.
    pub(super) fn content(length: u64) -> u64 {
        let (blocks, rest) = (length / Self::BLOCK_LEN, length % Self::BLOCK_LEN);
        blocks * Self::BLOCK_CONTENT + rest.saturating_sub(Self::HEADER as u64)
    }

    /// The piece at `offset`: the rest of a block's header, or how many bytes of the content until its end.
    pub(super) fn piece(self, offset: u64) -> Piece {
        let (block, within) = (offset / Self::BLOCK_LEN, offset % Self::BLOCK_LEN);
        let left = self.size.saturating_sub(block * Self::BLOCK_CONTENT);
        let length = left.min(Self::BLOCK_CONTENT);
        match usize::try_from(within).ok().filter(|within| *within < Self::HEADER) {
            Some(within) => {
                let (is_last, length) = (u8::from(left <= Self::BLOCK_CONTENT), length as u16);
                let ([a, b], [c, d]) = (length.to_le_bytes(), (!length).to_le_bytes());
                Piece::Header { bytes: [is_last, a, b, c, d], from: within }
            }
            None => Piece::Content((length + Self::HEADER as u64).saturating_sub(within)),
        }
    }
}

/// See [`Layout::piece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Header {
        bytes: [u8; Layout::HEADER],
        /// Those before were made already.
        from: usize,
    },
    Content(u64),
}

/// The properties of an entry before its content is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The path, with a `/` at the end of a directory's. One that is not UTF-8 is stored unchanged.
    pub(super) name: &'a [u8],
    pub(super) directory: bool,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) modified: Timestamp,
    /// Bytes of the content.
    pub(super) size: u64,
    pub(super) method: Method,
    /// Whether checksum and size follow the content, because it is too large to be read before its header
    /// is written.
    pub(super) descriptor: bool,
}

/// The properties of an entry after its content was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Bytes in the archive.
    pub(super) compressed: u64,
    pub(super) crc: u32,
}

impl Entry<'_> {
    /// Whether the sizes might need 64 bits, which is declared before the content: deflate makes
    /// incompressible content a little larger.
    fn zip64(&self) -> bool {
        let largest = match self.method {
            Method::Stored => self.size,
            Method::Deflated => self.size.saturating_add(self.size >> 10).saturating_add(64),
            Method::Blocks => Layout::length(self.size),
        };
        largest >= ZIP64_LIMIT
    }

    /// In seconds, where the field has room for it (until 2038).
    fn timestamp(&self) -> Option<i32> {
        i32::try_from(self.modified.seconds).ok()
    }

    fn flags(&self) -> u16 {
        let utf8 = if str::from_utf8(self.name).is_ok() { FLAG_UTF8 } else { 0 };
        utf8 | if self.descriptor { FLAG_DESCRIPTOR } else { 0 }
    }

    /// The header before the content; `written` is for entries without a descriptor.
    pub(super) fn local_header(&self, written: Written, out: &mut Vec<u8>) {
        let zip64 = self.zip64();
        let (crc, compressed, size) =
            if self.descriptor { (0, 0, 0) } else { (written.crc, written.compressed, self.size) };
        put32(out, LOCAL_SIGNATURE);
        put16(out, if zip64 { VERSION_ZIP64 } else { VERSION_PLAIN });
        put16(out, self.flags());
        put16(out, self.method.number());
        self.put_dos_time(out);
        put32(out, crc);
        put32(out, if zip64 { ZIP64_MARKER } else { compressed as u32 });
        put32(out, if zip64 { ZIP64_MARKER } else { size as u32 });
        put16(out, self.name.len() as u16);
        put16(out, self.local_extra() as u16);
        out.extend_from_slice(self.name);
        if zip64 {
            put16(out, EXTRA_ZIP64);
            put16(out, 16);
            put64(out, size);
            put64(out, compressed);
        }
        self.put_timestamp(out);
    }

    /// The descriptor after the content of an entry.
    pub(super) fn descriptor(&self, written: Written, out: &mut Vec<u8>) {
        put32(out, DESCRIPTOR_SIGNATURE);
        put32(out, written.crc);
        if self.zip64() {
            put64(out, written.compressed);
            put64(out, self.size);
        } else {
            put32(out, written.compressed as u32);
            put32(out, self.size as u32);
        }
    }

    /// Its record in the central directory; `offset` is where its local header begins.
    pub(super) fn central_header(&self, written: Written, offset: u64, out: &mut Vec<u8>) {
        let wide = self.wide(written, offset);
        let extra = self.central_extra(written, offset);
        let kind = if self.directory { DIRECTORY } else { FILE };
        let attributes = ((kind | self.mode) << 16) | if self.directory { DOS_DIRECTORY } else { 0 };
        // A large entry declares 64 bits also if its deflated size is small.
        let version = if self.zip64() || wide.is_some() { VERSION_ZIP64 } else { VERSION_PLAIN };
        put32(out, CENTRAL_SIGNATURE);
        put16(out, MADE_ON_UNIX | VERSION_ZIP64);
        put16(out, version);
        put16(out, self.flags());
        put16(out, self.method.number());
        self.put_dos_time(out);
        put32(out, written.crc);
        put32(out, saturate(written.compressed));
        put32(out, saturate(self.size));
        put16(out, self.name.len() as u16);
        put16(out, extra as u16);
        // No comment, first disk, no internal attributes.
        out.extend_from_slice(&[0; 6]);
        put32(out, attributes);
        put32(out, saturate(offset));
        out.extend_from_slice(self.name);
        if let Some(wide) = wide {
            put16(out, EXTRA_ZIP64);
            put16(out, 8 * wide.clone().count() as u16);
            wide.for_each(|value| put64(out, value));
        }
        self.put_timestamp(out);
    }

    /// The values that the fields of the central record have no room for, in the order of the zip64 extra.
    fn wide(&self, written: Written, offset: u64) -> Option<impl Iterator<Item = u64> + Clone> {
        let values =
            [self.size, written.compressed, offset].into_iter().filter(|value| *value >= ZIP64_LIMIT);
        values.clone().next().map(|_| values)
    }

    fn timestamp_extra(&self) -> usize {
        if self.timestamp().is_some() { 9 } else { 0 }
    }

    fn local_extra(&self) -> usize {
        self.timestamp_extra() + if self.zip64() { 20 } else { 0 }
    }

    fn central_extra(&self, written: Written, offset: u64) -> usize {
        self.timestamp_extra() + self.wide(written, offset).map_or(0, |wide| 4 + 8 * wide.count())
    }

    /// Bytes of the whole entry in the archive.
    pub(super) fn length(&self, written: Written) -> u64 {
        let descriptor = match (self.descriptor, self.zip64()) {
            (false, _) => 0,
            (true, false) => 16,
            (true, true) => 24,
        };
        (30 + self.name.len() + self.local_extra() + descriptor) as u64 + written.compressed
    }

    /// Bytes of its record in the central directory.
    pub(super) fn central_length(&self, written: Written, offset: u64) -> u64 {
        (46 + self.name.len() + self.central_extra(written, offset)) as u64
    }

    fn put_timestamp(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.timestamp() {
            put16(out, EXTRA_TIMESTAMP);
            put16(out, 5);
            // Only the modification time.
            out.push(1);
            out.extend_from_slice(&seconds.to_le_bytes());
        }
    }

    /// In UTC, since the bytes must not depend on the time zone of the server; limited to 1980 to 2107.
    fn put_dos_time(&self, out: &mut Vec<u8>) {
        let seconds = self.modified.seconds.clamp(DOS_FIRST.unix_timestamp(), DOS_LAST.unix_timestamp());
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(DOS_FIRST);
        let (hour, minute, second) = at.to_hms();
        let (year, month, day) = at.to_calendar_date();
        put16(out, u16::from(hour) << 11 | u16::from(minute) << 5 | u16::from(second / 2));
        put16(out, ((year - 1980) as u16) << 9 | u16::from(u8::from(month)) << 5 | u16::from(day));
    }
}

/// The end of an archive of `entries` entries whose central directory begins at `offset` and is `length`
/// bytes.
pub(super) fn end(entries: u64, offset: u64, length: u64, out: &mut Vec<u8>) {
    if end_needs_zip64(entries, offset, length) {
        let record = offset + length;
        put32(out, END64_SIGNATURE);
        put64(out, 44);
        put16(out, MADE_ON_UNIX | VERSION_ZIP64);
        put16(out, VERSION_ZIP64);
        put32(out, 0);
        put32(out, 0);
        put64(out, entries);
        put64(out, entries);
        put64(out, length);
        put64(out, offset);
        put32(out, LOCATOR64_SIGNATURE);
        put32(out, 0);
        put64(out, record);
        put32(out, 1);
    }
    put32(out, END_SIGNATURE);
    put32(out, 0);
    let entries = entries.min(MAX_ENTRIES) as u16;
    put16(out, entries);
    put16(out, entries);
    put32(out, saturate(length));
    put32(out, saturate(offset));
    put16(out, 0);
}

/// Bytes of [`end`].
pub(super) fn end_length(entries: u64, offset: u64, length: u64) -> u64 {
    22 + if end_needs_zip64(entries, offset, length) { 56 + 20 } else { 0 }
}

fn end_needs_zip64(entries: u64, offset: u64, length: u64) -> bool {
    entries >= MAX_ENTRIES || offset >= ZIP64_LIMIT || length >= ZIP64_LIMIT
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(ZIP64_MARKER)
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dos(seconds: i64) -> (u16, u16) {
        let entry = Entry {
            name: b"",
            directory: false,
            mode: 0,
            modified: Timestamp { seconds, nanoseconds: 0 },
            size: 0,
            method: Method::Stored,
            descriptor: false,
        };
        let mut out = Vec::new();
        entry.put_dos_time(&mut out);
        (u16::from_le_bytes([out[0], out[1]]), u16::from_le_bytes([out[2], out[3]]))
    }

    #[test]
    fn dos_times_match_the_calendar() {
        // 2000-02-29 12:00:00
        assert_eq!(dos(951_825_600), (12 << 11, 20 << 9 | 2 << 5 | 29));
        // 2026-11-23 08:36:41
        assert_eq!(dos(1_795_423_001), (8 << 11 | 36 << 5 | 20, 46 << 9 | 11 << 5 | 23));
        // The last second of a day.
        assert_eq!(dos(1_795_478_399), (23 << 11 | 59 << 5 | 29, 46 << 9 | 11 << 5 | 23));
        assert_eq!(dos(0), (0, 1 << 5 | 1), "before the format's time: its first day");
        assert_eq!(dos(i64::MAX), (23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31));
        assert_eq!(dos(i64::MIN), dos(0));
    }

    #[test]
    fn blocks_have_their_computed_length() {
        for size in [1, 65_534, 65_535, 65_536, 131_070, 131_071, 200_000] {
            let (layout, length) = (Layout::new(size), Layout::length(size));
            let (mut at, mut content, mut ended) = (0, 0, false);
            while at < length {
                assert_eq!(Layout::content(at), content, "{size} at {at}");
                match layout.piece(at) {
                    Piece::Header { bytes: [is_last, a, b, c, d], from } => {
                        assert!(!ended && from == 0);
                        assert_eq!(
                            layout.piece(at + 3),
                            Piece::Header { bytes: [is_last, a, b, c, d], from: 3 }
                        );
                        let length = u16::from_le_bytes([a, b]);
                        assert_eq!(length, !u16::from_le_bytes([c, d]));
                        assert_eq!(layout.piece(at + 5), Piece::Content(length.into()));
                        ended = is_last == 1;
                        at += 5;
                    }
                    Piece::Content(count) => {
                        (at, content) = (at + count, content + count);
                        assert_eq!(Layout::length(content), at);
                    }
                }
            }
            assert!(ended && content == size && at == length, "{size}");
        }
    }

    proptest! {
        /// The lengths that the plan computes are those of the records.
        #[test]
        fn planned_lengths_match_the_records(
            name in "[a-z/]{1,60}",
            seconds in any::<i64>(),
            size in prop_oneof![0..1000_u64, ZIP64_LIMIT - 3..ZIP64_LIMIT + 3, any::<u64>().prop_map(|size| size >> 16)],
            compressed in prop_oneof![0..1000_u64, ZIP64_LIMIT - 3..ZIP64_LIMIT + 3],
            offset in prop_oneof![0..1000_u64, ZIP64_LIMIT - 3..ZIP64_LIMIT + 3],
            entries in prop_oneof![0..10_u64, MAX_ENTRIES - 2..MAX_ENTRIES + 2],
            method in prop_oneof![Just(Method::Stored), Just(Method::Deflated), Just(Method::Blocks)],
            descriptor in any::<bool>(),
        ) {
            let modified = Timestamp { seconds, nanoseconds: 0 };
            let entry = Entry { name: name.as_bytes(), directory: false, mode: 0o644, modified, size, method, descriptor };
            let written = Written { compressed, crc: 7 };
            let mut out = Vec::new();
            entry.local_header(written, &mut out);
            if descriptor {
                entry.descriptor(written, &mut out);
            }
            prop_assert_eq!(out.len() as u64 + compressed, entry.length(written));
            out.clear();
            entry.central_header(written, offset, &mut out);
            prop_assert_eq!(out.len() as u64, entry.central_length(written, offset));
            out.clear();
            end(entries, offset, compressed, &mut out);
            prop_assert_eq!(out.len() as u64, end_length(entries, offset, compressed));
        }
    }
}
