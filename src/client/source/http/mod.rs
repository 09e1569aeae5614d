//! Web servers as a source: one address, by HTTP/1.1.
//!
//! ```text
//! clients      one HTTP client for each server, with its TLS settings
//! request      sends requests, and follows redirects
//! secrets      what is sent to one server and to no other: header fields, passwords and cookies
//! small        small files as a whole, such as lists of checksums
//! answer       what an answer says of the content: its version, size, range, name and digest
//! validator    what shows that two answers are of one version
//! fields       reads the values of header fields
//! connection   ranges of the content
//! afterwards   the digest that servers of this program compute once all was received
//! faults       errors, for people
//! ```

mod afterwards;
mod answer;
pub(crate) mod clients;
pub(crate) mod connection;
mod faults;
mod fields;
mod request;
mod secrets;
mod small;
pub(crate) mod validator;

use std::sync::{Arc, Mutex};

use reqwest::Url;

pub(crate) use self::{clients::Clients, connection::Connection};
use super::{limiter::Limiter, observer::Observer};
use crate::client::{
    api::address::{
        web::{WebAddress, WebAddressError},
        web_header::WebHeader,
    },
    error::Fault,
};

/// An address of a web server, and what its connections work with.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    address: WebAddress,
    /// Header fields for the server of the address alone; `None` if that is not the server that the user has meant with any: nothing that
    /// the user has given for all downloads is sent to it either.
    headers: Option<Arc<[WebHeader]>>,
    clients: Arc<Clients>,
    limiter: Arc<Limiter>,
    observer: Arc<dyn Observer>,
    /// Where redirects have led.
    found: Arc<Mutex<Option<Url>>>,
    /// Where the last answer says that the digest is.
    digest_at: Arc<Mutex<Option<Url>>>,
}

impl Http {
    pub(crate) fn new(
        address: WebAddress,
        headers: Option<&[WebHeader]>,
        clients: Arc<Clients>,
        limiter: Arc<Limiter>,
        observer: Arc<dyn Observer>,
    ) -> Http {
        let (found, digest_at) = (Arc::default(), Arc::default());
        Http { address, headers: headers.map(Into::into), clients, limiter, observer, found, digest_at }
    }

    /// The address.
    pub(crate) fn address(&self) -> &WebAddress {
        &self.address
    }

    /// A path below this one.
    pub(super) fn join(&self, path: &str) -> Result<Http, WebAddressError> {
        Ok(Http {
            address: self.address.join(path)?,
            found: Arc::default(),
            digest_at: Arc::default(),
            ..self.clone()
        })
    }

    /// The name that the server has for the content. `worked`: whether some of it was received before.
    pub(super) async fn name(&self, worked: bool) -> Result<String, Fault> {
        Ok(self.head(worked).await?.name)
    }
}
