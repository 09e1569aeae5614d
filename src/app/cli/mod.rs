//! The command line. [`Cli::plan`] combines it with the settings.

mod access;
mod completions;
mod configuration;
mod environment;
mod error;
mod fetch;
mod manual;
mod named_files;
mod options;
mod own_files;
mod plan;

mod readable_secrets;
mod values;

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, error::ErrorKind};

use crate::{
    app::config::{Bounded, ClientOptions, LimitOptions, Optional, Rate, ScreenOptions, ServerOptions},
    client::{Checksum, SessionName, WebHeader},
    protocol::trust::pin::Pin,
    server::ResponseHeader,
    text::SafeText,
};

pub use environment::{Environment, Terminal};
pub use error::UsageError;
pub use fetch::{Fetch, SessionChoice};
pub use plan::{Demo, Face, Plan, Serve, Task};

const ARGUMENTS: &str = "\
What to fetch: fdsp://[TOKEN@]HOST[:PORT]/PATH[#PIN], HOST:PORT/PATH, http:// or https://HOST[:PORT]/PATH, a curl command in \
one argument, or a PATH of the server of --host; on the screen a server alone is listed. With --serve or --demo: the folder to serve [default: the current \
directory]";

/// The command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "tui",
    version,
    about = "Download queue and file server with resume, verification and TLS",
    before_help = manual::examples(),
    after_help = manual::exit_codes(),
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "tui [OPTIONS] [ADDRESS]...\n       tui --serve [OPTIONS] [DIR]\n       tui --demo [OPTIONS] [DIR]",
    max_term_width = 100,
)]
pub struct Cli {
    /// Addresses, or the folder to serve.
    #[arg(value_name = "ADDRESS|DIR", help = ARGUMENTS)]
    pub arguments: Vec<OsString>,
    /// Where the server is, or with --serve, where to listen.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// What to fetch.
    #[command(flatten, next_help_heading = "Fetching")]
    pub client: ClientArgs,
    /// Settings of fetching.
    #[command(flatten, next_help_heading = "Fetching")]
    pub download: ClientOptions,
    /// Serving, or the demo.
    #[command(flatten, next_help_heading = "Serving")]
    pub task: TaskArgs,
    /// Settings of serving.
    #[command(flatten, next_help_heading = "Serving")]
    pub server: ServerOptions,
    /// Options of serving that are not settings in this form.
    #[command(flatten, next_help_heading = "Serving")]
    pub server_args: ServerArgs,
    /// What a server allows.
    #[command(flatten, next_help_heading = "Limits of a server")]
    pub limits: LimitOptions,
    /// Options of fetching and serving.
    #[command(flatten, next_help_heading = "Output")]
    pub common: CommonArgs,
    /// Settings of the screens.
    #[command(flatten, next_help_heading = "Output")]
    pub screen: ScreenOptions,
    /// The options that were typed.
    #[arg(skip)]
    given: Vec<options::GivenOption>,
}

/// Where the server is.
#[derive(Clone, Debug, Default, Args)]
pub struct EndpointArgs {
    /// The server; with --serve, the address to listen on [default with --serve: 127.0.0.1]
    #[arg(short = 'H', long, value_name = "HOST", help_heading = "Fetching and serving")]
    pub host: Option<Optional<String>>,
    /// Its port; with --serve, 0 picks a free one [default: 7878]
    #[arg(
        short = 'P',
        long,
        value_name = "PORT",
        allow_negative_numbers = true,
        help_heading = "Fetching and serving"
    )]
    pub port: Option<Bounded<0, 65_535>>,
}

/// What to fetch, and its options that are not settings.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientArgs {
    /// Fetch the addresses and paths of this file, or of stdin for -: one a line, its mirrors after tabs, # comments;
    /// indented lines below one are its options out=NAME, dir=DIR, checksum=ALGO:HEX, header=NAME: VALUE, user-agent=NAME and referer=URL
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["local", "checksum", "mirror"])]
    pub input_file: Option<PathBuf>,
    /// Fetch this path from the server of --host
    #[arg(short, long, value_name = "PATH")]
    pub remote: Option<String>,
    /// Save it as this path, or into it, if it is a folder and a file is fetched
    #[arg(short, long, value_name = "PATH")]
    pub local: Option<PathBuf>,
    /// Replace existing targets [default: done if the content is equal, else an error]
    #[arg(long, conflicts_with = "rename")]
    pub overwrite: bool,
    /// Save under another name if the target exists
    #[arg(long)]
    pub rename: bool,
    /// Update existing targets: fetch only the blocks that differ
    #[arg(long, conflicts_with_all = ["overwrite", "rename"])]
    pub update: bool,
    /// Save the queue under this name and resume its downloads [default: default; without a screen: not saved]
    #[arg(long, value_name = "NAME")]
    pub session: Option<SessionName>,
    /// Start with the queue of the session paused
    #[arg(long)]
    pub paused: bool,
    /// Fail unless the file has this checksum; ALGO is blake3, sha256, sha512 or md5
    #[arg(long, value_name = "ALGO:HEX", value_parser = values::checksum)]
    pub checksum: Option<Checksum>,
    /// Fail unless the file has the checksum that this list has for it, as sha256sum, sha512sum and b3sum print them
    #[arg(long, value_name = "FILE|URL", conflicts_with = "checksum")]
    pub checksum_file: Option<String>,
    /// Look for such a list beside each file of a web server, and verify it if there is one
    #[arg(long, conflicts_with_all = ["checksum", "checksum_file"], help_heading = "Web servers")]
    pub find_checksums: bool,
    /// Addresses have curl's patterns: [01-20], [1-100:10], [a-z] and {one,two}; \ takes the meaning from the next character
    #[arg(long)]
    pub glob: bool,
    /// Fetch the unfinished download of the session from another address, for example of an expired link; what was
    /// received stays
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2)]
    pub replace_address: Option<Vec<String>>,
    /// Use the user names and passwords of ~/.netrc for web servers
    #[arg(long, help_heading = "Web servers")]
    pub netrc: bool,
    /// Use those of this file
    #[arg(long, value_name = "FILE", help_heading = "Web servers")]
    pub netrc_file: Option<PathBuf>,
    /// Send the cookies of this file, in the format of Netscape, to the web servers that they are for
    #[arg(long, value_name = "FILE", help_heading = "Web servers")]
    pub load_cookies: Option<PathBuf>,
    /// Another address of the same file, which is fetched from both at once; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub mirror: Vec<String>,
    /// Send this header field to web servers, but not to where they redirect; may be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = WebHeader::parse, help_heading = "Web servers")]
    pub header: Vec<WebHeader>,
    /// The server's certificate must have this pin: sha256: and 64 hex digits
    #[arg(long, value_name = "PIN", help_heading = "Trust")]
    pub pin: Option<Pin>,
}

/// Options of serving that may be given several times.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// Add this header field to the responses of HTTP, such as 'Access-Control-Allow-Origin: *'; may be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = ResponseHeader::parse)]
    pub response_header: Vec<ResponseHeader>,
}

/// What to do instead of fetching.
#[derive(Clone, Debug, Default, Args)]
pub struct TaskArgs {
    /// Serve DIR
    #[arg(long, conflicts_with = "demo")]
    pub serve: bool,
    /// Serve DIR on a free loopback port and fetch from it: with a screen to try, without DIR with made-up files;
    /// without a terminal one download of all of it, verified and then deleted
    #[arg(long)]
    pub demo: bool,
    /// Show what is downloaded in the background, or with --session NAME, in the background of that session
    #[arg(long, help_heading = "Fetching", conflicts_with_all = ["serve", "demo"])]
    pub status: bool,
    /// Stop the downloads in the background; the next start resumes them
    #[arg(long, help_heading = "Fetching", conflicts_with_all = ["serve", "demo", "status"])]
    pub stop: bool,
}

/// Options of fetching and serving.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArgs {
    /// Bytes a second for all downloads, or with --serve, for all clients together, such as 500k or 2M; 0 is unlimited
    /// [default: 0]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = "Fetching and serving")]
    pub limit: Option<Rate>,
    /// Without TLS: others on the network can read the files and the token
    #[arg(long, help_heading = "Trust")]
    pub plain: bool,
    /// The token of the server; other users can see it here, so prefer --token-file or FDSP_TOKEN
    #[arg(
        long,
        value_name = "TOKEN",
        allow_hyphen_values = true,
        conflicts_with = "token_file",
        value_parser = values::token,
        help_heading = "Trust"
    )]
    pub token: Option<values::TokenArg>,
    /// The file with the token [default: --serve creates one if others can reach the server]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
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
    #[arg(long, value_name = "FILE", env = "FDSP_CONFIG", help_heading = "Other")]
    pub config: Option<PathBuf>,
    /// Print each setting with its value and where that comes from, as a file of settings, and exit
    #[arg(long, conflicts_with = "config_check", help_heading = "Other")]
    pub print_config: bool,
    /// Check the settings and the files that they name, and exit: with 2 if something is wrong
    #[arg(long, help_heading = "Other")]
    pub config_check: bool,
    /// Print a completion script and exit: bash, elvish, fish, powershell or zsh
    #[arg(long, value_name = "SHELL", value_enum, exclusive = true, help_heading = "Other")]
    pub completions: Option<clap_complete::Shell>,
    /// Print the manual page and exit
    #[arg(long, exclusive = true, help_heading = "Other")]
    pub man: bool,
    /// Print this help and exit
    #[arg(short, long, action = ArgAction::Help, help_heading = "Other")]
    pub help: Option<bool>,
    /// Print the version and exit
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Other")]
    pub version: Option<bool>,
}

/// A parsed command line.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// A task to run.
    Run(Box<Cli>),
    /// Text to print on stdout.
    Print(Vec<u8>),
}

impl Cli {
    /// Parses the command line.
    ///
    /// # Errors
    /// An option that does not exist, a value that is not valid, two options that exclude each other.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
        let mut command = Cli::command();
        let cli = command.try_get_matches_from_mut(with_joined_color(arguments)).and_then(|matches| {
            let given = options::GivenOption::all(&command, &matches);
            Ok(Cli { given, ..Cli::from_arg_matches(&matches)? })
        });
        match cli {
            Ok(cli) => Ok(match (cli.common.completions, cli.common.man) {
                (Some(shell), _) => Parsed::Print(completions::script(shell)),
                (None, true) => Parsed::Print(manual::page()),
                (None, false) => Parsed::Run(Box::new(cli)),
            }),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Ok(Parsed::Print(error.render().to_string().into_bytes()))
            }
            Err(error) => Err(UsageError(sentence(&error.render().to_string()))),
        }
    }
}

/// One sentence of clap's paragraphs: the problem, and the tip if there is one.
fn sentence(rendered: &str) -> String {
    let mut paragraphs = rendered.split("\n\n");
    let join = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let problem = join(paragraphs.next().unwrap_or_default());
    let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
    let tip = paragraphs.map(join).find_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
    let hint = tip.map_or_else(|| "see tui --help".to_owned(), |tip| tip.replace(" tip: ", "; "));
    SafeText::new(&format!("{problem} ({hint})")).to_string()
}

/// `--color` can have no value, so clap would parse the next word as an address: `--color never` is
/// parsed as `--color=never`.
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
