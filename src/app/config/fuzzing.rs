//! Configuration files and variables under fuzzing.

use std::path::Path;

use super::{Error, Options};
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
    // Messages that list all settings of a section are long.
    Fuzz::new("configuration").words(WORDS).memory(4 << 20).run(|input| {
        let text = String::from_utf8_lossy(input);
        let read = || Options::from_file(Path::new("c\u{1b}.toml"), &text);
        match read() {
            Ok(options) => {
                assert_eq!(read().ok().as_ref(), Some(&options), "the same again");
                let twice = options.clone().combine(options.clone());
                assert_eq!(twice, options, "the same over itself");
                format!("{}", options == Options::default())
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
        Options::from_environment(variables).map(drop).map_err(|error| {
            assert_harmless(&error.to_string());
            shape(&error.to_string()).chars().filter(char::is_ascii).take(60).collect::<String>()
        })
    });
}
