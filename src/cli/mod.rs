//! The command line, as it is typed. What is meant by it is decided in [`plan`].

pub mod access;
mod exposed;
pub mod fetch;
mod merge;
mod own;
pub mod plan;
mod print;
mod values;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, error::ErrorKind};

use crate::{
    client::{Checksum, Form, Names, SessionName, Speak},
    config::When,
    protocol::{classic::Dialect, pin::Pin},
    server::Arch,
    storage::root::Links,
    text::SafeText,
};

pub use fetch::Fetch;
pub use plan::{Plan, Task};

/// Behind the options in `--help` and in the manual.
const AFTER: &str = "\
Exit codes:
    0  all done
    1  failed in another way
    2  wrong usage
    3  could not connect in time, or lost and retries spent
    4  not found or not permitted
    5  the server is not the one that was meant or not known, or wants its token
    6  the digest is wrong, the source changed, or an archive is not one that is unpacked
    7  the local disk: full, not writable, target exists; output cannot be written
    8  completed, but entries of a folder are missing; they are listed (--allow-missing makes it 0)
  130  interrupted; what was fetched is kept, and the queue of a session

Without a terminal the same work is done with plain lines, or with --json
one object a line. To try it: tui --demo";

const ARGUMENTS: &str = "\
What to fetch: fdsp://[TOKEN@]HOST[:PORT]/PATH[#PIN], or a PATH of the server of --host. With --serve or --demo: the \
folder to serve [default: the current directory]";

/// The command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "tui",
    version,
    about = "A download queue in a terminal, and the file server at its other end",
    after_help = AFTER,
    override_usage = "tui [OPTIONS] [ADDRESS]...\n       tui --serve [OPTIONS] [DIR]\n       tui --demo [OPTIONS] [DIR]",
    max_term_width = 100,
)]
pub struct Cli {
    /// Addresses, or the folder to serve.
    #[arg(value_name = "ADDRESS|DIR", help = ARGUMENTS)]
    pub arguments: Vec<OsString>,
    /// Where the server is, or with --serve, where to listen.
    #[command(flatten)]
    pub place: Place,
    /// Fetching.
    #[command(flatten, next_help_heading = "Fetching")]
    pub client: ClientArgs,
    /// Serving.
    #[command(flatten, next_help_heading = "Serving")]
    pub server: ServerArgs,
    /// What a server allows.
    #[command(flatten, next_help_heading = "Limits of a server")]
    pub limits: LimitArgs,
    /// Both.
    #[command(flatten, next_help_heading = "Both")]
    pub common: CommonArgs,
}

/// Where the server is.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// The server; with --serve, the address to listen on [default with --serve: 127.0.0.1]
    #[arg(short = 'H', long, value_name = "HOST", help_heading = "Both")]
    pub host: Option<String>,
    /// Its port; with --serve, 0 picks a free one [default: 7878]
    #[arg(short = 'P', long, value_name = "PORT", allow_negative_numbers = true, help_heading = "Both", value_parser = values::port)]
    pub port: Option<u16>,
}

/// Options of a client.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientArgs {
    /// Fetch this path from the server of --host
    #[arg(short, long, value_name = "PATH")]
    pub remote: Option<String>,
    /// Save it as this path; in it, if it is a folder and no tree comes
    #[arg(short, long, value_name = "PATH")]
    pub local: Option<PathBuf>,
    /// Where downloads go [default: the current directory]
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How a directory comes: zip (auto means that, too), or tree, as the files themselves [default: auto]
    #[arg(long = "as", value_name = "FORM", value_parser = values::form())]
    pub form: Option<Form>,
    /// Downloads at the same time, 1 to 64 [default: 3]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub jobs: Option<u64>,
    /// Connections for one file, 1 to 16; a small file, and an archive, use one [default: 4]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=16))]
    pub segments: Option<u64>,
    /// How often an attempt that reached the server and received nothing is repeated [default: 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub retries: Option<u32>,
    /// Without a screen: for how long a server that cannot be reached is tried again; 0 is for ever [default: 600]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds_or_zero)]
    pub retry_max_time: Option<Duration>,
    /// Connection timeout: how long a server may send nothing [default: 30]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub timeout: Option<Duration>,
    /// A server that sends fewer bytes a second than this is lost; 0 is no minimum [default: 100]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = values::rate)]
    pub speed_limit: Option<values::Rate>,
    /// The time over which --speed-limit is averaged [default: as --timeout]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub speed_time: Option<Duration>,
    /// Do not wait for the disk before a download is done
    #[arg(long)]
    pub no_sync: bool,
    /// Replace targets that exist [default: done if it is the same, else an error]
    #[arg(long, conflicts_with = "rename")]
    pub overwrite: bool,
    /// Save beside targets that exist, under another name
    #[arg(long)]
    pub rename: bool,
    /// Bring targets that exist to the server's version, fetching only the blocks that differ
    #[arg(long, conflicts_with_all = ["overwrite", "rename"])]
    pub update: bool,
    /// Keep the queue under this name, and resume what is in it [default: default; without a screen: not kept]
    #[arg(long, value_name = "NAME")]
    pub session: Option<SessionName>,
    /// Start with the queue of the session paused
    #[arg(long)]
    pub paused: bool,
    /// Unpack zip archives once they are verified, into a folder beside them
    #[arg(long)]
    pub extract: bool,
    /// Which names are kept: all that this system can have (exact), or those that mean a file on every
    /// other one, too (portable): what cannot stay is saved under another name [default: exact]
    #[arg(long, value_name = "WHICH", value_parser = values::names())]
    pub names: Option<Names>,
    /// End with exit code 0 also if entries of a folder are missing [default: 8]
    #[arg(long)]
    pub allow_missing: bool,
    /// Fail unless the file has this digest; ALGO is blake3, sha256 or md5
    #[arg(long, value_name = "ALGO:HEX", value_parser = values::checksum)]
    pub checksum: Option<Checksum>,
    /// The protocol to use: v1, classic or classic-select [default: v1]
    #[arg(long, value_name = "DIALECT", value_parser = values::protocol())]
    pub protocol: Option<Speak>,
    /// The server's certificate must have this pin: sha256: and 64 hex digits
    #[arg(long, value_name = "PIN")]
    pub pin: Option<Pin>,
    /// Accept a server that is not known yet, and remember it [default: ask, or without a screen, refuse]
    #[arg(long)]
    pub accept_new: bool,
}

/// Options of a server.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// Serve DIR
    #[arg(long, conflicts_with = "demo")]
    pub serve: bool,
    /// Serve DIR on a free loopback port and fetch from it: a screen to try things, or without a
    /// terminal, one download of the whole, verified and removed again
    #[arg(long)]
    pub demo: bool,
    /// The server's architecture [default: async]
    #[arg(long, value_enum)]
    pub arch: Option<Arch>,
    /// Answer the original programs, too
    #[arg(long)]
    pub classic: bool,
    /// Which dialect of them: classic or classic-select [default: classic-select for the architecture select]
    #[arg(long, value_name = "DIALECT", value_parser = values::dialect())]
    pub classic_dialect: Option<Dialect>,
    /// The server's certificate, a PEM file [default: it makes its own]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Serve everybody, without a token
    #[arg(long)]
    pub public: bool,
    /// Print the token in the address even if stdout is not a terminal [default: print where the token is]
    #[arg(long)]
    pub print_token: bool,
    /// Links to follow: those that stay inside the folder, or never any [default: inside]
    #[arg(long, value_name = "WHICH", value_parser = values::links())]
    pub symlinks: Option<Links>,
    /// Whether names that begin with a dot are served: serve or never [default: serve]
    #[arg(long, value_name = "WHETHER", value_parser = values::hidden())]
    pub hidden: Option<bool>,
    /// Do not serve file systems that are mounted in the folder
    #[arg(long)]
    pub one_file_system: bool,
}

/// What a server allows its clients.
#[derive(Clone, Debug, Default, Args)]
pub struct LimitArgs {
    /// Connections at the same time; further ones get "busy" [default: 256]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_connections: Option<u64>,
    /// Of these, those from one address, or one IPv6 network [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_per_address: Option<u64>,
    /// Requests of one connection; then it has to connect again [default: 100000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_requests: Option<u64>,
    /// Archives planned, and trees read, at the same time; further ones get "busy" [default: 16]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_archives: Option<u64>,
    /// Files hashed for clients at the same time; further ones get "busy" [default: 4]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_hashing: Option<u64>,
    /// Requests that a client may send ahead [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pipeline: Option<u32>,
    /// Entries of a page of a listing, 1 to 4096 [default: 1000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub page: Option<u64>,
    /// Bytes a second for each connection, such as 500k or 2M; 0 is unlimited [default: 0]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = values::rate)]
    pub limit_each: Option<values::Rate>,
    /// From a connection's start to its first request, TLS included [default: 10]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub handshake_timeout: Option<Duration>,
    /// Between two requests [default: 60]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub idle_timeout: Option<Duration>,
    /// Bytes a second that a client must take; 0 is any [default: 1000]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = values::rate)]
    pub min_rate: Option<values::Rate>,
    /// Averaging window for --min-rate [default: 30]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub rate_window: Option<Duration>,
    /// How long transfers may take to finish when the server stops [default: 10]
    #[arg(long, value_name = "SECS", allow_negative_numbers = true, value_parser = values::seconds)]
    pub drain_timeout: Option<Duration>,
}

/// Options of both.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArgs {
    /// Bytes a second for all downloads, or with --serve, for all clients together, such as 500k or 2M; 0 is unlimited
    /// [default: 0]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = values::rate)]
    pub limit: Option<values::Rate>,
    /// No TLS: others on the network can read what is sent, and the token
    #[arg(long)]
    pub plain: bool,
    /// The token that opens the server; other users may see it here, so better use --token-file or FDSP_TOKEN
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true, conflicts_with = "token_file", value_parser = values::token)]
    pub token: Option<values::Typed>,
    /// The file with it [default: with --serve, one is made where others can reach the server]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// No screen: plain lines instead
    #[arg(long)]
    pub headless: bool,
    /// No screen: one JSON object a line on stdout
    #[arg(long)]
    pub json: bool,
    /// No screen, and nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log more: -v for debug, -vv for trace; without a screen also to stderr
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log to this file
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Read the settings from this file
    #[arg(long, value_name = "FILE", env = "FDSP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Use colours: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = values::when(), num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub color: Option<When>,
    /// Draw with ASCII only
    #[arg(long)]
    pub ascii: bool,
    /// Print a completion script and exit: bash, elvish, fish, powershell or zsh
    #[arg(long, value_name = "SHELL", value_enum, exclusive = true)]
    pub completions: Option<clap_complete::Shell>,
    /// Print the manual page and exit
    #[arg(long, exclusive = true)]
    pub man: bool,
}

/// Wrong usage: one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// What reading the command line gives.
#[derive(Clone, Debug)]
pub enum Typed {
    /// Something to do.
    Run(Box<Cli>),
    /// Something to print on stdout, and that is all.
    Print(Vec<u8>),
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// An option that does not exist, a value that is none, two options that exclude each other.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, UsageError> {
        match Cli::try_parse_from(with_joined_color(arguments)) {
            Ok(cli) => Ok(match (cli.common.completions, cli.common.man) {
                (Some(shell), _) => Typed::Print(print::completions(shell)),
                (None, true) => Typed::Print(print::man()),
                (None, false) => Typed::Run(Box::new(cli)),
            }),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Ok(Typed::Print(error.render().to_string().into_bytes()))
            }
            Err(error) => Err(UsageError(sentence(&error.render().to_string()))),
        }
    }
}

/// One sentence out of clap's paragraphs: the problem, and the tip where there is one.
fn sentence(rendered: &str) -> String {
    let mut paragraphs = rendered.split("\n\n");
    let join = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let problem = join(paragraphs.next().unwrap_or_default());
    let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
    let tip = paragraphs.map(join).find_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
    let hint = tip.map_or_else(|| "see tui --help".to_owned(), |tip| tip.replace(" tip: ", "; "));
    SafeText::new(&format!("{problem} ({hint})")).to_string()
}

/// `--color` may stand alone, so that clap would take the word behind it for an address: `--color never` is
/// read as `--color=never`.
fn with_joined_color(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        let is_when = ["auto", "always", "never"].iter().any(|when| argument == *when);
        match joined.last_mut() {
            Some(last) if is_when && last == "--color" => {
                last.push("=");
                last.push(argument);
            }
            _ => joined.push(argument),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
