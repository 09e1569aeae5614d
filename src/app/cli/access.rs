//! Tokens, pins and certificates: which clients a server accepts, and which servers a client trusts.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{
    Cli,
    environment::Environment,
    error::{UsageError, shown, wrong},
};
use crate::{
    app::{config::Settings, headless::TokenSource},
    client::{Locator, Server, Speak, Trust},
    platform::state,
    protocol::{
        address::{Authority, Security},
        trust::token::Token,
    },
    server::{Access, Certificate},
    text::without_number,
};

/// The file with the accepted servers, in the state folder.
const KNOWN_SERVERS_FILE: &str = "known_servers";
/// The file with the secret that authenticates the journals of unfinished downloads, in the state folder.
const SECRET_FILE: &str = "secret";
/// The folder with the key, certificate and token of a server, in the state folder.
const SERVER_FOLDER: &str = "server";

/// A token, its source, and whether an option of this run sets it.
struct GivenToken {
    token: Token,
    source: TokenSource,
    for_this_run: bool,
}

impl Cli {
    /// The token of an option, else of the environment, else of the settings.
    fn token(
        &self,
        kept: Option<&Path>,
        environment: &Environment,
    ) -> Result<Option<GivenToken>, UsageError> {
        let file = |path: PathBuf, for_this_run| {
            read(&path).map(|token| Some(GivenToken { token, source: TokenSource::File(path), for_this_run }))
        };
        if let Some(typed) = &self.common.token {
            let given = |token| Some(GivenToken { token, source: TokenSource::Option, for_this_run: true });
            return typed.0.clone().map(given).map_err(|error| UsageError(format!("--token: {error}")));
        }
        if let Some(path) = &self.common.token_file {
            return file(environment.directory.join(path), true);
        }
        match &environment.token {
            Some(Ok(token)) => {
                let (token, source) = (token.clone(), TokenSource::Environment);
                return Ok(Some(GivenToken { token, source, for_this_run: false }));
            }
            Some(Err(_)) => return wrong("FDSP_TOKEN does not hold a token: see tui --help"),
            None => {}
        }
        match kept {
            Some(path) => file(path.to_owned(), false),
            None => Ok(None),
        }
    }

    /// Whether the server of `--host` has TLS, and its pin.
    pub(super) fn security(&self, settings: &Settings) -> Result<Security, UsageError> {
        // The original programs do not support TLS.
        if settings.client.plain || settings.client.protocol != Speak::V1 {
            return match self.client.pin {
                Some(_) => wrong("--pin is for TLS: leave out --plain and --protocol, or --pin"),
                None => Ok(Security::Plain),
            };
        }
        Ok(Security::Tls { pin: self.client.pin })
    }

    /// Assigns the pin and the token of the options to the server of `--host`, or without it to the one server of
    /// all addresses that have none. Returns that server.
    pub(super) fn assign_credentials(
        &self,
        mut server: Option<Authority>,
        addresses: &mut [Locator],
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Option<Server>, UsageError> {
        let mut addresses: Vec<_> = addresses
            .iter_mut()
            .filter_map(Locator::as_fdsp_mut)
            .map(|address| &mut address.authority)
            .collect();
        let given = self.token(settings.client.token_file.0.as_deref(), environment)?;
        // A token of every run is for the server of --host only.
        let given = given.filter(|given| given.for_this_run || server.is_some());
        let (token, for_this_run) =
            given.map_or((None, false), |given| (Some(given.token), given.for_this_run));
        if let Some(server) = &mut server {
            server.token = token;
        } else {
            let lacks = |authority: &&Authority| {
                (token.is_some() && authority.token.is_none())
                    || (self.client.pin.is_some() && authority.security == Security::Tls { pin: None })
            };
            let mut lacking = addresses.iter().map(|authority| &**authority).filter(lacks);
            if let Some(first) = lacking.clone().next() {
                let named = |security| match security {
                    Security::Tls { pin: None } => Security::Tls { pin: self.client.pin },
                    security => security,
                };
                let security = self.client.pin.map_or(first.security, |pin| Security::Tls { pin: Some(pin) });
                // An address with another pin is another server, and one without a pin gets none of another address.
                if lacking.all(|other| other.is_at(first) && named(other.security) == security) {
                    server = Some(Authority { token, security, ..first.clone() });
                } else if for_this_run || self.client.pin.is_some() {
                    return wrong(
                        "a token or a pin is for one server, and these addresses are of several hosts or pins: write them into \
                         the addresses, as in fdsp://TOKEN@HOST/PATH#PIN",
                    );
                }
            }
        }
        if let Some(server) = &server {
            for authority in &mut addresses {
                authority.complete(server);
                // `--pin` is for every address of that server, also for one with a token of its own.
                if authority.is_at(server) && authority.security == (Security::Tls { pin: None }) {
                    authority.security = Security::Tls { pin: self.client.pin };
                }
            }
        }
        Ok(server.map(Server::from))
    }

    /// The clients that the server accepts, and the source of the token.
    pub(super) fn access(
        &self,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<(Access, Option<TokenSource>), UsageError> {
        if settings.server.public {
            let given = self.common.token.is_some() || self.common.token_file.is_some();
            return if given {
                wrong("--public serves without a token: leave out --public or the token")
            } else {
                Ok((Access::Public, None))
            };
        }
        Ok(match self.token(settings.server.token_file.0.as_deref(), environment)? {
            Some(given) => (Access::Token(given.token), Some(given.source)),
            None => {
                let access = Access::Stored(state(environment)?.join(SERVER_FOLDER));
                let source = access.token_file().map(TokenSource::File);
                (access, source)
            }
        })
    }
}

/// The server's certificate.
pub(super) fn identity(
    settings: &Settings,
    environment: &Environment,
) -> Result<Option<Certificate>, UsageError> {
    let server = &settings.server;
    match (server.plain, &server.tls_cert.0, &server.tls_key.0) {
        (true, None, None) => Ok(None),
        (true, ..) => wrong("a certificate is for TLS: leave out --plain, or --tls-cert and --tls-key"),
        (false, None, None) => Ok(Some(Certificate::Stored(state(environment)?.join(SERVER_FOLDER)))),
        (false, Some(certificate), Some(key)) => Ok(Some(Certificate::Given {
            certificate: environment.directory.join(certificate),
            key: environment.directory.join(key),
        })),
        (false, Some(_), None) => wrong("--tls-cert needs --tls-key, the key of the certificate"),
        (false, None, Some(_)) => wrong("--tls-key needs --tls-cert, the certificate that it belongs to"),
    }
}

/// Which servers the client trusts.
pub(super) fn trust(settings: &Settings, environment: &Environment) -> Trust {
    let client = &settings.client;
    Trust {
        known: environment.state.as_ref().map(|folder| folder.join(KNOWN_SERVERS_FILE)),
        authorities: client.ca_file.0.as_ref().map(|file| environment.directory.join(file)),
        accept_new: client.accept_new,
        plain_tokens: client.plain,
        secret: environment.state.as_ref().map(|folder| folder.join(SECRET_FILE)),
    }
}

/// The state folder.
fn state(environment: &Environment) -> Result<&Path, UsageError> {
    environment.state.as_deref().ok_or_else(|| {
        UsageError("there is no home folder for the server's key: set HOME or XDG_STATE_HOME".to_owned())
    })
}

fn read(path: &Path) -> Result<Token, UsageError> {
    let name = shown(path.as_os_str());
    let text = state::read(path).map(Zeroizing::new).map_err(|error| {
        UsageError(format!("cannot read the token in '{name}': {}", without_number(&error.to_string())))
    })?;
    Token::parse(String::from_utf8_lossy(&text).trim())
        .map_err(|error| UsageError(format!("'{name}' does not hold a token: {error}")))
}
