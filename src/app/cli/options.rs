//! The command line as a layer of settings, and the check for options of another task.

use tracing::Level;

use super::{
    Cli,
    error::{UsageError, wrong},
};
use crate::{
    app::config::{Bounded, LogOptions, Options, ResponseHeaders},
    client::Existing,
};

/// Options of one download.
const ONE_DOWNLOAD_OPTIONS: &[&str] =
    &["remote", "local", "checksum", "checksum_file", "mirror", "replace_address"];
/// Options of a server or of a session, which `--demo` has itself.
const NOT_FOR_DEMO_OPTIONS: &[&str] = &[
    "input_file",
    "remote",
    "local",
    "checksum",
    "checksum_file",
    "replace_address",
    "mirror",
    "host",
    "port",
    "pin",
    "accept_new",
    "token",
    "token_file",
    "tls_cert",
    "tls_key",
    "public",
    "print_token",
    "qr",
    "access_log",
    "access_log_format",
    "metrics",
    "response_header",
    "session",
    "paused",
];

impl Cli {
    /// Rejects options of another task.
    pub(super) fn check_placement(&self) -> Result<(), UsageError> {
        let first = |is_wrong: &dyn Fn(&GivenOption) -> bool| self.given.iter().find(|given| is_wrong(given));
        if self.task.serve {
            let one = first(&|given| ONE_DOWNLOAD_OPTIONS.contains(&given.id.as_str()));
            let fetching = || first(&|given| matches!(given.group.as_str(), "ClientArgs" | "ClientOptions"));
            if let Some(GivenOption { long, .. }) = one.or_else(fetching) {
                let instead = if long == "dir" { "; name the folder without it: --serve DIR" } else { "" };
                return wrong(format!("--{long} is for fetching and cannot be used with --serve{instead}"));
            }
        } else if self.task.demo {
            if let Some(GivenOption { long, .. }) =
                first(&|given| NOT_FOR_DEMO_OPTIONS.contains(&given.id.as_str()))
            {
                return wrong(format!(
                    "--{long} cannot be used with --demo, which has its own server and downloads"
                ));
            }
        } else if let Some(GivenOption { long, .. }) =
            first(&|given| matches!(given.group.as_str(), "ServerOptions" | "ServerArgs" | "LimitOptions"))
        {
            return wrong(format!("--{long} is for serving: add --serve, or leave it out"));
        }
        Ok(())
    }

    /// The settings of the command line. Some options are a setting of fetching or of serving, depending on the task.
    pub(super) fn options(&self) -> Result<Options, UsageError> {
        let mut options = Options {
            client: self.download.clone(),
            server: self.server.clone(),
            limits: self.limits.clone(),
            screen: self.screen.clone(),
            theme: crate::app::config::ThemeOptions::default(),
            log: LogOptions {
                level: match self.common.verbose {
                    0 => None,
                    1 => Some(Level::DEBUG),
                    _ => Some(Level::TRACE),
                },
                ..LogOptions::default()
            },
            ..Options::default()
        };
        let (client, server) = (&mut options.client, &mut options.server);
        if self.task.serve {
            server.host = self.endpoint.host.clone();
            server.port = self.endpoint.port;
            let headers = &self.server_args.response_header;
            server.response_headers = (!headers.is_empty()).then(|| ResponseHeaders(headers.clone()));
            options.limits.limit = self.common.limit;
        } else {
            client.host = self.endpoint.host.clone();
            client.port = match self.endpoint.port.map(Bounded::get) {
                Some(0) => {
                    return wrong(
                        "port 0 is for --serve, where it picks a free one: give the port of the server",
                    );
                }
                port => port.map(Bounded::nearest),
            };
            client.limit = self.common.limit;
        }
        client.existing = match &self.client {
            args if args.overwrite => Some(Existing::Overwrite),
            args if args.rename => Some(Existing::Rename),
            args if args.update => Some(Existing::Update),
            _ => None,
        };
        let plain = self.common.plain.then_some(true);
        (client.plain, server.plain) = (plain, plain);
        Ok(options)
    }
}

/// An option of the command line that was given.
#[derive(Clone, Debug)]
pub(super) struct GivenOption {
    /// The struct that it is a field of.
    group: String,
    /// The name of the field.
    id: String,
    /// Its long name.
    long: String,
}

impl GivenOption {
    /// All given options, in the order of the help.
    pub(super) fn all(command: &clap::Command, matches: &clap::ArgMatches) -> Vec<GivenOption> {
        let group = |id: &clap::Id| command.get_groups().find(|group| group.get_args().any(|arg| arg == id));
        let typed = |arg: &&clap::Arg| {
            matches.value_source(arg.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine)
        };
        command
            .get_arguments()
            .filter(typed)
            .filter_map(|arg| {
                Some(GivenOption {
                    group: group(arg.get_id())?.get_id().to_string(),
                    id: arg.get_id().to_string(),
                    long: arg.get_long()?.to_owned(),
                })
            })
            .collect()
    }
}
