//! Events as lines of text.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    client::{self, TroubleKind},
    text::{SafeText, units},
};

/// Time between two progress lines of one job.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Formats a client's events as lines, progress at most once in 10 s for each job.
#[derive(Debug, Default)]
pub(super) struct Lines {
    last_progress: HashMap<client::JobId, Instant>,
    names: HashMap<client::JobId, SafeText>,
}

impl Lines {
    /// The line of an event, if it has one.
    pub(super) fn line(&mut self, event: &client::Event, now: Instant) -> Option<String> {
        use client::Event;
        match event {
            Event::Changed { name, what: client::Change::Renamed, .. } => {
                Some(format!("{name}: saved under this name: the file system does not support its own"))
            }
            Event::Queued { .. } | Event::Changed { .. } => None,
            Event::Started { id, name, size, here } => {
                self.names.insert(*id, name.clone());
                self.last_progress.insert(*id, now);
                Some(format!("{name}: {}", units::started(*size, *here)))
            }
            Event::Progress { id, received, size, progress, files, speed, .. } => {
                let due = self
                    .last_progress
                    .get(id)
                    .is_none_or(|last| now.duration_since(*last) >= PROGRESS_INTERVAL);
                let name = self.names.get(id)?;
                if !due {
                    return None;
                }
                self.last_progress.insert(*id, now);
                let share = progress.or(size.map(|size| (*received, size))).map(percent);
                let share = share.map_or_else(String::new, |share| format!("{share} %, "));
                let files = files.map_or_else(String::new, |(done, all)| {
                    format!(", {} of {} files", units::count(done), units::count(all))
                });
                Some(format!("{name}: {share}{} at {}{files}", units::bytes(*received), units::rate(*speed)))
            }
            Event::Retry { name, attempt, of, seconds, reason, .. } => {
                let wait = duration(seconds.ceil());
                let count = if *attempt == 0 { String::new() } else { format!(" ({attempt} of {of})") };
                Some(format!("{name}: {reason}; trying again in {wait}{count}"))
            }
            Event::Unreachable { server, max_seconds, reason, .. } => {
                let until = match max_seconds {
                    Some(seconds) => format!("trying again for {}", duration(*seconds)),
                    None => "trying again until it is reachable".to_owned(),
                };
                Some(format!("{server} is unreachable: {reason}; {until}"))
            }
            Event::Reachable { server, seconds } => {
                Some(format!("{server} is reachable again after {}", duration(*seconds)))
            }
            Event::Source { name, address, dropped, .. } => Some(match dropped {
                None => format!("{name}: {address} has the same content, and sends parts of it"),
                Some(why) => format!("{name}: {address} is dropped: {why}"),
            }),
            Event::Warning { message } => Some(format!("tui: warning: {message}")),
            Event::Done { name, finished, .. } => Some(done(name, finished)),
            Event::Failed { name, trouble, .. } | Event::Undecided { name, trouble, .. } => {
                Some(failed(name, trouble))
            }
        }
    }
}

fn duration(seconds: f64) -> String {
    units::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The progress in percent, at most 99 before the end.
pub(super) fn percent((done, total): (u64, u64)) -> u64 {
    match total {
        0 => 0,
        _ => ((u128::from(done) * 100 / u128::from(total)) as u64).min(99),
    }
}

fn done(name: &SafeText, finished: &client::Finished) -> String {
    let seconds = finished.seconds.max(0.001);
    let files = match finished.files {
        None => "",
        Some(1) => " in 1 file",
        Some(files) => &format!(" in {} files", units::count(files)),
    };
    // Local content has no rate.
    let rate = match finished.transferred {
        0 if finished.bytes > 0 => "nothing had to be transferred",
        transferred => &units::rate(transferred as f64 / seconds),
    };
    // What servers of this program send is always verified.
    let proof = finished.proof.filter(|proof| !proof.is_by_blocks());
    let proof = proof.map_or_else(String::new, |proof| format!("{}, ", proof.brief()));
    let word = if finished.missing.is_none() { "done" } else { "incomplete" };
    let mut line = format!(
        "{name}: {word}, {}{files} in {}, {rate}, {proof}BLAKE3 {}, saved as {}",
        units::bytes(finished.bytes),
        units::took(seconds),
        finished.blake3,
        SafeText::from_path(&finished.path)
    );
    if let Some(folder) = &finished.extracted {
        line += &format!(", extracted to {}", SafeText::from_path(folder));
    }
    if !finished.sources.is_empty() {
        let shares: Vec<_> = finished.sources.iter().map(client::SourceShare::sentence).collect();
        line += &format!("; {}", shares.join("; "));
    }
    match finished.deleted {
        0 => {}
        1 => line += "; 1 file that is not on the server was deleted with the replaced folder",
        deleted => {
            let count = units::count(deleted);
            line +=
                &format!("; {count} files that are not on the server were deleted with the replaced folder");
        }
    }
    let whole = if finished.files.is_some() { "tree" } else { "archive" };
    match finished.omitted {
        0 => {}
        1 => line += &format!("; 1 link, device or mount of the folder is not in the {whole}"),
        omitted => {
            let count = units::count(omitted);
            line += &format!("; {count} links, devices or mounts of the folder are not in the {whole}");
        }
    }
    if !finished.missing.is_none() {
        line += &format!("; {}", finished.missing.sentence());
    }
    line
}

/// A failure as one sentence. Adds the name of the download and the advice that the message
/// does not contain.
pub(super) fn failed(name: &SafeText, trouble: &client::Trouble) -> String {
    let message = trouble.message.as_str();
    let about = if names(message, name.as_str()) { String::new() } else { format!("{name}: ") };
    let advice = match trouble.kind {
        _ if message.contains(';') => "",
        TroubleKind::Connection if message.contains("cannot connect") => {
            "; check host and port, and that the server runs"
        }
        TroubleKind::Connection => "; try again later",
        TroubleKind::Integrity => "; fetch it again",
        TroubleKind::NotFound | TroubleKind::Refused | TroubleKind::Disk | TroubleKind::Other => "",
    };
    format!("tui: {about}{message}{advice}")
}

/// Whether a text contains a name as a whole word. The served folder itself has no
/// useful name.
fn names(text: &str, name: &str) -> bool {
    if name == "/" {
        return true;
    }
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(name).any(|(at, _)| {
        !is_word(text[..at].chars().next_back()) && !is_word(text[at + name.len()..].chars().next())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::client::{Event, Finished, JobId, Trouble};

    #[test]
    fn progress_is_reported_once_in_ten_seconds() {
        let mut lines = Lines::default();
        let start = Instant::now();
        let progress = Event::Progress {
            id: JobId(1),
            received: 1_000_000,
            verified: 0,
            size: Some(4_000_000),
            progress: None,
            files: None,
            segments: 1,
            speed: 500_000.0,
        };
        assert_eq!(lines.line(&progress, start), None, "the job has no name yet");
        let started = Event::Started { id: JobId(1), name: "a.bin".into(), size: Some(4_000_000), here: 0 };
        assert_eq!(lines.line(&started, start).as_deref(), Some("a.bin: fetching 4.0 MB"));
        assert_eq!(lines.line(&progress, start + Duration::from_secs(9)), None);
        let line = lines.line(&progress, start + PROGRESS_INTERVAL);
        assert_eq!(line.as_deref(), Some("a.bin: 25 %, 1.0 MB at 500 kB/s"));
        assert_eq!(lines.line(&progress, start + PROGRESS_INTERVAL), None);
    }

    #[test]
    fn progress_is_below_100_percent_before_the_end() {
        assert_eq!(percent((4, 4)), 99);
        assert_eq!(percent((0, 0)), 0);
        assert_eq!(percent((u64::MAX / 2, u64::MAX)), 49);
    }

    pub fn finished() -> Finished {
        Finished {
            path: "/tmp/a\u{1b}.zip".into(),
            bytes: 2_000_000,
            transferred: 2_000_000,
            resumed: 0,
            blake3: "9f3c".into(),
            origin: Default::default(),
            proof: None,
            sources: Vec::new(),
            seconds: 2.0,
            files: None,
            omitted: 3,
            deleted: 0,
            missing: Default::default(),
            extracted: None,
        }
    }

    #[test]
    fn the_last_line_is_complete() {
        let mut finished = finished();
        let done = Event::Done { id: JobId(1), name: "a.zip".into(), finished: finished.clone() };
        let line = Lines::default().line(&done, Instant::now()).expect("a line");
        let expected = "a.zip: done, 2.0 MB in 2.0 s, 1.0 MB/s, BLAKE3 9f3c, saved as /tmp/a␛.zip; \
            3 links, devices or mounts of the folder are not in the archive";
        assert_eq!(line, expected);
        finished.missing.add("lost+found", "permission denied");
        let done = Event::Done { id: JobId(1), name: "a.zip".into(), finished };
        let line = Lines::default().line(&done, Instant::now()).expect("a line");
        let expected =
            expected.replace("done,", "incomplete,") + "; 1 entry missing: lost+found (permission denied)";
        assert_eq!(line, expected);
    }

    #[test]
    fn local_content_has_no_rate() {
        let finished = Finished {
            path: "/tmp/a".into(),
            bytes: 2_000_000,
            transferred: 0,
            resumed: 2_000_000,
            blake3: "9f3c".into(),
            origin: Default::default(),
            proof: None,
            sources: Vec::new(),
            seconds: 0.004,
            files: None,
            omitted: 0,
            deleted: 0,
            missing: Default::default(),
            extracted: None,
        };
        let done = Event::Done { id: JobId(1), name: "a".into(), finished };
        let line = Lines::default().line(&done, Instant::now()).expect("a line");
        assert_eq!(
            line,
            "a: done, 2.0 MB in 4 ms, nothing had to be transferred, BLAKE3 9f3c, saved as /tmp/a"
        );
    }

    #[test]
    fn failures_are_one_sentence_with_their_subject() {
        let line = |name: &str, kind, message: &str| failed(&name.into(), &Trouble::new(kind, message));
        assert_eq!(line("b", TroubleKind::NotFound, "not on the server"), "tui: b: not on the server");
        assert_eq!(line("b", TroubleKind::NotFound, "'b' is gone"), "tui: 'b' is gone");
        assert_eq!(line("/", TroubleKind::Other, "/f/s: cannot be read"), "tui: /f/s: cannot be read");
        assert_eq!(line("b", TroubleKind::NotFound, "absent"), "tui: b: absent");
        assert_eq!(
            line("b", TroubleKind::Connection, "cannot connect to h:1: refused"),
            "tui: b: cannot connect to h:1: refused; check host and port, and that the server runs"
        );
        assert_eq!(line("b", TroubleKind::Connection, "it is busy"), "tui: b: it is busy; try again later");
        assert_eq!(
            line("b", TroubleKind::Connection, "h:1: a web server; go"),
            "tui: b: h:1: a web server; go"
        );
    }
}
