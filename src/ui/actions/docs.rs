//! What is written about the keys: the help page's lines, the table of `docs/keys.md` and the `[keys]` section of
//! the sample configuration. Tests hold that the files in the repository equal what is made here.

use std::fmt::Write as _;

use super::{
    keymap::KeyMap,
    table::{Section, Spec, TABLE},
};

/// A line of the help page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    /// A section begins.
    Heading(&'static str),
    /// Keys and what they do.
    Entry {
        /// The keys, with a blank between them.
        keys: String,
        /// What they do.
        help: &'static str,
    },
    /// An empty line.
    Blank,
}

fn rows(section: Section) -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().filter(move |spec| spec.section == section)
}

/// The help page of a screen that has these sections, with the keys in force.
pub fn help(keys: &KeyMap, sections: &[Section], ascii: bool) -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for &section in sections {
        if !lines.is_empty() {
            lines.push(HelpLine::Blank);
        }
        lines.push(HelpLine::Heading(section.title()));
        for spec in rows(section) {
            let labels: Vec<_> = keys.keys(spec.action).iter().map(|key| key.label(ascii)).collect();
            if !labels.is_empty() {
                lines.push(HelpLine::Entry { keys: labels.join(" "), help: spec.help });
            }
        }
    }
    lines
}

/// The table of `docs/keys.md`, in Markdown, between the marks `<!-- keys -->` and `<!-- /keys -->`.
pub fn markdown() -> String {
    let keys = KeyMap::default();
    let mut text = String::new();
    for section in Section::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "**{}**\n\n| keys | name in `[keys]` | what it does |\n|---|---|---|",
            section.title()
        );
        for spec in rows(section) {
            let labels: Vec<_> =
                keys.keys(spec.action).iter().map(|key| format!("`{}`", key.label(false))).collect();
            let _ = writeln!(text, "| {} | `{}` | {} |", labels.join(" "), spec.name, spec.help);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The `[keys]` section of `config/default.toml`: every action with its default keys, as comments.
pub fn toml() -> String {
    let mut text = String::from(
        "# Keys: action = [\"key\", …]. What is named here replaces the action's default keys; [] removes them.\n\
         # A key is a character or one of enter, esc, tab, space, backspace, delete, insert, up, down, left,\n\
         # right, home, end, pageup, pagedown, f1 to f12, with ctrl-, alt- or shift- before it.\n\
         [keys]\n",
    );
    for section in Section::ALL {
        let _ = writeln!(text, "# {}", section.title());
        for spec in rows(section) {
            let list: Vec<_> = spec.keys.iter().map(|key| format!("{key:?}")).collect();
            let _ = writeln!(text, "# {} = [{}]", spec.name, list.join(", "));
        }
    }
    text
}
