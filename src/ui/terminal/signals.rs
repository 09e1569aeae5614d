//! Signals, and the job control of the shell: stop and continue.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::{process, termios};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// After a signal that ends the process, or the loss of the terminal, it is gone at the latest then.
const EXIT_TIMEOUT: Duration = Duration::from_millis(900);

/// A signal that means something to a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End: its number.
    End(i32),
    /// Stop until the shell continues the process.
    Stop,
    /// Continue.
    Continue,
    /// The terminal has another size.
    Resize,
}

/// The signals.
#[derive(Debug)]
pub(super) struct Signals {
    hang_up: Stream,
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    stop: Stream,
    go_on: Stream,
    resize: Stream,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn start() -> io::Result<Signals> {
        Ok(Signals {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(process::Signal::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(process::Signal::CONT.as_raw()))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hang_up.recv() => Signal::End(process::Signal::HUP.as_raw()),
            _ = self.terminate.recv() => Signal::End(process::Signal::TERM.as_raw()),
            _ = self.interrupt.recv() => Signal::End(process::Signal::INT.as_raw()),
            _ = self.quit.recv() => Signal::End(process::Signal::QUIT.as_raw()),
            _ = self.stop.recv() => Signal::Stop,
            _ = self.go_on.recv() => Signal::Continue,
            _ = self.resize.recv() => Signal::Resize,
        }
    }
}

/// Whether a shell is there that could continue this process once it is stopped. The group of the session's
/// leader has none: stopped, it would stay so for ever.
pub(super) fn can_stop() -> bool {
    process::getsid(None).is_ok_and(|session| session != process::getpgrp())
}

/// Stops this process's group, which may hold the program that started it (`cargo run`), until a shell
/// continues it. Returns at once or afterwards: wait for [`Signal::Continue`].
pub(super) fn stop() {
    // Not SIGTSTP, which we take ourselves.
    let _ = process::kill_current_process_group(process::Signal::STOP);
}

/// Whether the terminal is ours to use; not so after `bg`.
pub(super) fn in_foreground() -> bool {
    termios::tcgetpgrp(io::stdout().as_fd()).map_or(true, |group| group == process::getpgrp())
}

/// Discards what was typed while another process had the terminal.
pub(super) fn drop_input() {
    let _ = termios::tcflush(io::stdout().as_fd(), termios::QueueSelector::IFlush);
}

/// Sees to it that the process is gone within a second, even if what is still to be done in order does not
/// come to its end.
pub(super) fn end_soon(code: i32) {
    // Without a thread there is no deadline; the orderly way out is still being taken.
    let _ = std::thread::Builder::new().name("deadline".into()).spawn(move || {
        std::thread::sleep(EXIT_TIMEOUT);
        std::process::exit(code);
    });
}
