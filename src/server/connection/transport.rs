//! What is between the bytes of a dialect and those of the socket: nothing, or TLS.

use std::{sync::Arc, time::Instant};

use rustls::{AlertDescription, Error, server::UnbufferedServerConnection};

use super::output::Output;
use crate::{net::tls::Session, protocol::trust::pin::Pin, server::certificate::TlsSetup};

/// The maximum number of bytes that are sealed into records at once: enough for a large write, and few enough to be in the processor's cache when
/// they are written.
const MAX_SEALED_LEN: usize = 64 * 1024;

/// See the module.
pub(crate) enum Transport {
    /// Nothing.
    Plain,
    /// TLS.
    Tls(Box<Tls>),
}

/// A connection with TLS.
pub(crate) struct Tls {
    session: Session<UnbufferedServerConnection>,
    /// The pin of the certificate that the client is shown.
    certificate: Pin,
    /// Bytes of the output in the records that wait to be written.
    carried: usize,
}

impl Transport {
    /// The pin of the certificate that the client was shown; `None` without TLS.
    pub fn certificate(&self) -> Option<Pin> {
        match self {
            Transport::Plain => None,
            Transport::Tls(tls) => Some(tls.certificate),
        }
    }

    /// The protocol that was selected by ALPN; `None` without TLS.
    pub fn protocol(&self) -> Option<&[u8]> {
        match self {
            Transport::Plain => None,
            Transport::Tls(tls) => tls.session.protocol(),
        }
    }

    /// The bytes to write.
    pub fn output<'a>(&'a self, output: &'a Output) -> &'a [u8] {
        match self {
            Transport::Plain => output.out.as_slice(),
            Transport::Tls(tls) => tls.session.outgoing(),
        }
    }

    /// Whether something is to be written; it is in [`Transport::output`] then.
    pub fn must_write(&mut self, output: &Output) -> Result<bool, String> {
        match self {
            Transport::Plain => Ok(!output.out.is_empty()),
            Transport::Tls(tls) => tls.must_write(output),
        }
    }

    /// The first `count` bytes of the output were written.
    pub fn wrote(&mut self, count: usize, output: &mut Output, now: Instant) {
        let Transport::Tls(tls) = self else { return output.wrote(count, now) };
        tls.session.sent(count);
        if tls.session.outgoing().is_empty() {
            output.wrote(std::mem::take(&mut tls.carried), now);
        }
    }

    /// Adds the end of the server's side to the output.
    pub fn finish(&mut self) {
        if let Transport::Tls(tls) = self {
            tls.session.close();
        }
    }

    /// Frees what an idle connection does not need.
    pub fn release(&mut self, output: &mut Output) {
        output.out.release();
        if let Transport::Tls(tls) = self {
            tls.session.release();
        }
    }
}

impl Tls {
    /// A client starts a handshake.
    pub fn new(setup: &TlsSetup) -> Result<Tls, String> {
        let config = Arc::clone(&setup.config);
        let records = UnbufferedServerConnection::new(config).map_err(|error| describe(&error))?;
        Ok(Tls { session: Session::new(records), certificate: setup.pin, carried: 0 })
    }

    /// The content of received bytes, which may be empty.
    pub fn open(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        self.session.receive(bytes);
        self.session.open(&mut content).map_err(|error| describe(&error))?;
        Ok(content)
    }

    /// Whether the client has sent its end of TLS.
    pub fn has_ended(&self) -> bool {
        self.session.has_ended()
    }

    fn must_write(&mut self, output: &Output) -> Result<bool, String> {
        let waiting = output.out.as_slice();
        if self.session.outgoing().is_empty() && !waiting.is_empty() {
            let piece = &waiting[..waiting.len().min(MAX_SEALED_LEN)];
            self.session.seal(piece).map_err(|error| describe(&error))?;
            self.carried = piece.len();
        }
        Ok(!self.session.outgoing().is_empty())
    }
}

/// For the log.
fn describe(error: &Error) -> String {
    match error {
        Error::AlertReceived(
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA,
        ) => "the client did not accept the certificate".to_owned(),
        error => format!("TLS failed: {error}"),
    }
}
