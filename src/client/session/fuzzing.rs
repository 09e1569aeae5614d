//! Session files under fuzzing: a person may have edited them.

use super::format::{format, parse};
use crate::fuzzing::{Fuzz, assert_harmless, shape};

const WORDS: &[&str] = &[
    "\"address\"",
    "\"folder\"",
    "\"save_as\"",
    "\"as\"",
    "\"protocol\"",
    "\"existing\"",
    "\"checksum\"",
    "\"state\"",
    "\"queued\"",
    "\"paused\"",
    "\"cancelled\"",
    "{\"failed\":{\"kind\":\"disk\",\"message\":\"m\"}}",
    "{\"done\":{\"path\":\"/a\",\"bytes\":1,\"transferred\":1,\"resumed\":0,\"blake3\":\"ab\",\"seconds\":0.1}}",
    "{\"hex\":\"ff\"}",
    "\"name\"",
    "\"size\"",
    "\"progress\"",
    "\"history\"",
    "\"md5:d41d8cd98f00b204e9800998ecf8427e\"",
    "fdsp+plain://",
    "null",
    ",",
    "\n",
];

#[test]
fn sessions_are_fuzzed() {
    Fuzz::new("session").words(WORDS).run(|input| match parse(input) {
        Ok(saved) => {
            let text = format(&saved).expect("a session is JSON");
            assert!(text.lines().all(|line| !line.contains(char::is_control)), "a person can read it");
            assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&saved), "{text}");
            for job in &saved.queue {
                assert!(job.new.folder.is_absolute());
            }
            format!("{} {}", saved.queue.len().min(5), saved.history.len().min(3))
        }
        Err(error) => {
            assert_harmless(&error.to_string());
            shape(&error.to_string()).chars().filter(char::is_ascii).take(60).collect()
        }
    });
}
