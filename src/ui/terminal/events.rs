//! Events of the terminal: keys, pastes, and its end.
//!
//! When a terminal is gone, crossterm's reader reports nothing and spins. So it runs on a thread of its own,
//! another one waits for the hang-up, and standard input is then replaced by a pipe that never yields
//! anything, which puts the reader to rest.

use std::{io, mem, os::fd::AsFd, time::Instant};

use crossterm::event::{Event as Raw, EventStream, KeyEvent, KeyEventKind};
use futures_util::StreamExt;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::sync::{mpsc, oneshot};

/// Something from the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed, or repeats.
    Key(KeyEvent),
    /// Text was pasted, with all its newlines.
    Paste(String),
    /// The terminal is gone.
    Gone,
}

/// Events of the terminal while it is ours. Dropping this stops reading.
#[derive(Debug)]
pub(super) struct Events {
    receiver: mpsc::UnboundedReceiver<(Instant, Event)>,
    /// Dropped to stop the reader.
    _stop: oneshot::Sender<()>,
}

impl Events {
    /// Starts to read.
    ///
    /// # Errors
    /// The system gives no thread or poller.
    pub(super) fn start() -> io::Result<Events> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("terminal-input".into())
            .spawn(move || runtime.block_on(read(sender, stopped)))?;
        Ok(Events { receiver, _stop: stop })
    }

    /// The next event, and when it was read; [`Event::Gone`] after the last one.
    pub(super) async fn next(&mut self) -> (Instant, Event) {
        self.receiver.recv().await.unwrap_or_else(|| (Instant::now(), Event::Gone))
    }
}

async fn read(events: mpsc::UnboundedSender<(Instant, Event)>, mut stopped: oneshot::Receiver<()>) {
    let mut stream = EventStream::new();
    loop {
        let raw = tokio::select! {
            // In this order, or a key could be taken that belongs to the next reader.
            biased;
            _ = &mut stopped => return,
            raw = stream.next() => raw,
        };
        let event = match raw {
            Some(Ok(Raw::Key(key))) if key.kind != KeyEventKind::Release => Event::Key(key),
            Some(Ok(Raw::Paste(text))) => Event::Paste(text),
            // Sizes are reported by a signal, which is handled before the first frame.
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => Event::Gone,
        };
        let last = event == Event::Gone;
        if events.send((Instant::now(), event)).is_err() || last {
            return;
        }
    }
}

/// Resolves when the terminal hangs up.
///
/// # Errors
/// The system gives no thread.
pub(super) fn hang_up() -> io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    let terminal = io::stdout().as_fd().try_clone_to_owned()?;
    std::thread::Builder::new().name("terminal-hang-up".into()).spawn(move || {
        // No event is asked for: a hang-up is always reported.
        let mut fds = [PollFd::new(&terminal, PollFlags::empty())];
        while poll(&mut fds, None) == Err(Errno::INTR) {}
        silence_input();
        // The receiver is gone when the program ends.
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

/// Standard input becomes a pipe whose other end stays open and silent.
fn silence_input() {
    if let Ok((silent, open)) = io::pipe()
        && rustix::stdio::dup2_stdin(&silent).is_ok()
    {
        mem::forget(open);
    }
}
