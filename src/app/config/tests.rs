use std::{collections::BTreeSet, ffi::OsString, path::Path};

use proptest::prelude::*;
use toml::de::DeTable;

use super::{value::Value, *};
use crate::server::{self, Arch};

fn overlaid(content: &str) -> Result<Settings, String> {
    let options = Options::from_file(Path::new("c.toml"), content).map_err(|error| error.to_string())?;
    Ok(Settings { keys: Keys::default(), ..options.into() })
}

fn wrong(content: &str) -> String {
    overlaid(content).expect_err("a wrong file")
}

fn variable(name: &str, value: &str) -> (OsString, OsString) {
    (name.into(), value.into())
}

#[test]
fn the_default_file_matches_the_defaults() {
    assert_eq!(overlaid(DEFAULT).expect("the defaults"), Settings::default());
}

#[test]
fn the_default_file_mentions_every_setting() {
    let document = DeTable::parse(DEFAULT).expect("TOML");
    let written: BTreeSet<String> = document
        .get_ref()
        .iter()
        .filter(|(section, _)| section.get_ref() != "keys")
        .flat_map(|(section, keys)| {
            let keys = keys.get_ref().as_table().expect("a section");
            keys.keys().map(move |key| format!("{}.{}", section.get_ref(), key.get_ref()))
        })
        .collect();
    let known: BTreeSet<String> = Options::names().map(|(section, key)| format!("{section}.{key}")).collect();
    assert_eq!(written, known);
}

/// The defaults in the help are written by hand.
#[test]
fn the_help_names_the_defaults() {
    use clap::Args as _;
    let document = DeTable::parse(DEFAULT).expect("TOML");
    let mut command = clap::Command::new("tui");
    command = ClientOptions::augment_args(command);
    command = LimitOptions::augment_args(ServerOptions::augment_args(command));
    command = ScreenOptions::augment_args(command);
    let mut compared = 0;
    for option in command.get_arguments() {
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let Some((_, default)) = help.split_once("[default: ") else { continue };
        let default = default.trim_end_matches(']');
        let long = option.get_long().expect("a long name").replace('-', "_");
        let Some((section, key)) = Options::names().find(|(_, key)| *key == long) else {
            panic!("--{long} is not a setting");
        };
        let written = match Value::from_toml(document.get_ref()[section].get_ref()[key].get_ref()) {
            Value::Text(text) => text.to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            other => panic!("{other:?}"),
        };
        match long.as_str() {
            // Their defaults depend on something else, or are described in words.
            "dir" | "speed_time" | "classic_dialect" | "tls_cert" | "print_token" | "allow_missing"
            | "accept_new" | "proxy" | "user_agent" => {}
            _ => assert_eq!(default, written, "--{long}"),
        }
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn the_limits_match_those_of_the_library() {
    assert_eq!(server::Limits::from(&Limits::default()), server::Limits::default());
    assert_eq!(Client::default().extract_limits(), crate::client::Extract::default());
    assert_eq!(Server::default().policy(), crate::storage::root::Policy::default());
}

#[test]
fn wrong_keys_are_named_with_their_line() {
    let cases = [
        ("[keys]\nhelp = \"q\"", "c.toml, line 2: 'keys.help' must be a list of keys"),
        ("keys = 3", "c.toml, line 1: 'keys' must be a section"),
    ];
    for (content, message) in cases {
        assert!(wrong(content).starts_with(message), "{}", wrong(content));
    }
    let options = Options::from_file(Path::new("c.toml"), "[keys]\n\nfly = [\"f\"]").expect("a list of keys");
    assert!(options.keys.iter().eq([("fly", ["f".to_owned()].as_slice())]));
    let error = options.keys.error(&["run", "fly"], "there is no such action");
    assert_eq!(error.to_string(), "c.toml, line 3: there is no such action");
}

#[test]
fn every_setting_can_be_given_by_the_environment() {
    let document = DeTable::parse(DEFAULT).expect("TOML");
    let environment = Options::names().map(|(section, key)| {
        let value = document.get_ref()[section].get_ref()[key].get_ref();
        let text = match Value::from_toml(value) {
            Value::Text(text) => text.to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::List(list) if list.is_empty() => String::new(),
            other => panic!("{other:?}"),
        };
        variable(&super::layers::variable_of(section, key), &text)
    });
    let options = Options::from_environment(environment).expect("the same values as text");
    assert_eq!(Settings::from(options), Settings::default());
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[client]\njobs = 5\nsegments = 2\nlimit = \"2M\"\n[server]\narch = \"select\"\n")
        .expect("written");
    let layers = Layers::load(Some(&file), [variable("FDSP_CLIENT_JOBS", "7")]).expect("right");
    let typed = ClientOptions { segments: Some(Bounded::nearest(9)), ..ClientOptions::default() };
    let settings = Settings::from(Options { client: typed, ..Options::default() }.combine(layers.combined()));
    assert_eq!(settings.client.segments.get(), 9, "the command line over the file");
    assert_eq!(settings.client.jobs.get(), 7, "the environment over the file");
    assert_eq!(settings.client.limit, Rate(Some(2_000_000)), "the file over the default");
    assert_eq!(settings.server.arch, Arch::Select);
    assert_eq!(settings.client.retries.get(), 8, "the default");
}

#[test]
fn errors_name_line_and_key() {
    let cases = [
        (
            "[client]\n\njobs = \"x\"",
            "c.toml, line 3: 'client.jobs' must be a whole number from 1 to 64, not \"x\"",
        ),
        ("[client]\njobs = 0", "c.toml, line 2: 'client.jobs' must be a whole number from 1 to 64, not 0"),
        ("client.jobs = 1.5", "c.toml, line 1: 'client.jobs' must be a whole number from 1 to 64, not 1.5"),
        ("[server]\nclassic = 1", "c.toml, line 2: 'server.classic' must be true or false, not 1"),
        (
            "[server]\nport = 70000",
            "c.toml, line 2: 'server.port' must be a whole number from 0 to 65535, not 70000",
        ),
        ("[client]\nsync = [true]", "c.toml, line 2: 'client.sync' must be true or false, not a list"),
        (
            "[server]\narch = \"fork\"",
            "c.toml, line 2: 'server.arch' must be \"single\", \"threads\", \"select\" or \"async\", not \"fork\"",
        ),
        (
            "\n\n[clinet]\n",
            "c.toml, line 3: 'clinet' is not a section; there are [client], [server], [screen], [theme], [log], [keys]",
        ),
        (
            "jobs = 3",
            "c.toml, line 1: 'jobs' is not a section; there are [client], [server], [screen], [theme], [log], [keys]",
        ),
        (
            "client = 3",
            "c.toml, line 1: 'client' is not a section; there are [client], [server], [screen], [theme], [log], [keys]",
        ),
        (
            "[log]\nlevel = \"info\"\nfile = \"x\"",
            "c.toml, line 3: 'log.file' is not a setting; [log] has level, folder, files",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(wrong(content), message);
    }
    assert!(wrong("[client]\njobs = \n").starts_with("c.toml, line 2: "), "{}", wrong("[client]\njobs = \n"));
    assert!(wrong("[client\n").starts_with("c.toml, line 1: "));
    assert!(wrong("[log]\nlevel = 'info'\nlevel = 'warn'").starts_with("c.toml, line 3: "));
}

#[test]
fn only_a_named_file_must_exist() {
    let error = Layers::load(Some(Path::new("/nowhere/c.toml")), []).expect_err("named");
    assert!(
        error.to_string().starts_with("cannot read the configuration '/nowhere/c.toml': No such file"),
        "{error}"
    );
}

#[test]
fn errors_of_the_environment_name_the_variable() {
    let cases = [
        (
            variable("FDSP_SERVER_PORT", "tcp://10.0.0.1"),
            "FDSP_SERVER_PORT: must be a whole number from 0 to 65535, not 'tcp://10.0.0.1'",
        ),
        (
            variable("FDSP_LOG_LEVLE", "info"),
            "FDSP_LOG_LEVLE: 'log.levle' is not a setting; [log] has level, folder, files",
        ),
        (
            variable("FDSP_LOG_Level", "info"),
            "FDSP_LOG_Level: 'log.Level' is not a setting; [log] has level, folder, files",
        ),
        (variable("FDSP_LOG_", ""), "FDSP_LOG_: 'log.' is not a setting; [log] has level, folder, files"),
    ];
    for (variable, message) in cases {
        let error = Options::from_environment([variable]).expect_err(message);
        assert_eq!(error.to_string(), format!("in the environment, {message}"));
    }
}

#[test]
fn variables_without_a_section_are_ignored() {
    let names = [
        "FDSP_CONFIG",
        "FDSP_",
        "FDSP_LOG",
        "FDSP_LOGS_LEVEL",
        "FDSP_KEYS_QUIT",
        "XFDSP_LOG_X",
        "fdsp_log_x",
    ];
    let options = Options::from_environment(names.map(|name| variable(name, "x"))).expect("nothing of ours");
    assert_eq!(options, Options::default());
}

#[test]
fn a_leading_tilde_is_the_home_folder() {
    let settings =
        overlaid("[client]\ndir = \"~/Downloads\"\n[log]\nfolder = \"/var/log/x\"").expect("right");
    assert!(settings.client.dir.is_absolute() && settings.client.dir.ends_with("Downloads"));
    assert_eq!(settings.log.folder.0.as_deref(), Some(Path::new("/var/log/x")));
}

proptest! {
    #[test]
    fn no_configuration_file_panics(content in any::<String>(), lines in proptest::collection::vec("[a-z\\[\\]=\". \n0-9-]{0,20}", 0..8)) {
        for content in [content, lines.join("\n")] {
            if let Err(message) = overlaid(&content) {
                prop_assert!(!message.contains(crate::text::is_unsafe), "{message:?}");
            }
        }
    }
}
