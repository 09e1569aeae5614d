//! Serves without a screen.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver};
use tracing::Level;

use super::{Output, Style, eprint_line, output::Objects, print, service_manager, signals::Signals};
use crate::{
    app::{
        cli::Serve,
        exit::{Exit, Problem},
    },
    protocol::address::Address,
    server::{self, Arch, Command, Event, Server, Sink, WebAccess},
    text::{SafeText, qr},
};

/// Events that may wait for the reader of stdout or stderr. A slow reader must not make the
/// server wait: further events are dropped, counted, and their number is reported.
const MAX_EVENTS: usize = 4096;

/// How often to check whether the server has stopped by itself.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The same while it drains.
const DRAIN_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How a server prints its token. Stdout may be a file or a log that other users can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrintedToken {
    /// In the address, on stdout.
    InAddress,
    /// Not at all; stderr names its source.
    Source(TokenSource),
}

/// The source of a server's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `--token`.
    Option,
    /// `FDSP_TOKEN`.
    Environment,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenSource::Option => f.write_str("the value of --token"),
            TokenSource::Environment => f.write_str("the value of FDSP_TOKEN"),
            TokenSource::File(path) => write!(f, "in '{}'", SafeText::from_path(path)),
        }
    }
}

/// Serves until a signal stops it: the first signal drains, the second one stops at once.
///
/// # Errors
/// The server does not start, or its loop fails.
pub fn run(serve: Serve, style: Style) -> Result<Exit, Problem> {
    let Serve { config, print, qr } = serve;
    let failed = |error: io::Error| Problem::new(Exit::Failed, format!("the server failed: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (sender, receiver) = mpsc::channel(MAX_EVENTS);
    let lost = Arc::new(AtomicU64::new(0));
    let count = lost.clone();
    let sink: Sink = Arc::new(move |event| {
        if sender.try_send(event.clone()).is_err() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    // Signals must be handled before the first line is printed.
    let signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(failed)?
    };
    let server = server::start(config, sink)?;
    let is_local = server.local_addr().ip().to_canonical().is_loopback();
    let mut show = Show { style, print, qr, is_local, objects: Objects::default(), lost };
    service_manager::ready();
    runtime.block_on(drive(&server, receiver, signals, &mut show));
    service_manager::stopping();
    server.join().map_err(failed)?;
    Ok(Exit::Done)
}

async fn drive(server: &Server, mut events: Receiver<Event>, mut signals: Signals, show: &mut Show) {
    let mut draining = false;
    loop {
        let look = if draining { DRAIN_CHECK_INTERVAL } else { CHECK_INTERVAL };
        tokio::select! {
            Some(event) = events.recv() => show.event(&event),
            signal = signals.next() => {
                tracing::info!("{signal}: {}", if draining { "stopping now" } else { "draining" });
                service_manager::stopping();
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

/// Columns of the terminal that stdout is, or of an ordinary one.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.ok().filter(|size| size.ws_col > 0).map_or(80, |size| size.ws_col.into())
}

/// The first line of `--json`. Unlike the event, it may contain the token.
#[derive(Serialize)]
struct Listening<'a> {
    event: &'static str,
    address: String,
    others: Vec<String>,
    port: u16,
    arch: Arch,
    web: &'a WebAccess,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
    /// The file with the token, if the addresses do not contain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<SafeText>,
}

struct Show {
    style: Style,
    print: PrintedToken,
    /// Whether to print the address as a QR code, too.
    qr: bool,
    /// Whether only this machine can reach the server.
    is_local: bool,
    objects: Objects,
    lost: Arc<AtomicU64>,
}

impl Show {
    fn event(&mut self, event: &Event) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            eprint_line(&format!("warning: {lost} events were dropped: the output was not read fast enough"));
        }
        match (self.style.output, event) {
            (
                Output::Json,
                Event::Failed { .. } | Event::Refused { .. } | Event::Draining | Event::Warning { .. },
            ) => {}
            (_, event @ Event::Listening { address, others, .. }) => {
                return self.listening(event, address, others);
            }
            (Output::Json, _) => return self.objects.print(event),
            _ => {}
        }
        let is_warning = matches!(event, Event::Warning { .. });
        // One line for each thing that matters, as in the log.
        let is_shown = event.level() <= Level::INFO && self.style.output != Output::Quiet;
        if !self.style.logged && (is_shown || is_warning) {
            eprint_line(&event.to_string());
        }
    }

    /// Prints the addresses of the server, with the token or with its source.
    fn listening(&mut self, event: &Event, address: &Address, others: &[Address]) {
        let Event::Listening { port, arch, web, metrics, .. } = event else { return };
        let hidden = match &self.print {
            PrintedToken::Source(source) if address.authority.token.is_some() => Some(source),
            _ => None,
        };
        let printed = |address: &Address| match hidden {
            Some(_) => address.to_string(),
            None => address.revealed(),
        };
        let (address, others) = (printed(address), others.iter().map(printed).collect::<Vec<_>>());
        if self.style.output == Output::Json {
            let token_file = match hidden {
                Some(TokenSource::File(path)) => Some(SafeText::from_path(path)),
                _ => None,
            };
            self.objects.print(&Listening {
                event: "listening",
                address,
                others,
                port: *port,
                arch: *arch,
                web,
                metrics: *metrics,
                token_file,
            });
        } else {
            let code = self.qr.then(|| qr::printed(&address, width(), self.style.ascii));
            let lines = [address].into_iter().chain(others).map(|address| address + "\n");
            // A closed stdout does not stop the server.
            print(lines.collect::<String>().as_bytes());
            match code {
                Some(Ok(code)) => drop(print(code.as_bytes())),
                Some(Err(reason)) => eprint_line(&format!("tui: no QR code: {reason}")),
                None => {}
            }
            if self.style.output == Output::Plain {
                eprint_line(&format!("for browsers: {}", web.address));
                eprint_line(&format!("with curl:    {}", web.curl()));
                if let Some(metrics) = metrics {
                    eprint_line(&format!("metrics:      http://{metrics}/metrics"));
                }
            }
            if self.is_local && self.style.output == Output::Plain {
                eprint_line(
                    "tui: only this machine can reach that address; -H 0.0.0.0 serves on all of its interfaces",
                );
            }
        }
        if let Some(source) = hidden {
            eprint_line(&format!(
                "tui: the address is printed without its token, since stdout is not a terminal; the token is {source}, and \
                 goes before the host: fdsp://TOKEN@HOST…; with --print-token it is printed as part of the address"
            ));
        }
    }
}
