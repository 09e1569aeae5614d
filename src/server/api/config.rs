//! How a server is to run.

use std::{net::Ipv4Addr, path::PathBuf};

use super::arch::Arch;
use crate::{
    protocol::classic::Dialect,
    server::{access::Access, certificate::Certificate, limits::Limits},
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
    /// What of the folder is served.
    pub policy: Policy,
    /// Paths without links that are never served; a folder that takes the place of the first one is looked at for them.
    pub private: Vec<PathBuf>,
    /// The certificate for TLS; `None` without TLS.
    pub identity: Option<Certificate>,
    /// Who may fetch.
    pub access: Access,
    /// Its limits.
    pub limits: Limits,
}

impl Config {
    /// For this machine only, and for everybody on it: a free port of the loopback address, without TLS.
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
            limits: Limits::default(),
        }
    }
}
