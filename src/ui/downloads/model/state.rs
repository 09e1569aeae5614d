//! The state of the download screen.

use std::{collections::BTreeSet, path::Path};

use ratatui::layout::Size;

use super::{
    decision::Decision,
    defaults::{Defaults, Notice},
    dialog::{Dialog, Pending, Prompt, Purpose},
    rows::{Marked, Row},
};
use crate::{
    client::{Doubt, Event, JobId, JobView, LostServer, NewServer, Picture, Server, Sort, Totals},
    logging::LogRing,
    ui::{
        actions::{Context, KeyMap, QueueAction},
        components::{dialog::Question, input::LineEdit, list::List, log::LogPane},
        downloads::{
            effect::Ticket,
            remote::{browser::Browser, complete::Completion, paste::Paste},
        },
        theme::Look,
    },
};

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The address line.
    Input,
    /// The queue.
    Queue,
    /// The panel that is open.
    Panel,
    /// The log.
    Log,
}

/// The panel between queue and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// None.
    Closed,
    /// Remote files.
    Browser,
    /// All about the selected job.
    Details,
}

/// The state.
#[derive(Clone, Debug)]
pub struct Model {
    /// What holds for every job; the server is named by the first address, if not before.
    pub defaults: Defaults,
    /// The keys.
    pub keys: KeyMap,
    /// Colours and characters.
    pub look: Look,
    /// The address line.
    pub input: LineEdit,
    /// Where keys go.
    pub focus: Focus,
    /// The panel.
    pub panel: Panel,
    /// Remote files.
    pub browser: Option<Browser>,
    /// The queue's rows.
    pub queue: List<Row>,
    /// Their order.
    pub sort: Sort,
    /// Whether the jobs that are done are shown.
    pub unfolded: bool,
    /// The jobs that are done.
    pub(crate) done: Vec<JobId>,
    /// Bytes of those.
    pub(crate) done_bytes: u64,
    /// What is marked.
    pub(crate) marked: Marked,
    /// The queue's filter.
    pub filter: String,
    /// The visible rows of the queue.
    pub rows: Vec<JobView>,
    /// For each of these rows, what distinguishes it from all others of the same name.
    pub(crate) distinctions: Vec<Option<String>>,
    /// The row of the selected job, visible or not.
    pub current: Option<JobView>,
    /// The sums.
    pub totals: Totals,
    /// Bytes a second of all, lately.
    pub(crate) throughput: Vec<f64>,
    /// The pictures of the selected job.
    pub(crate) picture: Picture,
    /// Servers that cannot be reached.
    pub(crate) lost: Vec<LostServer>,
    /// Whether something can be undone.
    pub(crate) can_undo: bool,
    /// How often the queue was read.
    pub(crate) readings: u32,
    /// The log.
    pub log: LogPane,
    /// Whether the log has most of the rows.
    pub large_log: bool,
    /// What has the keys before any pane.
    pub dialog: Dialog,
    /// The question of a download that is open. It has the keys after a dialog.
    pub(crate) deciding: Option<Decision>,
    /// What just happened, if it is to be shown.
    pub notice: Option<Notice>,
    /// Unknown servers: the first one is asked about.
    pub(crate) newcomers: Vec<NewServer>,
    /// Those that the user does not want to be asked about again.
    pub(crate) declined: Vec<NewServer>,
    /// Servers whose identity changed: the first one is shown until it is dismissed.
    pub(crate) alarms: Vec<Server>,
    /// Those that were dismissed.
    pub(crate) silenced: Vec<Server>,
    /// What the last frame had that is on the terminal.
    pub(crate) seen: Seen,
    /// What the last frame had that was drawn.
    pub(crate) drawn: Seen,
    /// The completion that was asked for.
    pub(crate) completion: Option<Completion>,
    /// How many run at the same time.
    pub jobs: usize,
    /// How many connections one file may have.
    pub segments: usize,
    /// First line of the details that is visible.
    pub(crate) details_offset: usize,
    /// The size of the last frame.
    pub(crate) size: Size,
    pub(crate) generation: Option<u64>,
    /// Jobs whose content is received, to keep the first of them visible.
    pub(crate) active: BTreeSet<JobId>,
    tickets: u64,
}

impl Model {
    /// The state at first.
    pub fn new(mut defaults: Defaults, keys: KeyMap, look: Look, log: LogRing) -> Model {
        let Defaults { jobs, segments, paused, in_queue, .. } = defaults;
        let input = LineEdit::with_history(std::mem::take(&mut defaults.history));
        let mut notice = defaults.notice.take();
        if defaults.paused && notice.is_none() {
            let key = keys.shown(Context::Queue, QueueAction::PauseAll);
            let key = key.map(|key| format!("; {key} resumes them")).unwrap_or_default();
            notice = Some(Notice { text: format!("the downloads wait{key}"), bad: false });
        }
        Model {
            defaults,
            keys,
            look,
            input,
            focus: if paused || in_queue { Focus::Queue } else { Focus::Input },
            panel: Panel::Closed,
            browser: None,
            queue: List::default(),
            sort: Sort::default(),
            unfolded: false,
            done: Vec::new(),
            done_bytes: 0,
            marked: Marked::default(),
            filter: String::new(),
            rows: Vec::new(),
            distinctions: Vec::new(),
            current: None,
            totals: Totals::default(),
            throughput: Vec::new(),
            picture: Picture::default(),
            lost: Vec::new(),
            can_undo: false,
            readings: 0,
            log: LogPane::new(log),
            large_log: false,
            dialog: Dialog::None,
            deciding: None,
            notice,
            newcomers: Vec::new(),
            declined: Vec::new(),
            alarms: Vec::new(),
            silenced: Vec::new(),
            seen: Seen::default(),
            drawn: Seen::default(),
            completion: None,
            jobs,
            segments,
            details_offset: 0,
            size: Size { width: 80, height: 24 },
            generation: None,
            active: BTreeSet::new(),
            tickets: 0,
        }
    }

    /// Takes an event of the engine.
    pub fn engine(&mut self, event: &Event) {
        match event {
            Event::Started { id, .. } | Event::Progress { id, .. } => {
                self.active.insert(*id);
            }
            Event::Done { id, finished, .. } => {
                self.active.remove(id);
                let path = &finished.path;
                if let (Some(browser), Some(name)) = (&mut self.browser, path.file_name())
                    && path.parent() == Some(&self.defaults.folder)
                {
                    browser.add_local(Path::new(name), finished.bytes);
                }
            }
            Event::Failed { id, .. } | Event::Undecided { id, .. } | Event::Changed { id, .. } => {
                self.active.remove(id);
            }
            Event::Queued { .. }
            | Event::Retry { .. }
            | Event::Unreachable { .. }
            | Event::Reachable { .. }
            | Event::Source { .. }
            // The log has it.
            | Event::Warning { .. } => {}
        }
    }

    /// A server is not trusted: it is asked about, or warned of, once.
    pub(crate) fn meet(&mut self, doubt: Doubt) {
        match doubt {
            Doubt::New(server) => {
                let declined = self.declined.iter().any(|other| other.server.host() == server.server.host());
                if !declined && !self.newcomers.iter().any(|known| known.is(&server)) {
                    self.newcomers.push(server);
                }
            }
            Doubt::Other(server) => {
                if !self.alarms.iter().chain(&self.silenced).any(|known| known.host() == server.host()) {
                    self.alarms.push(server);
                    // It is shown before any question about a server, which is asked again once the warning was dismissed.
                    if matches!(&self.dialog, Dialog::Prompt(prompt) if prompt.purpose == Purpose::Trust) {
                        self.dialog = Dialog::None;
                    }
                }
            }
        }
    }

    /// Asks about the first unknown server, as soon as nothing else is asked and no warning is shown.
    pub(crate) fn introduce(&mut self) {
        let is_free =
            matches!(self.dialog, Dialog::None) && self.deciding.is_none() && self.alarms.is_empty();
        if is_free && !self.newcomers.is_empty() {
            self.prompt(Purpose::Trust, "");
        }
    }

    /// Where a key is pressed now.
    pub fn context(&self) -> Context {
        let decides = self.deciding.as_ref().map(|_| Context::Decision);
        self.dialog.context().or(decides).unwrap_or(match (self.focus, self.panel) {
            (Focus::Input, _) => Context::Input,
            (Focus::Queue, _) | (Focus::Panel, Panel::Closed) => Context::Queue,
            (Focus::Log, _) => Context::Log,
            (Focus::Panel, Panel::Browser) => Context::Browser,
            (Focus::Panel, Panel::Details) => Context::Details,
        })
    }

    /// The pasted lines that are asked about.
    pub(crate) fn pasted(&self) -> Option<&Paste> {
        match &self.dialog {
            Dialog::Question(Question { pending: Pending::Add(paste), .. }) => Some(paste),
            _ => None,
        }
    }

    /// Asks before it is done.
    pub(crate) fn ask(&mut self, text: String, pending: Pending) {
        self.dialog = Dialog::Question(Question { text, pending });
    }

    /// Prompts for a line, with a text in it.
    pub(crate) fn prompt(&mut self, purpose: Purpose, text: &str) {
        self.dialog = Dialog::Prompt(Prompt::new(purpose, text));
    }

    /// Moves the focus through the panes.
    pub(crate) fn move_focus(&mut self, by: isize) {
        let mut order = vec![Focus::Input, Focus::Queue];
        if self.panel != Panel::Closed {
            order.push(Focus::Panel);
        }
        order.push(Focus::Log);
        let at = order.iter().position(|focus| *focus == self.focus).unwrap_or_default();
        let next = at.checked_add_signed(by).unwrap_or(order.len() - 1) % order.len();
        self.focus = order[next];
    }

    /// Closes the panel; its focus goes to the queue.
    pub(crate) fn close_panel(&mut self) {
        self.panel = Panel::Closed;
        if self.focus == Focus::Panel {
            self.focus = Focus::Queue;
        }
    }

    /// A ticket that was not used before.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Says something in the place of the hints.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false });
    }

    /// Says that something could not be done.
    pub(crate) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true });
    }
}

/// What the user has seen: a pin that was not shown cannot be trusted, and a warning that was not shown cannot be dismissed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The server whose question was there as a whole.
    pub(crate) newcomer: Option<NewServer>,
    /// The server that was warned of.
    pub(crate) alarm: Option<Server>,
}
