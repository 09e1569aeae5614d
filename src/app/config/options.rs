//! Every setting, once: its option on the command line, its name in the file and the environment, its type and its default.
//!
//! Tests compare `[default: …]` in the help, and `config/default.toml`, with the defaults here.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use tracing::Level;

use super::{
    choices::{Background, ClassicDialect, Colour, Hidden, When, choices, dialect},
    hook::Hook,
    operators::{MetricsAddress, ResponseHeaders},
    section::section,
    types::{Bounded, FieldText, HostNames, Optional, ProxyChoice, Rate, Seconds, SecondsOrZero},
};
use crate::{
    client::{self, Existing, Extract, Form, LimitSchedule, Names, Proxy, Speak},
    protocol::address::DEFAULT_PORT,
    server::{self, AccessLogFormat, Arch},
    storage::root::{Links, Policy},
};

/// The address that a server listens on when none is given.
pub const DEFAULT_HOST: &str = "127.0.0.1";

/// A count of connections, or of something that each of them may have.
pub type Count = Bounded<1, 100_000>;

fn path() -> impl TypedValueParser<Value = Optional<PathBuf>> {
    PathBufValueParser::new().map(|path| Optional(Some(path)))
}

fn engine() -> client::Config {
    client::Config::default()
}

fn limits() -> server::Limits {
    server::Limits::default()
}

section! {
    /// `[client]`: fetching.
    ClientOptions => Client {
        /// The server of paths without a server.
        #[arg(skip)]
        host: Optional<String> = Optional(None);
        /// Its port.
        #[arg(skip)]
        port: Bounded<1, 65_535> = Bounded::nearest(DEFAULT_PORT.into());
        /// Whether to connect without TLS, and to send tokens without it.
        #[arg(skip)]
        plain: bool = false;
        /// The file with the token of that server.
        #[arg(skip)]
        token_file: Optional<PathBuf> = Optional(None);
        /// Where downloads go [default: the current directory]
        #[arg(short, long, value_name = "DIR")]
        dir: PathBuf = PathBuf::from(".");
        /// How a directory is received: zip (auto means that, too), or tree, as the files themselves [default: auto]
        #[arg(long = "as", value_name = "FORM", value_parser = choices::<Form>())]
        form as "as": Form = Form::Auto;
        /// Downloads at the same time, 1 to 64 [default: 3]
        #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
        jobs: Bounded<1, 64> = Bounded::nearest(engine().jobs as u64);
        /// Connections for one file, 1 to 16; a small file, and an archive, use one [default: 4]
        #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
        segments: Bounded<1, 16> = Bounded::nearest(engine().segments as u64);
        /// Bytes a second for all downloads together; 0 is unlimited.
        #[arg(skip)]
        limit: Rate = Rate(engine().limit);
        /// Other limits by the time of day.
        #[arg(skip)]
        limit_schedule: LimitSchedule = LimitSchedule::default();
        /// How often an attempt that reached the server and received nothing is repeated [default: 8]
        #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Retrying")]
        retries: Bounded<0, 1000> = Bounded::nearest(engine().retries.into());
        /// Without a screen: how long to retry a server that is unreachable or busy; 0 is no limit [default: 600]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true, help_heading = "Retrying")]
        retry_max_time: SecondsOrZero = SecondsOrZero(engine().retry_max_time);
        /// Connection timeout: how long a server may send nothing [default: 30]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true, help_heading = "Retrying")]
        timeout: Seconds = engine().timeout.into();
        /// Minimum rate of a server in bytes a second: below it the connection is closed and retried; 0 is no minimum [default: 100]
        #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = "Retrying")]
        speed_limit: Rate = Rate(Some(engine().speed_limit));
        /// Averaging window for --speed-limit [default: as --timeout]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true, help_heading = "Retrying")]
        speed_time: SecondsOrZero = SecondsOrZero(engine().speed_time);
        /// Whether to sync a download to the disk before it is done.
        #[arg(long = "no-sync", num_args = 0, default_missing_value = "false", help = "Do not wait for the disk before a download is done")]
        sync: bool = engine().sync;
        /// What to do if the target exists.
        #[arg(skip)]
        existing: Existing = Existing::Keep;
        /// Extract verified zip archives into a folder beside them
        #[arg(long, num_args = 0, default_missing_value = "true")]
        extract: bool = false;
        /// Maximum number of entries of an extracted archive, with the folders that contain them.
        #[arg(skip)]
        extract_entries: Bounded<1, 10_000_000> = Bounded::nearest(engine().extract.entries);
        /// Maximum size of an extracted archive in bytes; 0 is the free space of the disk.
        #[arg(skip)]
        extract_bytes: Bounded<0, { u64::MAX }> = Bounded::nearest(engine().extract.bytes.unwrap_or(0));
        /// Maximum ratio of the extracted size to the size of the archive, for more than 1 GiB.
        #[arg(skip)]
        extract_ratio: Bounded<1, { u64::MAX }> = Bounded::nearest(engine().extract.ratio);
        /// Names to keep: all that this system supports (exact), or only those that every system supports (portable);
        /// other names are replaced by a substitute [default: exact]
        #[arg(long, value_name = "WHICH", value_parser = choices::<Names>())]
        names: Names = engine().names;
        /// Exit with 0 if entries of a folder are missing [default: 8]
        #[arg(long, num_args = 0, default_missing_value = "true")]
        allow_missing: bool = false;
        /// The protocol to use: v1, classic or classic-select [default: v1]
        #[arg(long, value_name = "DIALECT", value_parser = choices::<Speak>())]
        protocol: Speak = Speak::V1;
        /// The proxy for http and https, such as http://HOST:PORT or socks5h://USER:PASSWORD@HOST:PORT, or none
        /// [default: that of the environment, HTTPS_PROXY and so on]
        #[arg(long, value_name = "URL", help_heading = "Web servers")]
        proxy: ProxyChoice = ProxyChoice(Proxy::Environment);
        /// What to call this program for web servers [default: fdsp/VERSION]
        #[arg(long, value_name = "NAME", help_heading = "Web servers")]
        user_agent: Optional<FieldText> = Optional(None);
        /// The page that is named as the source of a link
        #[arg(long, value_name = "URL", help_heading = "Web servers")]
        referer: Optional<FieldText> = Optional(None);
        /// A PEM file with certificate authorities to trust, beside those of the system
        #[arg(long, value_name = "FILE", value_parser = path(), help_heading = "Trust")]
        ca_file: Optional<PathBuf> = Optional(None);
        /// Whether downloads continue in the background after the screen was left or its terminal was lost.
        #[arg(skip)]
        background: Background = Background::Ask;
        /// Accept an unknown server and remember it [default: ask, or without a screen, refuse]
        #[arg(long, num_args = 0, default_missing_value = "true", help_heading = "Trust")]
        accept_new: bool = false;
        /// Run this after each download that is done: a program and its arguments, in which {path}, {name}, {digest}, {size} and {url}
        /// are replaced
        #[arg(long, value_name = "COMMAND")]
        on_done: Hook = Hook(None);
        /// Run this after each download that failed, with {name}, {url} and {error}
        #[arg(long, value_name = "COMMAND")]
        on_failed: Hook = Hook(None);
        /// Run this once nothing runs or waits any more
        #[arg(long, value_name = "COMMAND")]
        on_idle: Hook = Hook(None);
    }
}

section! {
    /// `[server]`: serving.
    ServerOptions => Server {
        /// The address to listen on.
        #[arg(skip)]
        host: Optional<String> = Optional(Some(DEFAULT_HOST.to_owned()));
        /// The port; 0 picks a free one.
        #[arg(skip)]
        port: Bounded<0, 65_535> = Bounded::nearest(DEFAULT_PORT.into());
        /// The server's architecture: single (one connection at a time), threads (one for each connection), select (one thread,
        /// readiness from the kernel) or async (tasks on tokio) [default: async]
        #[arg(long, value_name = "ARCH", value_parser = choices::<Arch>())]
        arch: Arch = Arch::Async;
        /// Whether to serve without TLS.
        #[arg(skip)]
        plain: bool = false;
        /// Serve clients of the original programs, too
        #[arg(long, num_args = 0, default_missing_value = "true")]
        classic: bool = false;
        /// Their dialect: classic or classic-select [default: classic-select for the architecture select]
        #[arg(long, value_name = "DIALECT", value_parser = dialect())]
        classic_dialect: ClassicDialect = ClassicDialect(None);
        /// The server's certificate, a PEM file [default: the server creates one]
        #[arg(long, value_name = "FILE", value_parser = path(), help_heading = "Trust")]
        tls_cert: Optional<PathBuf> = Optional(None);
        /// The certificate's key, a PEM file
        #[arg(long, value_name = "FILE", value_parser = path(), help_heading = "Trust")]
        tls_key: Optional<PathBuf> = Optional(None);
        /// Serve everybody, without a token
        #[arg(long, num_args = 0, default_missing_value = "true", help_heading = "Trust")]
        public: bool = false;
        /// Further names of the server for browsers and curl, such as files.example,nas
        #[arg(long, value_name = "NAMES")]
        host_name: HostNames = HostNames(Vec::new());
        /// Header fields that are added to the responses of HTTP.
        #[arg(skip)]
        response_headers: ResponseHeaders = ResponseHeaders(Vec::new());
        /// Append a line to this file for each request, or print it for -
        #[arg(long, value_name = "FILE", value_parser = path(), help_heading = "Output")]
        access_log: Optional<PathBuf> = Optional(None);
        /// The form of these lines: combined, as of Apache and nginx, or json [default: combined]
        #[arg(long, value_name = "FORMAT", value_parser = choices::<AccessLogFormat>(), help_heading = "Output")]
        access_log_format: AccessLogFormat = AccessLogFormat::Combined;
        /// Answer /metrics for Prometheus and /healthz at this HOST:PORT, to everybody who reaches it
        #[arg(long, value_name = "ADDRESS")]
        metrics: MetricsAddress = MetricsAddress(None);
        /// The file with the token.
        #[arg(skip)]
        token_file: Optional<PathBuf> = Optional(None);
        /// Print the token in the address even if stdout is not a terminal [default: print where the token is stored]
        #[arg(long, num_args = 0, default_missing_value = "true", help_heading = "Trust")]
        print_token: bool = false;
        /// Without a screen: print the address as a QR code, too, if the terminal is wide enough
        #[arg(long, num_args = 0, default_missing_value = "true")]
        qr: bool = false;
        /// Links to follow: those that stay inside the folder, or never any [default: inside]
        #[arg(long, value_name = "WHICH", value_parser = choices::<Links>())]
        symlinks: Links = Policy::default().links;
        /// Whether names that begin with a dot are served: serve or never [default: serve]
        #[arg(long, value_name = "WHETHER", value_parser = choices::<Hidden>())]
        hidden: Hidden = Hidden(Policy::default().hidden);
        /// Do not serve file systems that are mounted in the folder
        #[arg(long, num_args = 0, default_missing_value = "true")]
        one_file_system: bool = Policy::default().one_file_system;
    }
}

section! {
    /// The limits of a server, a part of `[server]`.
    LimitOptions => Limits {
        /// Connections at the same time; further ones get "busy" [default: 256]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_connections: Count = Bounded::nearest(limits().max_connections as u64);
        /// Connections from one address, or one IPv6 network [default: 64]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_per_address: Count = Bounded::nearest(limits().max_per_address as u64);
        /// Requests of one connection; then the client must reconnect [default: 100000]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_requests: Bounded<1, { u64::MAX }> = Bounded::nearest(limits().max_requests);

        /// Archives planned, and trees read, at the same time; further ones get "busy" [default: 16]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_archives: Count = Bounded::nearest(limits().max_archives as u64);
        /// Files hashed for clients at the same time; further ones get "busy" [default: 4]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_hashing: Count = Bounded::nearest(limits().max_hashing as u64);
        /// Requests that a client may send ahead [default: 64]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        pipeline: Count = Bounded::nearest(limits().pipeline.into());
        /// Entries of a page of a listing, 1 to 4096 [default: 1000]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        page: Bounded<1, 4096> = Bounded::nearest(limits().page as u64);
        /// Bytes a second for all clients together; 0 is unlimited.
        #[arg(skip)]
        limit: Rate = Rate(limits().rate);
        /// Bytes a second for each connection, such as 500k or 2M; 0 is unlimited [default: 0]
        #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
        limit_each: Rate = Rate(limits().rate_each);
        /// Time from the start of a connection to its first request, with the TLS handshake [default: 10]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        handshake_timeout: Seconds = limits().handshake.into();
        /// Time between two requests [default: 60]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        idle_timeout: Seconds = limits().idle.into();
        /// Minimum rate of a client in bytes a second: below it the connection is closed; 0 is no minimum [default: 1000]
        #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
        min_rate: Rate = Rate(Some(limits().min_rate));
        /// Averaging window for --min-rate [default: 30]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        rate_window: Seconds = limits().rate_window.into();
        /// How long transfers may take to finish when the server stops [default: 10]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        drain_timeout: Seconds = limits().drain.into();
    }
}

section! {
    /// `[screen]`: the screens.
    ScreenOptions => Screen {
        /// Use colours: auto, always or never [default: auto]
        #[arg(long, value_name = "WHEN", value_parser = choices::<When>(), num_args = 0..=1, require_equals = true, default_missing_value = "always")]
        color: When = When::Auto;
        /// Whether to draw with ASCII only.
        #[arg(long, value_parser = choices::<When>(), num_args = 0, default_missing_value = "always", help = "Draw with ASCII only")]
        ascii: When = When::Auto;
        /// Frames a second while transfers run.
        #[arg(skip)]
        frames: Bounded<1, 10> = Bounded::nearest(4);
        /// Whether to ring the bell of the terminal when the last download has ended.
        #[arg(skip)]
        bell: bool = true;
        /// Whether the title of the terminal has the progress.
        #[arg(skip)]
        title: When = When::Auto;
        /// Whether the taskbar or tab of the terminal shows the progress.
        #[arg(skip)]
        progress: When = When::Auto;
        /// Whether the terminal shows a notification when the last download has ended.
        #[arg(skip)]
        notify: When = When::Auto;
    }
}

section! {
    /// `[theme]`: the colours of the screens.
    ThemeOptions => Theme {
        /// Titles, the prompt, what is marked.
        #[arg(skip)]
        accent: Colour = Colour(Some(6));
        /// Keys in hints and on the help page.
        #[arg(skip)]
        key: Colour = Colour(Some(6));
        /// The filled part of a gauge, and graphs.
        #[arg(skip)]
        gauge: Colour = Colour(Some(6));
        /// Done, verified.
        #[arg(skip)]
        good: Colour = Colour(Some(2));
        /// Needs attention: paused, waits to try again. Yellow cannot be read on a light background.
        #[arg(skip)]
        warn: Colour = Colour(Some(5));
        /// Failed.
        #[arg(skip)]
        bad: Colour = Colour(Some(1));
    }
}

section! {
    /// `[log]`: the log.
    LogOptions => Log {
        /// The least severe level that is logged.
        #[arg(skip)]
        level: Level = Level::INFO;
        /// The folder of the log files; empty is the state folder.
        #[arg(skip)]
        folder: Optional<PathBuf> = Optional(None);
        /// How many log files are kept.
        #[arg(skip)]
        files: Bounded<1, 1000> = Bounded::nearest(7);
    }
}

impl Client {
    /// The limits of extracted archives.
    pub fn extract_limits(&self) -> Extract {
        Extract {
            entries: self.extract_entries.get(),
            bytes: Some(self.extract_bytes.get()).filter(|bytes| *bytes > 0),
            ratio: self.extract_ratio.get(),
        }
    }

    /// The commands that run when downloads end.
    pub fn hooks(&self) -> client::Hooks {
        client::Hooks {
            on_done: self.on_done.0.clone(),
            on_failed: self.on_failed.0.clone(),
            on_idle: self.on_idle.0.clone(),
        }
    }

    /// The limits that can be changed while downloads run.
    pub fn limits(&self) -> client::Limits {
        client::Limits { jobs: self.jobs.count(), segments: self.segments.count(), rate: self.limit.0 }
    }
}

impl Server {
    /// The policy of the served folder.
    pub fn policy(&self) -> Policy {
        Policy { links: self.symlinks, hidden: self.hidden.0, one_file_system: self.one_file_system }
    }

    /// The address to listen on.
    pub fn host(&self) -> &str {
        self.host.0.as_deref().unwrap_or(DEFAULT_HOST)
    }
}

impl From<&Limits> for server::Limits {
    fn from(limits: &Limits) -> server::Limits {
        server::Limits {
            max_connections: limits.max_connections.count(),
            max_per_address: limits.max_per_address.count(),
            max_requests: limits.max_requests.get(),
            max_archives: limits.max_archives.count(),
            max_hashing: limits.max_hashing.count(),
            pipeline: limits.pipeline.small(),
            page: limits.page.count(),
            rate: limits.limit.0,
            rate_each: limits.limit_each.0,
            handshake: limits.handshake_timeout.get(),
            idle: limits.idle_timeout.get(),
            min_rate: limits.min_rate.bytes(),
            rate_window: limits.rate_window.get(),
            drain: limits.drain_timeout.get(),
        }
    }
}
