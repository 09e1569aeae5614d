//! Names for local files out of names from the network: the only way from one to the other.

use std::ffi::{OsStr, OsString};

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::Names;
use crate::text::is_unsafe;

/// Most bytes of a name, on every file system that matters.
const LONGEST: usize = 255;
/// Longest extension, with its dot, that a shortened name keeps.
const EXTENSION: usize = 16;
/// What no name may have on some systems.
const FORBIDDEN: [char; 8] = ['\\', ':', '*', '?', '"', '<', '>', '|'];
/// What nothing usable is called.
const NAMELESS: &str = "download";

/// A name that is one component of a path and nothing else: no separator, not `.` or `..`, no control,
/// bidirectional or invisible character, no device of another system, no dot or space at its end, NFC, at
/// most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SafeName(String);

impl SafeName {
    /// The name itself where it can stay, by the rule of [`SafeName::exact`]; otherwise a substitute, in which each
    /// character that cannot stay is `_`.
    pub(super) fn fitting(name: &str, names: Names) -> SafeName {
        match SafeName::exact(name, names) {
            Ok(exact) => exact,
            Err(_) if names == Names::Portable => SafeName::new(name),
            Err(_) => {
                let keep = |c: char| c != '/' && (!is_unsafe(c) || is_shape(c));
                SafeName::of(match name {
                    "." | ".." => "_".repeat(name.len()),
                    _ => name.chars().map(|c| if keep(c) { c } else { '_' }).collect(),
                })
            }
        }
    }

    /// Makes a name safe on every system; whatever cannot stay becomes `_`.
    pub(super) fn new(name: &str) -> SafeName {
        let cannot = |c: char| c == '/' || is_unsafe(c) || FORBIDDEN.contains(&c);
        let clean: String = name.nfc().map(|c| if cannot(c) { '_' } else { c }).collect();
        // Nothing is dropped: what was two names stays two names.
        let (start, end) = (clean.len() - clean.trim_start().len(), trim_end(&clean).len());
        let clean: String =
            clean.char_indices().map(|(at, c)| if at < start || at >= end { '_' } else { c }).collect();
        SafeName::of(if is_device(&clean) { format!("_{clean}") } else { clean })
    }

    fn of(name: String) -> SafeName {
        match name.len() {
            0 => SafeName(NAMELESS.to_owned()),
            1..=LONGEST => SafeName(name),
            _ => SafeName(shorten(&name, LONGEST)),
        }
    }

    /// Takes a name as it is, for contents that have to be what their sender has: where nothing may be changed, what
    /// cannot stay is refused.
    ///
    /// A name that is only awkward elsewhere (a device of another system, a dot at its end, letters that are not
    /// composed) stays unless names are to be portable: files of that kind are in real trees. So do the two joiners and
    /// the selectors of a glyph's form, without which names in several scripts, and of emoji, would be others.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn exact(name: &str, names: Names) -> Result<SafeName, &'static str> {
        match name {
            "" | "." | ".." => Err("is no name of a file"),
            _ if name.contains(['/', '\0']) => Err("is no name of a file"),
            _ if name.len() > LONGEST => Err("is too long for a file"),
            _ if name.contains(|c| is_unsafe(c) && !is_shape(c)) => {
                Err("has characters that a terminal obeys or that cannot be seen")
            }
            _ if names == Names::Portable => match unportable(name) {
                Some(why) => Err(why),
                None => Ok(SafeName(name.to_owned())),
            },
            _ => Ok(SafeName(name.to_owned())),
        }
    }

    /// The name that the user can expect: the one asked for, if the path has one. Only the served folder itself
    /// has to be named by the server, and it may neither hide the file by a leading dot, nor name it as an option of some
    /// program, nor make something else of an archive.
    pub(super) fn for_content(asked: Option<&str>, announced: &str, archive: bool, names: Names) -> SafeName {
        let suffix = if archive { ".zip" } else { "" };
        let name = match asked {
            Some(asked) => SafeName::fitting(asked, names),
            None => {
                let name = SafeName::fitting(announced.strip_suffix(suffix).unwrap_or(announced), names);
                match name.0.strip_prefix(['.', '-']) {
                    Some(rest) => SafeName::fitting(&format!("_{rest}"), names),
                    None => name,
                }
            }
        };
        if name.0.len() + suffix.len() > LONGEST {
            return SafeName(format!("{}{suffix}", cut(&name.0, LONGEST - suffix.len())));
        }
        SafeName(format!("{name}{suffix}"))
    }

    /// The name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SafeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that has at most `longest` bytes; with its extension, if it has to be shortened.
pub(super) fn within(name: &str, longest: usize) -> OsString {
    if name.len() > longest { shorten(name, longest).into() } else { name.into() }
}

/// `name (number).ext`, shortened to `longest` bytes where needed.
pub(super) fn numbered(name: &OsStr, number: u32, longest: usize) -> OsString {
    let name = name.to_string_lossy();
    let (stem, extension) = split(&name);
    let mark = format!(" ({number})");
    format!("{}{mark}{extension}", cut(stem, longest - mark.len() - extension.len())).into()
}

/// The name of what is kept beside `name` while that is not complete, of at most `longest` bytes. It follows from the name
/// alone, also where that is too long to take a suffix.
pub(super) fn beside(name: &OsStr, suffix: &str, longest: usize) -> OsString {
    // Room for a second suffix, for what is to be kept beside a `.part`.
    let most = longest - 16;
    let mut part = name.to_owned();
    if name.len() + suffix.len() > most {
        let digest = blake3::hash(name.as_encoded_bytes()).to_hex();
        let text = name.to_string_lossy();
        part = format!("{}~{}", cut(&text, most - suffix.len() - 17), &digest[..16]).into();
    }
    part.push(suffix);
    part
}

/// Stem and extension with its dot (empty if there is none worth keeping).
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= EXTENSION => name.split_at(dot),
        _ => (name, ""),
    }
}

fn shorten(name: &str, longest: usize) -> String {
    let (stem, extension) = split(name);
    let shortened = format!("{}{extension}", cut(stem, longest - extension.len()));
    trim_end(&shortened).to_owned()
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// The longest beginning of whole characters within `longest` bytes.
fn cut(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Why a name that is one here means something else on another system, or nothing.
fn unportable(name: &str) -> Option<&'static str> {
    match name {
        _ if is_device(name) => Some("is a device on other systems (--names exact takes it)"),
        _ if trim_end(name.trim_start()) != name => Some(
            "begins with a blank, or ends with one or a dot, which other systems drop (--names exact takes it)",
        ),
        _ if name.contains(FORBIDDEN) => {
            Some("has a character that other systems do not allow (--names exact takes it)")
        }
        _ if name.contains(is_unsafe) => Some("has characters that cannot be seen (--names exact takes it)"),
        _ if !is_nfc(name) => Some("is written with letters that are not composed (--names exact takes it)"),
        _ => None,
    }
}

/// The two joiners and the selectors of a glyph's form, without which names in several scripts, and of emoji, are others.
fn is_shape(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Names that mean a device on Windows, with any extension, so that a folder can be copied there.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(name: &str) -> String {
        SafeName::new(name).to_string()
    }

    #[test]
    fn ordinary_names_stay() {
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
    fn names_of_real_trees_are_taken_as_they_are() {
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
            assert_eq!(exact.map(|name| name.to_string()), Ok(name.to_owned()));
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
            ("..", "no name"),
            ("a\u{202e}b", "terminal"),
        ] {
            let refused = SafeName::exact(name, Names::Portable).unwrap_err();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }

    #[test]
    fn a_name_stays_unless_it_cannot_and_two_names_stay_two() {
        for name in ["dot", "dot.", " a", "a\\b", "aux.c", "❤\u{fe0f}.png", "e\u{301}", "a:b", "...", "x"] {
            assert_eq!(SafeName::fitting(name, Names::Exact).as_str(), name);
        }
        for (name, exact, portable) in [
            ("a\u{202e}b.", "a_b.", "a_b_"),
            ("a/b", "a_b", "a_b"),
            (".", "_", "_"),
            ("", "download", "download"),
            ("\u{200d}\u{200b}", "\u{200d}_", "__"),
        ] {
            assert_eq!(SafeName::fitting(name, Names::Exact).as_str(), exact);
            assert_eq!(SafeName::fitting(name, Names::Portable).as_str(), portable);
        }
        let portable = |name| SafeName::fitting(name, Names::Portable);
        assert_ne!(portable("dot"), portable("dot."));
        assert_ne!(portable("dot."), portable("dot.."));
        assert_ne!(portable("a"), portable(" a"));
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe(&format!("{}.tar", "ä".repeat(200)));
        assert!(name.len() <= 255 && name.ends_with("ä.tar"), "{name}");
    }

    #[test]
    fn the_name_asked_for_wins_over_the_announced_one() {
        let name = |asked, announced, archive| {
            SafeName::for_content(asked, announced, archive, Names::Exact).to_string()
        };
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

    #[test]
    fn numbers_go_before_the_extension() {
        assert_eq!(numbered("a.txt".as_ref(), 1, 255), "a (1).txt");
        assert_eq!(numbered("README".as_ref(), 12, 255), "README (12)");
        assert_eq!(numbered(".profile".as_ref(), 1, 255), ".profile (1)");
        assert_eq!(numbered("x".repeat(255).as_ref(), 3, 255).len(), 255);
        assert_eq!(numbered("x".repeat(143).as_ref(), 3, 143).len(), 143);
    }

    #[test]
    fn part_names_fit_and_differ() {
        assert_eq!(beside("a.txt".as_ref(), ".part", 255), "a.txt.part");
        for longest in [255, 143, 64] {
            let (a, b) = ("x".repeat(longest - 1) + "a", "x".repeat(longest - 1) + "b");
            let (a, b) = (beside(a.as_ref(), ".part", longest), beside(b.as_ref(), ".part", longest));
            assert!(a != b && a.len() <= longest - 16, "{a:?}");
            assert!(a.to_string_lossy().ends_with(".part"));
        }
        assert_eq!(within(&format!("{}.tar", "x".repeat(200)), 143).len(), 143);
        assert_eq!(within("a.tar", 143), "a.tar");
    }

    /// Names of what matters, in any order.
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
        ];
        let of_pieces = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
            .prop_map(|pieces| pieces.concat());
        let long = (of_pieces.clone(), 1..80_usize).prop_map(|(name, times)| name.repeat(times));
        prop_oneof![any::<String>(), of_pieces, long]
    }

    proptest! {
        /// What is taken as it is can be nothing but one name, and nothing that acts.
        #[test]
        fn an_exact_name_is_one_name(name in any_name()) {
            if let Ok(exact) = SafeName::exact(&name, Names::Exact) {
                prop_assert_eq!(exact.as_str(), &name);
                let path = std::path::Path::new(&name);
                prop_assert_eq!(path.file_name(), Some(OsStr::new(&name)));
                prop_assert_eq!(path.components().count(), 1);
                prop_assert!(!name.contains(|c: char| c.is_control()) && name.len() <= 255);
            }
        }

        /// A name that is portable is what it would be made.
        #[test]
        fn a_portable_name_is_a_safe_one(name in any_name()) {
            if let Ok(portable) = SafeName::exact(&name, Names::Portable) {
                prop_assert_eq!(portable, SafeName::new(&name));
            }
        }

        #[test]
        fn a_substitute_is_a_name_that_is_taken(name in any_name()) {
            for names in [Names::Exact, Names::Portable] {
                let fitting = SafeName::fitting(&name, names);
                prop_assert!(SafeName::exact(fitting.as_str(), names).is_ok(), "{:?}", fitting);
                prop_assert_eq!(&SafeName::fitting(fitting.as_str(), names), &fitting);
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
            prop_assert_eq!(SafeName::new(&safe).to_string(), safe);
        }
    }
}
