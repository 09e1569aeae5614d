//! One HTTP client for each server, with its TLS settings.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Url, redirect::Policy};
use rustls::{ClientConfig, client::Resumption};
use tokio::{task::block_in_place, time::timeout};

use super::faults;

use crate::{
    client::{
        api::{
            address::{
                locator::Locator,
                web::{self, WebAddress},
            },
            settings::config::{Proxy, Web},
            views::view::TroubleKind,
        },
        error::Fault,
        source::{secure, timeouts::Timeouts},
        trust::{AcceptedBy, KnownServers, Verifier},
    },
    net::tls,
    protocol::{address::Authority, trust::pin::Pin},
};

/// How long a connection may be idle. Short: the server may have few.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time without received bytes before the first TCP keepalive probe.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);

/// Servers whose clients, with their idle connections, are kept.
const MAX_CLIENTS: usize = 64;
/// The value of `User-Agent`, unless the user has given one.
const USER_AGENT: &str = concat!("fdsp/", env!("CARGO_PKG_VERSION"));

/// See the module.
#[derive(Debug)]
pub(crate) struct Clients {
    timeouts: Timeouts,
    servers: Arc<KnownServers>,
    web: Web,
    /// With and without secrets.
    clients: Mutex<HashMap<(Authority, bool), Client>>,
}

/// The client of one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    verifier: Arc<Verifier>,
}

impl Clients {
    pub(crate) fn new(timeouts: Timeouts, servers: Arc<KnownServers>, web: Web) -> Clients {
        Clients { timeouts, servers, web, clients: Mutex::default() }
    }

    /// How web servers are reached.
    pub(super) fn web(&self) -> &Web {
        &self.web
    }

    /// The timeouts of all connections.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The client of the server of a URL. `pin`: the certificate that it must have. `secrets`: whether it sends secrets, so that only a
    /// certificate that was checked is enough.
    pub(super) fn client(&self, url: &Url, pin: Option<Pin>, secrets: bool) -> Result<Client, Fault> {
        let key = (web::authority(url, pin), secrets);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key.0, secrets).map_err(|reason| {
            let message = format!("cannot connect to {}: {reason}", key.0);
            Fault::never(TroubleKind::Connection, message)
        })?;
        // A metalink may name any number of servers. What is in use stays so.
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, authority: &Authority, secrets: bool) -> Result<Client, String> {
        let servers = Arc::clone(&self.servers);
        let verifier = Arc::new(Verifier::of_web_server(servers, authority.clone(), secrets));
        let mut tls = ClientConfig::builder_with_provider(tls::web_provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would not show its certificate again.
        tls.resumption = Resumption::disabled();
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .referer(false)
            .user_agent(self.web.user_agent.as_deref().unwrap_or(USER_AGENT))
            .connect_timeout(self.timeouts.silence)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_keepalive(KEEPALIVE_TIME)
            .tcp_nodelay(true);
        let builder = match &self.web.proxy {
            Proxy::Environment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url.reveal());
                builder.proxy(proxy.map_err(|_| "the proxy's address is not valid".to_owned())?)
            }
        };
        let http = builder.build().map_err(|error| error.to_string())?;
        Ok(Client { http, verifier })
    }

    /// Connects to the server of an address, and waits for any answer.
    pub(crate) async fn probe(&self, address: &WebAddress) -> Result<(), Fault> {
        let root = address.root();
        let (client, began) = (self.client(root.url(), root.pin(), false)?, Instant::now());
        let request = client.http.head(web::without_user(root.url()));
        match timeout(self.timeouts.silence.saturating_mul(2), request.send()).await {
            Ok(Ok(_)) => self.answered(&client, &root),
            Ok(Err(error)) => Err(self
                .refused(&client, &root)
                .unwrap_or_else(|| faults::no_answer(&error, root.url(), began))),
            Err(_) => Err(Fault::silent(began, format!("{} sent nothing", root.authority()))),
        }
    }

    /// Why the certificate of a server was not trusted, if that is why a connection failed.
    pub(super) fn refused(&self, client: &Client, address: &WebAddress) -> Option<Fault> {
        let untrusted = client.verifier.untrusted()?;
        Some(secure::refused(&untrusted, &Locator::Http(address.clone()).server(), &self.servers))
    }

    /// A server has answered: if it is new, it is accepted from now on.
    pub(super) fn answered(&self, client: &Client, address: &WebAddress) -> Result<(), Fault> {
        let Some(pin) = client.verifier.take_new() else { return Ok(()) };
        let server = Locator::Http(address.clone()).server();
        tracing::info!("{server}: a new server, accepted with the certificate {pin}");
        let accepted = block_in_place(|| self.servers.accept(&server.host(), pin, AcceptedBy::FirstUse));
        accepted.map_err(|untrusted| secure::refused(&untrusted, &server, &self.servers))
    }
}
