//! Output to stdout and stderr that never panics, even if its reader is closed, and that never contains control
//! sequences.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    platform::note_output,
    text::{SafeText, is_unsafe},
};

/// Prints a line to stderr.
pub fn eprint_line(line: &str) {
    note("stderr", writeln!(io::stderr().lock(), "{}", SafeText::new(line)));
}

/// Prints bytes to stdout and flushes it. Returns whether they were written.
pub fn print(bytes: &[u8]) -> bool {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    drop(stdout);
    note("stdout", written)
}

/// Records and reports the first output that cannot be written. Returns whether it was written.
pub(super) fn note(stream: &str, written: io::Result<()>) -> bool {
    let Err(error) = written else { return true };
    if let Some(sentence) = note_output(stream, &error) {
        tracing::error!("{sentence}");
        eprint_line(&format!("tui: {sentence}"));
    }
    false
}

/// Prints one JSON object a line to stdout. If stdout fails, the work continues without the output.
#[derive(Debug, Default)]
pub(super) struct Objects {
    gone: bool,
}

impl Objects {
    pub(super) fn print(&mut self, event: &impl serde::Serialize) {
        if self.gone {
            return;
        }
        match serde_json::to_string(event) {
            Ok(json) => {
                let mut line = escaped(&json);
                line.push('\n');
                self.gone = !print(line.as_bytes());
                if self.gone {
                    tracing::warn!("events cannot be written to stdout any more; the work continues");
                }
            }
            Err(error) => tracing::error!("an event cannot be written as JSON: {error}"),
        }
    }
}

/// Escapes the control characters that JSON allows in strings. Paths are printed unchanged otherwise, so
/// that scripts can use them.
fn escaped(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if !is_unsafe(c) {
            line.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(line, "\\u{unit:04x}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_keeps_the_json_value(
            text in prop_oneof![any::<String>(), "[a\u{7f}\u{9b}\u{202e}\u{200b}\u{e0041}\"\\\\]{0,9}"],
        ) {
            let json = serde_json::json!({ "a": text }).to_string();
            let line = escaped(&json);
            prop_assert!(!line.contains(is_unsafe), "{line:?}");
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
        }
    }
}
