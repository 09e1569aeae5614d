use std::{os::unix::fs::PermissionsExt, sync::mpsc};

use super::*;

/// Runs `work` with logging as [`init`] sets it up, but for this thread only.
fn logged(options: &LogOptions, ring: &LogRing, work: impl FnOnce()) -> Guard {
    let (sink, guard) = open(&options.destination).expect("the log opens");
    let lines = layer::Lines::new(sink, guard.dropped.clone(), Some(ring.clone()), false, UtcOffset::UTC);
    tracing::subscriber::with_default(subscriber(lines, options.level), work);
    guard
}

fn options(destination: Destination) -> LogOptions {
    LogOptions { destination, level: Level::INFO, stderr: false }
}

fn texts(ring: &LogRing) -> Vec<String> {
    ring.get(0..u64::MAX).iter().map(|record| format!("{} {}", record.level, record.text)).collect()
}

#[test]
fn a_record_is_written_to_the_ring_and_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let ring = LogRing::new();
    let state = folder.path().join("state/fdsp");
    let to_folder = options(Destination::Folder { folder: state.clone(), keep: 3 });
    let guard = logged(&to_folder, &ring, || {
        tracing::info!(bytes = 3, name = "a b", "done");
        tracing::debug!("too fine");
        tracing::warn!(target: "some_library", "odd");
        tracing::info!(target: "some_library", "chatter");
    });
    assert_eq!(guard.lost(), 0);
    drop(guard);
    assert_eq!(texts(&ring), ["INFO done bytes=3 name=a b", "WARN odd"]);
    let files: Vec<_> =
        std::fs::read_dir(&state).expect("listed").map(|e| e.expect("entry").path()).collect();
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let name = file.file_name().and_then(|name| name.to_str()).expect("a plain name");
    assert!(name.starts_with("tui.2") && name.ends_with(".log"), "{name}");
    let content = std::fs::read_to_string(file).expect("read");
    let lines: Vec<_> = content.lines().collect();
    assert_eq!(lines.len(), 2, "{content}");
    let pid = std::process::id();
    assert!(lines[0].ends_with(&format!("+00:00 INFO  {pid} done bytes=3 name=a b")), "{content}");
    assert_eq!(lines[0].find('T'), Some(10));
    let mode = std::fs::metadata(&state).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "other users cannot read what was fetched");
}

#[test]
fn control_characters_are_escaped_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let ring = LogRing::new();
    let guard = logged(&options(Destination::File(path.clone())), &ring, || {
        tracing::error!(path = "\u{1b}]0;x\u{7}", reason = %"a\nb", "evil \u{9b}2J");
    });
    drop(guard);
    let text = texts(&ring).remove(0);
    assert_eq!(text, "ERROR evil ‹U+009B›2J path=␛]0;x␇ reason=a␊b");
    let content = std::fs::read_to_string(path).expect("read");
    assert_eq!(content.lines().count(), 1);
    assert!(!content.trim_end().contains(crate::text::is_unsafe), "{content:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").expect("written");
    let (sink, guard) =
        open(&Destination::Folder { folder: blocked.join("fdsp"), keep: 1 }).expect("no failure");
    assert!(sink.is_none());
    let warning = guard.warning.as_deref().expect("a warning");
    assert!(warning.contains("file/fdsp' cannot be written: Not a directory"), "{warning}");
}

#[test]
fn the_size_of_todays_file_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    // At midnight it can be the file of either day.
    let days =
        [OffsetDateTime::now_utc().date(), OffsetDateTime::now_utc().date().next_day().expect("a day")];
    for day in days {
        let file = File::create(folder.path().join(format!("tui.{day}.log"))).expect("made");
        file.set_len(MAX_DAY_LEN).expect("as long as may be");
    }
    assert_eq!(written_today(folder.path()), MAX_DAY_LEN);
    let to_folder = options(Destination::Folder { folder: folder.path().into(), keep: 3 });
    drop(logged(&to_folder, &LogRing::new(), || {
        for _ in 0..100 {
            tracing::info!("more");
        }
    }));
    let mut sizes: Vec<_> =
        days.map(|day| folder.path().join(format!("tui.{day}.log")).metadata().expect("there").len()).into();
    sizes.sort_unstable();
    assert_eq!(sizes[0], MAX_DAY_LEN);
    assert!((MAX_DAY_LEN + 1..MAX_DAY_LEN + 300).contains(&sizes[1]), "one last line: {sizes:?}");
}

#[test]
fn a_named_file_must_open() {
    let error = open(&Destination::File("/nowhere/at/all.log".into())).expect_err("no such folder");
    assert!(
        error.to_string().starts_with("cannot write the log file '/nowhere/at/all.log': No such"),
        "{error}"
    );
}

/// A writer that blocks at its first line until it is released.
struct BlockedDisk(mpsc::Receiver<()>);

impl io::Write for BlockedDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn dropped_lines_are_reported() {
    let (go_on, stuck) = mpsc::channel();
    let (sink, guard) = queue(BlockedDisk(stuck));
    let ring = LogRing::with_capacity(MAX_LINES * 2);
    let lines = layer::Lines::new(sink, guard.dropped.clone(), Some(ring.clone()), false, UtcOffset::UTC);
    tracing::subscriber::with_default(subscriber(lines, Level::INFO), || {
        for number in 0..MAX_LINES + 10 {
            tracing::info!("line {number}");
        }
    });
    drop(go_on);
    assert!(guard.lost() > 0);
    assert!(
        texts(&ring)
            .iter()
            .any(|text| text.starts_with("WARN ") && text.contains("missing from the log file"))
    );
}
