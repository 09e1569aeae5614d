//! What a frame reads of the queue, and what the frame on the terminal shows.

use ratatui::layout::Size;

use super::{
    dialog::Dialog,
    layout::Form,
    rows::Row,
    state::{Focus, Model, Panel, Seen},
};
use crate::{
    client::JobView,
    ui::{
        components::input::LineEdit,
        downloads::{content::alarm, queue::Queue},
    },
};

/// Rows below the selected job that are shown with it.
const ROWS_AHEAD: usize = 3;
/// Columns of the sparkline in the header.
pub const SPARKLINE_COLUMNS: usize = 8;
/// After this many readings rows are sorted again whose order changes while jobs run: about every five seconds.
const READINGS_PER_SORT: u32 = 20;

impl Model {
    /// Reads what a frame of this size shows, and no more; whether it differs from what the last one showed.
    pub fn refresh(&mut self, queue: &impl Queue, size: Size) -> bool {
        let resized = self.size != size;
        self.size = size;
        self.adopt(queue);
        let layout = self.layout();
        let first = self.generation.is_none();
        let known = self.generation;
        self.readings = self.readings.wrapping_add(1);
        let moved = self.sort.is_moving() && self.readings.is_multiple_of(READINGS_PER_SORT);
        if moved || self.generation != Some(queue.generation()) {
            self.reread(queue);
            if self.queue.marked() > 0 {
                let all = queue.ids("").into_iter().map(Row::Job);
                self.queue.retain_marks(&all.chain([Row::Done]).collect::<Vec<_>>());
            }
        }
        let is_full = layout.form == Form::Full;
        let rule = u16::from(is_full);
        self.queue.set_height(usize::from(layout.queue.height.saturating_sub(2 * rule)));
        if first {
            self.queue.look_ahead(ROWS_AHEAD);
        }
        let headers = layout.file_headers();
        let mut looked = false;
        if let Some(browser) = &mut self.browser {
            browser.set_height(usize::from(layout.panel.height.saturating_sub(rule + headers)));
            looked = self.panel == Panel::Browser && browser.look(|addresses| queue.queued(addresses));
        }
        if self.focus != Focus::Queue && self.panel != Panel::Details {
            self.show_active();
        }
        let rows = queue.rows(&self.visible_jobs());
        let selected = self.queue.selected().and_then(Row::job);
        let current = rows.iter().find(|row| Some(row.id) == selected).cloned();
        let current = current.or_else(|| queue.rows(&Vec::from_iter(selected)).pop());
        let totals = queue.totals();
        // What is not shown is not read.
        let drawn = selected.filter(|_| self.parts() > 0);
        let throughput = if is_full { queue.throughput(SPARKLINE_COLUMNS) } else { Vec::new() };
        let picture = drawn.map(|id| queue.picture(id, self.parts())).unwrap_or_default();
        let state = (queue.lost_servers(), queue.can_undo(), self.count_marked(queue));
        let logged = self.log.refresh() | self.reread_decision(queue);
        let changed = resized
            || looked
            || logged
            || totals != self.totals
            || throughput != self.throughput
            || picture != self.picture
            || state != (self.lost.clone(), self.can_undo, self.marked)
            || !same(&rows, &self.rows)
            || !same(current.as_slice(), self.current.as_slice());
        // All names are compared, which need not be done for each frame.
        let name = |row: &JobView| (row.id, row.name.clone());
        if known != self.generation || !rows.iter().map(name).eq(self.rows.iter().map(name)) {
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            self.distinctions = queue.distinctions(&ids);
        }
        (self.rows, self.current, self.totals) = (rows, current, totals);
        (self.throughput, self.picture) = (throughput, picture);
        (self.lost, self.can_undo, self.marked) = state;
        changed
    }

    /// Makes the server that was named last the default one, once it has answered. If it is that already, its new token and pin are
    /// taken.
    fn adopt(&mut self, queue: &impl Queue) {
        let Some(named) = self.defaults.named.take_if(|named| queue.has_answered(named)) else { return };
        match &mut self.defaults.server {
            Some(server) => drop(server.follow(&named)),
            none => *none = Some(named),
        }
    }

    /// A frame was drawn of the present state.
    pub fn drawn(&mut self) {
        self.drawn = Seen { newcomer: self.visible_newcomer().cloned(), alarm: alarm::shown(self).cloned() };
    }

    /// The frame that was drawn is on the terminal. Whether it asks about a server that the one before did not ask about: what was
    /// typed before does not answer it.
    pub fn shown(&mut self) -> bool {
        let asks = self.drawn.newcomer.is_some() && self.drawn.newcomer != self.seen.newcomer;
        self.seen = self.drawn.clone();
        if asks && let Dialog::Prompt(prompt) = &mut self.dialog {
            prompt.line = LineEdit::default();
        }
        asks
    }

    /// While the queue has no focus, its selection is on the first job whose content is received.
    fn show_active(&mut self) {
        let selected = self.queue.selected().and_then(Row::job);
        let resting = selected.is_none_or(|id| !self.active.contains(&id));
        if resting
            && self.queue.marked() == 0
            && let Some(first) = self.active.first()
        {
            self.queue.select(Row::Job(*first));
            self.queue.look_ahead(ROWS_AHEAD);
        }
    }
}

/// Whether two lists of rows look alike.
fn same(one: &[JobView], other: &[JobView]) -> bool {
    let key = |row: &JobView| {
        (row.id, row.size, row.received, row.progress, row.speed.map(f64::to_bits), row.eta.map(f64::to_bits))
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| key(a) == key(b) && a.state == b.state && a.name == b.name)
}
