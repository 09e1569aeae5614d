//! What is written about the keys: the help page's lines, the table of `docs/keys.md` and the `[keys]` section of
//! the sample configuration. Tests hold that the files in the repository equal what is made here.

use std::fmt::Write as _;

use super::{
    keymap::KeyMap,
    table::{Section, Spec, TABLE},
};

/// A section of the help page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpSection {
    /// Its heading.
    pub title: &'static str,
    /// Keys, with a blank between them, and what they do.
    pub entries: Vec<(String, &'static str)>,
}

fn rows(section: Section) -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().filter(move |spec| spec.section == section)
}

/// The help page of a screen that has these sections, with the keys in force: the entries that contain a text, in whatever case.
pub fn help(keys: &KeyMap, sections: &[Section], text: &str, ascii: bool) -> Vec<HelpSection> {
    let text = text.to_lowercase();
    let section = |&section: &Section| {
        let entry = |spec: &'static Spec| {
            let labels: Vec<_> = keys.keys(spec.action).iter().map(|key| key.label(ascii)).collect();
            let labels = labels.join(" ");
            let has = |part: &str| part.to_lowercase().contains(&text);
            (!labels.is_empty() && (has(&labels) || has(spec.help) || has(spec.name)))
                .then_some((labels, spec.help))
        };
        HelpSection { title: section.title(), entries: rows(section).filter_map(entry).collect() }
    };
    sections.iter().map(section).filter(|section| !section.entries.is_empty()).collect()
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
