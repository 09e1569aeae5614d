//! Decides which files are deflated, and deflates them.

use std::sync::OnceLock;

use flate2::{Compress, Compression, FlushCompress, Status};

/// Measured on 30 MB each of source code, a shared library and a log (MB/s on one core, size in percent):
///
/// | level | source code | library | log |
/// |---|---|---|---|
/// | 1 | 535, 25.9 | 226, 51.8 | 344, 37.2 |
/// | 4 | 167, 18.3 | 88, 41.2 | 137, 24.6 |
/// | 6 | 107, 17.6 | 73, 40.6 | 93, 24.0 |
/// | 9 | 39, 17.3 | 28, 38.8 | 53, 23.9 |
///
/// Level 4 saturates a link of one gigabit with text; 6 takes half as long again for 1.5 to 4 % less.
const LEVEL: u32 = 4;
/// Bytes of a large file that are deflated as a sample.
pub(super) const SAMPLE_LEN: usize = 64 * 1024;
/// A file whose sample deflates to more than this percentage is stored.
const MAX_RATIO: usize = 95;
/// Bytes that are read and deflated at a time. Part of the format of the stream: deflate may cut its
/// blocks by it, and the archive must be the same each time.
pub(super) const CHUNK: usize = 128 * 1024;
/// Bytes that are deflated before they are passed on.
const OUTPUT_LEN: usize = 64 * 1024;

/// Extensions of compressed formats.
const STORED_EXTENSIONS: [&str; 71] = [
    "3gp", "7z", "aac", "apk", "avif", "br", "bz2", "cab", "crate", "crx", "deb", "dmg", "docx", "ear",
    "epub", "f4v", "flac", "flv", "gif", "gz", "heic", "heif", "ipa", "jar", "jpeg", "jpg", "jxl", "lz",
    "lz4", "lzma", "lzo", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "msix", "nupkg", "odp",
    "ods", "odt", "oga", "ogg", "ogv", "opus", "pack", "png", "pptx", "rar", "rpm", "snap", "squashfs",
    "tbz2", "tgz", "txz", "tzst", "war", "webm", "webp", "whl", "wma", "wmv", "woff", "woff2", "xlsx", "xz",
    "zip", "zst",
];

/// Whether a name has the extension of a compressed format.
pub(super) fn is_stored(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    let extension = name[dot + 1..].to_ascii_lowercase();
    STORED_EXTENSIONS.binary_search_by(|known| known.as_bytes().cmp(&extension)).is_ok()
}

/// Deflates one content after the other.
pub(super) struct Deflater {
    deflate: Compress,
    /// The output of [`Deflater::push`]. Always the same size, for the same reason as with `CHUNK`.
    output: Box<[u8]>,
    /// Whether the last content was deflated to its end.
    complete: bool,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Deflater {
    pub(super) fn new() -> Deflater {
        let output = vec![0; OUTPUT_LEN].into_boxed_slice();
        Deflater { deflate: Compress::new(Compression::new(LEVEL), false), output, complete: true }
    }

    /// Deflates all of `content` into `out`. Returns whether that made it smaller; `out` has no
    /// meaning otherwise.
    pub(super) fn whole(&mut self, content: &[u8], out: &mut Vec<u8>) -> bool {
        self.within(content, content.len().saturating_sub(1), out)
    }

    /// Whether a content that begins with `head` is worth it.
    pub(super) fn is_worth(&mut self, head: &[u8], out: &mut Vec<u8>) -> bool {
        self.within(head, head.len() / 100 * MAX_RATIO, out)
    }

    /// Whether all of `content` deflates to at most `limit` bytes.
    fn within(&mut self, content: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        self.begin();
        out.clear();
        // Space for content that grows, too, so that the stream always ends. The vector may have more than
        // requested: the length decides.
        out.reserve_exact(content.len() + content.len() / 8 + 1024);
        let status = self.deflate.compress_vec(content, out, FlushCompress::Finish);
        self.complete = matches!(status, Ok(Status::StreamEnd));
        self.complete && out.len() <= limit
    }

    /// Begins a new content.
    pub(super) fn begin(&mut self) {
        // A reset keeps the offset of the pending output of an unfinished stream. After
        // some of them there is no space left after it, and the library panics (zlib-rs 0.6.8).
        if self.complete {
            self.deflate.reset();
        } else {
            self.deflate = Compress::new(Compression::new(LEVEL), false);
        }
        self.complete = false;
    }

    /// Deflates from `input` into `out` and returns how much of the input was taken and whether the content
    /// is complete. `last`: nothing follows `input`.
    pub(super) fn push(
        &mut self,
        input: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> std::io::Result<(usize, bool)> {
        let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
        let (read, made) = (self.deflate.total_in(), self.deflate.total_out());
        let status = self.deflate.compress(input, &mut self.output, flush)?;
        out.clear();
        out.extend_from_slice(&self.output[..(self.deflate.total_out() - made) as usize]);
        self.complete = status == Status::StreamEnd;
        Ok(((self.deflate.total_in() - read) as usize, self.complete))
    }
}

/// Changes when the same content would deflate to other bytes: with another version of the library, or on
/// a processor for which it has other code.
pub(super) fn fingerprint() -> [u8; 32] {
    static FINGERPRINT: OnceLock<[u8; 32]> = OnceLock::new();
    *FINGERPRINT.get_or_init(|| {
        let sample = sample();
        let mut out = Vec::new();
        Deflater::new().whole(&sample, &mut out);
        *blake3::hash(&out).as_bytes()
    })
}

/// Content with matches at all distances, and literals between them.
fn sample() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut sample: Vec<u8> = Vec::with_capacity(SAMPLE_LEN);
    while sample.len() < SAMPLE_LEN {
        let (distance, length) = (1 + next() as usize % 32_768, 1 + next() as usize % 40);
        let begin = sample.len().checked_sub(distance);
        match begin {
            Some(begin) => {
                let end = (begin + length).min(sample.len());
                sample.extend_from_within(begin..end);
            }
            None => sample.push(b'a' + (next() % 26) as u8),
        }
        if next() % 8 == 0 {
            sample.push(next() as u8);
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_found() {
        assert!(STORED_EXTENSIONS.is_sorted());
        for name in ["a.zip", "dir.txt/A.JPG", "x.tar.zst", "x.tzst", "p/q.7z"] {
            assert!(is_stored(name.as_bytes()), "{name}");
        }
        for name in ["a.txt", "zip", "dir.zip/file", "a.", "", "a.zipp"] {
            assert!(!is_stored(name.as_bytes()), "{name}");
        }
    }

    /// As many as a folder has, complete or not.
    #[test]
    fn incompressible_contents_leave_no_state() {
        let (mut deflater, mut out) = (Deflater::new(), Vec::new());
        let mut noise = vec![0; 3000];
        for number in 0..1000_u32 {
            blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut noise);
            assert!(!deflater.whole(&noise, &mut out));
            deflater.begin();
            deflater.push(&noise, false, &mut out).expect("deflated");
            assert!(!deflater.is_worth(&noise, &mut out));
        }
        assert!(deflater.whole(&[b'a'; 1000], &mut out));
    }

    #[test]
    fn incompressible_content_is_not_deflated() {
        let (mut deflater, mut out) = (Deflater::new(), Vec::new());
        assert!(deflater.whole(&[b'a'; 1000], &mut out));
        assert!(out.len() < 50);
        assert!(!deflater.whole(b"", &mut out));
        assert!(!deflater.whole(b"a", &mut out));
        let mut noise = vec![0; SAMPLE_LEN];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert!(!deflater.whole(&noise, &mut out));
        assert!(!deflater.is_worth(&noise, &mut out));
        assert!(deflater.is_worth(&sample(), &mut out));
        assert_eq!(fingerprint(), fingerprint());
    }
}
