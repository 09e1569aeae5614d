//! `--print-config`: every setting with its value, and where that comes from, as a file that can be used again.

use std::fmt::Write as _;

use super::{
    Layers, Options, Settings,
    layers::{SECTIONS, variable_of},
    value::quoted,
};
use crate::text::SafeText;

/// The width of a setting before its source.
const SOURCE_COLUMN: usize = 40;

/// Prints the settings of the command line over these layers. The password of a proxy is left out.
pub fn print(command_line: &Options, layers: &Layers) -> String {
    let settings = Settings::from(command_line.clone().combine(layers.combined()));
    let mut text = match &layers.path {
        Some(path) => format!("# file: {}\n", SafeText::from_path(path)),
        None => String::new(),
    };
    for section in SECTIONS {
        write!(text, "\n[{section}]\n").expect("a String takes any text");
        for (key, value) in settings.written(section) {
            let source = match () {
                () if command_line.has(section, key) => "command line",
                () if layers.environment.has(section, key) => &variable_of(section, key),
                () if layers.file.has(section, key) => "file",
                () => "default",
            };
            push(&mut text, &format!("{key} = {value}"), source);
        }
    }
    // Those that are not set are in docs/keys.md.
    let mut keys = settings.keys.iter().peekable();
    if keys.peek().is_some() {
        text.push_str("\n[keys]\n");
    }
    for (action, keys) in keys {
        let keys: Vec<_> = keys.iter().map(|key| quoted(key)).collect();
        push(&mut text, &format!("{} = [{}]", quoted(action), keys.join(", ")), "file");
    }
    text
}

fn push(text: &mut String, setting: &str, source: &str) {
    writeln!(text, "{setting:SOURCE_COLUMN$} # {source}").expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::config::{Bounded, ClientOptions, Keys};

    fn layers(file: &str, environment: &[(&str, &str)]) -> Layers {
        let file = Options::from_file(Path::new("c.toml"), file).expect("a right file");
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let environment = Options::from_environment(environment).expect("right variables");
        Layers { environment, file, path: Some("c.toml".into()) }
    }

    #[test]
    fn each_setting_has_its_value_and_its_source() {
        let layers = layers(
            "[client]\njobs = 5\nsegments = 2\nretries = 3\n[keys]\nquit = [\"q\", \"\\\"\"]",
            &[("FDSP_CLIENT_JOBS", "7"), ("FDSP_CLIENT_SEGMENTS", "6")],
        );
        let client = ClientOptions { segments: Some(Bounded::nearest(9)), ..ClientOptions::default() };
        let printed = print(&Options { client, ..Options::default() }, &layers);
        for (setting, source) in [
            ("segments = 9", "command line"),
            ("jobs = 7", "FDSP_CLIENT_JOBS"),
            ("retries = 3", "file"),
            ("timeout = 30", "default"),
            ("as = \"auto\"", "default"),
            ("\"quit\" = [\"q\", \"\\\"\"]", "file"),
        ] {
            let line = printed
                .lines()
                .find(|line| line.starts_with(setting))
                .unwrap_or_else(|| panic!("{setting}: {printed}"));
            assert_eq!(line, format!("{setting:SOURCE_COLUMN$} # {source}"));
        }
        assert!(printed.starts_with("# file: c.toml\n"));
    }

    #[test]
    fn what_is_printed_is_a_file_with_the_same_settings() {
        let files = [
            "",
            "[client]\ndir = \"/a\\u001b\\\"\\\\ b\"\nspeed_time = 0\ntimeout = 0.25\nlimit = \"2M\"\non_done = [\"a b\", \"{path}\"]\n\
             limit_schedule = [{ from = \"08:00\", to = \"18:00\", limit = \"2M\" }, { from = \"22:00\", to = \"06:00\", limit = 0 }]\n\
             proxy = \"none\"\nextract_bytes = 7\n[server]\nhost_name = \"a.example,b\"\nhidden = \"never\"\nclassic_dialect = \"classic\"\n\
             [theme]\naccent = \"bright-red\"\n[log]\nlevel = \"trace\"\n[keys]\nquit = [\"q\"]",
        ];
        for file in files {
            let layers = layers(file, &[]);
            let printed = print(&Options::default(), &layers);
            let again = Options::from_file(Path::new("c.toml"), &printed)
                .unwrap_or_else(|error| panic!("{error}: {printed}"));
            let without_keys = |options: Options| Settings { keys: Keys::default(), ..options.into() };
            assert!(again.keys.iter().eq(layers.file.keys.iter()));
            assert_eq!(without_keys(again), without_keys(layers.combined()));
        }
    }

    #[test]
    fn the_password_of_a_proxy_is_not_printed() {
        let layers = layers("[client]\nproxy = \"http://me:secret@proxy:3128\"", &[]);
        let printed = print(&Options::default(), &layers);
        assert!(!printed.contains("secret") && printed.contains("http://me:***@proxy:3128"), "{printed}");
    }
}
