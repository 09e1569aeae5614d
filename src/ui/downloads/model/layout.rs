//! The areas of the screen, as one pure function of its size.
//!
//! ```text
//! full (14 rows and more)                          compact (4 to 13 rows)       line
//! ┌ header: server, transport, sums, speed ─────┐  ┌ header ────────────────┐   one line of sums,
//! │ input                                       │  │ input (6 rows or more) │   or what is asked
//! │ headers of the queue's columns │ side: the  │  │ body: the pane that    │
//! │ rows                           │ selected   │  │   has the focus        │
//! │ ── sums of the queue ───────── │ download   │  │ log: its last line     │
//! │ ── Remote files or Details, if open ─────── │  │ bar                    │
//! │ rows                                        │  └────────────────────────┘
//! │ ── Log ──────────────────────────────────── │
//! │ lines                                       │
//! └ bar: hints, a notice, a prompt, a question ─┘
//! ```
//!
//! The side is there in windows of 120 columns and more. Each pane's area begins with its rule, that of the queue with its headers. What there is no room for has an empty area.

use ratatui::layout::{Rect, Size};

/// The forms of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything.
    Full,
    /// One pane without a rule.
    Compact,
    /// One line.
    Line,
}

/// The pane that has the focus, for the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The address line.
    Input,
    /// The queue.
    Queue,
    /// The remote files or the details.
    Panel,
    /// The log.
    Log,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// Where the focus is.
    pub focus: Pane,
    /// Whether the panel is open.
    pub panel: bool,
    /// Rows that the bar wants: more than one for a long question.
    pub bar: u16,
    /// Whether the log has most of the rows.
    pub large_log: bool,
    /// Whether it is shown what the address line is read as.
    pub reading: bool,
}

/// The areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The form.
    pub form: Form,
    /// Sums; in the form of a line everything.
    pub header: Rect,
    /// The address line.
    pub input: Rect,
    /// What the address line is read as; in the full form it has the place of the queue's headers.
    pub reading: Rect,
    /// The queue with its headers and its sums.
    pub queue: Rect,
    /// The selected download, beside the queue.
    pub side: Rect,
    /// The panel with its rule.
    pub panel: Rect,
    /// The log with its rule.
    pub log: Rect,
    /// Hints and dialogs.
    pub bar: Rect,
}

/// Rows of the bar in the full form, at most: a new server with its whole pin, in the narrowest window.
const MAX_BAR_ROWS: u16 = 8;
/// Rows of the full form, at least.
const MIN_FULL_ROWS: u16 = 14;
/// Columns of a window with a side, at least.
const MIN_SIDE_WIDTH: u16 = 120;
/// Rows of the panel with headers below its rule, at least.
const MIN_HEADED_ROWS: u16 = 5;
/// Rows of the compact form with what the address line is read as, at least.
const MIN_READING_ROWS: u16 = 7;
/// Rows and columns of the compact form, at least.
const MIN_COMPACT: (u16, u16) = (4, 24);

impl Layout {
    /// The areas for a size.
    pub fn new(size: Size, show: Show) -> Layout {
        let Size { width, height } = size;
        let form = match () {
            () if height < MIN_COMPACT.0 || width < MIN_COMPACT.1 => Form::Line,
            () if height < MIN_FULL_ROWS => Form::Compact,
            () => Form::Full,
        };
        let none = Rect::new(0, 0, 0, 0);
        let mut layout = Layout {
            form,
            header: none,
            input: none,
            reading: none,
            queue: none,
            side: none,
            panel: none,
            log: none,
            bar: none,
        };
        let mut top = 0;
        let mut take = |rows: u16| {
            let area = Rect::new(0, top, width, rows);
            top += rows;
            area
        };
        match form {
            Form::Line => layout.header = take(height.min(1)),
            Form::Compact => {
                layout.header = take(1);
                let input = height >= 6 || show.focus == Pane::Input;
                layout.input = if input { take(1) } else { none };
                let reading = input && show.reading && height >= MIN_READING_ROWS;
                if reading {
                    layout.reading = take(1);
                }
                let above = 1 + u16::from(input) + u16::from(reading);
                let bar = show.bar.clamp(1, height - above);
                let log = u16::from(height - above - bar >= 3 && show.focus != Pane::Log);
                let body = take(height - above - bar - log);
                match show.focus {
                    Pane::Panel if show.panel => layout.panel = body,
                    Pane::Log => layout.log = body,
                    _ => layout.queue = body,
                }
                if log == 1 {
                    layout.log = take(1);
                }
                layout.bar = take(bar);
            }
            Form::Full => {
                layout.header = take(1);
                layout.input = take(1);
                let bar = show.bar.clamp(1, MAX_BAR_ROWS);
                let rows = height - 2 - bar;
                let (queue, panel, log) = split(rows, show);
                layout.queue = take(queue);
                let side = side_columns(width);
                layout.queue.width -= side;
                layout.side = Rect { x: layout.queue.right(), width: side, ..layout.queue };
                if show.reading && queue > 2 {
                    layout.reading = Rect { height: 1, ..layout.queue };
                }
                if side == 0 || queue == 0 {
                    layout.side = none;
                }
                layout.panel = if panel > 0 { take(panel) } else { none };
                layout.log = if log > 0 { take(log) } else { none };
                layout.bar = take(bar);
            }
        }
        layout
    }
}

impl Layout {
    /// Rows of the headers of the remote files: none where they would take a third of the rows.
    pub fn file_headers(&self) -> u16 {
        u16::from(self.form == Form::Full && self.panel.height >= MIN_HEADED_ROWS)
    }
}

/// Columns of the side, which there is from a width of 120 on.
fn side_columns(width: u16) -> u16 {
    if width < MIN_SIDE_WIDTH { 0 } else { (width - 76).clamp(44, 72) }
}

/// Rows of the map of a content in a side of this height.
pub const fn map_rows(height: u16) -> u16 {
    if height < 20 { 2 } else { 4 }
}

/// Rows of the queue, the panel and the log, with their rules and headers.
fn split(rows: u16, show: Show) -> (u16, u16, u16) {
    if show.large_log {
        let queue = (rows / 4).max(4);
        return (queue, 0, rows - queue);
    }
    if !show.panel {
        let log = (rows / 3).clamp(4, 14);
        return (rows - log, 0, log);
    }
    // With few rows the log gives way to what was opened.
    let log = if rows < 15 { 0 } else { (rows / 5).clamp(4, 10) };
    let panel = (rows - log).div_ceil(2);
    (rows - log - panel, panel, log)
}

/// Columns of a row of the queue. A width of 0 leaves a column out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The name.
    pub name: u16,
    /// The gauge, or a sentence in its place.
    pub gauge: u16,
    /// `58 %`, to the right.
    pub percent: u16,
    /// `84.2 MB`, to the right.
    pub size: u16,
    /// `61.0 MB/s`, or the state's word, to the right.
    pub state: u16,
    /// `4 m 10 s`, to the right.
    pub eta: u16,
}

/// Columns of a name, at most.
const MAX_NAME_COLUMNS: u16 = 60;

/// Columns before the name: mark, selection, a blank.
pub const MARGIN: u16 = 3;

impl Columns {
    /// The columns for a width: the least important ones are left out first.
    pub fn new(width: u16) -> Columns {
        let (percent, state) = (5, 10);
        let size = if width >= 60 { 7 } else { 0 };
        let eta = if width >= 72 { 9 } else { 0 };
        let gauged = width >= 36;
        let percent = if gauged { percent } else { 0 };
        let with_gap = |column: u16| if column == 0 { 0 } else { column + 1 };
        // One column stays free at the right.
        let fixed = MARGIN + with_gap(percent) + with_gap(size) + with_gap(state) + with_gap(eta) + 1;
        let rest = width.saturating_sub(fixed);
        if !gauged {
            return Columns { name: rest, gauge: 0, percent, size, state, eta };
        }
        let gauge = (rest.saturating_sub(1) * 47 / 100).max(4);
        // In a wide window the eye must still find the way from a name to its numbers.
        let gauge = gauge.max(rest.saturating_sub(MAX_NAME_COLUMNS + 1));
        let name = rest.saturating_sub(gauge + 1);
        Columns { name, gauge, percent, size, state, eta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: u16, height: u16, show: Show) -> Layout {
        Layout::new(Size { width, height }, show)
    }

    const PLAIN: Show = Show { focus: Pane::Queue, panel: false, bar: 1, large_log: false, reading: false };

    #[test]
    fn at_80_by_24_there_is_room_for_everything() {
        let plain = layout(80, 24, PLAIN);
        assert_eq!((plain.form, plain.queue.height, plain.log.height), (Form::Full, 14, 7));
        let open = layout(80, 24, Show { panel: true, ..PLAIN });
        assert_eq!((open.queue.height, open.panel.height, open.log.height), (8, 9, 4));
    }

    #[test]
    fn in_a_wide_window_the_selected_download_is_beside_the_queue() {
        assert_eq!(layout(119, 40, PLAIN).side.width, 0);
        let wide = layout(120, 40, PLAIN);
        assert_eq!((wide.queue.width, wide.side.width, wide.log.width), (76, 44, 120));
        assert_eq!(layout(200, 60, PLAIN).side.width, 72);
    }

    #[test]
    fn a_large_log_leaves_a_few_rows_of_the_queue() {
        let large = layout(80, 24, Show { panel: true, large_log: true, ..PLAIN });
        assert_eq!((large.queue.height, large.panel.height, large.log.height), (5, 0, 16));
    }

    #[test]
    fn at_40_by_8_it_is_compact() {
        let compact = layout(40, 8, PLAIN);
        assert_eq!(compact.form, Form::Compact);
        assert_eq!((compact.queue.height, compact.log.height, compact.bar.height), (4, 1, 1));
        assert_eq!(layout(40, 3, PLAIN).form, Form::Line);
        assert_eq!(layout(10, 24, PLAIN).form, Form::Line);
    }

    #[test]
    fn at_every_size_areas_lie_inside_and_apart() {
        for width in (1..130).chain([300]) {
            for height in (0..60).chain([100]) {
                for focus in [Pane::Input, Pane::Queue, Pane::Panel, Pane::Log] {
                    for (panel, bar) in [(false, 1), (true, 1), (false, 3), (true, 9)] {
                        let large_log = bar == 3 && focus == Pane::Log;
                        let reading = focus == Pane::Input && bar == 1;
                        let all = layout(width, height, Show { focus, panel, bar, large_log, reading });
                        // In the full form it is a row of the queue.
                        let own = if all.form == Form::Full { Rect::ZERO } else { all.reading };
                        let areas =
                            [all.header, all.input, all.queue, all.panel, all.log, all.bar, own, all.side];
                        let rows: u16 = areas[..7].iter().map(|area| area.height).sum();
                        assert!(rows <= height, "{width}×{height} {all:?}");
                        assert!(all.form == Form::Line || rows == height, "{width}×{height} {all:?}");
                        for (index, one) in areas.iter().enumerate() {
                            let right = if index == 2 { width - all.side.width } else { width };
                            assert!(one.is_empty() || (one.bottom() <= height && one.right() == right));
                            assert!(areas[index + 1..].iter().all(|other| !one.intersects(*other)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn columns_fill_the_width_and_the_numbers_keep_theirs() {
        for width in 24..=300 {
            let Columns { name, gauge, percent, size, state, eta } = Columns::new(width);
            let shown = [name, gauge, percent, size, state, eta].iter().filter(|column| **column > 0).count();
            let used = MARGIN + name + gauge + percent + size + state + eta + shown as u16 - 1;
            assert!(used < width, "{width}: {used}");
            assert!(name >= 8, "{width}: {name}");
        }
        let Columns { name, gauge, .. } = Columns::new(80);
        assert_eq!((name, gauge), (22, 18));
    }
}
