//! The thread that writes to the terminal, so that nothing else ever waits for a slow link.
//!
//! A frame is handed over as one piece and written with one call where the terminal takes it. Until it is
//! written, no further one is drawn (see [`schedule`](super::schedule)), so that at most one is on its way.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
        mpsc as std_mpsc,
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

/// Begins a synchronized update: a terminal that knows it shows the frame only when it is whole.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";
/// How often a closed gate is checked for a write that is still in progress.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The writing end.
#[derive(Debug)]
pub(super) struct Output {
    pieces: std_mpsc::Sender<Piece>,
    written: mpsc::UnboundedReceiver<io::Result<()>>,
    gate: Arc<Gate>,
}

/// Lets the thread write until it is closed.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicBool,
    /// Held from the check of `closed` until the write that it allows has returned.
    writing: Mutex<()>,
}

impl Gate {
    /// Allows no further write, and waits at most `timeout` for the one in progress.
    ///
    /// A write that takes longer is in the kernel, which lets no other write to the same terminal overtake it.
    pub(super) fn close(&self, timeout: Duration) {
        self.closed.store(true, Ordering::SeqCst);
        let start = Instant::now();
        while matches!(self.writing.try_lock(), Err(TryLockError::WouldBlock)) && start.elapsed() < timeout {
            std::thread::sleep(CHECK_INTERVAL);
        }
    }

    fn write(&self, writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            if self.closed.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match writer.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        writer.flush()
    }
}

struct Piece {
    bytes: Vec<u8>,
    frame: bool,
    /// Receives the result of the write.
    done: Option<std_mpsc::Sender<()>>,
}

impl Output {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(mut writer: impl Write + Send + 'static) -> io::Result<Output> {
        let (pieces, todo) = std_mpsc::channel::<Piece>();
        let (results, written) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        let ours = Arc::clone(&gate);
        std::thread::Builder::new().name("terminal-output".into()).spawn(move || {
            for piece in todo {
                let result = ours.write(&mut writer, &piece.bytes);
                // The receiver is gone when the program ends.
                if piece.frame || result.is_err() {
                    let _ = results.send(result);
                }
                if let Some(done) = piece.done {
                    let _ = done.send(());
                }
            }
        })?;
        Ok(Output { pieces, written, gate })
    }

    /// What ends all writing.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Hands over a frame.
    pub(super) fn frame(&self, bytes: &[u8]) {
        let mut whole = Vec::with_capacity(BEGIN_UPDATE.len() + bytes.len() + END_UPDATE.len());
        whole.extend_from_slice(BEGIN_UPDATE);
        whole.extend_from_slice(bytes);
        whole.extend_from_slice(END_UPDATE);
        self.send(Piece { bytes: whole, frame: true, done: None });
    }

    /// Hands over something that is no frame.
    pub(super) fn plain(&self, bytes: &[u8]) {
        self.send(Piece { bytes: bytes.to_vec(), frame: false, done: None });
    }

    /// As [`plain`](Self::plain), and waits until the terminal has it, at most `timeout`.
    pub(super) fn plain_and_wait(&self, bytes: &[u8], timeout: Duration) {
        let (done, written) = std_mpsc::channel();
        self.send(Piece { bytes: bytes.to_vec(), frame: false, done: Some(done) });
        // A slow link receives the bytes later; a lost one does not need them.
        let _ = written.recv_timeout(timeout);
    }

    fn send(&self, piece: Piece) {
        // The thread ends only with the sender.
        let _ = self.pieces.send(piece);
    }

    /// Waits until a frame is written, or until anything could not be. Nothing is lost when this future is
    /// dropped.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) async fn written(&mut self) -> io::Result<()> {
        self.written.recv().await.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that reports each write, and returns from it when it is allowed to.
    struct Slow {
        begun: std_mpsc::Sender<Vec<u8>>,
        allowed: std_mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = &bytes[..bytes.len().min(1)];
            self.begun.send(taken.to_vec()).expect("the test listens");
            self.allowed.recv().expect("the test allows it");
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Output, std_mpsc::Receiver<Vec<u8>>, std_mpsc::Sender<()>) {
        let (begun, writes) = std_mpsc::channel();
        let (allow, allowed) = std_mpsc::channel();
        (Output::start(Slow { begun, allowed }).expect("a thread"), writes, allow)
    }

    #[test]
    fn nothing_is_written_after_the_gate_is_closed() {
        let (output, writes, allow) = slow();
        output.plain(b"ab");
        output.plain(b"c");
        assert_eq!(writes.recv().expect("the first write"), b"a");
        let gate = output.gate();
        let (done, closed) = std_mpsc::channel();
        std::thread::spawn(move || {
            gate.close(Duration::from_secs(10));
            done.send(())
        });
        while !output.gate.closed.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // A gate that does not wait is closed at once.
        let waited = closed.recv_timeout(Duration::from_millis(50));
        assert_eq!(waited, Err(std_mpsc::RecvTimeoutError::Timeout), "a write is in progress");
        allow.send(()).expect("the writer waits");
        closed.recv().expect("closed");
        drop(output);
        assert_eq!(writes.recv().ok(), None, "neither the rest of the first piece nor the second");
    }

    #[test]
    fn a_gate_closes_beside_a_terminal_that_takes_nothing() {
        let (output, writes, _allow) = slow();
        output.plain(b"a");
        writes.recv().expect("the write");
        output.gate().close(Duration::from_millis(1));
    }
}
