use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::server::Arch;

fn overlaid(content: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    settings.overlay(Path::new("c.toml"), content).map_err(|error| error.to_string())?;
    Ok(settings)
}

fn wrong(content: &str) -> String {
    overlaid(content).expect_err("a wrong file")
}

fn variable(name: &str, value: &str) -> (OsString, OsString) {
    (name.into(), value.into())
}

#[test]
fn the_default_file_says_what_is_built_in() {
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
    let known: BTreeSet<String> = table::SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(written, known);
}

#[test]
fn keys_can_be_changed() {
    let settings = overlaid("[keys]\nquit = [\"Q\"]\nsuspend = []").expect("right");
    assert_eq!(settings.keys["quit"], ["Q"]);
    assert!(settings.key_map().keys(crate::ui::actions::Action::Suspend).is_empty());
    let cases = [
        ("[keys]\n\nfly = [\"f\"]", "c.toml, line 3: keys.fly: there is no such action"),
        ("[keys]\nhelp = \"q\"", "c.toml, line 2: 'keys.help' must be a list of keys"),
        ("[keys]\nhelp = [\"hyper-x\"]", "c.toml, line 2: keys.help: "),
        ("[keys]\nhelp = [\"q\"]", "c.toml, line 2: keys."),
        ("keys = 3", "c.toml, line 1: 'keys' must be a section"),
    ];
    for (content, message) in cases {
        assert!(wrong(content).starts_with(message), "{}", wrong(content));
    }
}

#[test]
fn every_setting_can_be_given_by_the_environment() {
    let document = DeTable::parse(DEFAULT).expect("TOML");
    let mut settings = Settings::default();
    let environment = table::SETTINGS.iter().map(|setting| {
        let (section, key) = setting.name.split_once('.').expect("section and key");
        let value = document.get_ref()[section].get_ref()[key].get_ref();
        let text = match Value::from_toml(value) {
            Value::Text(text) => text.to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            other => panic!("{other:?}"),
        };
        variable(&format!("FDSP_{section}_{key}").to_ascii_uppercase(), &text)
    });
    settings.overlay_environment(environment).expect("the same values as text");
    assert_eq!(settings, Settings::default());
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[client]\njobs = 5\nlimit = \"2M\"\n[server]\narch = \"select\"\n")
        .expect("written");
    let settings = Settings::load(Some(&file), [variable("FDSP_CLIENT_JOBS", "7")]).expect("right");
    assert_eq!(settings.client.jobs, 7, "the environment over the file");
    assert_eq!(settings.client.limit, Some(2_000_000), "the file over the default");
    assert_eq!(settings.server.arch, Arch::Select);
    assert_eq!(settings.client.retries, 8, "the default");
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
            "c.toml, line 3: 'clinet' is not a section; there are [client], [server], [screen], [log], [keys]",
        ),
        (
            "jobs = 3",
            "c.toml, line 1: 'jobs' is not a section; there are [client], [server], [screen], [log], [keys]",
        ),
        (
            "client = 3",
            "c.toml, line 1: 'client' is not a section; there are [client], [server], [screen], [log], [keys]",
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
fn a_missing_file_matters_only_when_it_was_named() {
    let error = Settings::load(Some(Path::new("/nowhere/c.toml")), []).expect_err("named");
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
        let error = Settings::default().overlay_environment([variable]).expect_err(message);
        assert_eq!(error.to_string(), format!("in the environment, {message}"));
    }
}

#[test]
fn variables_that_name_no_section_are_not_ours() {
    let names = [
        "FDSP_CONFIG",
        "FDSP_",
        "FDSP_LOG",
        "FDSP_LOGS_LEVEL",
        "FDSP_KEYS_QUIT",
        "XFDSP_LOG_X",
        "fdsp_log_x",
    ];
    let mut settings = Settings::default();
    settings.overlay_environment(names.map(|name| variable(name, "x"))).expect("nothing of ours");
    assert_eq!(settings, Settings::default());
}

#[test]
fn a_leading_tilde_is_the_home_folder() {
    let settings =
        overlaid("[client]\ndir = \"~/Downloads\"\n[log]\nfolder = \"/var/log/x\"").expect("right");
    assert!(settings.client.dir.is_absolute() && settings.client.dir.ends_with("Downloads"));
    assert_eq!(settings.log.folder.as_deref(), Some(Path::new("/var/log/x")));
}

proptest! {
    #[test]
    fn no_file_can_hurt(content in any::<String>(), lines in proptest::collection::vec("[a-z\\[\\]=\". \n0-9-]{0,20}", 0..8)) {
        for content in [content, lines.join("\n")] {
            if let Err(message) = overlaid(&content) {
                prop_assert!(!message.contains(crate::text::is_unsafe), "{message:?}");
            }
        }
    }
}
