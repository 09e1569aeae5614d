//! The header's JSON exactly as Python's `json.dumps` writes it.

use std::fmt::Write as _;

use super::Header;

/// `{"file_name": "…", "file_size": N, "file_type": "…"}`, ASCII only.
pub(super) fn dumps(header: &Header) -> String {
    let mut json = String::from("{\"file_name\": ");
    string(&header.file_name, &mut json);
    json.push_str(", \"file_size\": ");
    json.push_str(&header.file_size.to_string());
    json.push_str(", \"file_type\": ");
    string(&header.file_type, &mut json);
    json.push('}');
    json
}

fn string(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            ' '..='~' => json.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_json_equals_that_of_python() {
        // Each right side was printed by Python 3: json.dumps({"file_name": …, "file_size": …, "file_type": …}).
        for (name, size, json) in [
            ("a.bin", 1_048_576, r#"{"file_name": "a.bin", "file_size": 1048576, "file_type": ".bin"}"#),
            (
                "ü€😀.é",
                1,
                r#"{"file_name": "\u00fc\u20ac\ud83d\ude00.\u00e9", "file_size": 1, "file_type": ".\u00e9"}"#,
            ),
            (
                "q\"b\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}",
                0,
                r#"{"file_name": "q\"b\\/\b\f\n\r\t\u0001\u007f", "file_size": 0, "file_type": ""}"#,
            ),
        ] {
            assert_eq!(dumps(&Header::new(name, size)), json);
        }
    }

    #[test]
    fn the_type_equals_that_of_splitext() {
        for (name, file_type) in [
            ("a.tar.gz", ".gz"),
            ("noext", ""),
            (".bashrc", ""),
            ("..a", ""),
            ("..a.b", ".b"),
            ("a.", "."),
            ("...", ""),
            ("", ""),
        ] {
            assert_eq!(Header::new(name, 0).file_type, file_type, "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_json_can_be_parsed(file_name: String, file_size: u64, file_type: String) {
            let header = Header { file_name, file_size, file_type };
            let json = dumps(&header);
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Header>(&json).ok(), Some(header));
        }
    }
}
