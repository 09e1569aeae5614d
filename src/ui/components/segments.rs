//! The map of a content: which parts are verified, partial, received just now, and missing.

use ratatui::text::{Line, Span};

use crate::{
    client::Part,
    ui::theme::{Look, Theme},
};

/// The parts in the order of the legend, with their words.
const LEGEND: [(Part, &str); 4] = [
    (Part::Verified, "verified"),
    (Part::InWork, "in work"),
    (Part::Partial, "partial"),
    (Part::Missing, "missing"),
];

/// The rows of the map, each of this many columns.
pub fn map(parts: &[Part], columns: usize, look: &Look) -> Vec<Line<'static>> {
    parts.chunks(columns.max(1)).map(|row| line(row, look)).collect()
}

/// One row; neighbours that are alike are one span.
fn line(parts: &[Part], look: &Look) -> Line<'static> {
    let runs = parts.chunk_by(|one, other| one == other);
    Line::from_iter(runs.map(|run| {
        let (glyph, style) = cell(run[0], look);
        Span::styled(glyph.repeat(run.len()), style)
    }))
}

/// What the glyphs mean.
pub fn legend(look: &Look) -> Line<'static> {
    let mut spans = Vec::new();
    for (part, word) in LEGEND {
        let (glyph, style) = cell(part, look);
        let gap = if spans.is_empty() { "" } else { " " };
        spans.extend([Span::raw(gap), Span::styled(glyph, style)]);
        spans.push(Span::styled(format!(" {word}"), look.theme.dim));
    }
    Line::from(spans)
}

fn cell(part: Part, look: &Look) -> (&'static str, ratatui::style::Style) {
    let Theme { gauge, gauge_rest, accent, .. } = look.theme;
    let [verified, in_work, partial, missing] = look.glyphs.parts;
    match part {
        Part::Verified => (verified, gauge),
        Part::InWork => (in_work, accent),
        Part::Partial => (partial, gauge),
        Part::Missing => (missing, gauge_rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_glyph_of_its_own() {
        use Part::{InWork, Missing, Partial, Verified};
        let text = |look: &Look| {
            let rows = map(&[Verified, Verified, InWork, Partial, Missing], 3, look);
            rows.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(text(&Look::default()), ["██▓", "▒░"]);
        assert_eq!(text(&Look::new(true, true)), ["##>", "-."]);
        assert_eq!(legend(&Look::new(false, true)).to_string(), "# verified > in work - partial . missing");
    }
}
