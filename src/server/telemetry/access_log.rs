//! The access log: lines go through a bounded queue to a thread that writes them, so that a slow disk never delays a connection.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use super::{line::AccessLogFormat, record::Record};
use crate::server::{limits::WARNING_INTERVAL, sync::lock};

/// Requests that may wait to be written. Further ones are dropped and counted.
const MAX_WAITING: usize = 4096;
/// How long a server that stops waits until the last lines are written.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Where an access log is written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// A file, to which lines are appended; `None` is stdout.
    pub file: Option<PathBuf>,
    /// The format of its lines.
    pub format: AccessLogFormat,
}

/// What the thread that writes receives.
enum Message {
    Record(Box<Record>),
    /// The file was moved: another one is opened in its place.
    Reopen,
    /// Nothing follows.
    End,
}

/// The access log of a server.
pub(crate) struct AccessLog {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    ended: Mutex<Receiver<()>>,
}

/// Writes the lines.
struct Writer {
    config: AccessLogConfig,
    out: BufWriter<Box<dyn Write + Send>>,
    dropped: Arc<AtomicU64>,
    /// Lines that were lost and are not reported yet, and why.
    lost: u64,
    /// Whether a part of a lost line may be in the file.
    is_torn: bool,
    error: Option<io::Error>,
    warned: Option<Instant>,
    warn: Box<dyn Fn(&str) + Send>,
}

impl AccessLog {
    /// Opens the file and starts the thread, which reports lost lines to `warn`.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread.
    pub fn start(config: AccessLogConfig, warn: impl Fn(&str) + Send + 'static) -> io::Result<AccessLog> {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let (end, ended) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            out: BufWriter::new(open(config.file.as_deref())?),
            config,
            dropped: Arc::clone(&dropped),
            lost: 0,
            is_torn: false,
            error: None,
            warned: None,
            warn: Box::new(warn),
        };
        thread::Builder::new().name("access log".into()).spawn(move || {
            writer.run(&receiver);
            // A server that does not wait is gone.
            let _ = end.send(());
        })?;
        Ok(AccessLog { sender, dropped, ended: Mutex::new(ended) })
    }

    /// Adds the line of a request, or drops it if the writer is far behind.
    pub fn push(&self, record: Record) {
        if self.sender.try_send(Message::Record(Box::new(record))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file again, after it was moved. Returns whether the writer will do so: it may be far behind.
    pub fn reopen(&self) -> bool {
        self.sender.try_send(Message::Reopen).is_ok()
    }

    /// Waits until the lines so far are written, for [`END_TIMEOUT`] at most.
    pub fn finish(&self) {
        let until = Instant::now() + END_TIMEOUT;
        while let Err(TrySendError::Full(_)) = self.sender.try_send(Message::End) {
            if Instant::now() >= until {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = until.saturating_duration_since(Instant::now());
        let _ = lock(&self.ended).recv_timeout(left);
    }
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            let message = match receiver.try_recv() {
                Ok(message) => message,
                // Nothing waits: a reader of the file sees what was written.
                Err(_) => {
                    let result = self.out.flush();
                    self.check(result);
                    self.report();
                    match receiver.recv_timeout(WARNING_INTERVAL) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            match message {
                Message::Record(record) => {
                    let mut line = self.config.format.line(&record);
                    // A part of the last line may be in the file.
                    if std::mem::take(&mut self.is_torn) {
                        line.insert(0, '\n');
                    }
                    let result = self.out.write_all(line.as_bytes());
                    self.check(result);
                    // A writer that never catches up is the one that loses lines.
                    if self.error.is_some() || self.dropped.load(Ordering::Relaxed) > 0 {
                        self.report();
                    }
                }
                Message::Reopen => self.reopen(),
                Message::End => {
                    let result = self.out.flush();
                    self.check(result);
                    self.warned = None;
                    return self.report();
                }
            }
        }
    }

    fn reopen(&mut self) {
        let result = self.out.flush();
        self.check(result);
        match open(self.config.file.as_deref()) {
            Ok(file) => self.out = BufWriter::new(file),
            Err(error) => (self.warn)(&format!("the access log cannot be opened again: {error}")),
        }
    }

    /// Counts what could not be written. What is in the buffer then is discarded, since a part of it may be written.
    fn check(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        self.is_torn = true;
        let lines = self.out.buffer().iter().filter(|byte| **byte == b'\n').count() as u64;
        self.lost += lines.max(1);
        self.error = Some(error);
        if let Ok(file) = open(self.config.file.as_deref()) {
            let (_, _lost) = std::mem::replace(&mut self.out, BufWriter::new(file)).into_parts();
        }
    }

    /// Warns of lost lines, at most once in [`WARNING_INTERVAL`].
    fn report(&mut self) {
        if self.warned.is_some_and(|warned| warned.elapsed() < WARNING_INTERVAL) {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            (self.warn)(&format!(
                "{dropped} lines of the access log were dropped: it is not written fast enough"
            ));
        }
        if let Some(error) = self.error.take() {
            (self.warn)(&format!("{} lines of the access log could not be written: {error}", self.lost));
            self.lost = 0;
        } else if dropped == 0 {
            return;
        }
        self.warned = Some(Instant::now());
    }
}

/// Opens a log for appending; a new one is for its owner only, since it has the addresses of clients.
fn open(file: Option<&Path>) -> io::Result<Box<dyn Write + Send>> {
    let Some(path) = file else { return Ok(Box::new(io::stdout())) };
    // A pipe without a reader is an error, and no reason to wait for one.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File =
        OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, mpsc::channel};

    use super::*;

    fn record(number: usize) -> Record {
        let peer = ([192, 0, 2, 1], 1).into();
        Record::new(peer, "http", "HTTP/1.1").of("GET", &format!("/{number}"))
    }

    fn log(file: &Path, warn: impl Fn(&str) + Send + 'static) -> io::Result<AccessLog> {
        let config = AccessLogConfig { file: Some(file.to_owned()), format: AccessLogFormat::Json };
        AccessLog::start(config, warn)
    }

    #[test]
    fn lines_are_appended_and_a_moved_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        std::fs::write(&file, "before\n").unwrap();
        let log = log(&file, |warning| panic!("{warning}")).unwrap();
        log.push(record(1));
        assert!(log.reopen());
        // The writer may have opened it again before it is moved: then the line is in the moved one, too.
        std::fs::rename(&file, &moved).unwrap();
        assert!(log.reopen());
        log.push(record(2));
        log.finish();
        let first = std::fs::read_to_string(&moved).unwrap();
        assert!(
            first.starts_with("before\n") && first.contains("\"/1\"") && !first.contains("\"/2\""),
            "{first}"
        );
        assert!(std::fs::read_to_string(&file).unwrap().contains("\"/2\""));
    }

    #[test]
    fn a_disk_that_does_not_write_drops_lines_and_delays_no_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let held = Arc::new((Mutex::new(true), Condvar::new()));
        let waits = Arc::clone(&held);
        let (sender, warnings) = channel();
        // The writer waits in its first warning, as it would for a disk.
        let warn = move |warning: &str| {
            sender.send(warning.to_owned()).unwrap();
            drop(waits.1.wait_while(lock(&waits.0), |held| *held));
        };
        let log = log(&file, warn).unwrap();
        log.dropped.store(1, Ordering::Relaxed);
        log.push(record(0));
        assert!(warnings.recv().unwrap().starts_with("1 lines"));
        (0..MAX_WAITING + 50).for_each(|number| log.push(record(number)));
        assert!(log.dropped.load(Ordering::Relaxed) >= 49);
        *lock(&held.0) = false;
        held.1.notify_all();
        log.finish();
        let warning = warnings.recv().unwrap();
        assert!(warning.contains("lines of the access log were dropped"), "{warning}");
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines >= MAX_WAITING, "{lines}");
    }

    /// As when no program reads a pipe any more.
    #[test]
    fn a_pipe_without_a_reader_is_an_error_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(log(&pipe, |_| ()).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(log(folder.path(), |_| {}).is_err());
    }
}
