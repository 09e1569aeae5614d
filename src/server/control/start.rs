//! Starting a server: the folder is opened, the certificate and token are loaded, the socket listens, and the loop runs on a thread of its own.

use std::{io, net::TcpListener, sync::Arc, thread};

use super::handle::Server;
use crate::{
    protocol::{
        address::{Address, Authority, Security},
        path::RemotePath,
        trust::token::MIN_SAFE_LEN,
    },
    server::{
        accept::listen,
        access::{Access, host_names::HostNames, local_users, token_check::TokenCheck},
        api::{
            arch::Arch,
            config::Config,
            event::{Event, Sink},
            start_error::StartError,
            web::WebAccess,
        },
        certificate::Certificate,
        loops::{r#async, select, single, threads},
        shared::{
            Shared,
            lifecycle::Lifecycle,
            services::{Services, Terms},
        },
        telemetry::{
            access_log::{AccessLog, AccessLogConfig},
            monitor::Monitor,
        },
    },
    storage::{Store, root::Root},
    text::{SafeText, ShowPath},
};

/// A loop, ready to run.
type Loop = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Starts a server; it listens when this returns, on a thread of its own.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: Config, sink: Sink) -> Result<Server, StartError> {
    let Config {
        root: folder,
        host,
        port,
        arch,
        classic,
        policy,
        private,
        identity,
        access,
        host_names,
        response_headers,
        access_log,
        metrics,
        limits,
    } = config;
    let root = Root::open(&folder, policy)
        .map(|root| root.without(private))
        .map_err(|error| StartError::Root { path: SafeText::new(&folder.to_string_lossy()), error })?;
    let listener = listen::listen(&host, port)?;
    let local = listener.local_addr().map_err(StartError::System)?;
    let own = listener.try_clone().map_err(StartError::System)?;
    let loopback = local.ip().to_canonical().is_loopback();
    let is_guarded =
        matches!(access, Access::Token(_)) || !loopback && (identity.is_some() || access != Access::Public);
    if classic.is_some() && is_guarded {
        return Err(StartError::Classic { address: local });
    }
    if classic.is_some() && identity.is_none() {
        listen::for_classic(&listener).map_err(StartError::System)?;
    }
    let tls = identity.as_ref().map(Certificate::load).transpose()?;
    let barrier = match access {
        Access::Stored(_) if loopback => local_users::barrier(&folder),
        _ => None,
    };
    let open_because = match (&tls, classic) {
        (None, _) => Some("without TLS, none of them needs a token; leave out --plain"),
        (_, Some(_)) => Some("the original programs have no token; leave out --classic"),
        _ => None,
    };
    let asks = !loopback || (barrier.is_some() && open_because.is_none());
    let token = access.token(asks).map_err(|(path, error)| StartError::Token { path, error })?;
    let security = match &tls {
        Some(tls) => Security::Tls { pin: Some(tls.pin) },
        None => Security::Plain,
    };
    let (first, others) = listen::public_hosts(&host, local);
    let address = |host: String| {
        let authority = Authority { token: token.clone(), ..Authority::new(host, local.port(), security) };
        Address { authority, path: RemotePath::default() }
    };
    let others: Vec<Address> = others.into_iter().map(address).collect();
    let address = address(first);
    let web = WebAccess::new(&address.authority, tls.as_ref().and_then(|tls| tls.public_key.clone()));
    let (store, tokens) = (Store::Local(root), TokenCheck::new(token));
    let hosts = HostNames::new(&host, &host_names);
    let terms = Terms { store, arch, classic, limits, tls, tokens, local, hosts, response_headers };
    let metrics = metrics.map(|(host, port)| listen::listen(&host, port)).transpose()?;
    let shared = Arc::new(Shared::new(Services::new(terms, sink), Lifecycle::new(own)));
    if let Some(config) = access_log {
        start_access_log(config, &shared)?;
    }
    let monitor = metrics.map(|listener| Monitor::start(listener, &shared));
    let monitor = monitor.transpose().map_err(StartError::System)?;
    let run = prepare(arch, &shared, listener).map_err(StartError::System)?;
    let event = Event::Listening {
        address: address.clone(),
        others: others.clone(),
        port: local.port(),
        arch,
        web: web.clone(),
        metrics: monitor.as_ref().map(|monitor| monitor.local),
    };
    shared.services.emit(&event);
    if let (Some(barrier), Some(because)) = (barrier, open_because) {
        shared.services.warn(&format!(
            "other users of this machine can fetch this folder, although the permissions of '{}' keep them out of it: {because}, \
             or add --public if that is meant",
            barrier.shown()
        ));
    }
    if let Access::Token(token) = &access
        && token.is_short()
    {
        shared.services.warn(&format!(
            "the token has fewer than {MIN_SAFE_LEN} characters: another server that a client proves it to could guess it; use a \
             longer one, or leave it out and one is made"
        ));
    }
    let ending = Ending { shared: Arc::clone(&shared), monitor };
    let thread = thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            let result = run();
            // Before the server counts as stopped.
            ending.shared.services.emit(&Event::Stopped(ending.shared.summary()));
            drop(ending);
            result
        })
        .map_err(StartError::System)?;
    Ok(Server::new(shared, address, others, web, thread))
}

fn start_access_log(config: AccessLogConfig, shared: &Arc<Shared>) -> Result<(), StartError> {
    let path = config.file.as_deref().map_or(SafeText::new("-"), SafeText::from_path);
    let warned = Arc::downgrade(shared);
    let warn = move |warning: &str| {
        if let Some(shared) = warned.upgrade() {
            shared.services.warn(warning);
        }
    };
    let log = AccessLog::start(config, warn).map_err(|error| StartError::AccessLog { path, error })?;
    shared.services.set_access_log(log);
    Ok(())
}

fn prepare(arch: Arch, shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Loop> {
    let shared = Arc::clone(shared);
    Ok(match arch {
        Arch::Single => Box::new(single::prepare(shared, listener)?),
        Arch::Threads => Box::new(threads::prepare(shared, listener)?),
        Arch::Select => Box::new(select::prepare(shared, listener)?),
        Arch::Async => Box::new(r#async::prepare(shared, listener)?),
    })
}

/// However a loop ends, the server has stopped then.
struct Ending {
    shared: Arc<Shared>,
    monitor: Option<Monitor>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(log) = self.shared.services.access_log() {
            log.finish();
        }
        self.shared.lifecycle.stopped();
        if let Some(monitor) = &self.monitor {
            monitor.close();
        }
    }
}
