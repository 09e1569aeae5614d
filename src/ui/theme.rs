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
            // Yellow cannot be read on a light background.
            warn: Style::new().fg(Color::Magenta),
            bad: Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            // A coloured word would be a block of its colour.
            selected: Style::new()
                .fg(Color::Reset)
                .add_modifier(Modifier::REVERSED)
                .remove_modifier(Modifier::DIM),
            selected_idle: Style::new().add_modifier(Modifier::BOLD),
            key: Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            gauge: Style::new().fg(Color::Cyan),
            gauge_rest: Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// The same with other colours for what has one: each is the number of an ANSI colour, or the terminal's own.
    pub fn painted(self, colours: Colours) -> Theme {
        let Colours { accent, key, gauge, good, warn, bad } = colours;
        let paint = |style: Style, colour: Option<u8>| Style { fg: colour.and_then(ansi), ..style };
        Theme {
            accent: paint(self.accent, accent),
            key: paint(self.key, key),
            gauge: paint(self.gauge, gauge),
            good: paint(self.good, good),
            warn: paint(self.warn, warn),
            bad: paint(self.bad, bad),
            ..self
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

/// Colours by meaning: the number of an ANSI colour, or the terminal's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours {
    /// Of [`Theme::accent`].
    pub accent: Option<u8>,
    /// Of [`Theme::key`].
    pub key: Option<u8>,
    /// Of [`Theme::gauge`].
    pub gauge: Option<u8>,
    /// Of [`Theme::good`].
    pub good: Option<u8>,
    /// Of [`Theme::warn`].
    pub warn: Option<u8>,
    /// Of [`Theme::bad`].
    pub bad: Option<u8>,
}

/// The ANSI colour of a number.
fn ansi(number: u8) -> Option<Color> {
    const COLOURS: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    COLOURS.get(usize::from(number)).copied()
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
    /// Parts of a content: verified, received just now, partial, missing.
    pub parts: [&'static str; 4],
    /// A remote file that the download folder has already.
    pub local: &'static str,
    /// A remote file of which a download is queued.
    pub queued: &'static str,
    /// Before the speed or the state of a download with a limit of its own.
    pub limited: &'static str,
    /// After the header of the sorted column: the smallest first.
    pub ascending: &'static str,
    /// The same: the largest first.
    pub descending: &'static str,
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
        parts: ["█", "▓", "▒", "░"],
        local: "✓",
        queued: "↓",
        limited: "≤",
        ascending: "▴",
        descending: "▾",
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
        parts: ["#", ">", "-", "."],
        local: "=",
        queued: "+",
        limited: "<",
        ascending: "^",
        descending: "v",
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
    fn no_style_is_yellow_on_the_terminals_own_background() {
        let Theme { plain, dim, strong, accent, good, warn, bad, key, gauge, gauge_rest, .. } =
            Theme::colour();
        for style in [plain, dim, strong, accent, good, warn, bad, key, gauge, gauge_rest] {
            assert!(!matches!(style.fg, Some(Color::Yellow | Color::LightYellow)), "{style:?}");
        }
    }

    #[test]
    fn a_theme_can_be_painted_with_the_16_colours() {
        let all = |colour| Colours {
            accent: colour,
            key: colour,
            gauge: colour,
            good: colour,
            warn: colour,
            bad: colour,
        };
        let blue = Theme::colour().painted(all(Some(12)));
        assert_eq!((blue.accent.fg, blue.bad.fg), (Some(Color::LightBlue), Some(Color::LightBlue)));
        assert_eq!(blue.bad.add_modifier, Theme::colour().bad.add_modifier);
        assert_eq!(Theme::colour().painted(all(None)).warn.fg, None);
        assert_eq!((ansi(7), ansi(15), ansi(16)), (Some(Color::Gray), Some(Color::White), None));
    }

    #[test]
    fn ascii_glyphs_are_ascii() {
        let Glyphs { selected, marked, prompt, rule, ellipsis, unknown, arrow, separator, .. } =
            Glyphs::ASCII;
        let singles =
            [selected, marked, prompt, rule, ellipsis, unknown, arrow, separator, Glyphs::ASCII.gauge_rest];
        let singles = singles.into_iter().chain([Glyphs::ASCII.ascending, Glyphs::ASCII.descending]);
        let singles = singles.chain([Glyphs::ASCII.local, Glyphs::ASCII.queued]);
        let all = singles.chain(Glyphs::ASCII.gauge).chain(Glyphs::ASCII.spark).chain(Glyphs::ASCII.parts);
        assert!(all.collect::<String>().is_ascii());
    }
}
