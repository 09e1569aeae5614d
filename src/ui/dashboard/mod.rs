//! The dashboard of a server: who is connected, what they get and how fast, and what can be done about it.

mod clients;
mod code;
pub mod details;
mod header;
pub mod layout;
pub mod model;
pub mod rates;
mod row;
mod sort;
pub mod table;
pub mod update;
pub mod view;

use std::time::Instant;

use ratatui::{Frame, layout::Size};
use time::OffsetDateTime;

use self::{
    model::{About, Model},
    update::Effect,
};
use crate::{
    logging::{self, LogRing},
    server::{Command, Config, Server, Summary},
    text::{SafeText, dates, qr::Qr},
    ui::{Control, Error, Event, Exit, Options, Pace, Screen, Wake, terminal::runtime},
};

/// Shows the dashboard of a server that runs with this configuration until it is left, the server has stopped
/// or a signal ends the process; the server is stopped then. `wake` is to be woken by each event of the
/// server. Returns what the server did as well.
///
/// # Errors
/// See [`Error`].
pub fn run(
    server: Server,
    config: &Config,
    wake: Wake,
    log: LogRing,
    options: &Options,
) -> Result<(Exit, Summary), Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
    let snapshot = server.snapshot(0..0);
    let address = server.address().revealed();
    let about = About {
        root: SafeText::from_path(&config.root),
        code: Qr::new(&address),
        address: SafeText::new(&address),
        is_local: server.local_addr().ip().to_canonical().is_loopback(),
        others: others(&server),
        web: SafeText::new(&server.web().address),
        security: server.address().authority.security,
        arch: config.arch,
        max_connections: config.limits.max_connections,
        since: local_now() - snapshot.uptime,
    };
    let model = Model::new(about, options.keys.clone(), options.look, log.clone(), Instant::now(), snapshot);
    let mut dashboard = Dashboard { model, server, wake };
    let exit = runtime.block_on(runtime::run(&mut dashboard, &log, options));
    let server = dashboard.server;
    server.command(Command::Stop);
    let handle = server.handle();
    // An error of the server's loop is in the log.
    if let Err(error) = server.join() {
        tracing::error!("the server did not end in order: {error}");
    }
    Ok((exit?, handle.summary()))
}

/// Where the server is besides its first address.
fn others(server: &Server) -> SafeText {
    let others: Vec<_> =
        server.other_addresses().iter().map(|address| address.authority.to_string()).collect();
    if others.is_empty() {
        SafeText::default()
    } else {
        SafeText::new(&format!("also at {}", others.join(", ")))
    }
}

/// The time of day where the machine is.
fn local_now() -> OffsetDateTime {
    OffsetDateTime::now_utc().to_offset(logging::local_offset())
}

/// The model, joined to its server.
struct Dashboard {
    model: Model,
    server: Server,
    wake: Wake,
}

impl Dashboard {
    fn read(&mut self, now: Instant) {
        self.model.take(self.server.snapshot(0..usize::MAX), now);
    }

    fn perform(&mut self, effects: Vec<Effect>, now: Instant) -> Control {
        let mut control = Control::Redraw;
        for effect in effects {
            match effect {
                Effect::Command(command) => self.server.command(command),
                Effect::Copy(text) => control = Control::Copy(text),
                Effect::Freeze => {
                    self.read(now);
                    let time = OffsetDateTime::now_utc().to_offset(self.model.about.since.offset());
                    self.model.frozen = Some(dates::clock(time));
                }
                Effect::Suspend => control = Control::Suspend,
                Effect::Repaint => control = Control::Repaint,
                Effect::Quit => control = Control::Quit,
            }
        }
        control
    }
}

impl Screen for Dashboard {
    async fn changed(&mut self) -> Control {
        self.wake.woken().await;
        Control::Redraw
    }

    fn event(&mut self, event: Event, now: Instant) -> Control {
        match event {
            Event::Key(key) => {
                let effects = update::press(&mut self.model, key);
                self.perform(effects, now)
            }
            Event::Paste(text) => {
                update::paste(&mut self.model, &text);
                Control::Redraw
            }
            Event::Gone => Control::Nothing,
        }
    }

    fn sample(&mut self, size: Size, now: Instant) -> Control {
        self.model.resize(size);
        self.model.log.refresh();
        if self.model.frozen.is_none() {
            self.read(now);
            if self.model.picture.snapshot.stopped {
                return Control::Quit;
            }
        }
        Control::Redraw
    }

    fn pace(&self) -> Pace {
        self.model.pace()
    }

    fn view(&self, frame: &mut Frame<'_>) {
        view::view(&self.model, frame);
    }
}

#[cfg(test)]
mod tests;
