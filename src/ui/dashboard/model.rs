//! What the dashboard knows and shows.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use ratatui::layout::Size;
use time::OffsetDateTime;

use super::{
    layout::{self, Layout},
    rates::{Rates, Throughput},
};
use crate::{
    logging::LogRing,
    protocol::address::Security,
    server::{Arch, Command, ConnectionId, ConnectionState, ConnectionView, Snapshot},
    text::{SafeText, units},
    ui::{
        Look, Pace,
        actions::{Context, KeyMap, MoveAction},
        components::{
            dialog::{self, Question},
            log::LogPane,
            viewport::Viewport,
            widgets::wrap,
        },
    },
};

/// Rows that are read above and below the visible ones, so that a selected row is found again when
/// connections before it end.
const MARGIN: usize = 16;

/// What never changes while the server runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The served folder.
    pub root: SafeText,
    /// The address to paste, with everything that opens the server.
    pub address: SafeText,
    /// Where the same server is besides; empty if nowhere.
    pub others: SafeText,
    /// Its address for browsers and curl.
    pub web: SafeText,
    /// TLS or not.
    pub security: Security,
    /// The architecture.
    pub arch: Arch,
    /// Connections that it serves at the same time.
    pub max_connections: usize,
    /// When it was started, in the local time zone.
    pub since: OffsetDateTime,
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

/// What waits for a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Disconnect a client.
    Disconnect(ConnectionId, std::net::SocketAddr),
    /// Drain.
    Drain,
    /// Quit, which stops the server.
    Quit,
}

/// A connection, named so that it is found again.
pub type RowKey = (Option<ConnectionId>, std::net::SocketAddr);

/// The names of rows.
pub fn key(row: &ConnectionView) -> RowKey {
    (row.id, row.peer)
}

/// What is read from the server: what a freeze keeps.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The last reading. Its rows are those from number `first` on.
    pub snapshot: Snapshot,
    /// See `snapshot`.
    pub first: usize,
    /// Rows in all that could be shown.
    pub total: usize,
    /// Of the rows.
    pub rates: Rates,
    /// Of the server.
    pub throughput: Throughput,
    /// When it was read.
    pub at: Instant,
}

/// A frozen display.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// Since when, as a time of day.
    pub since: String,
    /// All rows there were, whatever the filter is.
    pub rows: Vec<ConnectionView>,
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
    /// Set while the display is frozen.
    pub frozen: Option<Frozen>,
    /// Where keys go.
    pub focus: Focus,
    /// What has the keys before the panes.
    pub dialog: Dialog,
    /// The selected and the visible rows.
    pub rows: Viewport,
    /// The selected connection.
    pub selected_key: Option<RowKey>,
    /// The connection whose details are shown, as it was last seen, and whether it still lives.
    pub details: Option<(ConnectionView, bool)>,
    /// Only connections whose row contains this are shown.
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
                first: 0,
                total: snapshot.live + snapshot.waiting,
                rates: Rates::default(),
                at: now,
                snapshot: snapshot.clone(),
            },
            frozen: None,
            focus: Focus::default(),
            dialog: Dialog::None,
            rows: Viewport::default(),
            selected_key: None,
            details: None,
            filter: String::new(),
            log: LogPane::new(log),
            large_log: false,
            notice: None,
        };
        model.log.refresh();
        model.take(snapshot, 0, now);
        model
    }

    /// The window has this size now.
    pub fn resize(&mut self, size: Size) {
        if self.size != size {
            self.size = size;
            self.select(self.rows.cursor());
        }
    }

    /// Where things are on the screen.
    pub fn layout(&self) -> Layout {
        // What clients are to compare is there as a whole where there is room for it.
        let columns = usize::from(self.size.width.saturating_sub(2)).max(1);
        let rows = wrap(self.about.address.as_str(), columns).len() as u16;
        let others = u16::from(!self.about.others.as_str().is_empty());
        layout::layout(self.size, self.details.is_some(), rows + others, self.large_log)
    }

    /// The context that keys are looked up in.
    pub fn context(&self) -> Context {
        self.dialog.context().unwrap_or(match self.focus {
            Focus::Connections => Context::Connections,
            Focus::Log => Context::Log,
        })
    }

    /// The rows to read for the next frame: those that are visible and a few around them. A filter needs all
    /// of them, and a freeze keeps all.
    pub fn wanted(&self) -> Range<usize> {
        if !self.filter.is_empty() {
            return self.all();
        }
        let visible = usize::from(self.layout().table.height);
        let top = self.rows.window().start;
        top.saturating_sub(MARGIN)..top + visible + MARGIN
    }

    /// All rows, and those of clients that connect until they are read.
    pub fn all(&self) -> Range<usize> {
        let Snapshot { live, waiting, .. } = self.picture.snapshot;
        0..live + waiting + 4 * MARGIN
    }

    /// Takes in a reading whose rows are those from number `first` on.
    pub fn take(&mut self, mut snapshot: Snapshot, first: usize, now: Instant) {
        let picture = &mut self.picture;
        picture.throughput.read(now, snapshot.sent);
        picture.rates.read(now, &snapshot.rows);
        picture.total = snapshot.live + snapshot.waiting;
        picture.first = first;
        if let Some((shown, alive)) = &mut self.details {
            match snapshot.rows.iter().find(|row| key(row) == key(shown)) {
                Some(row) => (*shown, *alive) = (row.clone(), true),
                // Rows are in the order of their numbers: an older one may lie before those that were read.
                None => *alive &= first > 0 && snapshot.rows.first().is_some_and(|row| shown.id < row.id),
            }
        }
        if !self.filter.is_empty() {
            let needle = self.filter.to_lowercase();
            snapshot.rows.retain(|row| matches(row, &needle));
            picture.total = snapshot.rows.len();
        }
        picture.snapshot = snapshot;
        picture.at = now;
        if let Dialog::Question(question) = &mut self.dialog {
            question.text = question.pending.sentence(&picture.snapshot);
        }
        self.find_selected();
    }

    /// Freezes the display, of which these are all rows.
    pub fn freeze(&mut self, since: String, rows: Vec<ConnectionView>) {
        self.frozen = Some(Frozen { since, rows });
    }

    /// Shows only what contains a text, from the top.
    pub fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        if let Some(frozen) = &self.frozen {
            let needle = text.to_lowercase();
            let rows: Vec<_> = frozen.rows.iter().filter(|row| matches(row, &needle)).cloned().collect();
            self.picture.total = rows.len();
            self.picture.first = 0;
            self.picture.snapshot.rows = rows;
        }
        self.select(0);
    }

    /// Finds the selected connection again, whose number changes when one before it ends.
    fn find_selected(&mut self) {
        let picture = &self.picture;
        if let Some(selected) = self.selected_key
            && let Some(index) = picture.snapshot.rows.iter().position(|row| key(row) == selected)
        {
            self.rows.follow(picture.first + index);
        }
        self.select(self.rows.cursor());
    }

    /// Selects a row by number, as near as there is one, and scrolls to it.
    pub fn select(&mut self, number: usize) {
        self.measure();
        self.rows.go(number);
        self.name_selected();
    }

    /// Moves the selection as a key says.
    pub fn travel(&mut self, action: MoveAction) {
        self.measure();
        self.rows.travel(action);
        self.name_selected();
    }

    fn measure(&mut self) {
        self.rows.set_height(usize::from(self.layout().table.height));
        self.rows.set_len(self.picture.total);
    }

    /// A row outside what was read gets its name with the next reading.
    fn name_selected(&mut self) {
        self.selected_key = self.selected_row().map(key);
    }

    /// Asks before it is done.
    pub fn ask(&mut self, pending: Pending) {
        let text = pending.sentence(&self.picture.snapshot);
        self.dialog = Dialog::Question(Question { text, pending });
    }

    /// The row with this number, if it was read.
    pub fn row(&self, number: usize) -> Option<&ConnectionView> {
        self.picture.snapshot.rows.get(number.checked_sub(self.picture.first)?)
    }

    /// Whether visible rows were not read: many clients before them have left.
    pub fn misses_rows(&self) -> bool {
        let visible = usize::from(self.layout().table.height);
        let top = self.rows.window().start;
        let shown = top..(top + visible).min(self.picture.total);
        !shown.is_empty() && (self.row(shown.start).is_none() || self.row(shown.end - 1).is_none())
    }

    /// The selected row.
    pub fn selected_row(&self) -> Option<&ConnectionView> {
        self.row(self.rows.cursor())
    }

    /// Bytes a second of a row, where that means anything.
    pub fn rate(&self, row: &ConnectionView) -> Option<f64> {
        if row.state != ConnectionState::Sending {
            return None;
        }
        self.picture.rates.rate(row.id?)
    }

    /// How often to read.
    pub fn pace(&self) -> Pace {
        if self.frozen.is_some() {
            return Pace::Still;
        }
        let Picture { snapshot, throughput, at, .. } = &self.picture;
        let sends = |row: &ConnectionView| row.state.is_working();
        if throughput.moves(*at) || snapshot.rows.iter().any(sends) {
            Pace::Moving
        } else if !throughput.is_at_rest() || snapshot.live > 0 || snapshot.waiting > 0 || snapshot.draining {
            // A connection may begin to send, and a drain end, without an event.
            Pace::Slow
        } else {
            Pace::Still
        }
    }
}

impl Pending {
    /// The question.
    fn sentence(self, snapshot: &Snapshot) -> String {
        match self {
            Pending::Disconnect(_, peer) => format!("Disconnect {peer}?"),
            Pending::Drain => "Take no more clients, finish what runs, then stop?".to_owned(),
            Pending::Quit => match snapshot.live {
                1 => "Stop now and disconnect 1 client?".to_owned(),
                live => format!("Stop now and disconnect {} clients?", units::count(live as u64)),
            },
        }
    }

    /// The verbs of the two answers.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Pending::Disconnect(..) => ("disconnect", "keep"),
            Pending::Drain => ("drain", "keep serving"),
            Pending::Quit => ("stop", "keep serving"),
        }
    }

    /// What the server does after a yes.
    pub fn command(self) -> Command {
        match self {
            Pending::Disconnect(id, _) => Command::Disconnect(id),
            Pending::Drain => Command::Drain,
            Pending::Quit => Command::Stop,
        }
    }
}

/// Whether a row contains a text in small letters.
fn matches(row: &ConnectionView, needle: &str) -> bool {
    row.path.as_str().to_lowercase().contains(needle)
        || row.peer.to_string().contains(needle)
        || row.dialect.is_some_and(|dialect| dialect.contains(needle))
        || state_word(row.state).contains(needle)
}

/// The word for a state.
pub fn state_word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Waiting => "waiting",
        ConnectionState::Handshake => "greeting",
        ConnectionState::Idle => "idle",
        ConnectionState::Planning => "planning",
        ConnectionState::Hashing => "hashing",
        ConnectionState::Sending => "sending",
        ConnectionState::Refused => "refused",
    }
}

/// A duration in one unit and at most 4 columns, so coarse that it changes once a minute at most.
pub fn coarse(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "<1 m".to_owned(),
        1..60 => format!("{minutes} m"),
        60..1440 => format!("{} h", minutes / 60),
        _ => format!("{} d", (minutes / 1440).min(99)),
    }
}
