//! The tables: error codes, frame kinds, preambles.

use fdsp::protocol::{
    error::Code,
    frame::{self, BlockMark, Header},
    message::{Failure, Files, Get, WantedFile},
    preamble::Versions,
};
use proptest::prelude::*;

#[test]
fn every_error_code_is_encoded_and_decoded() {
    for &code in Code::ALL {
        let json = serde_json::to_string(&code).expect("a code is a string");
        assert_eq!(json, format!("\"{}\"", code.wire()));
        assert_eq!(serde_json::from_str::<Code>(&json).ok(), Some(code));
        assert!(!code.text().is_empty() && !code.text().ends_with('.'), "{}", code.wire());
    }
    let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.wire()).collect();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn an_unknown_error_code_is_read_as_internal() {
    let failure: Failure = serde_json::from_str(r#"{"code":"from_the_future","message":"m"}"#).expect("read");
    assert_eq!(failure.code, Code::Internal);
    assert_eq!((failure.path, failure.retry_after), (None, None));
}

#[test]
fn the_specification_names_every_kind_and_code() {
    let specification = include_str!("../../../src/protocol/mod.rs");
    for kind in frame::Kind::ALL {
        let row = format!("//! | `{:#04x}` | `{}` |", *kind as u8, kind.name());
        assert!(specification.contains(&row), "no row {row}");
    }
    for code in Code::ALL {
        assert!(specification.contains(&format!("//! | `{}` |", code.wire())), "no row for {}", code.wire());
    }
}

#[test]
fn the_smallest_get_is_only_a_path() {
    let get: Get = serde_json::from_str(r#"{"path":"a","unknown":[1,{}]}"#).expect("read");
    let whole = Get { path: "a".to_owned(), ..Get::default() };
    assert_eq!(get, whole);
    let null = r#"{"path":"a","form":null,"first_block":null,"blocks":null,"identity":null}"#;
    assert_eq!(serde_json::from_str::<Get>(null).expect("read"), whole);
}

#[test]
fn the_smallest_files_wants_content() {
    let files = Files { path: "a".to_owned(), files: Vec::new(), content: true, largest: None };
    for json in [r#"{"path":"a","files":[]}"#, r#"{"path":"a","files":[],"content":null,"largest":null}"#] {
        assert_eq!(serde_json::from_str::<Files>(json).expect("read"), files);
    }
    assert_eq!(serde_json::to_string(&files).expect("JSON").len(), files.cost());
    let wanted = WantedFile { path: "b\n".to_owned(), digest: Some("00".repeat(32)), skip: 0 };
    let one = Files { files: vec![wanted.clone(); 3], ..files.clone() };
    let length = serde_json::to_string(&one).expect("JSON").len();
    assert_eq!(length + 1, files.cost() + 3 * wanted.cost());
}

#[test]
fn the_highest_common_version_is_selected() {
    let of = |lowest, highest| Versions { lowest, highest };
    for (ours, theirs, common) in [
        (of(1, 1), of(1, 1), Some(1)),
        (of(1, 1), of(1, 9), Some(1)),
        (of(1, 1), of(0, 1), Some(1)),
        (of(1, 3), of(2, 5), Some(3)),
        (of(1, 3), of(0, 2), Some(2)),
        (of(1, 1), of(2, 9), None),
        (of(1, 1), of(0, 0), None),
    ] {
        assert_eq!(ours.common(theirs), common, "{ours:?} {theirs:?}");
        assert_eq!(theirs.common(ours), common);
    }
}

proptest! {
    #[test]
    fn headers_and_preambles_are_encoded_and_decoded(kind in 0..frame::Kind::ALL.len(), length: u32, request: u32, index: u64, position: u64, hash: [u8; 32]) {
        let kind = frame::Kind::ALL[kind];
        let header = Header { kind, length: length % (kind.max_length() + 1), request };
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        let mark = BlockMark { index, position, hash };
        prop_assert_eq!(BlockMark::decode(&mark.encode()), mark);
    }

    #[test]
    fn any_header_is_parsed_or_rejected(bytes: [u8; 12]) {
        if let Ok(header) = Header::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
            prop_assert!(header.length <= header.kind.max_length());
        }
    }

    #[test]
    fn any_preamble_is_parsed_or_rejected(bytes: [u8; 8], lowest: u8, highest: u8) {
        let read = Versions::decode(&bytes);
        prop_assert!(read.is_none_or(|versions| versions.encode() == bytes));
        let right = Versions { lowest, highest };
        prop_assert_eq!(Versions::decode(&right.encode()), (lowest <= highest).then_some(right));
    }
}

#[test]
fn the_protocol_does_no_io_and_reads_no_clock() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol"))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("the sources are there").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source file");
            for word in ["std::net", "std::fs", "std::io", "std::time", "std::thread", "tokio", "Instant"] {
                assert!(!source.contains(word), "{} says {word}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 15);
}
