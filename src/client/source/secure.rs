//! The TLS handshake, and the verification of the server.

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Instant};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage,
    client::{Resumption, UnbufferedClientConnection, danger::ServerCertVerifier as _},
    pki_types::{ServerName, UnixTime},
};
use tokio::{net::TcpStream, task::block_in_place};

use crate::{
    client::{
        api::{
            address::locator::Server,
            question::Question,
            trust::{Doubt, NewServer},
            views::view::TroubleKind,
        },
        error::Fault,
        trust::{AcceptedBy, Handshakes, KnownServers, Sessions, Trusted, Untrusted, Verifier},
    },
    net::tls::{self, Session},
    platform::reason,
    protocol::{
        address::Authority,
        error::UnknownProtocol,
        message::Credential,
        trust::{pin::Pin, token_proof::TokenProof},
    },
    text::ShowPath,
};
/// A connection with TLS, without its socket.
pub(crate) type Secure = Session<UnbufferedClientConnection>;

/// Bytes that are read at once.
const READ_LEN: usize = 16 * 1024;

/// A connection to a trusted server.
pub(crate) struct Secured {
    /// The TLS session.
    pub session: Box<Secure>,
    /// The pin of the certificate that the server has proven to own.
    pub pin: Pin,
    /// The credential to send, if the address has a token.
    pub credential: Option<Credential>,
}

/// Performs the TLS handshake, and verifies the server.
pub(crate) async fn secure(
    stream: &TcpStream,
    authority: &Authority,
    handshakes: &Handshakes,
) -> Result<Secured, Fault> {
    let (peer, began) = (authority.to_string(), Instant::now());
    let servers = &handshakes.servers;
    let impossible = |error: Error| {
        Fault::never(TroubleKind::Connection, format!("cannot speak TLS with {peer}: {error}"))
    };
    let name = server_name(authority).map_err(impossible)?;
    let mut sessions = match block_in_place(|| handshakes.take(authority)) {
        Some(sessions) => sessions,
        None => new_sessions(authority, servers).map_err(impossible)?,
    };
    let verifier = Arc::clone(&sessions.verifier);
    verifier.reset();
    let connection = UnbufferedClientConnection::new(Arc::clone(&sessions.config), name.clone());
    let mut session = Box::new(Session::new(connection.map_err(impossible)?));
    let mut first = Vec::new();
    loop {
        // A server of this program sends nothing inside of TLS before the client has.
        // To verify the certificate, files are read, and their lock is waited for.
        let opened = block_in_place(|| {
            session.open(&mut Vec::new())?;
            verify_resumed(&session, &sessions, &name)
        });
        let closed = |message: String| match first.is_empty() {
            true => Fault::silent(began, message),
            false => Fault::lost(message),
        };
        let lost = |error: io::Error| {
            closed(format!("the connection to {peer} was lost in the TLS handshake: {}", reason(&error)))
        };
        flush(stream, &mut session).await.map_err(lost)?;
        if let Err(error) = opened {
            return Err(match verifier.untrusted() {
                Some(untrusted) => refused(&untrusted, &authority.clone().into(), servers),
                None => failed(&peer, &error, &first),
            });
        }
        if session.is_established() {
            let (pin, trusted) = verifier.found().ok_or_else(|| {
                Fault::never(
                    TroubleKind::Connection,
                    format!("{peer} shows no certificate; check host and port"),
                )
            })?;
            let credential = credential(authority, session.protocol(), pin, trusted)?;
            tracing::debug!(
                "{peer}: the TLS session is {}",
                if session.is_resumed() { "resumed" } else { "new" }
            );
            if trusted == Trusted::New {
                tracing::info!("{authority}: a new server, accepted with the certificate {pin}");
                let accepted =
                    block_in_place(|| servers.accept(&authority.into(), pin, AcceptedBy::FirstUse));
                accepted.map_err(|untrusted| refused(&untrusted, &authority.clone().into(), servers))?;
            }
            // The store has no sessions of another certificate.
            if sessions.pin.is_none_or(|before| before == pin) {
                sessions.pin = Some(pin);
                handshakes.put(authority, sessions);
            }
            return Ok(Secured { session, pin, credential });
        }
        let count = receive(stream, &mut session).await.map_err(lost)?;
        if count == 0 {
            return Err(closed(format!("{peer} closed the connection in the TLS handshake")));
        }
        if first.is_empty() {
            first.extend_from_slice(session.unread());
        }
    }
}

/// Returns the credential to send if the address has a token: a proof; or the token itself, for a server of an earlier version
/// whose certificate is verified.
fn credential(
    authority: &Authority,
    selected: Option<&[u8]>,
    pin: Pin,
    trusted: Trusted,
) -> Result<Option<Credential>, Fault> {
    let peer = authority.to_string();
    match (selected, &authority.token) {
        (Some(tls::PROOF_PROTOCOL | tls::TOKEN_PROTOCOL), None) => Ok(None),
        (Some(tls::PROOF_PROTOCOL), Some(token)) => {
            let nonce = tls::random().map_err(|error| {
                Fault::never(TroubleKind::Other, format!("cannot prove the token: {error}"))
            })?;
            Ok(Some(Credential::Proof(TokenProof::new(token, pin, nonce))))
        }
        (Some(tls::TOKEN_PROTOCOL), Some(token)) if trusted == Trusted::Verified => {
            Ok(Some(Credential::Token(token.clone())))
        }
        (Some(tls::TOKEN_PROTOCOL), Some(_)) => {
            let mut fault = Fault::never(
                TroubleKind::Refused,
                format!(
                    "{peer} is an older version that needs the token itself, and its certificate {pin} is not verified: \
                     paste the whole address that the server shows"
                ),
            );
            let new = NewServer { server: authority.clone().into(), pin };
            fault.trouble.question = Some(Box::new(Question::Trust(Doubt::New(new))));
            Err(fault)
        }
        // What the server of another protocol does with a token is unknown.
        _ => Err(Fault::never(
            TroubleKind::Connection,
            format!("{peer} speaks TLS, but is not an fdsp server; check host and port"),
        )),
    }
}

/// The name of the server, as TLS knows it.
fn server_name(authority: &Authority) -> Result<ServerName<'static>, Error> {
    // The zone of an address means nothing to the server.
    let host = authority.host.split('%').next().unwrap_or_default().to_owned();
    ServerName::try_from(host).map_err(|_| Error::UnsupportedNameType)
}

/// No sessions of a server yet.
fn new_sessions(authority: &Authority, servers: &Arc<KnownServers>) -> Result<Sessions, Error> {
    let verifier = Arc::new(Verifier::new(Arc::clone(servers), authority.clone()));
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    config.alpn_protocols = tls::PROTOCOLS.map(<[u8]>::to_vec).into();
    // For this server alone.
    config.resumption = Resumption::in_memory_sessions(1);
    Ok(Sessions { config: Arc::new(config), verifier, pin: None })
}

/// A resumed session does not show the certificate again: the one of the session is verified as in its first handshake, and has to be the one
/// that the server has proven to own.
fn verify_resumed(session: &Secure, sessions: &Sessions, name: &ServerName<'_>) -> Result<(), Error> {
    if !session.is_established() || !session.is_resumed() {
        return Ok(());
    }
    let certificates = session.peer_certificates().unwrap_or_default();
    let (first, others) = certificates.split_first().ok_or(Error::NoCertificatesPresented)?;
    if sessions.pin != Some(tls::pin(first)) {
        return Err(Error::General("the session is of another certificate".to_owned()));
    }
    sessions.verifier.verify_server_cert(first, others, name, &[], UnixTime::now()).map(drop)
}

async fn flush(stream: &TcpStream, session: &mut Secure) -> io::Result<()> {
    while !session.outgoing().is_empty() {
        stream.writable().await?;
        match stream.try_write(session.outgoing()) {
            Ok(count) => session.sent(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn receive(stream: &TcpStream, session: &mut Secure) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(session.space(READ_LEN)) {
            Ok(count) => {
                session.received(count);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The certificate is not trusted.
pub(super) fn refused(untrusted: &Untrusted, server: &Server, servers: &KnownServers) -> Fault {
    let peer = server.to_string();
    let file = servers.file().unwrap_or("the known servers".as_ref()).shown();
    let refused = |message: String| Fault::never(TroubleKind::Refused, message);
    let other = |what: String| {
        let message = format!("SERVER IDENTITY CHANGED: {peer}: {what}");
        tracing::error!("{message}");
        refused(message).asking(Question::Trust(Doubt::Other(server.clone())))
    };
    match untrusted {
        Untrusted::Unknown { found } => {
            let fault = match server.root().has_directories() {
                true => refused(format!("{peer} is not known yet, its certificate is {found}")).or_by(
                    "; if that is what the server shows, accept it with --accept-new, or paste the whole address that \
                     the server shows",
                ),
                false => {
                    let message = format!(
                        "no authority that is trusted here vouches for the certificate of {peer}, which is {found}; if \
                         that is the server's own, add #{found} to the address"
                    );
                    refused(message).or_by(", or accept it with --accept-new")
                }
            };
            let new = NewServer { server: server.clone(), pin: *found };
            fault.asking(Question::Trust(Doubt::New(new)))
        }
        Untrusted::Unchecked { found } => {
            let message = format!(
                "the certificate of {peer}, {found}, is not verified: user name, password, cookies and header \
                 fields are not sent to it; if that is the server's own certificate, add #{found} to the address"
            );
            let new = NewServer { server: server.clone(), pin: *found };
            refused(message).asking(Question::Trust(Doubt::New(new)))
        }
        Untrusted::WrongPin { expected, found } => other(format!(
            "its certificate is {found}, the pin is {expected}; the connection may be intercepted, or the server was \
             set up again: then paste the new address that it shows"
        )),
        Untrusted::Changed { known, found } => other(format!(
            "its certificate is {found}, and was {known}; the connection may be intercepted, or the server was set up \
             again: if you are sure of that, delete its line from '{file}'"
        )),
        Untrusted::File(error) => {
            refused(format!("{peer} cannot be trusted: '{file}' cannot be used: {}", reason(error)))
        }
    }
}

/// The handshake failed before or after the certificate. `first`: the first bytes that were received.
fn failed(peer: &str, error: &Error, first: &[u8]) -> Fault {
    let never = |words: &str| Fault::never(TroubleKind::Connection, format!("{peer} {words}"));
    match error {
        Error::AlertReceived(AlertDescription::UnexpectedMessage) => never(
            "speaks without TLS; if that is meant, use fdsp+plain:// instead of fdsp://",
        )
        .or_by(", or --plain with -H"),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            never("speaks TLS, but is not an fdsp server; check host and port")
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            never("speaks only an old version of TLS; check host and port")
        }
        Error::AlertReceived(alert) => never(&format!("refuses TLS ({alert:?}); check host and port")),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => match UnknownProtocol::of(first) {
            Some(protocol @ (UnknownProtocol::Http | UnknownProtocol::Ssh)) => {
                never(&format!("{protocol}; check host and port"))
            }
            _ => never(
                "does not answer with TLS; check host and port, or if it speaks without TLS, use fdsp+plain://",
            )
            .or_by(" or --plain"),
        },
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            never("does not have the key of the certificate that it shows; the connection may be intercepted")
        }
        Error::PeerIncompatible(_) => never(&format!("speaks another TLS: {error}; check host and port")),
        // Bytes may have been corrupted on the way; another connection may work.
        error => Fault::lost(format!("{peer}: TLS failed: {error}")),
    }
}
