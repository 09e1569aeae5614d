//! Lists of checksums, such as `SHA256SUMS`: the formats of coreutils and of BSD.
//!
//! ```text
//! HEX  NAME                    coreutils; '*' in the place of the second blank for a binary file
//! \HEX  NAME                   the same with \n, \r and \\ in the name
//! SHA256 (NAME) = HEX          BSD
//! HEX                          a file beside the one that it is for, as NAME.sha256
//! ```
//!
//! Other lines, as of a signature, are left out.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{address::locator::Locator, content::checksum::Checksum, serial},
    text::SafeText,
};

/// Bytes of a list, at most.
pub const MAX_SUMS_LEN: usize = 16 << 20;

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SumsAt {
    /// A local file (absolute).
    File(#[serde(with = "serial::path")] PathBuf),
    /// At a web server.
    Web(Locator),
    /// Beside the file, if the server has one.
    Beside,
}

/// A list of checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// `None` in a file that has the digest alone.
    name: Option<String>,
    /// Or the algorithm that is not supported.
    checksum: Result<Checksum, String>,
}

/// Why a list has no checksum for a file. Each is the end of a sentence that begins with the name of the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// Nothing in it is a checksum.
    #[error("is not a list of checksums, as sha256sum and b3sum print it")]
    NoList,
    /// Larger than any.
    #[error("is larger than 16 MiB")]
    TooLarge,
    /// The file is not in it.
    #[error("does not list '{0}'")]
    NotListed(SafeText),
    /// Several digests.
    #[error("lists '{0}' with different checksums")]
    Ambiguous(SafeText),
    /// Only digests that prove nothing, or are not supported.
    #[error("lists '{name}' with {algorithm} only, which {why}")]
    Unsupported {
        /// The name of the file.
        name: SafeText,
        /// The algorithm.
        algorithm: SafeText,
        /// Why it is not used.
        why: &'static str,
    },
}

/// The names of the lists that may be beside a file, the best ones first.
pub(crate) fn names_beside(name: &str) -> [String; 8] {
    let own = |ending: &str| format!("{name}.{ending}");
    let all = |list: &str| list.to_owned();
    [
        own("sha256"),
        all("SHA256SUMS"),
        own("sha512"),
        all("SHA512SUMS"),
        own("b3"),
        all("B3SUMS"),
        own("md5"),
        all("MD5SUMS"),
    ]
}

impl SumsAt {
    /// Its name, for people.
    pub(crate) fn shown(&self) -> SafeText {
        match self {
            SumsAt::File(path) => SafeText::from_path(path),
            SumsAt::Web(address) => SafeText::new(&address.to_string()),
            SumsAt::Beside => SafeText::new("the list beside the file"),
        }
    }

    /// The name of its file, which can say what its digests are.
    pub(crate) fn file_name(&self) -> String {
        match self {
            SumsAt::File(path) => file_name(path),
            SumsAt::Web(address) => address.name().unwrap_or_default().to_owned(),
            SumsAt::Beside => String::new(),
        }
    }
}

/// The last component of a path as text.
fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Sums {
    /// Reads a list. `file_name` is its name: a digest of 64 digits is of BLAKE3, if that says so, and else of SHA-256.
    ///
    /// # Errors
    /// See [`SumsError`].
    pub fn parse(content: &[u8], file_name: &str) -> Result<Sums, SumsError> {
        if content.len() > MAX_SUMS_LEN {
            return Err(SumsError::TooLarge);
        }
        let text = String::from_utf8_lossy(content);
        let text = text.trim_start_matches('\u{feff}');
        let file_name = file_name.to_ascii_lowercase();
        let is_blake3 = file_name.contains("b3") || file_name.contains("blake3");
        let entries: Vec<_> =
            text.lines().filter_map(|line| bsd(line).or_else(|| gnu(line, is_blake3))).collect();
        if entries.is_empty() { Err(SumsError::NoList) } else { Ok(Sums { entries }) }
    }

    /// Whether it has names, and not one digest alone.
    pub(crate) fn has_names(&self) -> bool {
        self.entries.iter().any(|entry| entry.name.is_some())
    }

    /// The checksum of a file with this name, of the strongest algorithm.
    ///
    /// # Errors
    /// It is not listed, or only with an algorithm that is not supported, or with different digests.
    pub fn find(&self, name: &str) -> Result<Checksum, SumsError> {
        let of = |fits: &dyn Fn(&str) -> bool| -> Vec<&Entry> {
            self.entries.iter().filter(|entry| entry.name.as_deref().is_some_and(fits)).collect()
        };
        // The path in a list may be another one than that in the address.
        let mut found = of(&|listed| listed.trim_start_matches("./") == name);
        if found.is_empty() {
            found = of(&|listed| listed.rsplit('/').next() == Some(name));
        }
        if found.is_empty()
            && let [entry @ Entry { name: None, .. }] = self.entries.as_slice()
        {
            found = vec![entry];
        }
        let shown = SafeText::new(name);
        let Some(first) = found.first() else { return Err(SumsError::NotListed(shown)) };
        let supported = found.iter().filter_map(|entry| entry.checksum.as_ref().ok());
        let Some(best) = supported.clone().max_by_key(|checksum| checksum.strength()) else {
            let algorithm = first.checksum.as_ref().err().map_or("", String::as_str);
            return Err(SumsError::Unsupported {
                name: shown,
                algorithm: SafeText::new(algorithm),
                why: why_not(algorithm),
            });
        };
        let mut equally_strong = supported.filter(|checksum| checksum.strength() == best.strength());
        if equally_strong.any(|checksum| checksum != best) {
            return Err(SumsError::Ambiguous(shown));
        }
        Ok(best.clone())
    }
}

fn why_not(algorithm: &str) -> &'static str {
    match algorithm {
        "CRC" | "SHA1" | "SHA-1" | "MD4" | "RMD160" => {
            "is too weak: a list of SHA-256, SHA-512 or BLAKE3 is needed"
        }
        _ => "is not supported: a list of SHA-256, SHA-512 or BLAKE3 is needed",
    }
}

/// `ALGORITHM (NAME) = HEX`.
fn bsd(line: &str) -> Option<Entry> {
    let (line, is_escaped) = escaped(line.trim_end());
    let (algorithm, rest) = line.split_once('(')?;
    let (name, digest) = rest.rsplit_once(')')?;
    let digest = digest.trim_start().strip_prefix('=')?.trim();
    let algorithm = algorithm.trim();
    let is_algorithm = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if algorithm.is_empty() || algorithm.len() > 20 || !algorithm.chars().all(is_algorithm) || !is_hex(digest)
    {
        return None;
    }
    let upper = algorithm.to_ascii_uppercase();
    let kind = match upper.as_str() {
        "SHA256" | "SHA-256" | "SHA2-256" => "sha256",
        "SHA512" | "SHA-512" | "SHA2-512" => "sha512",
        "BLAKE3" => "blake3",
        "MD5" => "md5",
        _ => "",
    };
    let checksum = match kind {
        "" => Err(upper),
        kind => Ok(format!("{kind}:{digest}").parse().ok()?),
    };
    Some(Entry { name: Some(name_of(name, is_escaped)?), checksum })
}

/// `HEX  NAME`, or `HEX` alone.
fn gnu(line: &str, is_blake3: bool) -> Option<Entry> {
    let (line, is_escaped) = escaped(line.strip_suffix('\r').unwrap_or(line));
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    let (digest, rest) = line.split_at(end);
    if !is_hex(digest) {
        return None;
    }
    let checksum = match digest.len() {
        32 => Ok(format!("md5:{digest}").parse().ok()?),
        64 if is_blake3 => Ok(format!("blake3:{digest}").parse().ok()?),
        64 => Ok(format!("sha256:{digest}").parse().ok()?),
        128 => Ok(format!("sha512:{digest}").parse().ok()?),
        40 => Err("SHA-1".to_owned()),
        56 => Err("SHA-224".to_owned()),
        96 => Err("SHA-384".to_owned()),
        _ => return None,
    };
    if rest.trim().is_empty() {
        return Some(Entry { name: None, checksum });
    }
    let name = &rest[1..];
    let name = name.strip_prefix([' ', '*']).unwrap_or(name);
    Some(Entry { name: Some(name_of(name, is_escaped)?), checksum })
}

/// A line, and whether its name is escaped.
fn escaped(line: &str) -> (&str, bool) {
    line.strip_prefix('\\').map_or((line, false), |line| (line, true))
}

fn is_hex(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name in a line; `None` if the name is not valid.
fn name_of(text: &str, is_escaped: bool) -> Option<String> {
    if !is_escaped {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let mut name = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        name.push(match c {
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checksum(kind: &str, digit: char) -> Checksum {
        let len = match kind {
            "md5" => 32,
            "sha512" => 128,
            _ => 64,
        };
        format!("{kind}:{}", digit.to_string().repeat(len)).parse().unwrap()
    }

    fn hex(len: usize, digit: char) -> String {
        digit.to_string().repeat(len)
    }

    fn find(text: &str, file: &str, name: &str) -> Result<Checksum, SumsError> {
        Sums::parse(text.as_bytes(), file)?.find(name)
    }

    #[test]
    fn the_formats_of_coreutils_and_bsd_are_read() {
        let (a, b, c) = (hex(64, 'a'), hex(64, 'B'), hex(128, 'c'));
        let list = format!(
            "\u{feff}-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n# a comment\r\n{a}  ./a b.iso\r\n{b} *dir/b.iso\r\n\
             SHA512 (c (1).iso) = {c}\r\n\\{a}  d\\n\\\\e\nSHA2-256(f)= {a}\n-----END PGP SIGNATURE-----\n"
        );
        for (name, found) in [
            ("a b.iso", checksum("sha256", 'a')),
            ("b.iso", checksum("sha256", 'b')),
            ("dir/b.iso", checksum("sha256", 'b')),
            ("c (1).iso", checksum("sha512", 'c')),
            ("d\n\\e", checksum("sha256", 'a')),
            ("f", checksum("sha256", 'a')),
        ] {
            assert_eq!(find(&list, "SHA256SUMS", name), Ok(found), "{name}");
        }
        assert_eq!(find(&list, "x", "e"), Err(SumsError::NotListed(SafeText::new("e"))));
        assert_eq!(find(&format!("{a}  a"), "B3SUMS", "a"), Ok(checksum("blake3", 'a')));
        assert_eq!(find(&format!("BLAKE3 (a) = {a}"), "x", "a"), Ok(checksum("blake3", 'a')));
        assert_eq!(find(&format!("{}  a", hex(32, '1')), "MD5SUMS", "a"), Ok(checksum("md5", '1')));
    }

    #[test]
    fn the_strongest_digest_of_a_file_counts_and_two_of_one_kind_are_an_error() {
        let (a, b, c) = (hex(64, 'a'), hex(64, 'b'), hex(128, 'c'));
        let several = format!("MD5 (x) = {}\nSHA256 (x) = {a}\nSHA512 (x) = {c}\n", hex(32, '1'));
        assert_eq!(find(&several, "x", "x"), Ok(checksum("sha512", 'c')));
        assert_eq!(find(&format!("{a}  x\n{a}  d/x\n"), "x", "x"), Ok(checksum("sha256", 'a')));
        assert_eq!(
            find(&format!("{a}  x\n{b}  d/x\n"), "x", "x"),
            Ok(checksum("sha256", 'a')),
            "the exact path"
        );
        let both = find(&format!("{a}  c/x\n{b}  d/x\n"), "x", "x");
        assert_eq!(both, Err(SumsError::Ambiguous(SafeText::new("x"))));
        let sha1 = find(&format!("{}  x", hex(40, '1')), "x", "x").unwrap_err().to_string();
        assert_eq!(
            sha1,
            "lists 'x' with SHA-1 only, which is too weak: a list of SHA-256, SHA-512 or BLAKE3 is needed"
        );
        let sha3 = find(&format!("SHA3-256 (x) = {a}"), "x", "x").unwrap_err().to_string();
        assert!(sha3.contains("SHA3-256 only, which is not supported"), "{sha3}");
    }

    #[test]
    fn a_digest_alone_is_of_the_file_that_it_is_beside() {
        let a = hex(64, 'a');
        assert_eq!(find(&format!("{a}\n"), "x.sha256", "x"), Ok(checksum("sha256", 'a')));
        assert_eq!(find(&a, "x.b3", "x"), Ok(checksum("blake3", 'a')));
        assert_eq!(
            find(&format!("{a}\n{a}\n"), "x", "x"),
            Err(SumsError::NotListed(SafeText::new("x"))),
            "which of them?"
        );
        for text in ["", "<html><body>404</body></html>", "hello world", "abc  x"] {
            assert_eq!(find(text, "x", "x"), Err(SumsError::NoList), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_an_error(text in "([0-9a-f]{32}|[0-9a-f]{64}|SHA256|\\(|\\)|=| |\\*|\\\\|a|\n){0,20}|.{0,80}") {
            let _ = find(&text, "x", "a");
        }

        #[test]
        fn a_name_is_read_as_coreutils_write_it(name in "[^/\u{feff}\0\r]{1,20}", digit in "[0-9a-f]") {
            let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
            let mark = if escaped == name { "" } else { "\\" };
            let digest = digit.repeat(64);
            let line = format!("{mark}{digest}  {escaped}\n");
            let found = find(&line, "SHA256SUMS", &name);
            prop_assert_eq!(found, Ok(format!("sha256:{digest}").parse().unwrap()), "{}", line);
        }
    }
}
