//! What the dashboard knows and shows.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use ratatui::layout::Size;
use time::OffsetDateTime;

use super::{
    clients::{Clients, RowKey, View},
    layout::{self, Layout, Wanted},
    rates::{Rates, Throughput},
    row::Row,
};
use crate::{
    logging::LogRing,
    protocol::address::Security,
    server::{Arch, Command, ConnectionId, Snapshot},
    text::{SafeText, qr::Qr, units::counted},
    ui::{
        Look, Pace,
        actions::{Context, KeyMap, MoveAction},
        components::{
            dialog::{self, Question},
            list::List,
            log::LogPane,
            widgets::wrap,
        },
    },
};

/// How long an address is blocked.
pub const BLOCK_TIME: Duration = Duration::from_secs(600);

/// What never changes while the server runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The served folder.
    pub root: SafeText,
    /// The address to paste, with everything that opens the server.
    pub address: SafeText,
    /// The same as a QR code; `None` if it is too long for one.
    pub code: Option<Qr>,
    /// Where the same server is besides; empty if nowhere.
    pub others: SafeText,
    /// Its address for browsers and curl.
    pub web: SafeText,
    /// Whether only this machine can reach it.
    pub is_local: bool,
    /// TLS or not.
    pub security: Security,
    /// The architecture.
    pub arch: Arch,
    /// Connections that it serves at the same time.
    pub max_connections: usize,
    /// When it was started, in the local time zone.
    pub since: OffsetDateTime,
}

impl About {
    /// Who can reach the server, beside its address.
    pub fn note(&self) -> &str {
        match self.is_local {
            true => "only this machine can reach it; set host in [server]",
            false => self.others.as_str(),
        }
    }
}

/// Which pane keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// The table.
    #[default]
    Connections,
    /// The log.
    Log,
}

/// What has the keys before the panes: prompts are for the filter of a pane.
pub type Dialog = dialog::Dialog<Focus, Pending>;

/// What is to be disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// All connections of a client.
    Client(IpAddr),
    /// One of them.
    Connection(ConnectionId, SocketAddr),
}

/// What waits for a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Disconnect.
    Disconnect(Target),
    /// Drain.
    Drain,
    /// Quit, which stops the server.
    Quit,
}

/// What is read from the server: what a freeze keeps.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The last reading, without its rows.
    pub snapshot: Snapshot,
    /// Its rows.
    pub clients: Clients,
    /// Of the connections.
    pub rates: Rates,
    /// Of the server.
    pub throughput: Throughput,
    /// When it was read.
    pub at: Instant,
}

/// A row whose details are shown.
#[derive(Clone, Debug)]
pub struct Details {
    /// Which one.
    pub key: RowKey,
    /// As it was last seen.
    pub row: Row,
    /// Whether it is still there.
    pub alive: bool,
}

/// The state of the dashboard.
#[derive(Clone, Debug)]
pub struct Model {
    /// What never changes.
    pub about: About,
    /// The keys in force.
    pub keys: KeyMap,
    /// Colours and glyphs.
    pub look: Look,
    /// The window's size.
    pub size: Size,
    /// What was last read.
    pub picture: Picture,
    /// The time of day since which the display is frozen, if it is.
    pub frozen: Option<String>,
    /// Where keys go.
    pub focus: Focus,
    /// What has the keys before the panes.
    pub dialog: Dialog,
    /// Whether the QR code is shown, before everything else.
    pub shows_code: bool,
    /// The rows.
    pub rows: List<RowKey>,
    /// Which rows there are, and in which order.
    pub view: View,
    /// The row whose details are shown.
    pub details: Option<Details>,
    /// Only rows that contain this are shown.
    pub filter: String,
    /// The log.
    pub log: LogPane,
    /// Whether the log has most of the rows.
    pub large_log: bool,
    /// What just happened, until the next key.
    pub notice: Option<String>,
}

impl Model {
    /// At the start, before anything was read.
    pub fn new(
        about: About,
        keys: KeyMap,
        look: Look,
        log: LogRing,
        now: Instant,
        snapshot: Snapshot,
    ) -> Model {
        let mut model = Model {
            about,
            keys,
            look,
            size: Size::ZERO,
            picture: Picture {
                throughput: Throughput::new(now, snapshot.sent),
                clients: Clients::default(),
                rates: Rates::default(),
                at: now,
                snapshot: snapshot.clone(),
            },
            frozen: None,
            focus: Focus::default(),
            dialog: Dialog::None,
            shows_code: false,
            rows: List::default(),
            view: View::default(),
            details: None,
            filter: String::new(),
            log: LogPane::new(log),
            large_log: false,
            notice: None,
        };
        model.log.refresh();
        model.take(snapshot, now);
        model
    }

    /// The window has this size now.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.measure();
    }

    /// Makes the visible rows as many as there is room for.
    pub fn measure(&mut self) {
        self.rows.set_height(usize::from(self.layout().table.height));
    }

    /// Where things are on the screen.
    pub fn layout(&self) -> Layout {
        // What clients are to compare is there as a whole where there is room for it.
        let columns = usize::from(self.size.width.saturating_sub(2)).max(1);
        let address = wrap(self.about.address.as_str(), columns).len() as u16;
        layout::layout(
            self.size,
            &Wanted {
                address: address + u16::from(!self.about.note().is_empty()),
                graph: self.picture.snapshot.sent > 0,
                problem: self.picture.snapshot.last_error.is_some(),
                details: self.details.is_some(),
                large_log: self.large_log,
            },
        )
    }

    /// The context that keys are looked up in.
    pub fn context(&self) -> Context {
        if self.shows_code {
            return Context::Page;
        }
        self.dialog.context().unwrap_or(match self.focus {
            Focus::Connections => Context::Connections,
            Focus::Log => Context::Log,
        })
    }

    /// Takes in a reading with all rows.
    pub fn take(&mut self, mut snapshot: Snapshot, now: Instant) {
        let picture = &mut self.picture;
        picture.throughput.read(now, snapshot.sent);
        picture.rates.read(now, &snapshot.rows);
        picture.clients.read(std::mem::take(&mut snapshot.rows));
        picture.snapshot = snapshot;
        picture.at = now;
        self.arrange();
        if let Some(Details { key, .. }) = self.details {
            match (self.row(key), &mut self.details) {
                (Some(row), Some(details)) => *details = Details { key, row, alive: true },
                (None, Some(details)) => details.alive = false,
                (_, None) => {}
            }
        }
        if let Dialog::Question(Question { pending, .. }) = self.dialog {
            self.ask(pending);
        }
    }

    /// Puts the rows in order; the selected one stays selected.
    pub fn arrange(&mut self) {
        let Picture { snapshot, clients, rates, at, .. } = &mut self.picture;
        let keys = clients.rows(&self.view, &snapshot.blocks, rates, *at);
        self.rows.set_keys(keys);
        self.measure();
    }

    /// Sorts the rows another way.
    pub fn sort(&mut self, sort: super::sort::Sort) {
        self.view.sort = sort;
        self.picture.clients.sort_anew();
        self.arrange();
    }

    /// Shows only what contains a text, from the top.
    pub fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.view.needle = text.to_lowercase();
        self.arrange();
        self.rows.go(0);
    }

    /// Moves the selection as a key says.
    pub fn travel(&mut self, action: MoveAction) {
        self.rows.travel(action);
        self.follow();
    }

    /// The details are those of the selected row, if there are any.
    fn follow(&mut self) {
        if self.details.is_some()
            && let Some(details) = self.selected_details()
        {
            self.details = Some(details);
        }
    }

    /// The details of the selected row.
    pub fn selected_details(&self) -> Option<Details> {
        let key = self.rows.selected()?;
        Some(Details { key, row: self.row(key)?, alive: true })
    }

    /// Shows the connections of a client that has several. Returns whether it has.
    pub fn open(&mut self, address: IpAddr) -> bool {
        let has_several = self.picture.clients.of(address).len() > 1;
        if has_several {
            self.view.open.insert(address);
            self.picture.clients.sort_anew();
            self.arrange();
        }
        has_several
    }

    /// Hides the connections of a client, which is selected then. Returns whether they were shown.
    pub fn close(&mut self, address: IpAddr) -> bool {
        let was_open = self.view.open.remove(&address);
        if was_open {
            self.rows.select(RowKey::Client(address));
            self.arrange();
            self.follow();
        }
        was_open
    }

    /// What a row says.
    pub fn row(&self, key: RowKey) -> Option<Row> {
        let Picture { clients, rates, snapshot, .. } = &self.picture;
        match key {
            RowKey::Client(address) => {
                let members = clients.of(address);
                (members.len() > 0).then(|| Row::of_client(address, members, rates))
            }
            RowKey::Connection(id, peer) => {
                clients.connection(id, peer).map(|row| Row::of_connection(row, rates))
            }
            RowKey::Block(address) => {
                snapshot.blocks.iter().find(|block| block.address == address).map(Row::of_block)
            }
        }
    }

    /// Asks before it is done.
    pub fn ask(&mut self, pending: Pending) {
        let text = self.sentence(pending);
        self.dialog = Dialog::Question(Question { text, pending });
    }

    fn sentence(&self, pending: Pending) -> String {
        match pending {
            Pending::Disconnect(Target::Client(address)) => match self.picture.clients.of(address).len() {
                0 | 1 => format!("Disconnect {address}?"),
                count => format!("Disconnect {address} ({count} connections)?"),
            },
            Pending::Disconnect(Target::Connection(_, peer)) => format!("Disconnect {peer}?"),
            Pending::Drain => "Take no more clients, finish what runs, then stop?".to_owned(),
            Pending::Quit => {
                let clients = counted(self.picture.clients.len() as u64, "client");
                format!("Stop now and disconnect {clients}?")
            }
        }
    }

    /// How often to read.
    pub fn pace(&self) -> Pace {
        if self.frozen.is_some() {
            return Pace::Still;
        }
        let Picture { snapshot, throughput, clients, at, .. } = &self.picture;
        if throughput.moves(*at) || clients.is_working() {
            Pace::Moving
        } else if !throughput.is_at_rest()
            || snapshot.live > 0
            || snapshot.waiting > 0
            || snapshot.draining
            || !snapshot.blocks.is_empty()
        {
            // A connection may begin to send, and a drain or a block end, without an event.
            Pace::Slow
        } else {
            Pace::Still
        }
    }
}

impl Pending {
    /// What the server does after a yes.
    pub fn command(self) -> Command {
        match self {
            Pending::Disconnect(Target::Client(address)) => Command::DisconnectAddress(address),
            Pending::Disconnect(Target::Connection(id, _)) => Command::Disconnect(id),
            Pending::Drain => Command::Drain,
            Pending::Quit => Command::Stop,
        }
    }

    /// The verbs of yes and no.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Pending::Disconnect(_) => ("disconnect", "keep"),
            Pending::Drain => ("drain", "keep serving"),
            Pending::Quit => ("stop", "keep serving"),
        }
    }

    /// What the server does if the address is to be blocked as well, if that is offered.
    pub fn block(self) -> Option<Command> {
        let address = match self {
            Pending::Disconnect(Target::Client(address)) => address,
            Pending::Disconnect(Target::Connection(_, peer)) => peer.ip(),
            Pending::Drain | Pending::Quit => return None,
        };
        Some(Command::Block(address, BLOCK_TIME))
    }
}
