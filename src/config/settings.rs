//! The settings and their built-in defaults.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tracing::Level;

use crate::{
    client::{Existing, Extract, Form, Names, Speak},
    protocol::{address::DEFAULT_PORT, classic::Dialect},
    server::{Arch, Limits},
    storage::root::Policy,
    ui::{self, Colour, FrameRate, Glyphs, Look, actions::KeyMap},
};

/// Every setting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[client]`
    pub client: Client,
    /// `[server]`
    pub server: Server,
    /// `[screen]`
    pub screen: Screen,
    /// `[log]`
    pub log: Log,
    /// `[keys]`: actions whose keys are others than the table's; they make a [`KeyMap`].
    pub keys: BTreeMap<String, Vec<String>>,
}

/// Settings of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The server for paths that name none.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// Whether paths of that server are fetched without TLS, and tokens are sent without it.
    pub plain: bool,
    /// The file with the token of that server.
    pub token_file: Option<PathBuf>,
    /// Whether new servers are accepted unasked.
    pub accept_new: bool,
    /// Where downloads go.
    pub dir: PathBuf,
    /// How a directory comes.
    pub form: Form,
    /// What to speak.
    pub protocol: Speak,
    /// Downloads at the same time.
    pub jobs: usize,
    /// Connections for one file, at most.
    pub segments: usize,
    /// Bytes a second of all; `None` is unlimited.
    pub limit: Option<u64>,
    /// How often an attempt that reached the server and received nothing is repeated.
    pub retries: u32,
    /// Without a screen: for how long a server that cannot be reached is tried again; `None` is for ever.
    pub retry_max_time: Option<Duration>,
    /// Without a byte for so long, a server is lost.
    pub timeout: Duration,
    /// A server that sends fewer bytes a second is lost; 0 is no minimum.
    pub speed_limit: u64,
    /// The time over which that is averaged; `None` is as long as `timeout`.
    pub speed_time: Option<Duration>,
    /// Whether to wait for the disk.
    pub sync: bool,
    /// When the target exists.
    pub existing: Existing,
    /// Whether archives are unpacked.
    pub extract: bool,
    /// What of them is put up with then.
    pub extract_limits: Extract,
    /// Which names in trees and archives are taken.
    pub names: Names,
    /// Whether a folder of which entries are missing ends with exit code 0.
    pub allow_missing: bool,
}

/// Settings of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where to listen.
    pub host: String,
    /// Port; 0 picks one.
    pub port: u16,
    /// The architecture.
    pub arch: Arch,
    /// Whether it speaks without TLS.
    pub plain: bool,
    /// Its certificate, instead of its own.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key.
    pub tls_key: Option<PathBuf>,
    /// Whether everybody may fetch.
    pub public: bool,
    /// The file with the token, instead of its own.
    pub token_file: Option<PathBuf>,
    /// Whether the token is printed also where stdout is not a terminal.
    pub print_token: bool,
    /// Whether to answer the original programs.
    pub classic: bool,
    /// In which dialect; `None` is the architecture's own.
    pub classic_dialect: Option<Dialect>,
    /// What of the folder is served.
    pub policy: Policy,
    /// What is allowed to clients.
    pub limits: Limits,
}

/// Settings of the screens.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    /// Whether to use colours.
    pub color: When,
    /// Whether to use ASCII only.
    pub ascii: When,
    /// Frames a second while transfers run.
    pub frames: u32,
    /// Whether the terminal's bell rings at the end of longer work.
    pub bell: bool,
}

/// Settings of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least grave level.
    pub level: Level,
    /// The folder; `None` is the XDG state folder's.
    pub folder: Option<PathBuf>,
    /// Files that are kept.
    pub files: usize,
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// As the terminal and the environment ask for.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            host: None,
            port: DEFAULT_PORT,
            plain: false,
            token_file: None,
            accept_new: false,
            dir: PathBuf::from("."),
            form: Form::Auto,
            protocol: Speak::V1,
            jobs: 3,
            segments: 4,
            limit: None,
            retries: 8,
            retry_max_time: Some(Duration::from_secs(600)),
            timeout: Duration::from_secs(30),
            speed_limit: 100,
            speed_time: None,
            sync: true,
            existing: Existing::Keep,
            extract: false,
            extract_limits: Extract::default(),
            names: Names::default(),
            allow_missing: false,
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            host: "127.0.0.1".into(),
            port: DEFAULT_PORT,
            arch: Arch::Async,
            plain: false,
            tls_cert: None,
            tls_key: None,
            public: false,
            token_file: None,
            print_token: false,
            classic: false,
            classic_dialect: None,
            policy: Policy::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Screen {
    fn default() -> Screen {
        Screen { color: When::Auto, ascii: When::Auto, frames: 4, bell: true }
    }
}

impl Screen {
    /// Colours and glyphs for the terminal that the environment tells of.
    pub fn look(&self) -> Look {
        let colour = match self.color {
            When::Auto => Colour::Auto,
            When::Always => Colour::Always,
            When::Never => Colour::Never,
        };
        let look = Look::detect(colour, self.ascii == When::Always, |name| std::env::var(name).ok());
        match self.ascii {
            When::Never => Look { glyphs: Glyphs::UTF8, ..look },
            _ => look,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { level: Level::INFO, folder: None, files: 7 }
    }
}

impl Settings {
    /// The keys in force.
    pub fn key_map(&self) -> KeyMap {
        // They were tried when they were read.
        KeyMap::new(&self.keys).unwrap_or_default()
    }

    /// What screens are told.
    pub fn screen_options(&self) -> ui::Options {
        ui::Options {
            look: self.screen.look(),
            keys: self.key_map(),
            rate: FrameRate::new(self.screen.frames),
            bell: self.screen.bell,
        }
    }
}
