//! Every setting, once: its option on the command line, its name in the file and the environment, its type and its default.
//!
//! `[default: …]` in the help is for people; tests hold it, and `config/default.toml`, against the defaults here.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use tracing::Level;

use super::{
    section::section,
    types::{Bounded, Maybe, Rate, Seconds, SecondsOrZero},
    words::{ClassicDialect, Hidden, When, dialect, words},
};
use crate::{
    client::{self, Existing, Extract, Form, Names, Speak},
    protocol::address::DEFAULT_PORT,
    server::{self, Arch},
    storage::root::{Links, Policy},
};

/// The address that a server listens on when none is given.
pub const DEFAULT_HOST: &str = "127.0.0.1";

/// A count of connections, or of something that each of them may have.
pub type Count = Bounded<1, 100_000>;

fn path() -> impl TypedValueParser<Value = Maybe<PathBuf>> {
    PathBufValueParser::new().map(|path| Maybe(Some(path)))
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
        /// The server for paths that name none.
        #[arg(skip)]
        host: Maybe<String> = Maybe(None);
        /// Its port.
        #[arg(skip)]
        port: Bounded<1, 65_535> = Bounded::nearest(DEFAULT_PORT.into());
        /// Whether paths of that server are fetched without TLS, and tokens are sent without it.
        #[arg(skip)]
        plain: bool = false;
        /// The file with the token of that server.
        #[arg(skip)]
        token_file: Maybe<PathBuf> = Maybe(None);
        /// Where downloads go [default: the current directory]
        #[arg(short, long, value_name = "DIR")]
        dir: PathBuf = PathBuf::from(".");
        /// How a directory is received: zip (auto means that, too), or tree, as the files themselves [default: auto]
        #[arg(long = "as", value_name = "FORM", value_parser = words::<Form>())]
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
        /// How often an attempt that reached the server and received nothing is repeated [default: 8]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        retries: Bounded<0, 1000> = Bounded::nearest(engine().retries.into());
        /// Without a screen: for how long a server that cannot be reached is tried again; 0 is for ever [default: 600]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        retry_max_time: SecondsOrZero = SecondsOrZero(engine().retry_max_time);
        /// Connection timeout: how long a server may send nothing [default: 30]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        timeout: Seconds = engine().timeout.into();
        /// Minimum rate of a server in bytes a second: below it the connection is closed and retried; 0 is no minimum [default: 100]
        #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
        speed_limit: Rate = Rate(Some(engine().speed_limit));
        /// Averaging window for --speed-limit [default: as --timeout]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        speed_time: SecondsOrZero = SecondsOrZero(engine().speed_time);
        /// Whether a download is done only once the disk has it.
        #[arg(long = "no-sync", num_args = 0, default_missing_value = "false", help = "Do not wait for the disk before a download is done")]
        sync: bool = engine().sync;
        /// What happens when the target exists.
        #[arg(skip)]
        existing: Existing = Existing::Keep;
        /// Unpack zip archives once they are verified, into a folder beside them
        #[arg(long, num_args = 0, default_missing_value = "true")]
        extract: bool = false;
        /// Entries of an archive that is unpacked, at most, with the folders that they lie in.
        #[arg(skip)]
        extract_entries: Bounded<1, 10_000_000> = Bounded::nearest(engine().extract.entries);
        /// Bytes that an archive may unpack to; 0 is as many as the disk has room for.
        #[arg(skip)]
        extract_bytes: Bounded<0, { u64::MAX }> = Bounded::nearest(engine().extract.bytes.unwrap_or(0));
        /// How many times larger than itself an archive may become that unpacks to more than 1 GiB.
        #[arg(skip)]
        extract_ratio: Bounded<1, { u64::MAX }> = Bounded::nearest(engine().extract.ratio);
        /// Which names are kept: all that this system can have (exact), or those that mean a file on every other system, too
        /// (portable); other names are saved under a substitute [default: exact]
        #[arg(long, value_name = "WHICH", value_parser = words::<Names>())]
        names: Names = engine().names;
        /// End with exit code 0 also if entries of a folder are missing [default: 8]
        #[arg(long, num_args = 0, default_missing_value = "true")]
        allow_missing: bool = false;
        /// The protocol to use: v1, classic or classic-select [default: v1]
        #[arg(long, value_name = "DIALECT", value_parser = words::<Speak>())]
        protocol: Speak = Speak::V1;
        /// Accept a server that is not known yet, and remember it [default: ask, or without a screen, refuse]
        #[arg(long, num_args = 0, default_missing_value = "true")]
        accept_new: bool = false;
    }
}

section! {
    /// `[server]`: serving.
    ServerOptions => Server {
        /// The address to listen on.
        #[arg(skip)]
        host: Maybe<String> = Maybe(Some(DEFAULT_HOST.to_owned()));
        /// The port; 0 picks a free one.
        #[arg(skip)]
        port: Bounded<0, 65_535> = Bounded::nearest(DEFAULT_PORT.into());
        /// The server's architecture: single (one connection at a time), threads (one for each connection), select (one thread,
        /// readiness from the kernel) or async (tasks on tokio) [default: async]
        #[arg(long, value_name = "ARCH", value_parser = words::<Arch>())]
        arch: Arch = Arch::Async;
        /// Whether to serve without TLS.
        #[arg(skip)]
        plain: bool = false;
        /// Answer the original programs, too
        #[arg(long, num_args = 0, default_missing_value = "true")]
        classic: bool = false;
        /// Their dialect: classic or classic-select [default: classic-select for the architecture select]
        #[arg(long, value_name = "DIALECT", value_parser = dialect())]
        classic_dialect: ClassicDialect = ClassicDialect(None);
        /// The server's certificate, a PEM file [default: the server makes one]
        #[arg(long, value_name = "FILE", value_parser = path())]
        tls_cert: Maybe<PathBuf> = Maybe(None);
        /// The certificate's key, a PEM file
        #[arg(long, value_name = "FILE", value_parser = path())]
        tls_key: Maybe<PathBuf> = Maybe(None);
        /// Serve everybody, without a token
        #[arg(long, num_args = 0, default_missing_value = "true")]
        public: bool = false;
        /// The file with the token.
        #[arg(skip)]
        token_file: Maybe<PathBuf> = Maybe(None);
        /// Print the token in the address even if stdout is not a terminal [default: print where the token is]
        #[arg(long, num_args = 0, default_missing_value = "true")]
        print_token: bool = false;
        /// Links to follow: those that stay inside the folder, or never any [default: inside]
        #[arg(long, value_name = "WHICH", value_parser = words::<Links>())]
        symlinks: Links = Policy::default().links;
        /// Whether names that begin with a dot are served: serve or never [default: serve]
        #[arg(long, value_name = "WHETHER", value_parser = words::<Hidden>())]
        hidden: Hidden = Hidden(Policy::default().hidden);
        /// Do not serve file systems that are mounted in the folder
        #[arg(long, num_args = 0, default_missing_value = "true")]
        one_file_system: bool = Policy::default().one_file_system;
    }
}

section! {
    /// What a server allows its clients, a part of `[server]`.
    LimitOptions => Limits {
        /// Connections at the same time; further ones get "busy" [default: 256]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_connections: Count = Bounded::nearest(limits().max_connections as u64);
        /// Of these, those from one address, or one IPv6 network [default: 64]
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        max_per_address: Count = Bounded::nearest(limits().max_per_address as u64);
        /// Requests of one connection; then it has to connect again [default: 100000]
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
        /// From a connection's start to its first request, TLS included [default: 10]
        #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
        handshake_timeout: Seconds = limits().handshake.into();
        /// Between two requests [default: 60]
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
        #[arg(long, value_name = "WHEN", value_parser = words::<When>(), num_args = 0..=1, require_equals = true, default_missing_value = "always")]
        color: When = When::Auto;
        /// Whether to draw with ASCII only.
        #[arg(long, value_parser = words::<When>(), num_args = 0, default_missing_value = "always", help = "Draw with ASCII only")]
        ascii: When = When::Auto;
        /// Frames a second while transfers run.
        #[arg(skip)]
        frames: Bounded<1, 10> = Bounded::nearest(4);
        /// Whether the terminal's bell rings when the last download has ended.
        #[arg(skip)]
        bell: bool = true;
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
        folder: Maybe<PathBuf> = Maybe(None);
        /// How many log files are kept.
        #[arg(skip)]
        files: Bounded<1, 1000> = Bounded::nearest(7);
    }
}

impl Client {
    /// Limits on what is unpacked.
    pub fn extract_limits(&self) -> Extract {
        Extract {
            entries: self.extract_entries.get(),
            bytes: Some(self.extract_bytes.get()).filter(|bytes| *bytes > 0),
            ratio: self.extract_ratio.get(),
        }
    }

    /// The limits that can be changed while downloads run.
    pub fn limits(&self) -> client::Limits {
        client::Limits { jobs: self.jobs.count(), segments: self.segments.count(), rate: self.limit.0 }
    }
}

impl Server {
    /// What of the folder is served.
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
