//! Why a server did not start.

use std::{io, net::SocketAddr};

use crate::{server::certificate::CertificateError, text::SafeText};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be served.
    #[error("cannot serve {path}: {error}")]
    Root {
        /// The folder.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// The host name has no address here.
    #[error("cannot listen on {host}: {error}")]
    Host {
        /// The name.
        host: SafeText,
        /// Why.
        error: io::Error,
    },
    /// The port is taken, or needs privileges.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The access log cannot be written.
    #[error("cannot write the access log '{path}': {error}")]
    AccessLog {
        /// The file.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// The certificate cannot be loaded.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// There is no token.
    #[error("cannot use the token in '{path}': {error}")]
    Token {
        /// The file.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// The original programs would be served files that other clients need a token, or TLS, for.
    #[error(
        "the original programs know neither TLS nor tokens, and would be served at {address} without them"
    )]
    Classic {
        /// The address.
        address: SocketAddr,
    },
    /// The system gives no thread or poller.
    #[error("cannot start the server: {0}")]
    System(io::Error),
}
