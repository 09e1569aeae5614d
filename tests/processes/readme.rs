//! The READMEs and `docs/` match the program: keys, options, exit codes, commands, links and names of tests.

use std::{collections::HashSet, fs, path::Path};

use clap::CommandFactory;
use fdsp::{app::cli::Cli, ui::actions::docs};

const ENGLISH: &str = include_str!("../../README.md");
const CHINESE: &str = include_str!("../../README_CN.md");
const SECURITY: &str = include_str!("../../docs/security.md");
const GUIDE: &str = include_str!("../../docs/guide.md");
const SCRIPTING: &str = include_str!("../../docs/scripting.md");
/// Maximum size of each README in bytes.
const MAX_LEN: usize = 10 * 1024;

/// Each README and each document, with its path.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("docs").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        name.ends_with(".md").then(|| format!("docs/{name}"))
    });
    let read = |file: String| {
        let text = fs::read_to_string(root.join(&file)).expect("a document");
        (file, text)
    };
    ["README.md", "README_CN.md"].map(str::to_owned).into_iter().chain(docs).map(read).collect()
}

/// Asserts that a file contains the generated text between `begin` and `end`. With `UPDATE=1` in the environment, writes it there.
#[track_caller]
fn assert_generated(file: &str, begin: &str, end: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).expect(file);
    let (before, rest) = text.split_once(begin).expect("a beginning");
    let (written, after) = if end.is_empty() { (rest, "") } else { rest.split_once(end).expect("an end") };
    if written != generated && std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, [before, begin, generated, end, after].concat()).expect("written");
    } else {
        assert!(written == generated, "{file} is outdated: run UPDATE=1 cargo test --test processes readme");
    }
}

#[test]
fn the_key_tables_match_the_actions() {
    let table = format!("\n\n{}\n\n", docs::markdown().trim());
    assert_generated("docs/keys.md", "<!-- keys -->", "<!-- /keys -->", &table);
}

#[test]
fn the_default_configuration_lists_the_keys_of_every_action() {
    let keys = docs::toml();
    let (first, rest) = keys.split_once('\n').expect("lines");
    assert_generated("config/default.toml", &format!("{first}\n"), "", rest);
}

#[test]
fn documented_options_exist() {
    let command = Cli::command();
    let known: Vec<String> =
        command.get_arguments().filter_map(|it| it.get_long().map(str::to_owned)).collect();
    // Those of cargo and systemctl.
    let others = ["release", "lib", "open", "help", "version", "test", "now"];
    // Those of curl and wget.
    let of_peers = ["pinnedpubkey", "no-check-certificate", "user", "ask-password", "compressed", "globoff"];
    for (file, text) in documents() {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        for option in words
            .filter_map(|word| word.strip_prefix("--"))
            .filter(|option| !option.is_empty() && !option.starts_with('-'))
        {
            assert!(
                known.iter().any(|name| name == option)
                    || others.contains(&option)
                    || of_peers.contains(&option),
                "--{option} in {file}"
            );
        }
    }
}

/// The names in backticks of the first cells of the table below a heading.
fn first_cells<'a>(document: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, table) = document.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .flat_map(|row| row.split(" | ").next().expect("a cell").split('`').skip(1).step_by(2))
        .collect()
}

/// The variants of an enum of a source file, with the names of their fields.
fn variants(source: &str, start: &str) -> Vec<(String, Vec<String>)> {
    let (_, body) = source.split_once(start).expect("the enum");
    let mut variants: Vec<(String, Vec<String>)> = Vec::new();
    for line in body.lines().take_while(|line| *line != "}") {
        let code = line.trim_start();
        let name = code.split([',', '{', '(', ' ']).next().unwrap_or_default();
        if line.len() - code.len() == 4 && code.starts_with(char::is_uppercase) {
            let mut snake = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(letter.to_lowercase());
            }
            variants.push((snake, Vec::new()));
        } else if line.len() - code.len() == 8
            && let Some((field, _)) = code.split_once(": ").filter(|_| !code.starts_with('/'))
            && let Some((_, fields)) = variants.last_mut()
        {
            fields.push(field.to_owned());
        }
    }
    variants
}

#[test]
fn all_events_are_documented_with_their_members() {
    let client = variants(include_str!("../../src/client/api/event.rs"), "pub enum Event {");
    let server = variants(include_str!("../../src/server/api/event.rs"), "pub enum Event {");
    assert!(client.len() > 8 && server.len() > 8, "{client:?} {server:?}");
    // Those are lines for people, also with --json, or happen with a screen only; the members of the result and of the trouble are fields of other types.
    let for_people = ["warning", "failed", "undecided", "refused", "draining", "blocked", "unblocked"];
    for (events, heading, is_client) in
        [(client, "## Events of a client", true), (server, "## Events of a server", false)]
    {
        let documented = first_cells(SCRIPTING, heading);
        let (_, table) = SCRIPTING.split_once(heading).expect("a table");
        for name in &documented {
            assert!(
                events.iter().any(|(event, _)| event == name) || ["id"].contains(name),
                "{name} in {heading}"
            );
        }
        for (event, fields) in events {
            if for_people.contains(&event.as_str()) && !(is_client && event == "failed") {
                continue;
            }
            assert!(documented.contains(&event.as_str()), "{event} in {heading}");
            let row = table.lines().find(|line| line.starts_with(&format!("| `{event}`"))).expect("a row");
            for field in fields
                .iter()
                .filter(|field| !["id", "finished", "trouble", "reported"].contains(&field.as_str()))
            {
                assert!(row.contains(&format!("`{field}`")), "{field} of {event} in {heading}");
            }
        }
    }
}

/// The source files of the program below a folder, without their tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("tests.rs")
        {
            let text = fs::read_to_string(&entry).expect("a source file");
            found.push(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned());
        }
    }
}

#[test]
fn all_variables_of_the_environment_are_documented() {
    let documented = first_cells(GUIDE, "## Environment");
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut read = HashSet::new();
    for line in files.iter().flat_map(|text| text.lines()).filter(|line| !line.contains("env!(")) {
        let reads = ["var(", "var_os(", "get(", "set(&get", "find_map(|name| set", "env = "];
        if reads.iter().any(|call| line.contains(call)) {
            let is_variable = |text: &&str| {
                text.len() > 3
                    && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            };
            let (before, after) = line.split_once("value_name = ").unwrap_or((line, ""));
            let after = after.split_once(", ").map_or("", |(_, after)| after);
            let literals = [before, after].into_iter().flat_map(|part| part.split('"').skip(1).step_by(2));
            read.extend(literals.filter(is_variable));
        }
    }
    assert!(read.contains("FDSP_TOKEN") && read.contains("NO_COLOR") && read.contains("LC_ALL"), "{read:?}");
    for name in &read {
        assert!(documented.contains(name), "{name} is read and is not in docs/guide.md");
    }
    // Read by libraries, or made of the names of settings.
    let others = ["FDSP_SECTION_NAME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "TMPDIR"];
    for name in documented {
        assert!(read.contains(name) || others.contains(&name), "{name} in docs/guide.md is not read");
    }
}

#[test]
fn links_to_files_and_headings_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for (file, text) in documents() {
        let folder = root.join(&file).parent().expect("a folder").to_owned();
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = folder.join(path);
            assert!(linked.exists(), "{file} links to {target}");
            if !heading.is_empty() {
                let linked = fs::read_to_string(&linked).expect("a document");
                let anchors = linked.lines().filter_map(|line| line.strip_prefix("## "));
                let mut anchors = anchors.map(|text| text.to_lowercase().replace(',', "").replace(' ', "-"));
                assert!(anchors.any(|anchor| anchor == heading), "{file} links to {target}");
            }
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}

/// The stems of all Rust and Python files below a folder, and the names of all modules and functions in them.
fn names_in_code(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            names.extend(entry.file_name().and_then(|name| name.to_str()).map(str::to_owned));
            names_in_code(&entry, names);
        } else if entry.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            names.extend(entry.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
            let text = fs::read_to_string(&entry).expect("a source file");
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            for rest in ["fn ", "mod "].iter().flat_map(|before| text.split(before).skip(1)) {
                names.insert(rest.split(|c| !is_name(c)).next().unwrap_or_default().to_owned());
            }
        }
    }
}

#[test]
fn tests_named_in_the_security_table_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = HashSet::new();
    ["src", "tests", "benches"].iter().for_each(|folder| names_in_code(&root.join(folder), &mut names));
    let table = SECURITY.split_once("| tested by |").expect("the table").1;
    let mut checked = 0;
    for row in table.lines().filter(|row| row.starts_with("| ") && row.ends_with(" |")) {
        let tests = row.rsplit(" | ").next().expect("a last column");
        for test in tests.split('`').skip(1).step_by(2) {
            if test.starts_with(char::is_lowercase) && !test.contains(' ') {
                let path =
                    test.trim_start_matches("benches/").trim_end_matches(".py").trim_start_matches("tests/");
                for part in path.split("::") {
                    assert!(
                        names.contains(part),
                        "docs/security.md names '{test}', and there is no '{part}'"
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 80, "{checked}");
}

#[test]
fn a_readme_is_short() {
    assert!(ENGLISH.len() <= MAX_LEN && CHINESE.len() <= MAX_LEN);
}

#[test]
fn all_exit_codes_are_documented() {
    use fdsp::app::exit::Exit;
    let help = Cli::command().render_help().to_string();
    for code in Exit::ALL.map(|code| code as u8) {
        assert!(SCRIPTING.contains(&format!("\n| {code} | ")), "{code}");
        assert!(help.contains(&format!(" {code}  ")), "{code} in --help");
    }
}

#[test]
fn the_quick_start_and_ci_run_the_same_test_command() {
    let ci = include_str!("../../.ci/run");
    for text in [ENGLISH, CHINESE] {
        assert!(text.contains("```sh\ncargo run --release -- --demo\ncargo test\n```"));
    }
    assert!(ci.contains("\ncargo test"));
}
