//! Reads a metalink of version 4. It comes from outside: there are no entities but those of XML itself, no document types, and bounds on depth,
//! counts and lengths.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event, attributes::AttrError},
};

use super::MetalinkFile;
use crate::{
    client::api::{
        address::locator::Locator,
        content::{
            checksum::Checksum,
            described::{Described, PieceDigest, Pieces},
        },
    },
    text::SafeText,
};

/// Elements inside of each other, at most.
const MAX_DEPTH: usize = 16;
/// Files of a metalink, at most.
const MAX_FILES: usize = 10_000;
/// Addresses of a file that are used, at most: the best ones.
const MAX_ADDRESSES: usize = 32;
/// The longest text of an element that is read, in bytes.
const MAX_TEXT_LEN: usize = 8 * 1024;
/// The priority of an address without one: the last.
const LAST_PRIORITY: u32 = 999_999;

/// Why a text is not a metalink that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetalinkError {
    /// Not XML, or not well formed.
    #[error("it is not valid XML: {0}")]
    Xml(SafeText),
    /// XML of another kind.
    #[error("it is not a metalink of version 4 (RFC 5854)")]
    Other,
    /// A document type, or an entity of it.
    #[error("it has a document type or entities, which are not accepted")]
    Entities,
    /// Beyond the bounds.
    #[error("it is beyond the bounds of this program: {0}")]
    Bounds(&'static str),
    /// A file without an address that can be used.
    #[error("its file \"{0}\" has no address that this program supports")]
    NoAddress(SafeText),
    /// No file.
    #[error("it names no file")]
    Empty,
}

/// A file as it is read.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    addresses: Vec<(u32, Locator)>,
    size: Option<u64>,
    digest: Option<Checksum>,
    pieces: Option<Pieces>,
    /// The pieces that are being read, if their algorithm is supported.
    open: Option<DraftPieces>,
}

#[derive(Debug)]
struct DraftPieces {
    algorithm: PieceDigest,
    length: u64,
    /// `None` once one of them was not valid.
    digests: Option<Vec<u8>>,
}

/// An element whose text is wanted.
#[derive(Debug)]
enum Wanted {
    Url(u32),
    Size,
    /// The digest of the whole, of this algorithm.
    Digest(String),
    /// The digest of a piece.
    Piece,
}

/// Reads a metalink.
///
/// # Errors
/// See [`MetalinkError`].
pub fn read(bytes: &[u8]) -> Result<Vec<MetalinkFile>, MetalinkError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| MetalinkError::Xml(SafeText::new("it is not UTF-8")))?;
    let mut reader = Reader::from_str(text);
    let mut document = Document::default();
    loop {
        let event = reader.read_event().map_err(|error| xml(&error))?;
        match event {
            Event::Start(element) => document.begin(&element)?,
            Event::Empty(element) => {
                document.begin(&element)?;
                document.end()?;
            }
            Event::End(_) => document.end()?,
            Event::Text(text) => document.text(&text)?,
            Event::CData(text) => document.text(&text)?,
            Event::GeneralRef(entity) => {
                let name: &str = &entity;
                let character = entity.resolve_char_ref().map_err(|error| xml(&error))?;
                let character = character.or(match name {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => None,
                });
                document.text(character.ok_or(MetalinkError::Entities)?.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(MetalinkError::Entities),
            Event::Eof => return document.finish(),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn xml(error: &impl std::fmt::Display) -> MetalinkError {
    MetalinkError::Xml(SafeText::new(&error.to_string()))
}

/// What is read of a document up to here.
#[derive(Debug, Default)]
struct Document {
    /// The local names of the elements that are open.
    open: Vec<String>,
    /// The element whose text is wanted, and its text up to here.
    wanted: Option<(Wanted, String)>,
    draft: Option<Draft>,
    files: Vec<MetalinkFile>,
    has_root: bool,
}

impl Document {
    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), MetalinkError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(MetalinkError::Bounds("elements inside of each other"));
        }
        let name = element.local_name().into_inner().to_owned();
        let path: Vec<_> = self.open.iter().map(String::as_str).collect();
        match (path.as_slice(), name.as_str()) {
            ([], "metalink") if !self.has_root => {
                let namespace = attribute(element, "xmlns")?;
                if namespace.as_deref() != Some("urn:ietf:params:xml:ns:metalink") {
                    return Err(MetalinkError::Other);
                }
                self.has_root = true;
            }
            ([], _) => return Err(MetalinkError::Other),
            (["metalink"], "file") => {
                if self.files.len() >= MAX_FILES {
                    return Err(MetalinkError::Bounds("number of files"));
                }
                let name = attribute(element, "name")?.unwrap_or_default();
                self.draft = Some(Draft { name, ..Draft::default() });
            }
            (["metalink", "file"], "url") => {
                let priority = attribute(element, "priority")?.and_then(|text| text.trim().parse().ok());
                self.want(Wanted::Url(priority.unwrap_or(LAST_PRIORITY)));
            }
            (["metalink", "file"], "size") => self.want(Wanted::Size),
            (["metalink", "file"], "hash") => {
                let algorithm = attribute(element, "type")?.unwrap_or_default();
                self.want(Wanted::Digest(algorithm));
            }
            (["metalink", "file"], "pieces") => self.pieces(element)?,
            (["metalink", "file", "pieces"], "hash") => self.want(Wanted::Piece),
            _ => {}
        }
        self.open.push(name);
        Ok(())
    }

    fn want(&mut self, wanted: Wanted) {
        self.wanted = Some((wanted, String::new()));
    }

    /// Pieces begin.
    fn pieces(&mut self, element: &BytesStart<'_>) -> Result<(), MetalinkError> {
        let length = attribute(element, "length")?.and_then(|text| text.trim().parse().ok());
        let algorithm = match attribute(element, "type")?.as_deref() {
            Some("sha-256") => Some(PieceDigest::Sha256),
            Some("sha-512") => Some(PieceDigest::Sha512),
            Some("md5") => Some(PieceDigest::Md5),
            _ => None,
        };
        if let Some(draft) = &mut self.draft {
            draft.open = algorithm.zip(length).map(|(algorithm, length)| DraftPieces {
                algorithm,
                length,
                digests: Some(Vec::new()),
            });
        }
        Ok(())
    }

    fn text(&mut self, more: &str) -> Result<(), MetalinkError> {
        let Some((_, text)) = &mut self.wanted else {
            return match self.open.is_empty() && !more.trim().is_empty() {
                true => Err(MetalinkError::Other),
                false => Ok(()),
            };
        };
        if text.len() + more.len() > MAX_TEXT_LEN {
            return Err(MetalinkError::Bounds("length of a text"));
        }
        text.push_str(more);
        Ok(())
    }

    fn end(&mut self) -> Result<(), MetalinkError> {
        let name = self.open.pop();
        if let (Some((wanted, text)), Some(draft)) = (self.wanted.take(), &mut self.draft) {
            draft.take(wanted, text.trim());
        }
        if name.as_deref() == Some("pieces")
            && let Some(draft) = &mut self.draft
        {
            draft.end_pieces();
        }
        if name.as_deref() == Some("file")
            && self.open == ["metalink"]
            && let Some(draft) = self.draft.take()
        {
            self.files.push(draft.finish()?);
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<MetalinkFile>, MetalinkError> {
        match () {
            () if !self.open.is_empty() => Err(xml(&"it ends within an element")),
            () if !self.has_root => Err(MetalinkError::Other),
            () if self.files.is_empty() => Err(MetalinkError::Empty),
            () => Ok(self.files),
        }
    }
}

impl Draft {
    /// The text of an element.
    fn take(&mut self, wanted: Wanted, text: &str) {
        match wanted {
            // Addresses of other schemes are left to other programs.
            Wanted::Url(priority) => {
                self.addresses.extend(Locator::parse(text).ok().map(|address| (priority, address)));
            }
            Wanted::Size => self.size = text.parse().ok(),
            Wanted::Digest(algorithm) => {
                let digest = checksum(&algorithm, text);
                let is_better =
                    digest.as_ref().map(Checksum::strength) > self.digest.as_ref().map(Checksum::strength);
                if is_better {
                    self.digest = digest;
                }
            }
            Wanted::Piece => {
                let Some(DraftPieces { digests, .. }) = &mut self.open else { return };
                match hex::decode(text) {
                    Ok(digest) => digests.iter_mut().for_each(|digests| digests.extend(&digest)),
                    Err(_) => *digests = None,
                }
            }
        }
    }

    /// All digests of pieces are read. Of several kinds the strongest is used.
    fn end_pieces(&mut self) {
        let Some(DraftPieces { algorithm, length, digests }) = self.open.take() else { return };
        let pieces = digests.and_then(|digests| Pieces::new(algorithm, length, digests));
        let is_weak = |pieces: &Pieces| pieces.algorithm() == PieceDigest::Md5;
        if self.pieces.as_ref().is_none_or(is_weak) {
            self.pieces = pieces.or(self.pieces.take());
        }
    }

    fn finish(self) -> Result<MetalinkFile, MetalinkError> {
        let Draft { name, mut addresses, size, digest, pieces, .. } = self;
        addresses.sort_by_key(|(priority, _)| *priority);
        let mut best: Vec<Locator> = Vec::new();
        for (_, address) in addresses {
            if best.len() < MAX_ADDRESSES && !best.contains(&address) {
                best.push(address);
            }
        }
        if best.is_empty() {
            return Err(MetalinkError::NoAddress(SafeText::new(&name)));
        }
        // Pieces that are not those of this size prove nothing.
        let pieces = pieces.filter(|pieces| size.is_none_or(|size| pieces.are_of(size)));
        Ok(MetalinkFile { name, addresses: best, described: Described { size, digest, pieces } })
    }
}

/// A digest by the name that the registry of IANA has for its algorithm.
fn checksum(algorithm: &str, hex: &str) -> Option<Checksum> {
    let algorithm = match algorithm {
        "sha-256" => "sha256",
        "sha-512" => "sha512",
        "md5" => "md5",
        "blake3" => "blake3",
        _ => return None,
    };
    format!("{algorithm}:{hex}").parse().ok()
}

/// The value of an attribute. Entities of the document are not accepted in it.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, MetalinkError> {
    let found = element.try_get_attribute(name).map_err(|error: AttrError| xml(&error))?;
    let Some(found) = found else { return Ok(None) };
    if found.value.len() > MAX_TEXT_LEN {
        return Err(MetalinkError::Bounds("length of an attribute"));
    }
    let value = found.normalized_value(XmlVersion::Implicit1_0).map_err(|_| MetalinkError::Entities)?;
    Ok(Some(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">{inner}</metalink>"
        )
    }

    #[test]
    fn a_metalink_is_read() {
        let (sha, md5) = ("ab".repeat(32), "cd".repeat(16));
        let text = document(&format!(
            "<generator>g</generator><file name=\"dir/a &amp; b.iso\"><size>5</size><identity>a</identity>\
             <hash type=\"md5\">{md5}</hash><hash type=\"sha-256\"> {sha} </hash><hash type=\"crc\">00</hash>\
             <pieces length=\"3\" type=\"sha-1\"><hash>{md5}</hash></pieces>\
             <pieces length=\"3\" type=\"sha-256\"><hash>{sha}</hash><hash>{sha}</hash></pieces>\
             <url priority=\"9\" location=\"de\">https://c/a</url><url>https://d/a</url>\
             <url priority=\"1\">https://b/a?x=1&amp;y=2</url><url priority=\"1\">ftp://e/a</url>\
             <metaurl mediatype=\"torrent\">https://t/a.torrent</metaurl></file>\
             <file name=\"c\"><url><![CDATA[http://h/c]]></url></file>"
        ));
        let files = read(text.as_bytes()).unwrap();
        assert_eq!((files.len(), files[0].name.as_str()), (2, "dir/a & b.iso"));
        let addresses: Vec<_> = files[0].addresses.iter().map(Locator::revealed).collect();
        assert_eq!(addresses, ["https://b/a?x=1&y=2", "https://c/a", "https://d/a"]);
        let described = &files[0].described;
        assert_eq!((described.size, &described.digest), (Some(5), &format!("sha256:{sha}").parse().ok()));
        let pieces = described.pieces.as_ref().unwrap();
        assert_eq!((pieces.length(), pieces.count(), pieces.algorithm()), (3, 2, PieceDigest::Sha256));
        assert_eq!(files[1].described, Described::default());
        let saved = serde_json::to_string(described).unwrap();
        assert_eq!(serde_json::from_str::<Described>(&saved).unwrap(), *described);
    }

    #[test]
    fn what_is_no_metalink_or_beyond_the_bounds_is_refused() {
        let file = "<file name=\"a\"><url>https://h/a</url></file>";
        let bomb = "<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>";
        for (text, error) in [
            (String::new(), MetalinkError::Other),
            ("plain text".into(), MetalinkError::Other),
            ("<html/>".into(), MetalinkError::Other),
            ("<metalink xmlns=\"http://www.metalinker.org/\"/>".into(), MetalinkError::Other),
            (document(""), MetalinkError::Empty),
            (
                document("<file name=\"a\"><url>ftp://h/a</url></file>"),
                MetalinkError::NoAddress(SafeText::new("a")),
            ),
            (format!("{bomb}{}", document(file)), MetalinkError::Entities),
            (document("<file name=\"a\"><url>https://h/&b;</url></file>"), MetalinkError::Entities),
            (document("<file name=\"&b;\"><url>https://h/a</url></file>"), MetalinkError::Entities),
            (document(&"<a>".repeat(20)), MetalinkError::Bounds("elements inside of each other")),
            (document(&file.repeat(MAX_FILES + 1)), MetalinkError::Bounds("number of files")),
            (
                document(&format!("<file name=\"a\"><url>https://h/{}</url></file>", "a".repeat(9000))),
                MetalinkError::Bounds("length of a text"),
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), error, "{}", &text[..text.len().min(200)]);
        }
        let cut = document(file);
        for length in 0..cut.len() {
            assert!(read(&cut.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_content_of_an_element_makes_it_panic(inner in "[<>/&;=\"' a-z0-9#x!\\[\\]-]{0,120}") {
            if let Ok(files) = read(document(&inner).as_bytes()) {
                prop_assert!(files.iter().all(|file| !file.addresses.is_empty()));
            }
        }
    }
}
