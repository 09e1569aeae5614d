//! Configuration files and variables under fuzzing.

use std::path::Path;

use super::{Error, Settings};
use crate::fuzzing::{Fuzz, assert_harmless, shape};

const WORDS: &[&str] = &[
    "[client]",
    "[server]",
    "[screen]",
    "[log]",
    "[keys]",
    "port",
    "dir",
    "jobs",
    "limit",
    "timeout",
    "sync",
    "existing",
    "host",
    "arch",
    "max_connections",
    "min_rate",
    "level",
    "quit",
    " = ",
    "\"",
    "[",
    "]",
    "true",
    "\"10 MiB\"",
    "\"unlimited\"",
    "'''",
    "1_000",
    "0x10",
    "1e3",
    "inf",
    "1979-05-27",
    "\n",
    "#",
];

#[test]
fn configurations_are_fuzzed() {
    // What may be long are the sentences that name all settings of a section.
    Fuzz::new("configuration").words(WORDS).memory(4 << 20).run(|input| {
        let text = String::from_utf8_lossy(input);
        let read = || {
            let mut settings = Settings::default();
            settings.overlay(Path::new("c\u{1b}.toml"), &text).map(|()| settings)
        };
        match read() {
            Ok(settings) => {
                assert_eq!(read().ok().as_ref(), Some(&settings), "the same again");
                let mut twice = settings.clone();
                twice.overlay(Path::new("c.toml"), &text).expect("over itself");
                assert_eq!(twice, settings, "the same over itself");
                format!("{}", settings == Settings::default())
            }
            Err(error) => {
                let said = error.to_string();
                assert_harmless(&said);
                let Error::File { line, reason, .. } = error else { panic!("{said}") };
                assert!((1..=text.matches('\n').count() + 1).contains(&line), "line {line}: {said}");
                shape(reason.as_str()).chars().filter(char::is_ascii).take(60).collect()
            }
        }
    });
}

#[test]
fn variables_are_fuzzed() {
    let words = &[
        "FDSP_CLIENT_",
        "FDSP_SERVER_",
        "FDSP_LOG_",
        "PORT",
        "LIMIT",
        "TIMEOUT",
        "=",
        "10 MiB",
        "1h",
        "off",
    ];
    Fuzz::new("variables").words(words).run(|input| {
        let text = String::from_utf8_lossy(input);
        let variables = text.lines().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let mut settings = Settings::default();
        settings.overlay_environment(variables).map_err(|error| {
            assert_harmless(&error.to_string());
            shape(&error.to_string()).chars().filter(char::is_ascii).take(60).collect::<String>()
        })
    });
}
