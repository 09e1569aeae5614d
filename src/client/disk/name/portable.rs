//! Which names can be used on every system.

use unicode_normalization::is_nfc;

use crate::{protocol::path::odd_name, text::is_unsafe};

/// Characters that some systems do not allow.
pub(super) const FORBIDDEN: [char; 8] = ['\\', ':', '*', '?', '"', '<', '>', '|'];

/// Why a name is not portable; `None` if it is.
pub(super) fn unportable(name: &str) -> Option<&'static str> {
    match name {
        _ if odd_name::is_escaped(name) => Some("is not UTF-8"),
        _ if is_device(name) => Some("is a device on other systems"),
        _ if trim_end(name.trim_start().as_bytes()) != name.as_bytes() => {
            Some("begins with a blank, or ends with one or a dot, which other systems drop")
        }
        _ if name.contains(FORBIDDEN) => Some("has a character that other systems do not allow"),
        _ if name.contains(is_unsafe) => Some("has characters that cannot be seen"),
        _ if !is_nfc(name) => Some("is written with letters that are not composed"),
        _ => None,
    }
}

/// Names that mean a device on Windows, with any extension, so that a folder can be copied there.
pub(super) fn is_device(name: &str) -> bool {
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

/// A name without the dots and blanks at its end, which other systems drop.
pub(super) fn trim_end(name: &[u8]) -> &[u8] {
    let Some(text) = name.utf8_chunks().last().filter(|last| last.invalid().is_empty()) else { return name };
    let kept = text.valid().trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    &name[..name.len() - (text.valid().len() - kept.len())]
}
