//! The session's way from the screen to a background process.
//!
//! The screen starts the process and sends its orders through a pipe, since any user can read the arguments of a process. The process reports
//! that it is ready, waits until that pipe is closed, takes the session, and reports that too. The pipe is also closed when the
//! screen's process ends for whatever reason, so a session is never left without a process.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{app::cli::SessionChoice, client::SessionName};

/// The only argument of a background process.
pub(in crate::app) const ARGUMENT: &str = "--background-process";
/// Bytes of a report, at most.
const MAX_REPORT_LEN: u64 = 4 << 10;
/// Bytes of a handover, at most: the arguments of a process are at most 2 MiB on Linux, and bytes are written as
/// numbers.
const MAX_HANDOVER_LEN: u64 = 16 << 20;

/// What the screen sends to a background process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handover {
    /// The arguments of the screen's process, with its name.
    pub(super) arguments: Vec<OsString>,
    /// The name of the session.
    session: String,
    /// The folder of the sessions.
    folder: OsString,
}

impl Handover {
    /// Reads it.
    ///
    /// # Errors
    /// It is not a handover: the process was not started by this program.
    pub(super) fn read(from: impl Read) -> io::Result<Handover> {
        let mut line = Vec::new();
        BufReader::new(from.take(MAX_HANDOVER_LEN)).read_until(b'\n', &mut line)?;
        Ok(serde_json::from_slice(&line)?)
    }

    /// The session to take.
    ///
    /// # Errors
    /// Its name is not a session's.
    pub(super) fn session(&self) -> io::Result<SessionChoice> {
        let name: SessionName = self.session.parse().map_err(io::Error::other)?;
        Ok(SessionChoice { name, folder: PathBuf::from(&self.folder), named: true })
    }
}

/// What a background process reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// It has prepared everything that needs no session.
    Ready,
    /// It has the session, and its downloads run.
    Running,
    /// It could not take it.
    Failed(String),
}

/// A background process that was started and waits for the session.
#[derive(Debug)]
pub(in crate::app) struct Waiting {
    process: Child,
    reports: Receiver<Report>,
    handed_over: bool,
}

impl Waiting {
    /// Starts it. It inherits the environment and the current folder.
    ///
    /// # Errors
    /// The system starts no process.
    pub(in crate::app) fn start(session: &SessionChoice) -> io::Result<Waiting> {
        let handover = Handover {
            arguments: std::env::args_os().collect(),
            session: session.name.to_string(),
            folder: session.folder.clone().into_os_string(),
        };
        // The program itself, also if its file was replaced by another version meanwhile.
        let mut process = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = serde_json::to_vec(&handover)?;
        line.push(b'\n');
        let sent = process.stdin.as_mut().map_or(Ok(()), |pipe| pipe.write_all(&line));
        let (sender, reports) = mpsc::channel();
        let output = process.stdout.take();
        // From here on it is killed if anything fails.
        let waiting = Waiting { process, reports, handed_over: false };
        sent?;
        let read = move || {
            let Some(output) = output else { return };
            let mut lines = BufReader::new(output.take(MAX_REPORT_LEN)).lines();
            while let Some(Ok(line)) = lines.next() {
                let Ok(report) = serde_json::from_str(&line) else { return };
                if sender.send(report).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("background".into()).spawn(read)?;
        Ok(waiting)
    }

    /// Whether it has ended already.
    pub(in crate::app) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Lets the process take the session, which this process has released. Returns the process id once it has it.
    ///
    /// # Errors
    /// It could not take it in time. It may still do so: a session has one process at any time, because it is locked.
    pub(in crate::app) fn hand_over(mut self, patience: Duration) -> io::Result<u32> {
        self.handed_over = true;
        drop(self.process.stdin.take());
        let deadline = Instant::now() + patience;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Ready) => {}
                Ok(Report::Running) => return Ok(self.process.id()),
                Ok(Report::Failed(reason)) => return Err(io::Error::other(reason)),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not report in time"));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("it ended before it had the session"));
                }
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.handed_over {
            // It has not taken anything. An error means that it has ended.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
