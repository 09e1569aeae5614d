//! Colours and glyphs: what a state looks like, on every terminal.
//!
//! Only the 16 ANSI colours over the terminal's own background, so that every palette fits. Without colour
//! each colour is `Reset` and modifiers carry the meaning; words carry it in both.

use ratatui::style::{Color, Modifier, Style};

/// Styles by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Running text.
    pub plain: Style,
    /// What matters less: rules, units, finished rows.
    pub dim: Style,
    /// What matters most: names of running things, totals.
    pub strong: Style,
    /// Titles and the prompt.
    pub accent: Style,
    /// Done, verified.
    pub good: Style,
    /// Needs attention: waiting to try again, draining.
    pub warn: Style,
    /// Failed.
    pub bad: Style,
    /// The selected row where keys go.
    pub selected: Style,
    /// The selected row of a pane that keys do not go to.
    pub selected_idle: Style,
    /// A key in a hint or on the help page.
    pub key: Style,
    /// The filled part of a gauge, and sparklines.
    pub gauge: Style,
    /// The rest of a gauge.
    pub gauge_rest: Style,
}

impl Theme {
    /// With the 16 ANSI colours.
    pub const fn colour() -> Theme {
        Theme {
            plain: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
            accent: Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            good: Style::new().fg(Color::Green),
            warn: Style::new().fg(Color::Yellow),
            bad: Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
            selected_idle: Style::new().add_modifier(Modifier::BOLD),
            key: Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            gauge: Style::new().fg(Color::Cyan),
            gauge_rest: Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Without any colour.
    pub const fn mono() -> Theme {
        Theme {
            plain: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
            accent: Style::new().add_modifier(Modifier::BOLD),
            good: Style::new(),
            warn: Style::new().add_modifier(Modifier::BOLD),
            bad: Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            selected: Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
            selected_idle: Style::new().add_modifier(Modifier::BOLD),
            key: Style::new().add_modifier(Modifier::BOLD),
            gauge: Style::new(),
            gauge_rest: Style::new().add_modifier(Modifier::DIM),
        }
    }
}

/// Characters that are drawn, each one column wide unless noted otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Whether these are ASCII only; names are then shown in ASCII, too.
    pub ascii: bool,
    /// Marks the selected row.
    pub selected: &'static str,
    /// Marks rows that were picked for a common action.
    pub marked: &'static str,
    /// Before the input.
    pub prompt: &'static str,
    /// Rules.
    pub rule: &'static str,
    /// Replaces what was cut off; up to three columns.
    pub ellipsis: &'static str,
    /// A value that is not known.
    pub unknown: &'static str,
    /// From a name to another; up to two columns.
    pub arrow: &'static str,
    /// Between the parts of a line.
    pub separator: &'static str,
    /// The eight fillings of a gauge's cell, from an eighth to full.
    pub gauge: [&'static str; 8],
    /// A gauge's empty cell.
    pub gauge_rest: &'static str,
    /// The eight heights of a sparkline.
    pub spark: [&'static str; 8],
}

impl Glyphs {
    /// For terminals that show UTF-8.
    pub const UTF8: Glyphs = Glyphs {
        ascii: false,
        selected: "▸",
        marked: "•",
        prompt: "❯",
        rule: "─",
        ellipsis: "…",
        unknown: "—",
        arrow: "→",
        separator: "·",
        gauge: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
        gauge_rest: "░",
        spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    };

    /// For all others.
    pub const ASCII: Glyphs = Glyphs {
        ascii: true,
        selected: ">",
        marked: "*",
        prompt: ">",
        rule: "-",
        ellipsis: "...",
        unknown: "-",
        arrow: "->",
        separator: "|",
        gauge: [".", ".", ".", ".", "=", "=", "=", "#"],
        gauge_rest: ".",
        spark: ["_", ".", ",", "-", "=", "+", "*", "#"],
    };
}

/// How the screen looks: a theme and its glyphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Styles.
    pub theme: Theme,
    /// Characters.
    pub glyphs: Glyphs,
}

impl Default for Look {
    fn default() -> Self {
        Look { theme: Theme::colour(), glyphs: Glyphs::UTF8 }
    }
}

impl Look {
    /// With or without colours, in ASCII or in UTF-8.
    pub fn new(is_coloured: bool, is_ascii: bool) -> Look {
        Look {
            theme: if is_coloured { Theme::colour() } else { Theme::mono() },
            glyphs: if is_ascii { Glyphs::ASCII } else { Glyphs::UTF8 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mono_theme_has_no_colour() {
        let Theme {
            plain,
            dim,
            strong,
            accent,
            good,
            warn,
            bad,
            selected,
            selected_idle,
            key,
            gauge,
            gauge_rest,
        } = Theme::mono();
        for style in
            [plain, dim, strong, accent, good, warn, bad, selected, selected_idle, key, gauge, gauge_rest]
        {
            assert_eq!((style.fg, style.bg, style.underline_color), (None, None, None));
        }
    }

    #[test]
    fn ascii_glyphs_are_ascii() {
        let Glyphs { selected, marked, prompt, rule, ellipsis, unknown, arrow, separator, .. } =
            Glyphs::ASCII;
        let singles =
            [selected, marked, prompt, rule, ellipsis, unknown, arrow, separator, Glyphs::ASCII.gauge_rest];
        let all = singles.into_iter().chain(Glyphs::ASCII.gauge).chain(Glyphs::ASCII.spark);
        assert!(all.collect::<String>().is_ascii());
    }
}
