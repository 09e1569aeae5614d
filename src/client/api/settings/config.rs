//! The settings of an engine.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::client::api::{
    address::web_header::WebHeader,
    settings::{cookies::Cookies, hook::Hooks, limit_schedule::LimitSchedule, netrc::Netrc},
};

/// The settings of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Connections for one file, at most; fewer if the file is small, or the server does not want as many.
    pub segments: usize,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub limit: Option<u64>,
    /// Other limits by the time of day, in the place of `limit`.
    pub limit_schedule: LimitSchedule,
    /// How often an attempt that reached the server and received nothing is repeated.
    pub retries: u32,
    /// For how long a server that cannot be reached, or is busy, is tried again before its jobs fail; `None` is for ever.
    pub retry_max_time: Option<Duration>,
    /// Without a byte from the server, a connection counts as lost after this; also to connect.
    pub timeout: Duration,
    /// A server that sends fewer bytes a second than this counts as lost, too; 0 is no minimum.
    pub speed_limit: u64,
    /// The time over which that is averaged; `None` is as long as `timeout`.
    pub speed_time: Option<Duration>,
    /// Whether a job is done only once the disk has it.
    pub sync: bool,
    /// The limits of archives that are unpacked.
    pub extract: Extract,
    /// Which names in trees, and in archives that are to be unpacked, are taken.
    pub names: Names,
    /// Which servers and journals it trusts.
    pub trust: Trust,
    /// How web servers are reached.
    pub web: Web,
    /// For how long cancelling and removing can be undone: partial files are deleted after that.
    pub undo_time: Duration,
    /// Commands that run when jobs end.
    pub hooks: Hooks,
    /// Whether a user can be asked. If not, what only a user can decide is an error.
    pub asks: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            jobs: 3,
            segments: 4,
            limit: None,
            limit_schedule: LimitSchedule::default(),
            retries: 8,
            retry_max_time: Some(Duration::from_secs(600)),
            timeout: Duration::from_secs(30),
            speed_limit: 100,
            speed_time: None,
            sync: true,
            extract: Extract::default(),
            names: Names::default(),
            trust: Trust::default(),
            web: Web::default(),
            undo_time: Duration::ZERO,
            hooks: Hooks::default(),
            asks: false,
        }
    }
}

/// Which servers and journals a client trusts without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The file of the servers that were accepted; `None`: they are forgotten when the engine ends.
    pub known: Option<PathBuf>,
    /// A PEM file with certificate authorities that are trusted beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Accept a server that is not known yet, and remember it.
    pub accept_new: bool,
    /// Send tokens to servers without TLS, too.
    pub plain_tokens: bool,
    /// The file with the secret that authenticates the journals of unfinished downloads; created where it does not exist. Only
    /// journals that are authenticated with it are trusted; `None`: no journal of an earlier run is.
    pub secret: Option<PathBuf>,
}

/// How web servers are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// The proxy.
    pub proxy: Proxy,
    /// Header fields of the user. They are sent to the server of an address only, and not to where it redirects.
    pub headers: Vec<WebHeader>,
    /// The value of `User-Agent`; `None` is that of this program.
    pub user_agent: Option<String>,
    /// The value of `Referer`, which is sent to the server of an address only.
    pub referer: Option<String>,
    /// User names and passwords, which are sent to the server of an address only.
    pub netrc: Option<Arc<Netrc>>,
    /// Cookies, which are sent to what they match.
    pub cookies: Option<Arc<Cookies>>,
}

/// The proxy of web servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// That of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, and `NO_PROXY`.
    #[default]
    Environment,
    /// None.
    None,
    /// This one for all of them.
    Url(ProxyAddress),
}

/// The address of a proxy: `http://`, `https://`, `socks5://` or `socks5h://`, with `[USER:PASSWORD@]HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyAddress(String);

impl ProxyAddress {
    /// Reads an address; `None` if it is not one of a proxy.
    pub fn parse(text: &str) -> Option<ProxyAddress> {
        let url = url::Url::parse(text).ok()?;
        let is_known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
        (is_known && url.has_host()).then(|| ProxyAddress(text.to_owned()))
    }

    /// The address with its password.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The address with `***` for its password.
    pub fn without_password(&self) -> String {
        let mut url = url::Url::parse(&self.0).ok().filter(|url| url.password().is_some());
        let is_hidden = url.as_mut().is_some_and(|url| url.set_password(Some("***")).is_ok());
        url.filter(|_| is_hidden).map_or_else(|| self.0.clone(), Into::into)
    }
}

impl std::fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProxyAddress")
    }
}

/// Which names are kept. No name leads anywhere else, drives a terminal or cannot be seen, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// All that this system can have. In trees and in archives that are unpacked the others are missing; a single file is saved under a
    /// substitute.
    #[default]
    Exact,
    /// Those that mean a file on every other system, too: no device's (`aux.c`), no blank at either end, no dot at the
    /// last, none of `\ : * ? " < > |`, no joiner, letters composed (NFC), UTF-8. The others have substitutes.
    Portable,
}

/// The limits of an archive that is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extract {
    /// Files and directories, with those that are only on the way to one.
    pub entries: u64,
    /// Bytes of all files; `None` is as much as the disk has room for.
    pub bytes: Option<u64>,
    /// The largest ratio of unpacked to packed bytes, for archives that unpack to more than 1 GiB.
    pub ratio: u64,
}

impl Default for Extract {
    fn default() -> Self {
        Extract { entries: 100_000, bytes: None, ratio: 200 }
    }
}
