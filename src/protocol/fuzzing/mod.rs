//! The protocol under fuzzing: both machines, the classic ones, messages, addresses, paths.

mod classic;
mod machines;

use std::mem::discriminant;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    address::{Address, Authority, Security},
    frame::{Kind, control},
    message::{
        Content, End, Entries, Failure, FileHead, Files, Get, Goodbye, Hello, List, Meta, Stat, Tree,
        TreePage, Welcome,
    },
    path::{self, RemotePath, odd_name},
};
use crate::{
    fuzzing::{Fuzz, assert_harmless, shape},
    text::SafeText,
};

/// Words of the messages.
const WORDS: &[&str] = &[
    "\"agent\"",
    "\"token\"",
    "\"nonce\"",
    "\"token_proof\"",
    "\"token_id\"",
    "\"expires\"",
    "\"names\"",
    "\"utf8\"",
    "\\u0000E9",
    "\\u0000C3\\u0000A9",
    "\\u00002F",
    "\"path\"",
    "\"after\"",
    "\"limit\"",
    "\"form\"",
    "\"file\"",
    "\"zip\"",
    "\"auto\"",
    "\"first_block\"",
    "\"blocks\"",
    "\"identity\"",
    "\"size\"",
    "\"root\"",
    "\"sources\"",
    "\"entries\"",
    "\"more\"",
    "\"name\"",
    "\"kind\"",
    "\"directory\"",
    "\"modified\"",
    "\"s\"",
    "\"ns\"",
    "\"mode\"",
    "\"code\"",
    "\"message\"",
    "\"retry_after\"",
    "\"reason\"",
    "\"pipeline\"",
    "\"parallel\"",
    "\"bytes\"",
    "\"files\"",
    "\"directories\"",
    "\"omitted\"",
    "\"totals\"",
    "\"links\"",
    "\"link\"",
    "\"target\"",
    "\"digest\"",
    "\"content\"",
    "\"largest\"",
    "\"skip\"",
    "\"holes\"",
    "\"data_bytes\"",
    "\"missing\"",
    "\"count\"",
    "\"root\":true",
    "true",
    "false",
    "null",
    "{}",
    "[]",
    ":",
    ",",
    "\0FDSP\u{1}\u{1}\0",
];

/// A message that was read and written is read as the same one.
fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(kind: Kind, json: &[u8]) -> String {
    match control::read::<T>(kind, json) {
        Ok(message) => {
            let written = serde_json::to_vec(&message).expect("written");
            assert_eq!(control::read::<T>(kind, &written).as_ref(), Ok(&message));
            kind.name().to_owned()
        }
        Err(violation) => {
            assert_harmless(SafeText::new(&violation.to_string()).as_str());
            shape(&violation.to_string())
        }
    }
}

#[test]
fn messages_are_fuzzed() {
    Fuzz::new("messages").words(WORDS).run(|json| {
        [
            again::<Hello>(Kind::Hello, json),
            again::<Welcome>(Kind::Welcome, json),
            again::<Stat>(Kind::Stat, json),
            again::<Meta>(Kind::Meta, json),
            again::<List>(Kind::List, json),
            again::<Entries>(Kind::Entries, json),
            again::<Get>(Kind::Get, json),
            again::<Content>(Kind::Content, json),
            again::<End>(Kind::End, json),
            again::<Failure>(Kind::Error, json),
            again::<Goodbye>(Kind::Goodbye, json),
            again::<Tree>(Kind::TreeRequest, json),
            again::<TreePage>(Kind::TreeAnswer, json),
            again::<Files>(Kind::FilesRequest, json),
            again::<FileHead>(Kind::File, json),
        ]
    });
}

#[test]
fn addresses_are_fuzzed() {
    let words =
        &["fdsp://", "fdsp+plain://", "[::1]", "%25", "@", "#", ":", "7878", "sha256:", "%2F", "%C3%A9"];
    Fuzz::new("address").words(words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        for security in [Security::Plain, Security::Tls { pin: None }] {
            if let Ok(authority) = Authority::parse(&text, security) {
                let open = Authority { token: None, ..authority };
                assert_eq!(Authority::parse(&open.to_string(), security).as_ref(), Ok(&open));
            }
        }
        let address = match Address::parse(&text) {
            Ok(address) => address,
            Err(error) => {
                assert_harmless(&error.to_string());
                return format!("{:?}", discriminant(&error));
            }
        };
        let (shown, revealed) = (address.to_string(), address.revealed());
        assert!(revealed.is_ascii());
        assert_harmless(&revealed);
        assert_eq!(Address::parse(&revealed).as_ref(), Ok(&address), "{revealed}");
        let mut open = address.clone();
        let token = open.authority.token.take();
        assert_eq!(Address::parse(&shown).as_ref(), Ok(&open), "{shown}");
        // A token is not shown, except where the same text occurs elsewhere.
        if let Some(token) = token.as_ref().map(|token| token.reveal()).filter(|token| token.len() > 3) {
            let elsewhere = format!("{open:?} {open}").contains(token);
            assert!(elsewhere || !format!("{address:?} {shown}").contains(token), "{shown}");
        }
        shape(&revealed).chars().filter(|c| !c.is_alphanumeric()).take(8).collect()
    });
}

#[test]
fn paths_are_fuzzed() {
    let words = &["/", "./", "../", "//", "\0E9", "\0C3\0A9", "\x002F", "\x002E"];
    Fuzz::new("path").words(words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let path = RemotePath::parse(&text);
        if let Ok(path) = &path {
            let segments = path.as_str().split('/').filter(|_| !path.is_root());
            for segment in segments {
                assert!(!matches!(segment, "" | "." | "..") && path::length(segment) <= path::MAX_SEGMENT);
            }
            let bytes = path.to_bytes();
            assert!(!bytes.contains(&0) && odd_name::to_text(&bytes) == path.as_str());
            assert_eq!(RemotePath::parse(path.as_str()).as_ref(), Ok(path));
            assert_eq!(RemotePath::parse(&path.to_string()).as_ref(), Ok(path));
        }
        path.map(|path| path.as_str().matches('/').count().min(4)).map_err(|error| error.to_string())
    });
}
