//! How a server is to run.

use std::{net::Ipv4Addr, path::PathBuf};

use super::{arch::Arch, response_header::ResponseHeader};
use crate::{
    protocol::classic::Dialect,
    server::{
        access::Access, certificate::Certificate, limits::Limits, telemetry::access_log::AccessLogConfig,
    },
    storage::root::Policy,
};

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to serve.
    pub root: PathBuf,
    /// Name or address to listen on.
    pub host: String,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// The architecture.
    pub arch: Arch,
    /// The classic dialect to answer, if any.
    pub classic: Option<Dialect>,
    /// Which files of the folder are served.
    pub policy: Policy,
    /// Paths without links that are never served; a folder that replaces the first one is checked for them.
    pub private: Vec<PathBuf>,
    /// The certificate for TLS; `None` without TLS.
    pub identity: Option<Certificate>,
    /// Who may fetch.
    pub access: Access,
    /// Further names of the server, for clients of HTTP without a token.
    pub host_names: Vec<String>,
    /// Fields that are added to the responses of HTTP.
    pub response_headers: Vec<ResponseHeader>,
    /// Where requests are logged, if anywhere.
    pub access_log: Option<AccessLogConfig>,
    /// Host and port of the address for metrics, if there is one.
    pub metrics: Option<(String, u16)>,
    /// Its limits.
    pub limits: Limits,
}

impl Config {
    /// For all users of this machine only: a free port of the loopback address, without TLS.
    pub fn local(root: impl Into<PathBuf>) -> Config {
        Config {
            root: root.into(),
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: 0,
            arch: Arch::default(),
            classic: None,
            policy: Policy::default(),
            private: Vec::new(),
            identity: None,
            access: Access::Public,
            host_names: Vec::new(),
            response_headers: Vec::new(),
            access_log: None,
            metrics: None,
            limits: Limits::default(),
        }
    }
}
