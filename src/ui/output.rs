//! The thread that writes to the terminal, so that nothing else ever waits for a slow link.
//!
//! A frame is handed over as one piece and written with one call where the terminal takes it. Until it is
//! written, no further one is drawn (see [`schedule`](super::schedule)), so that at most one is on its way.

use std::{
    io::{self, Write},
    sync::mpsc as std_mpsc,
    time::Duration,
};

use tokio::sync::mpsc;

/// Begins a synchronized update: a terminal that knows it shows the frame only when it is whole.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";

/// The writing end.
#[derive(Debug)]
pub(super) struct Output {
    pieces: std_mpsc::Sender<Piece>,
    written: mpsc::UnboundedReceiver<io::Result<()>>,
}

struct Piece {
    bytes: Vec<u8>,
    frame: bool,
    /// Told when the piece was written, or could not be.
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
        std::thread::Builder::new().name("terminal-output".into()).spawn(move || {
            for piece in todo {
                let result = write(&mut writer, &piece.bytes);
                // Nobody listens any more when the program is on its way out.
                if piece.frame || result.is_err() {
                    let _ = results.send(result);
                }
                if let Some(done) = piece.done {
                    let _ = done.send(());
                }
            }
        })?;
        Ok(Output { pieces, written })
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

    /// As [`plain`](Self::plain), and waits until the terminal has it, at most `patience`.
    pub(super) fn plain_and_wait(&self, bytes: &[u8], patience: Duration) {
        let (done, written) = std_mpsc::channel();
        self.send(Piece { bytes: bytes.to_vec(), frame: false, done: Some(done) });
        // A link that is too slow gets the bytes later, one that is gone never needs them.
        let _ = written.recv_timeout(patience);
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

fn write(writer: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes)?;
    writer.flush()
}
