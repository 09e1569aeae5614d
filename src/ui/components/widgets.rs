//! Small pieces that both screens draw with: cut text, rules with titles, gauges, sparklines.

use ratatui::{
    buffer::{Buffer, CellWidth},
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::ui::theme::{Glyphs, Look};

/// An area without its first and last column.
pub fn inset(area: Rect) -> Rect {
    let columns = u16::from(area.width > 2);
    Rect { x: area.x + columns, width: area.width - 2 * columns, ..area }
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The word for a connection's transport, in `columns` if possible. A connection without TLS is always named: others on the
/// network can read it.
pub fn transport(is_encrypted: bool, columns: usize) -> &'static str {
    let long = "not encrypted";
    match is_encrypted {
        true => "TLS",
        false if long.width() <= columns => long,
        false => "plain",
    }
}

/// The text, or its beginning and an ellipsis, in at most `columns`.
pub fn clip(text: &str, columns: usize, glyphs: &Glyphs) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let ellipsis = ellipsis(columns, glyphs);
    let mut clipped = head(text, columns - ellipsis.width()).to_owned();
    clipped.push_str(ellipsis);
    clipped
}

/// The text, or its two ends with an ellipsis between, in at most `columns`: for names and paths, whose ends
/// are more specific than their middle.
pub fn clip_middle(text: &str, columns: usize, glyphs: &Glyphs) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let ellipsis = ellipsis(columns, glyphs);
    let left = columns - ellipsis.width();
    let front = head(text, left / 2);
    let back = tail(text, left - front.width());
    format!("{front}{ellipsis}{back}")
}

fn ellipsis(columns: usize, glyphs: &Glyphs) -> &'static str {
    if glyphs.ellipsis.width() <= columns { glyphs.ellipsis } else { "" }
}

/// The longest beginning of a text that fits.
pub fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &text[..index];
        }
    }
    text
}

fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &text[index + c.len_utf8()..];
        }
    }
    text
}

/// Cuts a text into lines of at most `columns`, at spaces where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.trim_end_matches(' ');
    loop {
        // No more is measured than a line has: what others wrote may be long, and is measured for each frame.
        let fits = drawn_head(rest, columns);
        if fits.len() == rest.len() {
            break;
        }
        let cut = match fits.rfind(' ') {
            // Not where it would leave most of the line empty.
            Some(space) if space >= fits.len() / 3 => space + 1,
            // One character that is wider than the pane must not hold the loop up.
            _ if fits.is_empty() => rest.graphemes(true).next().map_or(rest.len(), str::len),
            _ => fits.len(),
        };
        lines.push(rest[..cut].trim_end_matches(' '));
        rest = &rest[cut..];
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest);
    }
    lines
}

/// A text in at most this many lines; an ellipsis ends the last one if there is more.
pub fn wrap_in(text: &str, columns: usize, rows: u16, glyphs: &Glyphs) -> Vec<String> {
    let rows = usize::from(rows);
    let all = wrap(text, columns);
    let mut lines: Vec<String> = all.iter().take(rows).map(|line| (*line).to_owned()).collect();
    if all.len() > rows
        && let Some(last) = lines.last_mut()
    {
        let ellipsis = ellipsis(columns, glyphs);
        *last = format!("{}{ellipsis}", drawn_head(last, columns - ellipsis.width()));
    }
    lines
}

/// The longest beginning that fits as it is drawn: character by character as a person sees them, some of which consist
/// of several.
fn drawn_head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, grapheme) in text.grapheme_indices(true) {
        used += usize::from(grapheme.cell_width());
        if used > columns {
            return &text[..index];
        }
    }
    text
}

/// Writes text from a position on, never beyond the right end of `area`; gives the column after it.
pub fn put(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    if !area.contains(Position { x, y }) {
        return x;
    }
    buf.set_stringn(x, y, text, usize::from(area.right() - x), style).0
}

/// Writes a line from the left end of a row of `area` on.
pub fn put_line(buf: &mut Buffer, area: Rect, y: u16, line: &Line<'_>) {
    if area.contains(Position { x: area.x, y }) {
        buf.set_line(area.x, y, line, area.width);
    }
}

/// Writes a text so that it ends at the right end of a row of `area`; gives the column where it begins.
pub fn put_right(buf: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) -> u16 {
    let text = head(text, usize::from(area.width));
    let columns = u16::try_from(text.width()).unwrap_or(u16::MAX).min(area.width);
    let x = area.right() - columns;
    put(buf, area, x, y, text, style);
    x
}

/// Marks a row as the selected one of its table. If the table has the keys, only a gauge keeps its colours.
pub fn mark_selected(buf: &mut Buffer, row: Rect, gauge: Option<Rect>, focused: bool, look: &Look) {
    put(buf, row, row.x + 1, row.y, look.glyphs.selected, look.theme.accent);
    let style = if focused { look.theme.selected } else { look.theme.selected_idle };
    let gauge = gauge.unwrap_or(Rect { x: row.right(), width: 0, ..row }).intersection(row);
    buf.set_style(Rect { width: gauge.x - row.x, ..row }, style);
    let rest = Rect { x: gauge.right(), width: row.right().saturating_sub(gauge.right()), ..row };
    buf.set_style(rest, style);
}

/// A rule over the first row of `area` with a title near its left end and a note near its right one:
/// ` ── Queue ────────── 3 of 7 ──`.
pub fn rule(buf: &mut Buffer, area: Rect, title: &str, note: &str, focused: bool, look: &Look) {
    if area.is_empty() {
        return;
    }
    let Look { theme, glyphs } = look;
    let columns = usize::from(area.width);
    let end = area.right() - 1;
    let line = |buf: &mut Buffer, from: u16, to: u16| {
        put(buf, area, from, area.y, &glyphs.rule.repeat(usize::from(to.saturating_sub(from))), theme.dim);
    };
    let title_style = if focused { theme.accent } else { theme.strong };
    let title = format!(" {} ", clip(title, columns.saturating_sub(8), glyphs));
    line(buf, area.x + 1, (area.x + 3).min(end));
    let after = put(buf, area, area.x + 3, area.y, &title, title_style);
    let note_width = note.width() + 2;
    // A note that would run into the title is left out: half a sentence is of no use.
    if note.is_empty() || usize::from(after) + note_width + 3 > usize::from(area.right()) {
        return line(buf, after, end);
    }
    // It fits, so that its width has 16 bits.
    let x = area.right() - 3 - note_width as u16;
    line(buf, after, x);
    let after = put(buf, area, x, area.y, &format!(" {note} "), theme.plain);
    line(buf, after, end);
}

/// A gauge of `columns` columns; never full before `fraction` is 1.
pub fn gauge(fraction: f64, columns: u16, look: &Look) -> Line<'static> {
    let eighths = usize::from(columns) * 8;
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
    let mut filled = (fraction * eighths as f64) as usize;
    if fraction < 1.0 {
        filled = filled.min(eighths.saturating_sub(1));
    }
    let (full, part) = (filled / 8, filled % 8);
    let mut bar = look.glyphs.gauge[7].repeat(full);
    if part > 0 {
        bar.push_str(look.glyphs.gauge[part - 1]);
    }
    let rest = usize::from(columns) - full - usize::from(part > 0);
    Line::from(vec![
        Span::styled(bar, look.theme.gauge),
        Span::styled(look.glyphs.gauge_rest.repeat(rest), look.theme.gauge_rest),
    ])
}

/// A sparkline with a column for each value, the highest at full height; zero is a blank.
pub fn sparkline(values: impl ExactSizeIterator<Item = f64> + Clone, glyphs: &Glyphs) -> String {
    let highest = values.clone().fold(0.0, f64::max);
    values
        .map(|value| match value {
            value if value <= 0.0 || highest <= 0.0 => " ",
            value => glyphs.spark[((value / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_cut_where_it_tells_least() {
        assert_eq!(clip("ubuntu.iso", 10, &Glyphs::UTF8), "ubuntu.iso");
        assert_eq!(clip("ubuntu.iso", 7, &Glyphs::UTF8), "ubuntu…");
        assert_eq!(clip_middle("films/ubuntu-24.04.iso", 12, &Glyphs::UTF8), "films…04.iso");
        assert_eq!(clip_middle("films/ubuntu-24.04.iso", 12, &Glyphs::ASCII), "film...4.iso");
        assert_eq!(clip("文件文件", 5, &Glyphs::UTF8), "文件…");
        assert_eq!(clip("abc", 0, &Glyphs::UTF8), "");
    }

    fn text(line: &Line<'_>) -> String {
        line.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn a_gauge_is_full_only_when_all_is_there() {
        let look = Look::default();
        assert_eq!(text(&gauge(0.0, 4, &look)), "░░░░");
        assert_eq!(text(&gauge(0.5, 4, &look)), "██░░");
        assert_eq!(text(&gauge(0.9999, 4, &look)), "███▉");
        assert_eq!(text(&gauge(1.0, 4, &look)), "████");
        assert_eq!(text(&gauge(f64::NAN, 2, &look)), "░░");
    }

    #[test]
    fn a_sparkline_scales_to_its_highest_value() {
        assert_eq!(sparkline([0.0, 1.0, 4.0, 8.0].into_iter(), &Glyphs::UTF8), " ▁▄█");
        assert_eq!(sparkline([0.0, 0.0].into_iter(), &Glyphs::UTF8), "  ");
    }

    #[test]
    fn long_text_is_wrapped() {
        assert_eq!(wrap("a word and another", 8), ["a word", "and", "another"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("文件", 1), ["文", "件"]);
        assert_eq!(wrap("", 4), [""]);
    }

    fn drawn(text: &str) -> usize {
        text.graphemes(true).map(|grapheme| usize::from(grapheme.cell_width())).sum()
    }

    /// The rule as one would say it, which measures all of the rest for each line.
    fn wrapped_obviously(text: &str, columns: usize) -> Vec<&str> {
        let mut lines = Vec::new();
        let mut rest = text.trim_end_matches(' ');
        while drawn(rest) > columns {
            let ends = rest.grapheme_indices(true).map(|(index, grapheme)| index + grapheme.len());
            let ends: Vec<usize> = ends.collect();
            let fits = ends.iter().copied().take_while(|end| drawn(&rest[..*end]) <= columns).last();
            let fits = &rest[..fits.unwrap_or(0)];
            let cut = match fits.rfind(' ') {
                Some(space) if space >= fits.len() / 3 => space + 1,
                _ if fits.is_empty() => ends[0],
                _ => fits.len(),
            };
            lines.push(rest[..cut].trim_end_matches(' '));
            rest = &rest[cut..];
        }
        if !rest.is_empty() || lines.is_empty() {
            lines.push(rest);
        }
        lines
    }

    #[test]
    fn long_text_is_wrapped_in_the_time_of_its_length() {
        let begin = std::time::Instant::now();
        let text = "all that a server says, ".repeat(20_000);
        assert!(wrap(&text, 40).len() > 10_000);
        // Measuring the whole rest for each line takes minutes.
        assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    }

    #[test]
    fn what_is_cut_off_is_not_hidden() {
        assert_eq!(wrap_in("a word and another", 8, 3, &Glyphs::UTF8), ["a word", "and", "another"]);
        assert_eq!(wrap_in("a word and another", 8, 2, &Glyphs::UTF8), ["a word", "and…"]);
        assert_eq!(wrap_in("abcdefghij", 4, 2, &Glyphs::ASCII), ["abcd", "e..."]);
        assert_eq!(wrap_in("abcdefghij", 4, 0, &Glyphs::UTF8), [""; 0]);
    }

    #[test]
    fn what_is_one_character_to_the_eye_is_not_cut_apart() {
        assert_eq!(wrap("ab\u{1f44d}\u{1f3fd}", 3), ["ab", "\u{1f44d}\u{1f3fd}"]);
    }

    fn spaced() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,80}", "[ a-c\u{301}\u{6587}\u{ff9e}\u{1f44d}\u{1f3fd}\u{1f1e9}]{0,80}"]
    }

    proptest! {
        #[test]
        fn wrapping_follows_its_rule(text in spaced(), columns in 0_usize..30) {
            let lines = wrap(&text, columns);
            prop_assert_eq!(&lines, &wrapped_obviously(&text, columns));
            for line in lines {
                prop_assert!(drawn(line) <= columns || line.graphemes(true).count() == 1, "{:?}", line);
            }
        }

        #[test]
        fn as_many_lines_as_have_room(text in spaced(), columns in 0_usize..30, rows in 0_u16..5) {
            let lines = wrap_in(&text, columns, rows, &Glyphs::UTF8);
            prop_assert!(lines.len() <= usize::from(rows));
            prop_assert!(lines.iter().all(|line| drawn(line) <= columns || line.graphemes(true).count() == 1));
        }

        #[test]
        fn any_text_is_wrapped_at_any_width(text in "\\PC{0,80}", columns in 1_usize..30) {
            let lines = wrap(&text, columns);
            let joined: String = lines.concat().split(' ').collect();
            prop_assert_eq!(joined, text.split(' ').collect::<String>());
        }

        #[test]
        fn cut_text_fits(text in "\\PC*", columns in 0_usize..40, ascii: bool) {
            let glyphs = if ascii { Glyphs::ASCII } else { Glyphs::UTF8 };
            prop_assert!(clip(&text, columns, &glyphs).width() <= columns);
            prop_assert!(clip_middle(&text, columns, &glyphs).width() <= columns);
        }

        #[test]
        fn a_gauge_has_its_width(fraction in -1.0..2.0_f64, columns in 0_u16..200) {
            prop_assert_eq!(gauge(fraction, columns, &Look::default()).width(), usize::from(columns));
        }

        #[test]
        fn rules_stay_inside(width in 0_u16..60, height in 0_u16..3, title in "\\PC{0,20}", note in "\\PC{0,20}") {
            let area = Rect::new(0, 0, width, height);
            rule(&mut Buffer::empty(area), area, &title, &note, true, &Look::default());
        }
    }
}
