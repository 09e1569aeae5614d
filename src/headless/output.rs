//! Lines to stdout and stderr that never panic: whoever read them may be gone.

use std::io::Write;

/// A line on stderr.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Bytes on stdout, flushed. `false` when nobody takes them any more.
pub fn print(bytes: &[u8]) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).is_ok()
}

/// One JSON object a line on stdout. When the reader is gone, the work goes on without it.
#[derive(Debug, Default)]
pub(super) struct Objects {
    gone: bool,
}

impl Objects {
    pub(super) fn print(&mut self, event: &impl serde::Serialize) {
        if self.gone {
            return;
        }
        match serde_json::to_vec(event) {
            Ok(mut line) => {
                line.push(b'\n');
                self.gone = !print(&line);
                if self.gone {
                    tracing::warn!("nobody reads the events on stdout any more; the work goes on");
                }
            }
            Err(error) => tracing::error!("an event cannot be written as JSON: {error}"),
        }
    }
}
