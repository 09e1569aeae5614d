//! The file of `--input-file`: one address or path a line, each with options in indented lines below it, as in the input files of aria2.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    app::{
        cli::{
            environment::Environment,
            error::{UsageError, shown, wrong},
        },
        config,
    },
    client::{Checksum, CurlCommand, MAX_HEADERS, WebHeader, typed},
    protocol::path::odd_name,
    text::{SafeText, without_number},
};

/// The name of stdin.
const STDIN: &str = "-";
/// Maximum size of a file.
const MAX_LEN: u64 = 64 << 20;

/// An entry of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of its line, from 1.
    pub(crate) line: usize,
    /// The address or the path.
    pub(crate) address: String,
    /// Other addresses of the same file, after tabs on the same line, as in the input files of aria2.
    pub(crate) mirrors: Vec<String>,
    /// `out`: the path to save as.
    pub(crate) out: Option<PathBuf>,
    /// `dir`: the folder to save in.
    pub(crate) dir: Option<PathBuf>,
    /// `checksum`.
    pub(crate) checksum: Option<Checksum>,
    /// `header`, `user-agent` and `referer`.
    pub(crate) headers: Vec<WebHeader>,
}

/// Reads all entries of a file, or of stdin.
pub(crate) fn read(path: &Path, environment: &Environment) -> Result<Vec<Entry>, UsageError> {
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
pub(crate) fn at(path: &Path, line: usize, error: &str) -> UsageError {
    UsageError(format!("{}, line {line}: {error}; nothing was started", name(path)))
}

fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "stdin".to_owned() } else { format!("'{}'", shown(path.as_os_str())) }
}

/// All entries, or the number of the wrong line and what is wrong with it.
fn parse(text: &[u8]) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut continues = false;
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let content = bytes.trim_ascii();
        if let (true, Some(entry)) = (continues, entries.last_mut()) {
            // A command of curl over several lines.
            entry.address.push('\n');
            entry.address.push_str(&String::from_utf8_lossy(bytes));
            continues = CurlCommand::continues(&entry.address);
            continue;
        }
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
            continues = CurlCommand::is_meant(&content) && CurlCommand::continues(&content);
            let (address, mirrors) = with_mirrors(&content);
            entries.push(Entry { line, address, mirrors, ..Entry::default() });
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

/// An address and its mirrors. A tab in a path is part of it.
fn with_mirrors(line: &str) -> (String, Vec<String>) {
    let mut parts = line.split('\t').map(str::trim).filter(|part| !part.is_empty());
    let is_list = parts.clone().all(typed::names_server);
    match parts.next().filter(|_| is_list) {
        Some(address) => (address.to_owned(), parts.map(str::to_owned).collect()),
        None => (line.to_owned(), Vec::new()),
    }
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
        "header" => add(entry, value)?,
        "user-agent" => add(entry, &format!("User-Agent: {value}"))?,
        "referer" => add(entry, &format!("Referer: {value}"))?,
        _ => {
            return Err(format!(
                "'{}' is not an option here: there are out, dir, checksum, header, user-agent and referer",
                SafeText::new(name)
            ));
        }
    };
    if is_new { Ok(()) } else { Err(format!("{name} is given twice for one address")) }
}

/// Adds a header field. Returns whether it is not one that was given and may be given once.
fn add(entry: &mut Entry, text: &str) -> Result<bool, String> {
    let header = WebHeader::parse(text).map_err(|error| error.to_string())?;
    if entry.headers.len() == MAX_HEADERS {
        return Err(format!("an address has at most {MAX_HEADERS} header fields"));
    }
    let is_new = !header.is_single() || !entry.headers.iter().any(|given| given.has_name_of(&header));
    entry.headers.push(header);
    Ok(is_new)
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
                mirrors: Vec::new(),
                out: Some("b.iso".into()),
                dir: Some("/srv".into()),
                checksum: format!("md5:{hex}").parse().ok(),
                ..Entry::default()
            },
            Entry { line: 9, address: "films/c".into(), ..Entry::default() },
        ];
        assert_eq!(entries, expected);
        let sha256 = format!("a\n  checksum=sha-256={}", "ab".repeat(32));
        assert_eq!(
            parse(sha256.as_bytes()).expect("valid")[0].checksum,
            format!("sha256:{}", "ab".repeat(32)).parse().ok()
        );
    }

    #[test]
    fn commands_of_curl_may_have_several_lines() {
        let text = "curl 'https://h/a' \\\r\n  -H 'x: y' \\\n  --compressed\n  out=b\nhttps://h/c\n  header=a: b\n  user-agent=c d\n";
        let entries = parse(text.as_bytes()).expect("valid");
        assert_eq!(entries.len(), 2, "{entries:?}");
        let command = CurlCommand::parse(&entries[0].address).expect("valid");
        assert_eq!((command.address.revealed().as_str(), command.headers.len()), ("https://h/a", 1));
        assert_eq!(entries[0].out.as_deref(), Some(Path::new("b")));
        assert_eq!((entries[1].line, entries[1].headers.len()), (5, 2));
    }

    #[test]
    fn mirrors_are_on_the_same_line_after_tabs() {
        let entries = parse(b"http://a/x\thttps://b/x \t fdsp://c/x\nfilms/a\tb\n").expect("valid");
        assert_eq!((entries[0].address.as_str(), entries[0].mirrors.len()), ("http://a/x", 2));
        assert_eq!(entries[0].mirrors, ["https://b/x", "fdsp://c/x"]);
        assert_eq!((entries[1].address.as_str(), entries[1].mirrors.len()), ("films/a\tb", 0));
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (text, line, part) in [
            ("a\n  split=5\n", 2, "'split' is not an option here: there are out, dir, checksum, header"),
            ("a\n  header=secret\n", 2, "a header field is written"),
            ("a\n  header=Range: bytes=0-\n", 2, "range is set by this program"),
            ("a\n  referer=x\n  header=Referer: y\n", 3, "twice"),
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
