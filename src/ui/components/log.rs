//! The log pane: a window over the log's ring.
//!
//! It follows only while it is at the bottom. Anywhere else it stays on its record, whatever is logged or
//! dropped, and shows how many are new below. Of 10,000 records only the visible ones are read.

use std::collections::VecDeque;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use tracing::Level;

use super::widgets::{clip, put, wrap};
use crate::{
    logging::{LogRing, Record},
    ui::{
        actions::MoveAction,
        theme::{Look, Theme},
    },
};

/// Columns of the clock and the space after it; continuation lines are indented by as much.
const CLOCK_COLUMNS: u16 = 9;
/// Records that are read at a time when the ring is searched.
const MAX_CHUNK: u64 = 512;

/// In a pane of fewer rows a record has one row and is cut.
const MIN_WRAPPING_ROWS: usize = 3;

/// A scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scroll {
    /// By this many records towards the older ones.
    Up(usize),
    /// By this many records towards the newer ones.
    Down(usize),
    /// To the oldest one.
    Top,
    /// To the newest one, and follow.
    Bottom,
}

/// The state of a log pane.
#[derive(Clone, Debug)]
pub struct LogPane {
    ring: LogRing,
    /// Records that were looked at: the number of the first that was not.
    seen: u64,
    /// Numbers of the kept records that pass the filters, oldest first.
    matching: VecDeque<u64>,
    /// The number of the lowest visible record; `None` while it follows.
    anchor: Option<u64>,
    level: Level,
    text: String,
}

impl LogPane {
    /// A pane that follows, with everything from `INFO` up.
    pub fn new(ring: LogRing) -> LogPane {
        LogPane {
            ring,
            seen: 0,
            matching: VecDeque::new(),
            anchor: None,
            level: Level::INFO,
            text: String::new(),
        }
    }

    /// Reads what was logged since the last call; whether the pane looks different now.
    pub fn refresh(&mut self) -> bool {
        let kept = self.ring.kept();
        let mut fallen_out = false;
        while self.matching.front().is_some_and(|number| *number < kept.start) {
            self.matching.pop_front();
            fallen_out = true;
        }
        let before = self.matching.len();
        let mut next = self.seen.max(kept.start);
        while next < kept.end {
            let records = self.ring.get(next..(next + MAX_CHUNK).min(kept.end));
            for (number, record) in (next..).zip(&records) {
                if self.passes(record) {
                    self.matching.push_back(number);
                }
            }
            next = (next + MAX_CHUNK).min(kept.end);
        }
        self.seen = kept.end;
        fallen_out || self.matching.len() != before
    }

    fn passes(&self, record: &Record) -> bool {
        // Levels compare by verbosity: ERROR is the smallest.
        record.level <= self.level
            && (self.text.is_empty() || sentence(record).to_lowercase().contains(&self.text))
    }

    fn search_again(&mut self) {
        self.matching.clear();
        self.seen = 0;
        self.refresh();
    }

    /// The least severe level that is shown.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Shows this level and all more severe ones.
    pub fn set_level(&mut self, level: Level) {
        self.level = level;
        self.search_again();
    }

    /// Shows the next level: info, warnings, errors, everything, info …
    pub fn next_level(&mut self) {
        self.set_level(match self.level {
            Level::INFO => Level::WARN,
            Level::WARN => Level::ERROR,
            Level::ERROR => Level::DEBUG,
            _ => Level::INFO,
        });
    }

    /// The text that records must contain; empty if any do.
    pub fn filter(&self) -> &str {
        &self.text
    }

    /// Shows records that contain a text, in whatever case.
    pub fn set_filter(&mut self, text: &str) {
        self.text = text.to_lowercase();
        self.search_again();
    }

    /// Whether it follows.
    pub fn follows(&self) -> bool {
        self.anchor.is_none()
    }

    /// Whether no record passes the filters.
    pub fn is_empty(&self) -> bool {
        self.matching.is_empty()
    }

    /// Whether there are records, and the filters hide them all.
    pub fn hides_all(&self) -> bool {
        self.matching.is_empty() && !self.ring.kept().is_empty()
    }

    /// The lowest visible record, as a line: the one that is marked while the pane has the keys.
    pub fn current(&self) -> Option<String> {
        let number = *self.matching.get(self.end().checked_sub(1)?)?;
        let record = self.ring.get(number..number + 1).pop()?;
        Some(format!("{} {}", record.clock(), sentence(&record)))
    }

    /// Matching records below the lowest visible one.
    pub fn new_below(&self) -> usize {
        self.matching.len() - self.end()
    }

    /// Scrolls; `height` is that of the pane.
    pub fn scroll(&mut self, scroll: Scroll, height: usize) {
        let all = self.matching.len();
        let end = match scroll {
            Scroll::Up(records) => self.end().saturating_sub(records),
            Scroll::Down(records) => self.end().saturating_add(records),
            Scroll::Top => 0,
            Scroll::Bottom => all,
        };
        // The oldest record stays at the top of a full pane.
        let end = end.max(height.min(all));
        self.anchor = if end >= all { None } else { self.matching.get(end.saturating_sub(1)).copied() };
    }

    /// Scrolls as a key says; `height` is that of the pane. A page leaves a record that both show.
    pub fn travel(&mut self, action: MoveAction, height: usize) {
        let page = height.saturating_sub(1).max(1);
        let scroll = match action {
            MoveAction::Up => Scroll::Up(1),
            MoveAction::Down => Scroll::Down(1),
            MoveAction::PageUp => Scroll::Up(page),
            MoveAction::PageDown => Scroll::Down(page),
            MoveAction::First => Scroll::Top,
            MoveAction::Last => Scroll::Bottom,
        };
        self.scroll(scroll, height);
    }

    /// How many of the matching records lie above the pane's lower end.
    fn end(&self) -> usize {
        match self.anchor {
            None => self.matching.len(),
            // A record that was dropped, or that the filter hides now, is replaced by the next.
            Some(anchor) => {
                (self.matching.partition_point(|number| *number <= anchor)).max(1).min(self.matching.len())
            }
        }
    }

    /// The note of the pane's rule: `following, info and up`, `12 new below, warnings and up, "iso"`.
    pub fn note(&self) -> String {
        let place = match self.anchor {
            None => "following".to_owned(),
            Some(_) => format!("{} new below", self.new_below()),
        };
        let level = self.level_word();
        match self.text.as_str() {
            "" => format!("{place}, {level}"),
            text => format!("{place}, {level}, \"{text}\""),
        }
    }

    /// Which levels are shown.
    pub fn level_word(&self) -> &'static str {
        match self.level {
            Level::ERROR => "errors",
            Level::WARN => "warnings and up",
            Level::INFO => "info and up",
            _ => "everything",
        }
    }

    /// Draws the visible lines, the newest at the bottom once there are enough. `focused`: the lowest record is marked.
    pub fn render(&self, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
        let (rows, columns) = (usize::from(area.height), usize::from(area.width));
        if rows == 0 || columns == 0 {
            return;
        }
        let end = self.end();
        let numbers = self.matching.range(end.saturating_sub(rows)..end);
        let mut lines: VecDeque<(Option<String>, String, Style)> = VecDeque::with_capacity(rows);
        'records: for number in numbers.rev() {
            let Some(record) = self.ring.get(*number..*number + 1).pop() else { continue };
            let style = style(record.level, &look.theme);
            let indent =
                if columns > 3 * usize::from(CLOCK_COLUMNS) { usize::from(CLOCK_COLUMNS) } else { 0 };
            let text = sentence(&record);
            let clipped;
            let wrapped = if rows < MIN_WRAPPING_ROWS {
                clipped = clip(&text, columns - indent, &look.glyphs);
                vec![clipped.as_str()]
            } else {
                wrap(&text, columns - indent)
            };
            for (index, line) in wrapped.into_iter().enumerate().rev() {
                let clock = (index == 0 && indent > 0).then(|| record.clock());
                lines.push_front((clock, line.to_owned(), style));
                if lines.len() == rows {
                    break 'records;
                }
            }
        }
        let indent = if columns > 3 * usize::from(CLOCK_COLUMNS) { CLOCK_COLUMNS } else { 0 };
        let marked = lines.iter().rposition(|(clock, ..)| clock.is_some()).filter(|_| focused);
        for (index, (y, (clock, line, style))) in (area.y..).zip(&lines).enumerate() {
            if let Some(clock) = clock {
                let style = if marked == Some(index) { look.theme.accent } else { look.theme.dim };
                put(buf, area, area.x, y, clock, style);
            }
            put(buf, area, area.x + indent, y, line, *style);
        }
    }
}

fn style(level: Level, theme: &Theme) -> Style {
    match level {
        Level::ERROR => theme.bad,
        Level::WARN => theme.warn,
        Level::INFO => theme.plain,
        _ => theme.dim,
    }
}

/// A record with the word for its level.
fn sentence(record: &Record) -> String {
    match word(record.level) {
        "" => record.text.to_string(),
        word => format!("{word}: {}", record.text),
    }
}

/// Words carry the level where colours cannot.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;
    use crate::text::SafeText;

    fn record(level: Level, text: &str) -> Record {
        Record { time: OffsetDateTime::UNIX_EPOCH, level, text: SafeText::new(text) }
    }

    fn filled(capacity: usize, records: usize) -> (LogRing, LogPane) {
        let ring = LogRing::with_capacity(capacity);
        for number in 0..records {
            ring.push(record(Level::INFO, &format!("record {number}")));
        }
        let mut pane = LogPane::new(ring.clone());
        pane.refresh();
        (ring, pane)
    }

    fn shown(pane: &LogPane, columns: u16, rows: u16) -> Vec<String> {
        let area = Rect::new(0, 0, columns, rows);
        let mut buf = Buffer::empty(area);
        pane.render(area, &mut buf, false, &Look::default());
        (0..rows)
            .map(|y| (0..columns).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn it_follows_at_the_bottom_only() {
        let (ring, mut pane) = filled(100, 5);
        assert_eq!(shown(&pane, 20, 2), ["record 3", "record 4"]);
        pane.scroll(Scroll::Up(1), 2);
        ring.push(record(Level::INFO, "record 5"));
        assert!(pane.refresh());
        assert_eq!(shown(&pane, 20, 2), ["record 2", "record 3"]);
        assert_eq!(pane.note(), "2 new below, info and up");
        pane.scroll(Scroll::Down(2), 2);
        assert_eq!(pane.note(), "following, info and up");
        ring.push(record(Level::INFO, "record 6"));
        pane.refresh();
        assert_eq!(shown(&pane, 40, 2), ["00:00:00 record 5", "00:00:00 record 6"]);
    }

    #[test]
    fn it_stands_still_while_old_records_fall_out() {
        let (ring, mut pane) = filled(10, 10);
        pane.scroll(Scroll::Up(3), 2);
        assert_eq!(shown(&pane, 20, 2), ["record 5", "record 6"]);
        for number in 10..14 {
            ring.push(record(Level::INFO, &format!("record {number}")));
        }
        pane.refresh();
        assert_eq!(shown(&pane, 20, 2), ["record 5", "record 6"]);
        for number in 14..20 {
            ring.push(record(Level::INFO, &format!("record {number}")));
        }
        pane.refresh();
        assert_eq!(shown(&pane, 20, 2), ["record 10", ""], "its record was dropped: the oldest one");
    }

    #[test]
    fn the_ends_are_the_ends() {
        let (_, mut pane) = filled(100, 9);
        pane.scroll(Scroll::Top, 3);
        assert_eq!(shown(&pane, 20, 3), ["record 0", "record 1", "record 2"]);
        pane.scroll(Scroll::Up(5), 3);
        assert_eq!(shown(&pane, 20, 3)[0], "record 0");
        pane.scroll(Scroll::Bottom, 3);
        assert!(pane.follows());
        let (_, mut short) = filled(100, 2);
        short.scroll(Scroll::Up(1), 3);
        assert!(short.follows(), "a pane that shows everything follows");
    }

    #[test]
    fn level_and_text_filter() {
        let (ring, mut pane) = filled(100, 2);
        ring.push(record(Level::DEBUG, "a detail"));
        ring.push(record(Level::WARN, "Disk nearly FULL"));
        ring.push(record(Level::ERROR, "disk full"));
        pane.refresh();
        assert_eq!(pane.matching.len(), 4);
        pane.set_level(Level::WARN);
        assert_eq!(shown(&pane, 60, 2)[0], "00:00:00 warning: Disk nearly FULL");
        assert_eq!(shown(&pane, 60, 2)[1], "00:00:00 error: disk full");
        pane.set_filter("Nearly");
        assert_eq!(shown(&pane, 60, 2), ["00:00:00 warning: Disk nearly FULL", ""]);
        assert_eq!(pane.note(), "following, warnings and up, \"nearly\"");
    }

    #[test]
    fn a_search_finds_levels_and_the_lowest_line_can_be_copied() {
        let (ring, mut pane) = filled(100, 2);
        ring.push(record(Level::WARN, "the link was lost"));
        ring.push(record(Level::INFO, "record 9"));
        pane.refresh();
        assert_eq!(pane.current().as_deref(), Some("00:00:00 record 9"));
        pane.set_filter("warn");
        assert_eq!(pane.current().as_deref(), Some("00:00:00 warning: the link was lost"));
        pane.set_filter("no such line");
        assert!(pane.hides_all());
        assert_eq!(pane.current(), None);
        assert!(!LogPane::new(LogRing::with_capacity(9)).hides_all(), "nothing is hidden where nothing is");
    }

    #[test]
    fn nothing_new_is_nothing_to_draw() {
        let (ring, mut pane) = filled(100, 2);
        assert!(!pane.refresh());
        ring.push(record(Level::DEBUG, "not shown"));
        assert!(!pane.refresh());
    }

    proptest! {
        #[test]
        fn it_draws_at_any_size(columns in 0_u16..60, rows in 0_u16..20, up in 0_usize..30) {
            let (_, mut pane) = filled(20, 30);
            pane.scroll(Scroll::Up(up), usize::from(rows));
            shown(&pane, columns, rows);
        }
    }
}
