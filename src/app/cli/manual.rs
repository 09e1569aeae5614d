//! The manual page, and the parts of `--help` that are made from the same lists.
//!
//! Keys are those of the table of actions. Files, variables, exit codes and events are the tables of `docs/`, which tests compare
//! with the code.

use std::fmt::Write as _;

use clap::CommandFactory;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::Cli;
use crate::app::exit::Exit;

const GUIDE: &str = include_str!("../../../docs/guide.md");
const SCRIPTING: &str = include_str!("../../../docs/scripting.md");

/// Commands and what they do; the first ones are at the beginning of `--help`.
const EXAMPLES: &[(&str, &str)] = &[
    ("tui 'fdsp://TOKEN@nas:7878/photos#sha256:…'", "fetch from an address that a server printed"),
    ("tui -H nas -d ~/Downloads photos big.iso", "fetch paths of one server, a folder as a zip"),
    ("tui --serve -H 0.0.0.0 /srv/pub", "serve a folder to clients that have its token"),
    ("tui --demo", "try the program on this machine, without a network"),
    (
        "tui -H nas --as tree --update photos",
        "fetch a folder as files, and only what differs from the local ones",
    ),
    (
        "tui --headless --session nightly -H nas db.tar",
        "fetch in a script; the next run resumes what is unfinished",
    ),
    ("tui --json -i list.txt", "fetch the addresses of a file and print one event a line"),
];
/// Examples in `--help`.
const HELP_EXAMPLES: usize = 3;

/// The beginning of `--help`.
pub(super) fn examples() -> String {
    let shown = EXAMPLES.get(..HELP_EXAMPLES).unwrap_or(EXAMPLES);
    let width = shown.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let mut text = String::from("Examples:");
    for (command, effect) in shown {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {command:width$}  {effect}");
    }
    text
}

/// The end of `--help`.
pub(super) fn exit_codes() -> String {
    let mut text = String::from("Exit codes:");
    for exit in Exit::ALL {
        let _ = write!(text, "\n  {:>3}  {}", exit as u8, exit.meaning());
    }
    text.push_str(
        "\n\nWithout a terminal the output is plain lines, or with --json one JSON object a line.\n\
         The manual page has more examples, all keys, files, variables and events: tui --man | man -l -",
    );
    text
}

/// The manual page, in roff.
pub(super) fn page() -> Vec<u8> {
    // Sections of their own have more than the help has room for.
    let command = Cli::command().before_help(None::<&str>).after_help(None::<&str>);
    let manual = clap_mangen::Man::new(command);
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = manual.render_title(&mut page);
    let _ = manual.render_name_section(&mut page);
    let _ = manual.render_synopsis_section(&mut page);
    let mut examples = Roff::new();
    examples.control("SH", ["EXAMPLES"]);
    for (command, effect) in EXAMPLES {
        entry(&mut examples, vec![bold(*command)], vec![roman(*effect)]);
    }
    let _ = examples.to_writer(&mut page);
    let _ = manual.render_options_section(&mut page);
    let mut rest = Roff::new();
    keys(&mut rest);
    for (title, document, headings) in [
        ("FILES", GUIDE, &["Files"][..]),
        ("ENVIRONMENT", GUIDE, &["Environment"]),
        ("EXIT STATUS", SCRIPTING, &["Exit codes"]),
        ("EVENTS", SCRIPTING, &["Events of a client", "Events of a server"]),
    ] {
        rest.control("SH", [title]);
        for heading in headings {
            if headings.len() > 1 {
                rest.control("SS", [*heading]);
            }
            for (term, text) in table(document, heading) {
                entry(&mut rest, inlines(term, bold), inlines(text, roman));
            }
        }
    }
    let _ = rest.to_writer(&mut page);
    let _ = manual.render_version_section(&mut page);
    page
}

#[cfg(feature = "tui")]
fn keys(roff: &mut Roff) {
    use crate::ui::actions::{KeyMap, Section, docs};
    roff.control("SH", ["KEYS"]);
    for section in docs::help(&KeyMap::default(), &Section::ALL, "", true) {
        roff.control("SS", [section.title]);
        for (keys, help) in section.entries {
            entry(roff, vec![bold(keys)], vec![roman(help)]);
        }
    }
}

#[cfg(not(feature = "tui"))]
fn keys(_: &mut Roff) {}

/// A term with its text below it.
fn entry(roff: &mut Roff, term: Vec<Inline>, text: Vec<Inline>) {
    roff.control("TP", []);
    roff.text(term);
    roff.text(text);
}

/// The rows of the first table below a heading of a document, without its header: their first and second cells.
fn table<'a>(document: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let title = format!("## {heading}");
    let lines = document.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'a str| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ");
    lines.skip(2).filter_map(cells).collect()
}

/// Markdown as text of a manual page: code is bold, links are their text.
fn inlines(text: &str, plain: impl Fn(String) -> Inline) -> Vec<Inline> {
    let part = |(number, part): (usize, &str)| {
        let is_code = number % 2 == 1;
        if is_code { bold(part) } else { plain(without_links(part)) }
    };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect()
}

fn without_links(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().replacen('[', "", 1);
    for part in parts {
        let after = part.split_once(')').map_or(part, |(_, after)| after);
        plain.push_str(&after.replacen('[', "", 1));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page as a reader sees it: without the requests and escapes of roff.
    fn shown() -> String {
        String::from_utf8(page()).expect("UTF-8").replace("\\fB", "").replace("\\fR", "").replace("\\-", "-")
    }

    #[test]
    fn the_help_begins_with_three_examples_and_has_groups() {
        let help = Cli::command().render_help().to_string();
        let mut lines = help.lines();
        assert_eq!(lines.next(), Some("Examples:"));
        assert!(lines.by_ref().take(3).all(|line| line.starts_with("  tui ")), "{help}");
        assert_eq!(lines.next(), Some(""));
        for group in [
            "Fetching and serving",
            "Fetching",
            "Trust",
            "Retrying",
            "Serving",
            "Limits of a server",
            "Output",
            "Other",
        ] {
            assert!(help.contains(&format!("\n{group}:\n")), "{group}");
        }
        assert!(!help.contains("\nOptions:"), "every option is in a group");
    }

    #[test]
    fn the_manual_page_has_all_sections_in_order() {
        let page = shown();
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let expected = [
            "NAME",
            "SYNOPSIS",
            "EXAMPLES",
            "KEYS",
            "FILES",
            "ENVIRONMENT",
            "\"EXIT STATUS\"",
            "EVENTS",
            "VERSION",
        ];
        let own: Vec<_> = sections.iter().filter(|name| expected.contains(name)).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>(), "{sections:?}");
    }

    #[test]
    fn the_manual_page_has_every_row_of_the_tables() {
        let page = shown();
        for exit in Exit::ALL {
            assert!(page.contains(&format!("\n{}\n", exit as u8)), "{exit:?}");
        }
        for (document, heading, some) in [
            (GUIDE, "Files", "known_servers"),
            (GUIDE, "Environment", "FDSP_TOKEN"),
            (SCRIPTING, "Events of a client", "progress, once a second"),
            (SCRIPTING, "Events of a server", "listening, the first line"),
        ] {
            assert!(table(document, heading).len() > 4, "{heading}");
            assert!(page.contains(some), "{some}");
        }
        #[cfg(feature = "tui")]
        for spec in crate::ui::actions::TABLE {
            assert!(
                page.contains(&spec.help.replace('\'', "\\*(Aq")) || page.contains(spec.help),
                "{}",
                spec.name
            );
        }
        assert!(!page.contains('`') && !page.contains("]("), "no Markdown is left");
    }

    #[test]
    fn markdown_becomes_text() {
        let mut roff = Roff::new();
        roff.text(inlines("see `a b` in [the guide](g.md#x), or [c](d)", roman));
        assert!(roff.to_roff().contains("see \\fBa b\\fR in the guide, or c"), "{}", roff.to_roff());
    }
}
