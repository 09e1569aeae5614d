//! Serving without a terminal.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{self, Receiver};

use super::{Exit, Problem, output::Objects, print, say, signals::Signals};
use crate::{
    cli::plan::{Face, Style},
    server::{self, Command, Event, Server, Sink},
};

/// Events that may wait for the reader of stdout or stderr. A reader that does not read must not make the
/// server wait: what does not fit is dropped, counted, and the count is said.
const QUEUE: usize = 4096;

/// How often the server is asked whether it has stopped by itself.
const LOOK: Duration = Duration::from_secs(1);
/// The same while it drains.
const LOOK_CLOSELY: Duration = Duration::from_millis(50);

/// Serves until it is told to stop: the first signal drains, the second one stops at once.
///
/// # Errors
/// The server does not start, or its loop fails.
pub fn run(config: server::Config, style: Style) -> Result<Exit, Problem> {
    let failed = |error: io::Error| Problem::new(Exit::Failed, format!("the server failed: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let count = lost.clone();
    let sink: Sink = Arc::new(move |event| {
        if sender.try_send(event.clone()).is_err() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    // Signals are handled before the first line says that it listens.
    let signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(failed)?
    };
    let server = server::start(config, sink)?;
    let mut show = Show { style, objects: Objects::default(), lost };
    runtime.block_on(drive(&server, receiver, signals, &mut show));
    server.join().map_err(failed)?;
    Ok(Exit::Done)
}

async fn drive(server: &Server, mut events: Receiver<Event>, mut signals: Signals, show: &mut Show) {
    let mut draining = false;
    loop {
        let look = if draining { LOOK_CLOSELY } else { LOOK };
        tokio::select! {
            Some(event) = events.recv() => show.event(&event),
            signal = signals.next() => {
                tracing::info!("{signal}: {}", if draining { "stopping now" } else { "draining" });
                server.command(if draining { Command::Stop } else { Command::Drain });
                draining = true;
            }
            () = tokio::time::sleep(look) => if server.snapshot(0..0).stopped {
                break;
            },
        }
    }
    while let Ok(event) = events.try_recv() {
        show.event(&event);
    }
}

struct Show {
    style: Style,
    objects: Objects,
    lost: Arc<AtomicU64>,
}

impl Show {
    fn event(&mut self, event: &Event) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            say(&format!("warning: {lost} events are missing here: they came faster than they were read"));
        }
        match (self.style.face, event) {
            (
                Face::Json,
                Event::Failed { .. } | Event::Refused { .. } | Event::Draining | Event::Warning { .. },
            ) => {}
            (Face::Json, _) => return self.objects.print(event),
            (_, Event::Listening { address, others, .. }) => {
                let lines = [address].into_iter().chain(others).map(|address| address.revealed() + "\n");
                // Without a reader the server still serves.
                print(lines.collect::<String>().as_bytes());
                return;
            }
            _ => {}
        }
        let grave = matches!(event, Event::Warning { .. });
        if !self.style.logged && (self.style.face != Face::Quiet || grave) {
            say(&event.to_string());
        }
    }
}
