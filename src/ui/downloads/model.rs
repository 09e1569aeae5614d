//! The state of the download screen.

use std::{collections::BTreeSet, path::PathBuf};

use ratatui::layout::Size;

use super::{
    complete::Completion,
    dialog::{Dialog, Prompt, Purpose},
    effect::Ticket,
    layout::{Form as ScreenForm, Layout, Pane, Show},
    list::List,
    queue::Queue,
};
use crate::{
    client::{Doubt, Event, Existing, Form, JobId, JobView, NewServer, Speak, Totals},
    logging::LogRing,
    protocol::address::Authority,
    ui::{
        actions::{Action, Context, KeyMap},
        browser::Browser,
        input::LineEdit,
        log::LogPane,
        theme::Look,
    },
};

/// What holds for every job that is added, and how the screen begins.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The server that paths without one belong to.
    pub server: Option<Authority>,
    /// The one that they are to belong to once it has answered: until then nobody knows whether it is believed.
    pub named: Option<Authority>,
    /// What to speak.
    pub speak: Speak,
    /// How directories come.
    pub form: Form,
    /// Where downloads go (absolute).
    pub folder: PathBuf,
    /// What to do when a target exists.
    pub existing: Existing,
    /// Whether archives are unpacked.
    pub extract: bool,
    /// How many run at the same time at first.
    pub jobs: usize,
    /// How many connections one file may have at first.
    pub segments: usize,
    /// Whether the listing of the server is open at first.
    pub browse: bool,
    /// What was typed into the address line in earlier runs, the last one at the end.
    pub history: Vec<String>,
    /// What has to be said at first.
    pub notice: Option<Notice>,
    /// Whether the queue outlives this run.
    pub kept: bool,
    /// The place in the queue that the selection rests on at first.
    pub selected: usize,
    /// Whether nothing goes on by itself: the queue has the keys at first, to be let go on.
    pub paused: bool,
}

/// Rows below the job that the selection rests on which are shown with it: what comes next.
const AHEAD: usize = 3;

/// What a person types to.
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

/// One line in the place of the hints, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Whether something could not be done.
    pub bad: bool,
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
    /// The queue's ids.
    pub queue: List<JobId>,
    /// The queue's filter.
    pub filter: String,
    /// The visible rows of the queue.
    pub rows: Vec<JobView>,
    /// The row of the selected job, visible or not.
    pub current: Option<JobView>,
    /// The sums.
    pub totals: Totals,
    /// The log.
    pub log: LogPane,
    /// What has the keys before any pane.
    pub dialog: Dialog,
    /// What just happened, if that needs to be said.
    pub notice: Option<Notice>,
    /// Servers that nobody knows yet: the first one is asked about.
    pub(super) newcomers: Vec<NewServer>,
    /// Those that the user does not want to be asked about again.
    pub(super) declined: Vec<NewServer>,
    /// Servers that are not the ones that they should be: the first one is shown until it was put away.
    pub(super) alarms: Vec<Authority>,
    /// Those that were put away.
    pub(super) silenced: Vec<Authority>,
    /// What the last frame had that is on the terminal.
    pub(super) seen: Seen,
    /// What the last frame had that was drawn.
    drawn: Seen,
    /// The completion that was asked for.
    pub(super) completion: Option<Completion>,
    /// How many run at the same time.
    pub jobs: usize,
    /// How many connections one file may have.
    pub segments: usize,
    /// First line of the details that is visible.
    pub(super) details_offset: usize,
    /// The size of the last frame.
    pub(super) size: Size,
    generation: Option<u64>,
    /// Jobs whose content comes, to keep the first of them in sight.
    active: BTreeSet<JobId>,
    tickets: u64,
}

impl Model {
    /// The state at first.
    pub fn new(mut defaults: Defaults, keys: KeyMap, look: Look, log: LogRing) -> Model {
        let Defaults { jobs, segments, paused, .. } = defaults;
        let input = LineEdit::with_history(std::mem::take(&mut defaults.history));
        let mut notice = defaults.notice.take();
        if defaults.paused && notice.is_none() {
            let key = keys.shown(Context::Queue, Action::PauseAll);
            let key = key.map(|key| format!("; {key} resumes them")).unwrap_or_default();
            notice = Some(Notice { text: format!("the downloads wait{key}"), bad: false });
        }
        Model {
            defaults,
            keys,
            look,
            input,
            focus: if paused { Focus::Queue } else { Focus::Input },
            panel: Panel::Closed,
            browser: None,
            queue: List::default(),
            filter: String::new(),
            rows: Vec::new(),
            current: None,
            totals: Totals::default(),
            log: LogPane::new(log),
            dialog: Dialog::None,
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

    /// Reads what a frame of this size shows, and no more; whether it differs from what the last one showed.
    pub fn refresh(&mut self, queue: &impl Queue, size: Size) -> bool {
        let resized = self.size != size;
        self.size = size;
        self.adopt(queue);
        let layout = self.layout();
        let (generation, first) = (queue.generation(), self.generation.is_none());
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.queue.set_keys(queue.ids(&self.filter));
            if self.queue.marked() > 0 {
                self.queue.retain_marks(&queue.ids(""));
            }
        }
        let rule = u16::from(layout.form == ScreenForm::Full);
        self.queue.set_height(usize::from(layout.queue.height.saturating_sub(rule)));
        if first {
            self.queue.go(self.defaults.selected);
            self.queue.look_ahead(AHEAD);
        }
        if let Some(browser) = &mut self.browser {
            browser.set_height(usize::from(layout.panel.height.saturating_sub(rule)));
        }
        if self.focus != Focus::Queue && self.panel != Panel::Details {
            self.show_active();
        }
        let rows = queue.rows(self.queue.visible());
        let selected = self.queue.selected();
        let current = rows.iter().find(|row| Some(row.id) == selected).cloned();
        let current = current.or_else(|| queue.rows(&Vec::from_iter(selected)).pop());
        let totals = queue.totals();
        let logged = self.log.refresh();
        let changed = resized
            || logged
            || totals != self.totals
            || !same(&rows, &self.rows)
            || !same(current.as_slice(), self.current.as_slice());
        (self.rows, self.current, self.totals) = (rows, current, totals);
        changed
    }

    /// Takes the server that was named last for the one at hand, once it has answered. Of one that is at hand, a new token and pin
    /// are taken.
    fn adopt(&mut self, queue: &impl Queue) {
        let Some(named) = self.defaults.named.take_if(|named| queue.has_answered(named)) else { return };
        match &mut self.defaults.server {
            Some(server) => drop(server.follow(&named)),
            none => *none = Some(named),
        }
    }

    /// A frame was drawn of what is here now.
    pub fn drawn(&mut self) {
        self.drawn = Seen {
            newcomer: super::view::trust::shown(self).cloned(),
            alarm: super::view::alarm::shown(self).cloned(),
        };
    }

    /// The frame that was drawn is on the terminal. Whether it asks about a server that the one before did not ask about: what was
    /// typed before is no answer to that.
    pub fn shown(&mut self) -> bool {
        let asks = self.drawn.newcomer.is_some() && self.drawn.newcomer != self.seen.newcomer;
        self.seen = self.drawn.clone();
        if asks && let Dialog::Prompt(prompt) = &mut self.dialog {
            prompt.line = LineEdit::default();
        }
        asks
    }

    /// Has the ids read again: the filter has changed.
    pub(super) fn reread(&mut self, queue: &impl Queue) {
        self.queue.set_keys(queue.ids(&self.filter));
        self.generation = Some(queue.generation());
    }

    /// Where everything stands at present.
    pub fn layout(&self) -> Layout {
        Layout::new(self.size, self.show(self.size.width))
    }

    /// What is to be shown on a screen of so many columns.
    pub(super) fn show(&self, columns: u16) -> Show {
        let focus = match self.focus {
            Focus::Input => Pane::Input,
            Focus::Queue => Pane::Queue,
            Focus::Panel => Pane::Panel,
            Focus::Log => Pane::Log,
        };
        Show { focus, panel: self.panel != Panel::Closed, bar: super::view::bar::rows(self, columns) }
    }

    /// Visible lines of the log.
    pub(super) fn log_rows(&self) -> usize {
        let layout = self.layout();
        let rule = u16::from(layout.form == ScreenForm::Full);
        usize::from(layout.log.height.saturating_sub(rule))
    }

    /// Takes in what the engine says.
    pub fn engine(&mut self, event: &Event) {
        match event {
            Event::Started { id, .. } | Event::Progress { id, .. } => {
                self.active.insert(*id);
            }
            Event::Done { id, .. } | Event::Failed { id, .. } | Event::Changed { id, .. } => {
                self.active.remove(id);
            }
            Event::Queued { .. }
            | Event::Retry { .. }
            | Event::Unreachable { .. }
            | Event::Reachable { .. }
            // The log has it.
            | Event::Warning { .. } => {}
        }
    }

    /// A server is not believed: it is to be asked about, or warned of, once.
    pub(super) fn meet(&mut self, doubt: Doubt) {
        match doubt {
            Doubt::New(server) => {
                let declined = self.declined.iter().any(|other| other.authority.is_at(&server.authority));
                if !declined && !self.newcomers.iter().any(|known| known.is(&server)) {
                    self.newcomers.push(server);
                }
            }
            Doubt::Other(server) => {
                if !self.alarms.iter().chain(&self.silenced).any(|known| known.is_at(&server)) {
                    self.alarms.push(server);
                    // It comes before any question about a server, which is asked again once it was put away.
                    if matches!(self.dialog, Dialog::Prompt(Prompt { purpose: Purpose::Trust, .. })) {
                        self.dialog = Dialog::None;
                    }
                }
            }
        }
    }

    /// Asks about the first server that nobody knows, as soon as nothing else is asked, and nothing warned of.
    pub(super) fn introduce(&mut self) {
        let is_free = matches!(self.dialog, Dialog::None) && self.alarms.is_empty();
        if is_free && !self.newcomers.is_empty() {
            let (line, before) = (LineEdit::default(), String::new());
            self.dialog = Dialog::Prompt(Prompt { purpose: Purpose::Trust, line, before, problem: None });
        }
    }

    /// While nobody moves about in the queue, its selection rests on the first job whose content comes.
    fn show_active(&mut self) {
        let resting = self.queue.selected().is_none_or(|id| !self.active.contains(&id));
        if resting
            && self.queue.marked() == 0
            && let Some(first) = self.active.first()
        {
            self.queue.select(*first);
            self.queue.look_ahead(AHEAD);
        }
    }

    /// A ticket that was not used before.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Says something in the place of the hints.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false });
    }

    /// Says that something could not be done.
    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true });
    }
}

/// What somebody has had before their eyes: who has seen no pin can trust none, and no warning can be put away unseen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The server whose question was there as a whole.
    pub(super) newcomer: Option<NewServer>,
    /// The server that was warned of.
    pub(super) alarm: Option<Authority>,
}

/// Whether two lists of rows look alike.
fn same(one: &[JobView], other: &[JobView]) -> bool {
    let key = |row: &JobView| {
        (row.id, row.size, row.received, row.progress, row.speed.map(f64::to_bits), row.eta.map(f64::to_bits))
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| key(a) == key(b) && a.state == b.state && a.name == b.name)
}
