//! Shortens names to what a file system stores, and derives the names of files beside them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::portable::trim_end;

/// The most bytes of a name, on every common file system.
pub(super) const MAX_LEN: usize = 255;
/// The longest extension, with its dot, that a shortened name keeps.
const MAX_EXTENSION_LEN: usize = 16;

/// A name that has at most `longest` bytes; with its extension, if it has to be shortened.
pub(crate) fn within(name: &OsStr, longest: usize) -> OsString {
    if name.len() > longest { OsString::from_vec(shorten(name.as_bytes(), longest)) } else { name.to_owned() }
}

/// `name (number).ext`, shortened to `longest` bytes where needed.
pub(crate) fn numbered(name: &OsStr, number: u32, longest: usize) -> OsString {
    marked(name, &format!(" ({number})"), longest)
}

/// A name with a mark before its extension, shortened to `longest` bytes where needed.
pub(crate) fn marked(name: &OsStr, mark: &str, longest: usize) -> OsString {
    let (stem, extension) = split(name.as_bytes());
    let stem = cut(stem, longest.saturating_sub(mark.len() + extension.len()));
    OsString::from_vec([stem, mark.as_bytes(), extension].concat())
}

/// The name of a file that belongs to the incomplete `name`, of at most `longest` bytes. It is derived from the name alone, also where that
/// is too long for a suffix.
pub(crate) fn beside(name: &OsStr, suffix: &str, longest: usize) -> OsString {
    // Room for a second suffix, for the journal of a `.part`.
    let most = longest - 16;
    let mut part = name.to_owned();
    if name.len() + suffix.len() > most {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        part = OsStr::from_bytes(cut(name.as_bytes(), most - suffix.len() - 17)).to_owned();
        part.push(format!("~{}", &digest[..16]));
    }
    part.push(suffix);
    part
}

/// Stem and extension with its dot (empty if no extension is worth keeping).
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_LEN => name.split_at(dot),
        _ => (name, b""),
    }
}

pub(super) fn shorten(name: &[u8], longest: usize) -> Vec<u8> {
    let (stem, extension) = split(name);
    let shortened = [cut(stem, longest.saturating_sub(extension.len())), extension].concat();
    trim_end(&shortened).to_vec()
}

/// The longest beginning of whole characters within `longest` bytes.
pub(super) fn cut(name: &[u8], longest: usize) -> &[u8] {
    if name.len() <= longest {
        return name;
    }
    // A character has at most three bytes after its first one.
    let is_begin = |end: &usize| name[*end] & 0xc0 != 0x80;
    let end = (longest.saturating_sub(3)..=longest).rev().find(is_begin).unwrap_or(longest);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(within(format!("{}.tar", "x".repeat(200)).as_ref(), 143).len(), 143);
        assert_eq!(within("a.tar".as_ref(), 143), "a.tar");
    }
}
