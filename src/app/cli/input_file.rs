//! The file of `--input-file`: one address or path a line, each with options in indented lines below it, as in the input files of aria2.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    environment::Environment,
    error::{UsageError, shown, wrong},
};
use crate::{
    app::config,
    client::{Checksum, typed},
    protocol::path::odd_name,
    text::SafeText,
    text::without_number,
};

/// The name of stdin.
const STDIN: &str = "-";
/// Maximum size of a file.
const MAX_LEN: u64 = 64 << 20;

/// An entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of its line, from 1.
    pub(super) line: usize,
    /// The address or the path.
    pub(super) address: String,
    /// `out`: the path to save as.
    pub(super) out: Option<PathBuf>,
    /// `dir`: the folder to save in.
    pub(super) dir: Option<PathBuf>,
    /// `checksum`.
    pub(super) checksum: Option<Checksum>,
}

/// Reads all entries of a file, or of stdin.
pub(super) fn read(path: &Path, environment: &Environment) -> Result<Vec<Entry>, UsageError> {
    let name = name(path);
    let mut text = Vec::new();
    let read = if path == Path::new(STDIN) {
        std::io::stdin().lock().take(MAX_LEN + 1).read_to_end(&mut text)
    } else {
        File::open(environment.directory.join(path))
            .and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut text))
    };
    match read {
        Ok(len) if len as u64 > MAX_LEN => wrong(format!("{name} is larger than 64 MiB: split it")),
        Ok(_) => match parse(&text) {
            Ok(entries) if entries.is_empty() => wrong(format!("{name} has no address: give one a line")),
            Ok(entries) => Ok(entries),
            Err((line, error)) => Err(at(path, line, &error)),
        },
        Err(error) => wrong(format!("cannot read {name}: {}", without_number(&error.to_string()))),
    }
}

/// An error in a line of the file.
pub(super) fn at(path: &Path, line: usize, error: &str) -> UsageError {
    UsageError(format!("{}, line {line}: {error}; nothing was started", name(path)))
}

fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "stdin".to_owned() } else { format!("'{}'", shown(path.as_os_str())) }
}

/// All entries, or the number of the wrong line and what is wrong with it.
fn parse(text: &[u8]) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries: Vec<Entry> = Vec::new();
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let content = bytes.trim_ascii();
        if content.is_empty() || content.starts_with(b"#") {
            continue;
        }
        let is_option = bytes.starts_with(b" ") || bytes.starts_with(b"\t");
        // Names may contain any bytes; an address is text.
        let content = odd_name::to_text(content);
        if !is_option {
            if odd_name::is_escaped(&content) && typed::names_server(&content) {
                return Err((line, "an address is UTF-8: write the other bytes of a name as %XX".to_owned()));
            }
            entries.push(Entry { line, address: content.into_owned(), out: None, dir: None, checksum: None });
        } else if let Some(entry) = entries.last_mut() {
            option(entry, &content).map_err(|error| (line, error))?;
        } else {
            return Err((
                line,
                "an option is below the address that it is for; an address is not indented".to_owned(),
            ));
        }
    }
    Ok(entries)
}

/// Sets an option of an entry.
fn option(entry: &mut Entry, text: &str) -> Result<(), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("'{}' is not an option: write NAME=VALUE", SafeText::new(text)));
    };
    let (name, value) = (name.trim(), value.trim());
    if value.is_empty() {
        return Err(format!("{} has no value", SafeText::new(name)));
    }
    let is_new = match name {
        "out" => entry.out.replace(path(value)?).is_none(),
        "dir" => entry.dir.replace(path(value)?).is_none(),
        "checksum" => entry.checksum.replace(checksum(value)?).is_none(),
        _ => {
            return Err(format!(
                "'{}' is not an option here: there are out, dir and checksum",
                SafeText::new(name)
            ));
        }
    };
    if is_new { Ok(()) } else { Err(format!("{name} is given twice for one address")) }
}

/// A path; a leading `~/` is the home folder.
fn path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("~/") {
        Some(below) => config::below_home(below).ok_or_else(|| "there is no home folder for ~/".to_owned()),
        None => {
            let bytes = odd_name::to_bytes(text).ok_or("a path may not contain a zero byte")?;
            Ok(PathBuf::from(OsStr::from_bytes(&bytes)))
        }
    }
}

/// `ALGO:HEX`, or `ALGO=HEX` as aria2 writes it, whose name for SHA-256 is `sha-256`.
fn checksum(text: &str) -> Result<Checksum, String> {
    let text = text.replacen("sha-256", "sha256", 1).replacen('=', ":", 1);
    text.parse().map_err(|error| format!("checksum: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_options_in_indented_lines() {
        let hex = "d41d8cd98f00b204e9800998ecf8427e";
        let text = format!(
            "# a list\r\n\nfdsp://nas/a b.iso\r\n  out=b.iso\n\tdir=/srv\n\n  # of the first one\n  checksum=md5={hex}\nfilms/c \n"
        );
        let entries = parse(text.as_bytes()).expect("valid");
        let expected = [
            Entry {
                line: 3,
                address: "fdsp://nas/a b.iso".into(),
                out: Some("b.iso".into()),
                dir: Some("/srv".into()),
                checksum: format!("md5:{hex}").parse().ok(),
            },
            Entry { line: 9, address: "films/c".into(), out: None, dir: None, checksum: None },
        ];
        assert_eq!(entries, expected);
        let sha256 = format!("a\n  checksum=sha-256={}", "ab".repeat(32));
        assert_eq!(
            parse(sha256.as_bytes()).expect("valid")[0].checksum,
            format!("sha256:{}", "ab".repeat(32)).parse().ok()
        );
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (text, line, part) in [
            ("a\n  split=5\n", 2, "'split' is not an option here: there are out, dir and checksum"),
            ("\n  out=x\na\n", 2, "below the address"),
            ("a\n  out\n", 2, "NAME=VALUE"),
            ("a\n  out=\n", 2, "out has no value"),
            ("a\n  out=x\n  out=y\n", 3, "twice"),
            ("a\n  checksum=sha1:00\n", 2, "checksum: "),
            ("a\n  \u{1b}[2J=1\n", 2, "is not an option here"),
        ] {
            let (at, error) = parse(text.as_bytes()).expect_err(text);
            assert_eq!(at, line, "{text:?}: {error}");
            assert!(error.contains(part) && !error.contains('\u{1b}'), "{text:?}: {error}");
        }
        let (at, error) = parse(b"a\nfdsp://h/\xff\n").expect_err("not UTF-8");
        assert!(at == 2 && error.contains("%XX"), "{error}");
        assert_eq!(parse(b"h/\xff\n").expect("a path may have any bytes").len(), 1);
    }
}
