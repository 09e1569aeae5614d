//! Converts names from the network into names of local files. There is no other conversion.

pub(crate) mod folding;
pub(crate) mod length;
mod portable;
pub(crate) mod substitutes;
pub(crate) mod unstorable;

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use rustix::io::Errno;
use unicode_normalization::UnicodeNormalization;

use self::{
    length::{MAX_LEN, cut, shorten},
    portable::{FORBIDDEN, is_device, trim_end, unportable},
};
use crate::{client::api::settings::config::Names, protocol::path::odd_name, text::is_unsafe};

/// The name of a content without a usable name.
const NAMELESS: &str = "download";

/// A name that is one component of a path and nothing else: no separator, not `.` or `..`, no control, bidirectional or
/// invisible character, at most 255 bytes. If names are to be portable: UTF-8, no device of another system, no dot or space at
/// its end, NFC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SafeName(OsString);

impl SafeName {
    /// The name itself if [`SafeName::exact`] accepts it; otherwise a substitute, in which `_` replaces each invalid character.
    pub(crate) fn fitting(name: &str, names: Names) -> SafeName {
        match SafeName::exact(name, names) {
            Ok(exact) => exact,
            Err(_) if names == Names::Portable => SafeName::new(name),
            Err(_) => {
                let keep = |c: char| c != '/' && (!is_unsafe(c) || is_shape(c));
                SafeName::of(match name {
                    "." | ".." => "_".repeat(name.len()).into_bytes(),
                    _ => replaced(name, keep, |byte| byte),
                })
            }
        }
    }

    /// Makes a name safe on every system: `_` replaces each invalid character.
    pub(crate) fn new(name: &str) -> SafeName {
        let cannot = |c: char| c == '/' || is_unsafe(c) || FORBIDDEN.contains(&c);
        let text = replaced(name, |_| true, |_| b'_');
        let text = String::from_utf8_lossy(&text);
        let clean: String = text.nfc().map(|c| if cannot(c) { '_' } else { c }).collect();
        // Characters are replaced, not dropped: different names stay different.
        let (start, end) = (clean.len() - clean.trim_start().len(), trim_end(clean.as_bytes()).len());
        let clean: String =
            clean.char_indices().map(|(at, c)| if at < start || at >= end { '_' } else { c }).collect();
        SafeName::of(if is_device(&clean) { format!("_{clean}") } else { clean }.into_bytes())
    }

    fn of(name: Vec<u8>) -> SafeName {
        SafeName(match name.len() {
            0 => NAMELESS.into(),
            1..=MAX_LEN => OsString::from_vec(name),
            _ => OsString::from_vec(shorten(&name, MAX_LEN)),
        })
    }

    /// Accepts a name unchanged or not at all. A name that is not UTF-8 is written as [`odd_name`] has it.
    ///
    /// Names that are a problem on other systems only (a device, a dot at the end, letters that are not composed, bytes that are not
    /// UTF-8) are accepted unless names are to be portable: real trees have such files. So are the two joiners and the variation selectors,
    /// which names in several scripts, and of emoji, need.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn exact(name: &str, names: Names) -> Result<SafeName, &'static str> {
        let Some(bytes) = odd_name::to_bytes(name) else { return Err("is not a file name") };
        let is_text = || bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
        match name {
            "" | "." | ".." => Err("is not a file name"),
            _ if name.contains('/') => Err("is not a file name"),
            _ if bytes.len() > MAX_LEN => Err("is too long for a file"),
            _ if is_text().any(|c| is_unsafe(c) && !is_shape(c)) => {
                Err("has characters that a terminal obeys or that cannot be seen")
            }
            _ if names == Names::Portable => match unportable(name) {
                Some(why) => Err(why),
                None => Ok(SafeName(name.into())),
            },
            _ => Ok(SafeName(OsString::from_vec(bytes.into_owned()))),
        }
    }

    /// The name that the user expects: the last segment of the path, if it has one. Only the served folder itself is named by the server,
    /// which can neither hide the file by a leading dot, nor name it like an option of a program, nor give an archive another extension.
    pub(crate) fn for_content(asked: Option<&str>, announced: &str, archive: bool, names: Names) -> SafeName {
        let suffix = if archive { ".zip" } else { "" };
        let name = match asked {
            Some(asked) => SafeName::fitting(asked, names),
            None => {
                let announced = announced.strip_suffix(suffix).unwrap_or(announced);
                match SafeName::fitting(announced, names).0.as_bytes() {
                    [b'.' | b'-', rest @ ..] => {
                        let named = [b"_", rest].concat();
                        SafeName::fitting(&odd_name::to_text(&named), names)
                    }
                    name => SafeName(OsStr::from_bytes(name).to_owned()),
                }
            }
        };
        let name = cut(name.0.as_bytes(), MAX_LEN - suffix.len());
        SafeName(OsString::from_vec([name, suffix.as_bytes()].concat()))
    }

    /// The name.
    pub(crate) fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

/// The bytes of a name, in which `_` replaces the characters that are not kept. `byte`: replaces a byte that is not UTF-8.
fn replaced(name: &str, keep: impl Fn(char) -> bool, byte: impl Fn(u8) -> u8) -> Vec<u8> {
    let bytes = odd_name::to_bytes(name).unwrap_or(Cow::Borrowed(name.as_bytes()));
    let mut replaced = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let kept: String = chunk.valid().chars().map(|c| if keep(c) { c } else { '_' }).collect();
        replaced.extend_from_slice(kept.as_bytes());
        replaced.extend(chunk.invalid().iter().map(|invalid| byte(*invalid)));
    }
    replaced
}

/// The two joiners and the variation selectors, which names in several scripts, and of emoji, need.
fn is_shape(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Whether an error means that no file can have this name on this file system.
pub(crate) fn is_no_name(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG))
}

#[cfg(test)]
mod tests {
    use super::{
        length::{beside, numbered, within},
        *,
    };
    use proptest::prelude::*;

    fn safe(name: &str) -> String {
        text(&SafeName::new(name))
    }

    fn text(name: &SafeName) -> String {
        name.as_os_str().to_str().unwrap().to_owned()
    }

    #[test]
    fn ordinary_names_are_kept() {
        for name in ["a.bin", "-rf", "with space.txt", "größe 文件.tar.gz", ".profile", "aux2", "comet"] {
            assert_eq!(safe(name), name);
        }
        assert_eq!(safe(&"x".repeat(255)), "x".repeat(255));
    }

    #[test]
    fn hostile_names_become_harmless() {
        for (hostile, harmless) in [
            ("", "download"),
            (".", "_"),
            ("..", "__"),
            ("...", "___"),
            ("   ", "___"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("a\\b", "a_b"),
            ("a:b?.txt", "a_b_.txt"),
            ("a\0b", "a_b"),
            ("x\u{1b}[2J\n", "x_[2J_"),
            ("gpj.\u{202e}exe", "gpj._exe"),
            ("a\u{200b}b", "a_b"),
            ("aux.txt", "_aux.txt"),
            ("NUL", "_NUL"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("LPT³", "_LPT³"),
            ("name. . ", "name____"),
            (" name", "_name"),
            ("e\u{301}", "é"),
        ] {
            assert_eq!(safe(hostile), harmless, "{hostile:?}");
        }
    }

    #[test]
    fn names_of_real_trees_are_accepted_unchanged() {
        for name in [
            "a",
            ".hidden",
            "größe",
            "aux.c",
            "system-\\x2d.slice",
            "a b",
            "~",
            "name.",
            "❤\u{fe0f}.png",
            "👩\u{200d}🚀",
            "می\u{200c}خواهم",
            "e\u{301}",
        ] {
            let exact = SafeName::exact(name, Names::Exact);
            assert_eq!(exact.map(|name| text(&name)), Ok(name.to_owned()));
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\0",
            "a\n",
            "\u{1b}[2J",
            "\u{202e}gpj.exe",
            "a\u{85}",
            "a\u{200b}",
            "\u{feff}a",
        ] {
            assert!(SafeName::exact(name, Names::Exact).is_err(), "{name:?}");
        }
        assert!(SafeName::exact(&"x".repeat(256), Names::Exact).is_err());
    }

    #[test]
    fn portable_names_are_names_everywhere() {
        for name in ["a", ".hidden", "größe", "auxiliary", "com10", "a b", "~", "-rf", "é"] {
            assert!(SafeName::exact(name, Names::Portable).is_ok(), "{name:?}");
        }
        for (name, why) in [
            ("aux.c", "device"),
            ("CON", "device"),
            ("com1.tar.gz", "device"),
            ("apache.", "ends with one or a dot"),
            ("a ", "begins with a blank"),
            (" a", "begins with a blank"),
            ("a...", "ends with one or a dot"),
            ("C:", "other systems do not allow"),
            ("a\\b", "other systems do not allow"),
            ("who?", "other systems do not allow"),
            ("a\u{200d}b", "cannot be seen"),
            ("e\u{301}", "not composed"),
            ("..", "not a file name"),
            ("a\u{202e}b", "terminal"),
        ] {
            let refused = SafeName::exact(name, Names::Portable).unwrap_err();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }

    #[test]
    fn a_valid_name_is_kept_and_different_names_stay_different() {
        for name in ["dot", "dot.", " a", "a\\b", "aux.c", "❤\u{fe0f}.png", "e\u{301}", "a:b", "...", "x"] {
            assert_eq!(SafeName::fitting(name, Names::Exact).as_os_str(), name);
        }
        for (name, exact, portable) in [
            ("a\u{202e}b.", "a_b.", "a_b_"),
            ("a/b", "a_b", "a_b"),
            (".", "_", "_"),
            ("", "download", "download"),
            ("\u{200d}\u{200b}", "\u{200d}_", "__"),
        ] {
            assert_eq!(SafeName::fitting(name, Names::Exact).as_os_str(), exact);
            assert_eq!(SafeName::fitting(name, Names::Portable).as_os_str(), portable);
        }
        let portable = |name| SafeName::fitting(name, Names::Portable);
        assert_ne!(portable("dot"), portable("dot."));
        assert_ne!(portable("dot."), portable("dot.."));
        assert_ne!(portable("a"), portable(" a"));
    }

    #[test]
    fn a_name_that_is_not_utf8_has_its_own_bytes() {
        let exact = SafeName::exact("caf\0E9.txt", Names::Exact).unwrap();
        assert_eq!(exact.as_os_str().as_bytes(), b"caf\xe9.txt");
        assert_eq!(SafeName::fitting("caf\0E9\u{202e}", Names::Exact).as_os_str().as_bytes(), b"caf\xe9_");
        assert_eq!(safe("caf\0E9.txt"), "caf_.txt");
        assert!(SafeName::exact("caf\0E9", Names::Portable).unwrap_err().contains("UTF-8"));
        for second in ["\x002F", "\x002E\x002E", "\0C3\0A9", "a\0"] {
            assert!(SafeName::exact(second, Names::Exact).is_err(), "{second:?}");
            assert!(!safe(second).contains(['\0', '/']));
        }
        let archive = SafeName::for_content(Some(&"\0E9".repeat(255)), "", true, Names::Exact);
        assert!(archive.as_os_str().len() == 255 && archive.as_os_str().as_bytes().ends_with(b"\xe9.zip"));
        let long = OsString::from_vec(vec![0xe9; 255]);
        for name in [within(&long, 143), numbered(&long, 7, 143), beside(&long, ".part", 143)] {
            assert!(name.len() <= 143 && name.as_bytes().starts_with(&[0xe9; 90]), "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe(&format!("{}.tar", "ä".repeat(200)));
        assert!(name.len() <= 255 && name.ends_with("ä.tar"), "{name}");
    }

    #[test]
    fn the_requested_name_is_used_and_not_the_announced_one() {
        let name =
            |asked, announced, archive| text(&SafeName::for_content(asked, announced, archive, Names::Exact));
        assert_eq!(name(Some("a.bin"), ".bashrc", false), "a.bin");
        assert_eq!(name(Some("d"), "d.zip", true), "d.zip");
        assert_eq!(name(None, "music.zip", true), "music.zip");
        assert_eq!(name(None, ".bashrc", false), "_bashrc");
        assert_eq!(name(None, "-rf", false), "_rf");
        assert_eq!(name(Some("-rf"), "", false), "-rf");
        assert_eq!(name(Some("dot."), "", false), "dot.");
        assert_eq!(name(None, "..", false), "__");
        assert_eq!(name(Some(&"d".repeat(255)), "", true), format!("{}.zip", "d".repeat(251)));
    }

    /// Names of characters that matter, in any order.
    fn any_name() -> impl Strategy<Value = String> {
        let pieces = [
            "..",
            ".",
            "/",
            "\\",
            "\0",
            " ",
            "aux",
            "COM1",
            "nul.",
            "e\u{301}",
            "\u{e9}",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{200b}",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "x",
            "file.tar.gz",
            "~",
            "-",
            "C:",
            "\u{1f600}",
            "\u{212b}",
            "\u{3164}",
            "\0E9",
            "\0C3",
            "\0A9",
            "\09B",
        ];
        let of_pieces = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
            .prop_map(|pieces| pieces.concat());
        let long = (of_pieces.clone(), 1..80_usize).prop_map(|(name, times)| name.repeat(times));
        prop_oneof![any::<String>(), of_pieces, long]
    }

    proptest! {
        /// An exact name is one component of a path, without control characters.
        #[test]
        fn an_exact_name_is_one_name(name in any_name()) {
            if let Ok(exact) = SafeName::exact(&name, Names::Exact) {
                let exact = exact.as_os_str();
                prop_assert_eq!(odd_name::to_text(exact.as_bytes()), &*name);
                let path = std::path::Path::new(exact);
                prop_assert_eq!(path.file_name(), Some(exact));
                prop_assert_eq!(path.components().count(), 1);
                let text = exact.to_string_lossy();
                prop_assert!(!text.contains(|c: char| c.is_control()) && exact.len() <= 255);
            }
        }

        /// A portable name is not changed.
        #[test]
        fn a_portable_name_is_a_safe_one(name in any_name()) {
            if let Ok(portable) = SafeName::exact(&name, Names::Portable) {
                prop_assert_eq!(portable, SafeName::new(&name));
            }
        }

        #[test]
        fn a_substitute_is_an_accepted_name(name in any_name()) {
            for names in [Names::Exact, Names::Portable] {
                let fitting = SafeName::fitting(&name, names);
                let text = odd_name::to_text(fitting.as_os_str().as_bytes());
                prop_assert!(SafeName::exact(&text, names).is_ok(), "{:?}", fitting);
                prop_assert_eq!(&SafeName::fitting(&text, names), &fitting);
            }
        }

        #[test]
        fn no_name_ever_leaves_its_folder(name in any_name()) {
            let safe = safe(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= 255);
            prop_assert!(!safe.contains(['/', '\\', '\0']) && safe != "." && safe != "..");
            prop_assert!(!safe.contains(is_unsafe) && !is_device(&safe));
            prop_assert!(!safe.ends_with(['.', ' ']));
            prop_assert!(unicode_normalization::is_nfc(&safe), "{:?} is not composed", safe);
            prop_assert!(SafeName::exact(&safe, Names::Exact).is_ok());
            for longest in [255, 143] {
                prop_assert!(beside(safe.as_ref(), ".part", longest).len() <= longest - 16);
                prop_assert!(numbered(safe.as_ref(), u32::MAX, longest).len() <= longest.max(safe.len()));
            }
            prop_assert_eq!(super::tests::safe(&safe), safe);
        }
    }

    #[test]
    fn errors_for_invalid_names_are_distinguished_from_others() {
        for error in [Errno::INVAL, Errno::ILSEQ, Errno::NAMETOOLONG] {
            assert!(is_no_name(&error.into()));
        }
        assert!(!is_no_name(&Errno::NOENT.into()) && !is_no_name(&io::Error::other("x")));
    }
}
