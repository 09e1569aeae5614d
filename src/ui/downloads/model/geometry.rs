//! Where the parts of the model are on the screen.

use super::{
    layout::{Form, Layout, Pane, Show, map_rows},
    state::{Focus, Model, Panel},
};
use crate::{
    client::NewServer,
    ui::downloads::content::{self, bar, details, reading, trust},
};

impl Model {
    /// The areas at the present size.
    pub fn layout(&self) -> Layout {
        Layout::new(self.size, self.show(self.size.width))
    }

    /// What is to be shown on a screen of this many columns.
    pub(crate) fn show(&self, columns: u16) -> Show {
        let focus = match self.focus {
            Focus::Input => Pane::Input,
            Focus::Queue => Pane::Queue,
            Focus::Panel => Pane::Panel,
            Focus::Log => Pane::Log,
        };
        let bar = bar::rows(self, columns);
        // What is asked about has the place of the panel.
        if self.pasted().is_some() {
            return Show { focus: Pane::Panel, panel: true, bar, large_log: false, reading: false };
        }
        let large_log = self.large_log && self.focus != Focus::Panel;
        let reading = reading::is_shown(self);
        Show { focus, panel: self.panel != Panel::Closed, bar, large_log, reading }
    }

    /// Visible lines of the log.
    pub(crate) fn log_rows(&self) -> usize {
        let layout = self.layout();
        let rule = u16::from(layout.form == Form::Full);
        usize::from(layout.log.height.saturating_sub(rule))
    }

    /// Visible rows of the panel.
    pub(crate) fn panel_rows(&self) -> usize {
        let layout = self.layout();
        let rule = u16::from(layout.form == Form::Full);
        usize::from(layout.panel.height.saturating_sub(rule))
    }

    /// Parts of the content that its map shows: none if no map is shown.
    pub(crate) fn parts(&self) -> usize {
        let Layout { side, panel, .. } = self.layout();
        match self.panel {
            _ if !side.is_empty() => usize::from(side.width - 4) * usize::from(map_rows(side.height)),
            Panel::Details => details::columns(panel.width),
            Panel::Browser | Panel::Closed => 0,
        }
    }

    /// Visible rows of the details, and lines in all.
    pub(crate) fn details_extent(&self) -> (usize, usize) {
        let layout = self.layout();
        (self.panel_rows(), details::lines(self, layout.panel).len())
    }

    /// The server whose question has room on the screen, with the row that is typed in.
    pub(crate) fn visible_newcomer(&self) -> Option<&NewServer> {
        let server = trust::asked(self)?;
        let layout = self.layout();
        let rows = trust::rows(server, content::columns(layout.bar.width), &self.look.glyphs).len();
        (layout.form != Form::Line && rows < usize::from(layout.bar.height)).then_some(server)
    }
}
