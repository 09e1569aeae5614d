//! A metalink of a file (RFC 5854): where it is, and the SHA-256 digests of it and of its pieces.

use maud::{PreEscaped, html};

use crate::{protocol::address::encoded, text::SafeText};

/// The maximum number of pieces.
const MAX_PIECES: u64 = 4096;
/// The minimum length of a piece.
const MIN_PIECE_LEN: u64 = 1024 * 1024;

/// The length of the pieces of a file of this size: a power of two, from 1 MiB on.
pub(super) fn piece_len(size: u64) -> u64 {
    size.div_ceil(MAX_PIECES).max(MIN_PIECE_LEN).next_power_of_two()
}

/// A file, as its metalink describes it.
pub(super) struct Described<'a> {
    pub name: &'a str,
    pub size: u64,
    /// In hex.
    pub digest: &'a str,
    /// In hex, one for each piece of [`piece_len`].
    pub pieces: &'a [String],
    /// The scheme, the host and the port of the server.
    pub origin: &'a str,
    pub path: &'a str,
}

/// The document.
pub(super) fn document(file: &Described<'_>) -> String {
    let markup = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        metalink xmlns="urn:ietf:params:xml:ns:metalink" {
            generator { "fdsp" }
            // XML has no such characters, in whichever form.
            file name=(SafeText::new(file.name).as_str().replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")) {
                size { (file.size) }
                hash type="sha-256" { (file.digest) }
                @if !file.pieces.is_empty() {
                    pieces length=(piece_len(file.size)) type="sha-256" {
                        @for piece in file.pieces { hash { (piece) } }
                    }
                }
                url { (file.origin) "/" (encoded(file.path)) }
            }
        }
    };
    markup.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_few_and_whole() {
        const MIB: u64 = 1024 * 1024;
        for (size, length) in
            [(0, MIB), (1, MIB), (4096 * MIB, MIB), (4096 * MIB + 1, 2 * MIB), (u64::MAX, 1 << 52)]
        {
            assert_eq!(piece_len(size), length);
            assert!(size.div_ceil(length) <= MAX_PIECES);
        }
    }

    #[test]
    fn names_are_escaped() {
        let file = Described {
            name: "a<b>&\"\u{1}.iso",
            size: 3,
            digest: "00",
            pieces: &["11".to_owned()],
            origin: "https://host:1",
            path: "d/a<b>&.iso",
        };
        let text = document(&file);
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metalink xmlns="), "{text}");
        assert!(text.contains("name=\"a&lt;b&gt;&amp;&quot;"), "{text}");
        assert!(
            text.contains("<pieces length=\"1048576\" type=\"sha-256\"><hash>11</hash></pieces>"),
            "{text}"
        );
        assert!(text.contains("<url>https://host:1/d/a%3Cb%3E"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
