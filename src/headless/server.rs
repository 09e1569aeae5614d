//! Serving without a terminal.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver};

use super::{Exit, Problem, output::Objects, print, say, signals::Signals};
use crate::{
    cli::{
        access::TokenSource,
        plan::{Face, PrintedToken, Serve, Style},
    },
    protocol::address::Address,
    server::{self, Arch, Command, Event, Server, Sink},
    text::SafeText,
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
pub fn run(serve: Serve, style: Style) -> Result<Exit, Problem> {
    let Serve { config, print } = serve;
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
    let mut show = Show { style, print, objects: Objects::default(), lost };
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

/// The first line of `--json`. Unlike the event, it may contain the token.
#[derive(Serialize)]
struct Listening {
    event: &'static str,
    address: String,
    others: Vec<String>,
    port: u16,
    arch: Arch,
    /// The file with the token that the addresses lack.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<SafeText>,
}

struct Show {
    style: Style,
    print: PrintedToken,
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
            (_, Event::Listening { address, others, port, arch }) => {
                return self.listening(address, others, *port, *arch);
            }
            (Face::Json, _) => return self.objects.print(event),
            _ => {}
        }
        let grave = matches!(event, Event::Warning { .. });
        if !self.style.logged && (self.style.face != Face::Quiet || grave) {
            say(&event.to_string());
        }
    }

    /// Prints the addresses of the server, with their token or with a sentence that says where it is.
    fn listening(&mut self, address: &Address, others: &[Address], port: u16, arch: Arch) {
        let hidden = match &self.print {
            PrintedToken::Source(source) if address.authority.token.is_some() => Some(source),
            _ => None,
        };
        let printed = |address: &Address| match hidden {
            Some(_) => address.to_string(),
            None => address.revealed(),
        };
        let (address, others) = (printed(address), others.iter().map(printed).collect::<Vec<_>>());
        if self.style.face == Face::Json {
            let token_file = match hidden {
                Some(TokenSource::File(path)) => Some(SafeText::from_path(path)),
                _ => None,
            };
            self.objects.print(&Listening { event: "listening", address, others, port, arch, token_file });
        } else {
            let lines = [address].into_iter().chain(others).map(|address| address + "\n");
            // Without a reader the server still serves.
            print(lines.collect::<String>().as_bytes());
        }
        if let Some(source) = hidden {
            say(&format!(
                "tui: the address is printed without its token, since stdout is not a terminal; the token is {source}, and \
                 goes before the host: fdsp://TOKEN@HOST…; with --print-token it is printed as part of the address"
            ));
        }
    }
}
