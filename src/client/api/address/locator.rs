//! Where a content is, and at which server. Another scheme is another variant of [`Locator`], and a module of `client::source`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        address::web::{WebAddress, WebAddressError},
        content::origin::Origin,
        speak::Speak,
    },
    protocol::{
        address::{Address, AddressError, Authority},
        path::{PathError, RemotePath},
        trust::{pin::Pin, token::Token},
    },
};

/// The address of a content or directory. `Display` gives a form that `parse` reads, without the token: see
/// [`Locator::revealed`]. Serde carries it with the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Locator {
    /// `fdsp://` and `fdsp+plain://`: a server of this program, or of the original programs.
    Fdsp(Address),
    /// `http://` and `https://`: a web server.
    Http(WebAddress),
}

/// Why a text is not an address. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// It is not an address of a scheme that is supported.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It is not an address of a web server.
    #[error(transparent)]
    Web(#[from] WebAddressError),
}

/// A server, and the token and pin that it is reached with: the address of all that it serves. Two of them are equal if
/// they are reached in the same way. `Display` gives `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Locator", into = "Locator")]
pub struct Server(Locator);

/// Where a server is, as `HOST:PORT`, whatever it is reached with: two servers are the same if these are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Locator {
    /// Reads an address.
    ///
    /// # Errors
    /// See [`LocatorError`].
    pub fn parse(text: &str) -> Result<Locator, LocatorError> {
        Ok(match WebAddress::is_meant(text) {
            true => Locator::Http(WebAddress::parse(text)?),
            false => Locator::Fdsp(Address::parse(text)?),
        })
    }

    /// The address with its token: to be pasted elsewhere, or saved as a secret.
    pub fn revealed(&self) -> String {
        match self {
            Locator::Fdsp(address) => address.revealed(),
            Locator::Http(address) => address.revealed(),
        }
    }

    /// The server that it is at.
    pub fn server(&self) -> Server {
        match self {
            Locator::Fdsp(address) => address.authority.clone().into(),
            Locator::Http(address) => Server(Locator::Http(address.root())),
        }
    }

    /// Whether both are at the same port of the same host, by the same protocol, with encryption or without.
    pub(crate) fn is_at_server_of(&self, other: &Locator) -> bool {
        let place = |locator: &Locator| (locator.host(), locator.server().is_encrypted());
        std::mem::discriminant(self) == std::mem::discriminant(other) && place(self) == place(other)
    }

    /// Where the server is.
    pub fn host(&self) -> Host {
        match self {
            Locator::Fdsp(address) => Host::from(&address.authority),
            Locator::Http(address) => Host::from(&address.authority()),
        }
    }

    /// The path on the server, without a slash at either end; of a web server with its query.
    pub fn path(&self) -> &str {
        match self {
            Locator::Fdsp(address) => address.path.as_str(),
            Locator::Http(address) => address.path(),
        }
    }

    /// The last segment of the path; `None` if it is the address of all that the server serves.
    pub fn name(&self) -> Option<&str> {
        match self {
            Locator::Fdsp(address) => address.path.name(),
            Locator::Http(address) => Some(address.name()),
        }
    }

    /// Whether it is the address of all that the server serves.
    pub fn is_root(&self) -> bool {
        self.name().is_none()
    }

    /// The address of a path below it.
    ///
    /// # Errors
    /// The path is not valid, or too long.
    pub fn join(&self, path: &str) -> Result<Locator, LocatorError> {
        Ok(match self {
            Locator::Fdsp(address) => Locator::Fdsp(address.join(path)?),
            Locator::Http(address) => Locator::Http(address.join(path)?),
        })
    }

    /// The address of an entry of this directory; `None` if the name is not a single segment.
    pub fn child(&self, name: &str) -> Option<Locator> {
        if name.contains('/') || matches!(name, "" | "." | "..") {
            return None;
        }
        self.join(name).ok()
    }

    /// The address of the directory that it is in; `None` if it is the address of all that the server serves, or the server has no
    /// directories.
    pub fn parent(&self) -> Option<Locator> {
        if !self.has_directories() {
            return None;
        }
        let parent = self.path().rsplit_once('/').map_or("", |(parent, _)| parent);
        if self.is_root() { None } else { self.server().at(parent).ok() }
    }

    /// Whether both are the same path of the same server: they have the same host and port, or the same pin.
    pub fn is_same_as(&self, other: &Locator) -> bool {
        match (self, other) {
            (Locator::Fdsp(own), Locator::Fdsp(other)) => own.is_same_as(other),
            (Locator::Http(own), Locator::Http(other)) => own.is_same_as(other),
            _ => false,
        }
    }

    /// The same for a request in the queue: two links of a web server that differ in what may be a secret are two requests.
    pub(crate) fn is_same_request(&self, other: &Locator) -> bool {
        match (self, other) {
            (Locator::Http(own), Locator::Http(other)) => own.is_same_request(other),
            _ => self.is_same_as(other),
        }
    }

    /// Whether the protocol of this program is used: the server announces how many connections it serves at the same time,
    /// and each block is verified. The original programs do neither.
    pub(crate) fn speaks_v1(&self, speak: Speak) -> bool {
        match self {
            Locator::Fdsp(_) => speak == Speak::V1,
            Locator::Http(_) => false,
        }
    }

    /// Whether the server has directories, which can be listed and fetched. A web server has contents only.
    pub fn has_directories(&self) -> bool {
        matches!(self, Locator::Fdsp(_))
    }

    /// Whether the server of this address can have this origin.
    pub(crate) fn allows(&self, origin: Origin) -> bool {
        match self {
            Locator::Fdsp(address) => origin.is_possible(address.authority.security),
            Locator::Http(address) => origin == address.origin(),
        }
    }

    /// Takes the token and the pin that the same server is reached with now; see [`Authority::follow`]. Returns whether that
    /// changed anything.
    pub fn follow(&mut self, now: &Server) -> bool {
        match (self, &now.0) {
            (Locator::Fdsp(own), Locator::Fdsp(now)) => own.authority.follow(&now.authority),
            (Locator::Http(own), Locator::Http(now)) => own.follow(now),
            _ => false,
        }
    }

    /// Takes the token and the pin that are known of the same server; see [`Authority::complete`].
    pub fn complete(&mut self, known: &Server) {
        match (self, &known.0) {
            (Locator::Fdsp(own), Locator::Fdsp(known)) => own.authority.complete(&known.authority),
            (Locator::Http(own), Locator::Http(known)) => own.complete(known),
            _ => {}
        }
    }

    /// The address in detail, if it is one of this program or the original ones: only these have tokens and pins.
    pub fn as_fdsp(&self) -> Option<&Address> {
        match self {
            Locator::Fdsp(address) => Some(address),
            Locator::Http(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn as_fdsp_mut(&mut self) -> Option<&mut Address> {
        match self {
            Locator::Fdsp(address) => Some(address),
            Locator::Http(_) => None,
        }
    }
}

impl Server {
    /// A path on this server.
    ///
    /// # Errors
    /// The path is not valid, or too long.
    pub fn at(&self, path: &str) -> Result<Locator, LocatorError> {
        self.0.join(path)
    }

    /// The address of all that it serves.
    pub fn root(&self) -> &Locator {
        &self.0
    }

    /// Where it is.
    pub fn host(&self) -> Host {
        self.0.host()
    }

    /// Its name without a port, for a title.
    pub fn name(&self) -> &str {
        match &self.0 {
            Locator::Fdsp(address) => &address.authority.host,
            Locator::Http(address) => address.host(),
        }
    }

    /// Whether connections to it are encrypted.
    pub fn is_encrypted(&self) -> bool {
        match &self.0 {
            Locator::Fdsp(address) => address.authority.security.is_encrypted(),
            Locator::Http(address) => address.is_encrypted(),
        }
    }

    /// The pin that it is reached with.
    pub fn pin(&self) -> Option<Pin> {
        match &self.0 {
            Locator::Fdsp(address) => address.authority.security.pin(),
            Locator::Http(address) => address.pin(),
        }
    }

    /// Whether it is reached with a token, or with a user name or password.
    pub fn has_token(&self) -> bool {
        match &self.0 {
            Locator::Fdsp(address) => address.authority.token.is_some(),
            Locator::Http(address) => address.has_user(),
        }
    }

    /// The same server, reached with this token or without one. Only servers of this program and the original ones have tokens.
    pub fn with_token(&self, token: Option<Token>) -> Server {
        match &self.0 {
            Locator::Fdsp(address) => Authority { token, ..address.authority.clone() }.into(),
            Locator::Http(_) => self.clone(),
        }
    }

    /// Whether it is reached with a token or a pin.
    pub fn has_credentials(&self) -> bool {
        self.has_token() || self.pin().is_some()
    }

    /// Takes the token and the pin that it is reached with now; see [`Locator::follow`].
    pub fn follow(&mut self, now: &Server) -> bool {
        self.0.follow(now)
    }

    /// This server, reached with the token and the pin of `other`, which is the same one at another address.
    pub fn with_credentials_of(&self, other: &Server) -> Server {
        match (&self.0, &other.0) {
            (Locator::Fdsp(own), Locator::Fdsp(other)) => {
                let Authority { host, port, .. } = &own.authority;
                Authority { host: host.clone(), port: *port, ..other.authority.clone() }.into()
            }
            (Locator::Http(own), Locator::Http(other)) => {
                Server(Locator::Http(own.with_credentials_of(other)))
            }
            _ => self.clone(),
        }
    }
}

impl From<&Authority> for Host {
    fn from(authority: &Authority) -> Host {
        Host(authority.to_string())
    }
}

impl From<Address> for Locator {
    fn from(address: Address) -> Locator {
        Locator::Fdsp(address)
    }
}

impl From<Authority> for Server {
    fn from(authority: Authority) -> Server {
        Server(Locator::Fdsp(Address { authority, path: RemotePath::default() }))
    }
}

impl From<Locator> for Server {
    fn from(locator: Locator) -> Server {
        locator.server()
    }
}

impl From<Server> for Locator {
    fn from(server: Server) -> Locator {
        server.0
    }
}

impl TryFrom<String> for Locator {
    type Error = LocatorError;

    fn try_from(text: String) -> Result<Locator, LocatorError> {
        Locator::parse(&text)
    }
}

impl From<Locator> for String {
    fn from(locator: Locator) -> String {
        locator.revealed()
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Locator::Fdsp(address) => address.fmt(f),
            Locator::Http(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host().fmt(f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_listing_are_single_segments() {
        let root = Locator::parse("fdsp+plain://nas").unwrap();
        let films = root.child("films").unwrap();
        assert_eq!(films.child("a.iso").unwrap().path(), "films/a.iso");
        let odd = films.child("caf\0E9").unwrap();
        assert_eq!(odd.to_string(), "fdsp+plain://nas:7878/films/caf%E9");
        for hostile in ["..", ".", "", "a/b", "/etc", "\0", "a\x002Fb", "\x002E\x002E", "\0C3\0A9"] {
            assert_eq!(films.child(hostile), None, "{hostile:?}");
        }
        assert_eq!(films.parent(), Some(root.clone()));
        assert_eq!(root.parent(), None);
    }

    #[test]
    fn a_server_is_read_as_it_was_written() {
        let pin = Pin([7; 32]);
        let address = Locator::parse(&format!("fdsp://sesame-sesame-sesame@nas/a#{pin}")).unwrap();
        let text = serde_json::to_string(&address.server()).unwrap();
        assert_eq!(text, format!("\"fdsp://sesame-sesame-sesame@nas:7878/#{pin}\""));
        let server: Server = serde_json::from_str(&text).unwrap();
        assert_eq!((server.clone(), server.pin(), server.has_token()), (address.server(), Some(pin), true));
        assert_eq!(server.at("a").unwrap(), address);
    }

    #[test]
    fn servers_are_the_same_whatever_they_are_reached_with() {
        let host = |text| Locator::parse(text).unwrap().host();
        let nas = host("fdsp://sesame-sesame-sesame@nas/a");
        assert_eq!((nas.clone(), nas.to_string()), (host("fdsp+plain://NAS:7878"), "nas:7878".to_owned()));
        assert_ne!(nas, host("fdsp://nas:7879/a"));
        assert_ne!(nas, host("fdsp://other/a"));
    }
}
