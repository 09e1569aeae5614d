//! Sanitised text under fuzzing: it contains no control characters.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::{SafeText, is_unsafe};
use crate::fuzzing::{Fuzz, assert_harmless};

#[test]
fn texts_are_fuzzed() {
    Fuzz::new("text").run(|input| {
        let text = String::from_utf8_lossy(input);
        for safe in [
            SafeText::from_bytes(input),
            SafeText::new(&text),
            SafeText::from_path(Path::new(OsStr::from_bytes(input))),
        ] {
            assert_harmless(safe.as_str());
            assert_harmless(&serde_json::to_string(&safe).expect("it is JSON"));
            assert_eq!(SafeText::new(safe.as_str()), safe, "safe is safe");
        }
        (text.contains(is_unsafe), SafeText::from_bytes(input).as_str().len().min(64))
    });
}
