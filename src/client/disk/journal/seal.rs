//! Authenticates the lines of journals. A journal decides what is not received again, and is in a folder that downloads and archives write
//! to. Each line is authenticated with a secret of the user, and is valid under this header of this journal only.
//!
//! ```text
//! 0a34c1de fdsp-control 2 9f86d081884c7d659a2feaa0c55ad015
//! 51b0a7f2c8a1d5b94be1c0f36a0e6b11 source {…}
//! 7c11d90402a7c81ef3b09a6d85c0f4aa block 1 1048576 6437b3ac…
//! ```
//!
//! The first line begins with the CRC-32 of what follows the space; it names the format and a nonce. Each other line begins with the
//! first 16 bytes of its BLAKE3, keyed with the BLAKE3 of the file's name, the nonce and the second line, keyed with the secret. A line
//! that is damaged, or of another journal, is not trusted.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, BufRead, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    net::tls,
    platform::state,
    protocol::digest::Hash,
    text::{SafeText, ShowPath},
};
/// The longest line: an escaped path of 4096 bytes, and the rest.
const MAX_LINE_LEN: u64 = 64 * 1024;
/// Characters of the code that a line begins with.
const CODE_LEN: usize = 32;

/// Seals journals with a secret, and trusts those that are sealed with it.
#[derive(Clone)]
pub(crate) struct Seal {
    /// Absent only if the system has no random numbers: then no journal is written.
    secret: Option<[u8; 32]>,
    /// The warning about a secret that exists only in this run; `None` if the secret is in a file.
    unkept: Option<Arc<Unkept>>,
}

/// The warning that journals of earlier runs cannot be verified. It is sent once.
struct Unkept {
    reason: String,
    notify: Box<dyn Fn(SafeText) + Send + Sync>,
    said: AtomicBool,
}

#[cfg(test)]
impl Default for Seal {
    fn default() -> Seal {
        Seal::of_this_run(String::new(), |_| ())
    }
}

impl Seal {
    /// Uses the secret in a file of 64 hexadecimal digits. Creates the file if it does not exist.
    pub(crate) fn with(path: &Path) -> io::Result<Seal> {
        let bytes = state::read_or_make(path, || Ok(format!("{}\n", Hash(tls::random()?)).into_bytes()))?;
        if !state::is_private(path)? {
            return Err(io::Error::other("other users can read it; delete it, and a new one is created"));
        }
        let secret = str::from_utf8(&bytes).ok().and_then(|text| Hash::from_hex(text.trim_end()));
        let wrong = || {
            io::Error::new(io::ErrorKind::InvalidData, "it does not have 64 hexadecimal digits; delete it")
        };
        Ok(Seal { secret: Some(secret.ok_or_else(wrong)?.0), unkept: None })
    }

    /// With a secret of this run only. `reason`: why there is no secret in a file. `notify`: takes the warning about it when the first
    /// journal is rejected.
    pub(crate) fn of_this_run(reason: String, notify: impl Fn(SafeText) + Send + Sync + 'static) -> Seal {
        let unkept = Unkept { reason, notify: Box::new(notify), said: AtomicBool::new(false) };
        Seal { secret: tls::random().ok(), unkept: Some(Arc::new(unkept)) }
    }

    /// Warns that the journal at this path is rejected; if the secret is not in a file, once for all journals.
    pub(crate) fn warn(&self, path: &Path) {
        let path = path.shown();
        let Some(Unkept { reason, notify, said }) = self.unkept.as_deref() else {
            tracing::warn!(
                "{path} is damaged, or was not written here; what was fetched is compared with the server's"
            );
            return;
        };
        if !said.swap(true, Ordering::Relaxed) {
            let message = format!(
                "{path} is not believed: {reason}. What earlier runs fetched is compared with the server's, and archives start \
                 over"
            );
            tracing::warn!("{message}");
            notify(SafeText::new(&message));
        }
    }

    /// Begins the journal of this name: writes its first line and its header.
    pub(crate) fn begin<W: Write>(
        &self,
        mut out: W,
        name: &OsStr,
        format: &str,
        header: &str,
    ) -> io::Result<LineWriter<W>> {
        let nonce = hex::encode(&tls::random()?[..16]);
        let key = self.key(name, &nonce, header).ok_or_else(|| io::Error::other("there is no secret"))?;
        out.write_all(plain(&format!("{format} {nonce}")).as_bytes())?;
        let mut lines = LineWriter { out, key };
        lines.add(header)?;
        Ok(lines)
    }

    /// Opens the journal of this name, if it has this format and was sealed with the secret.
    pub(crate) fn open<R: BufRead>(&self, mut input: R, name: &OsStr, format: &str) -> Option<LineReader<R>> {
        let mut bytes = Vec::new();
        next(&mut input, &mut bytes).ok()?;
        let nonce = unsealed(&bytes)?.strip_prefix(format)?.strip_prefix(' ')?.to_owned();
        next(&mut input, &mut bytes).ok()?;
        let (_, header) = split(&bytes)?;
        let key = self.key(name, &nonce, header)?;
        let header = key.open(&bytes)?.to_owned();
        Some(LineReader { input, key, header, bytes })
    }

    fn key(&self, name: &OsStr, nonce: &str, header: &str) -> Option<Key> {
        let mut hasher = blake3::Hasher::new_keyed(self.secret.as_ref()?);
        for part in [b"fdsp 2026 journal", name.as_encoded_bytes(), nonce.as_bytes(), header.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Some(Key(*hasher.finalize().as_bytes()))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.unkept.is_none() { "Seal(kept)" } else { "Seal(of this run)" })
    }
}

/// The key of the lines of one journal.
#[derive(Clone)]
struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn code(&self, text: &str) -> String {
        blake3::keyed_hash(&self.0, text.as_bytes()).to_hex()[..CODE_LEN].to_owned()
    }

    fn line(&self, text: &str) -> String {
        format!("{} {text}\n", self.code(text))
    }

    /// The text of a complete line, if it was sealed with this key.
    fn open<'a>(&self, line: &'a [u8]) -> Option<&'a str> {
        let (code, text) = split(line)?;
        (code == self.code(text)).then_some(text)
    }
}

/// Adds lines to a journal.
#[derive(Debug)]
pub(crate) struct LineWriter<W> {
    out: W,
    key: Key,
}

impl<W: Write> LineWriter<W> {
    /// Adds a line.
    pub(crate) fn add(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(self.key.line(text).as_bytes())
    }

    /// Adds several lines at once.
    pub(crate) fn add_all<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let lines: String = texts.into_iter().map(|text| self.key.line(text)).collect();
        self.out.write_all(lines.as_bytes())
    }
}

#[cfg(test)]
impl LineWriter<Vec<u8>> {
    /// Adds bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The writer of the bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

impl LineWriter<io::BufWriter<std::fs::File>> {
    /// Writes the buffered lines. From here on each line is written at once.
    pub(crate) fn flushed(self) -> io::Result<LineWriter<std::fs::File>> {
        let out = self.out.into_inner().map_err(|error| error.into_error())?;
        Ok(LineWriter { out, key: self.key })
    }
}

/// Reads the lines of a journal that follow its header.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    input: R,
    key: Key,
    header: String,
    bytes: Vec<u8>,
}

impl<R: BufRead> LineReader<R> {
    /// Its second line.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The text of the next line, or `Some(None)` for one that is not sealed; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Option<&str>>> {
        let found = next(&mut self.input, &mut self.bytes)?;
        Ok(found.then(|| self.key.open(&self.bytes)))
    }
}

/// Reads a line; `false` at the end.
fn next(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    Ok(input.by_ref().take(MAX_LINE_LEN).read_until(b'\n', bytes)? > 0)
}

/// The code and the text of a complete line.
fn split(line: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?.split_once(' ')
}

/// A line with a checksum only.
pub(crate) fn plain(text: &str) -> String {
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))
}

/// The text of the first line, which is not authenticated.
pub(crate) fn first_line(mut input: impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    next(&mut input, &mut bytes).ok()?;
    unsealed(&bytes).map(str::to_owned)
}

fn unsealed(line: &[u8]) -> Option<&str> {
    let (sum, text) = split(line)?;
    (sum == format!("{:08x}", crc32fast::hash(text.as_bytes()))).then_some(text)
}

/// A journal with this header and these lines.
#[cfg(test)]
pub(crate) fn sealed(seal: &Seal, name: &str, format: &str, header: &str, lines: &[String]) -> Vec<u8> {
    let mut out = seal.begin(Vec::new(), name.as_ref(), format, header).unwrap();
    out.add_all(lines.iter().map(String::as_str)).unwrap();
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "fdsp-control 2";

    fn lines(seal: &Seal, name: &str, journal: &[u8]) -> Option<Vec<Option<String>>> {
        let mut opened = seal.open(journal, name.as_ref(), FORMAT)?;
        let mut lines = vec![Some(opened.header().to_owned())];
        while let Some(line) = opened.next().unwrap() {
            lines.push(line.map(str::to_owned));
        }
        Some(lines)
    }

    fn text(line: &str) -> Option<String> {
        Some(line.to_owned())
    }

    #[test]
    fn only_the_same_secret_name_and_header_open_a_line() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str| Seal::with(&place.path().join(name)).unwrap();
        let (own, other) = (make("own"), make("other"));
        let journal = sealed(&own, "a", FORMAT, "source 1", &["block 1".into()]);
        assert_eq!(lines(&make("own"), "a", &journal), Some(vec![text("source 1"), text("block 1")]));
        assert_eq!(lines(&other, "a", &journal), None);
        assert_eq!(lines(&own, "b", &journal), None, "it is of another target");
        assert_eq!(lines(&Seal::default(), "a", &journal), None, "without a secret nothing is believed");
        // A line under another header, and one of another journal with the same header.
        let forged = String::from_utf8(journal.clone()).unwrap().replace("source 1", "source 2");
        assert_eq!(lines(&own, "a", forged.as_bytes()), None);
        let again = sealed(&own, "a", FORMAT, "source 1", &["block 1".into()]);
        let head = journal.split_inclusive(|&byte| byte == b'\n').take(2).collect::<Vec<_>>().concat();
        let replayed = [&head[..], again.split_inclusive(|&byte| byte == b'\n').nth(2).unwrap()].concat();
        assert_eq!(lines(&own, "a", &replayed), Some(vec![text("source 1"), None]));
    }

    #[test]
    fn damage_affects_only_its_line() {
        let seal = Seal::default();
        let journal = sealed(&seal, "a", FORMAT, "source", &["block 1".into(), "block 2".into()]);
        let damaged = String::from_utf8(journal).unwrap().replace("block 1", "block 7");
        let found = lines(&seal, "a", damaged.as_bytes());
        assert_eq!(found, Some(vec![text("source"), None, text("block 2")]));
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        assert!(!format!("{:?}", Seal::default()).contains(char::is_numeric));
    }

    #[test]
    fn a_secret_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret");
        Seal::with(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Seal::with(&path).unwrap_err().to_string().contains("other users can read it"));
    }

    #[test]
    fn an_invalid_secret_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret");
        Seal::with(&path).unwrap();
        std::fs::write(&path, "short").unwrap();
        assert!(Seal::with(&path).unwrap_err().to_string().contains("64 hexadecimal digits"));
    }
}
