//! One TLS connection without its socket: converts records to content and content to records.

use std::fmt;

use rustls::{
    Error, HandshakeKind,
    client::{ClientConnectionData, UnbufferedClientConnection},
    pki_types::CertificateDer,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
        WriteTraffic,
    },
};

use crate::protocol::frame::outgoing::Outgoing;

/// Maximum number of buffered bytes of an incomplete handshake message. The messages of both sides are a few
/// kilobytes long; a server's depends on its chain of certificates.
const MAX_HANDSHAKE_LEN: usize = 48 * 1024;
/// Bytes of content in a full record.
const RECORD_LEN: usize = 16 * 1024;
/// Maximum number of bytes that a record adds to its content.
const MAX_RECORD_OVERHEAD: usize = 64;

/// One side of `rustls`.
pub(crate) trait Records {
    /// The data of this side.
    type Side;

    /// Processes the records in `incoming`.
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Side>;

    /// Whether messages wait to be encoded.
    fn has_outgoing(&self) -> bool;
}

impl Records for UnbufferedClientConnection {
    type Side = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Side> {
        self.process_tls_records(incoming)
    }

    fn has_outgoing(&self) -> bool {
        self.wants_write()
    }
}

impl Records for UnbufferedServerConnection {
    type Side = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Side> {
        self.process_tls_records(incoming)
    }

    fn has_outgoing(&self) -> bool {
        self.wants_write()
    }
}

/// One TLS connection. Its buffers are reused, and freed by [`Session::release`].
pub(crate) struct Session<R> {
    records: R,
    /// All of it is initialised; received bytes that are not processed yet are at `start..end`.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    outgoing: Outgoing,
    /// Whether the handshake is complete.
    established: bool,
    /// Whether the peer has sent close_notify.
    ended: bool,
    /// Whether this side has sent close_notify.
    closed: bool,
    /// The error that ended the connection.
    failure: Option<Error>,
}

impl<R> fmt::Debug for Session<R> {
    /// Omits the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("established", &self.established).finish_non_exhaustive()
    }
}

/// What to do once content may be sent.
enum Action<'a> {
    Nothing,
    Seal(&'a [u8]),
    Close,
}

impl Session<rustls::client::UnbufferedClientConnection> {
    /// Whether the handshake has resumed an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.records.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The certificates of the server, its own first; of a resumed session those of the earlier handshake.
    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.records.peer_certificates()
    }

    /// The protocol that the server has selected by ALPN.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.records.alpn_protocol()
    }
}

impl Session<rustls::server::UnbufferedServerConnection> {
    /// The protocol that was selected by ALPN.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.records.alpn_protocol()
    }
}

impl<R: Records> Session<R> {
    /// Creates a connection. A client's first message is in [`Session::outgoing`] after the first
    /// [`Session::open`].
    pub(crate) fn new(records: R) -> Session<R> {
        Session {
            records,
            incoming: Vec::new(),
            start: 0,
            end: 0,
            outgoing: Outgoing::new(),
            established: false,
            ended: false,
            closed: false,
            failure: None,
        }
    }

    /// Whether the handshake is complete.
    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// Whether the peer has sent close_notify. An end of the stream before that is a truncation.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Received bytes that are not processed yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.incoming[self.start..self.end]
    }

    /// Adds received bytes.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.received(bytes.len());
    }

    /// A buffer of at least `least` bytes to receive into. See [`Session::received`].
    pub(crate) fn space(&mut self, least: usize) -> &mut [u8] {
        if self.start > 0 {
            self.incoming.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.incoming.len() < self.end + least {
            self.incoming.resize(self.end + least, 0);
        }
        &mut self.incoming[self.end..]
    }

    /// Notes that the first `count` bytes of the buffer were received.
    pub(crate) fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.incoming.len());
    }

    /// Processes the received bytes, and appends their content to `content`.
    ///
    /// # Errors
    /// The certificate is rejected, or the bytes are not valid TLS. The alert is in [`Session::outgoing`].
    pub(crate) fn open(&mut self, content: &mut Vec<u8>) -> Result<(), Error> {
        self.drive(content, &Action::Nothing)?;
        if !self.established && self.end - self.start > MAX_HANDSHAKE_LEN {
            return Err(Error::General("the handshake is too long".to_owned()));
        }
        Ok(())
    }

    /// Encrypts `bytes` as records.
    ///
    /// # Errors
    /// The handshake is not complete, or the keys are exhausted.
    pub(crate) fn seal(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if !self.established || self.closed {
            return Err(Error::HandshakeNotComplete);
        }
        self.drive(&mut Vec::new(), &Action::Seal(bytes))
    }

    /// Sends close_notify, if the handshake is complete.
    pub(crate) fn close(&mut self) {
        if self.established && !self.closed {
            self.closed = true;
            // A failed connection has sent an alert instead.
            let _ = self.drive(&mut Vec::new(), &Action::Close);
        }
    }

    /// Bytes to write.
    pub(crate) fn outgoing(&self) -> &[u8] {
        self.outgoing.as_slice()
    }

    /// Notes that the first `count` bytes were written.
    pub(crate) fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    /// Frees empty buffers.
    pub(crate) fn release(&mut self) {
        self.outgoing.release();
        if self.start == self.end {
            (self.incoming, self.start, self.end) = (Vec::new(), 0, 0);
        }
    }

    /// Processes records and performs `action`. After an error it returns the same error again.
    fn drive(&mut self, content: &mut Vec<u8>, action: &Action<'_>) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        loop {
            match self.step(content, action) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.take_alert();
                    (self.start, self.end) = (0, 0);
                    (self.established, self.closed) = (false, true);
                    self.failure = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// Whether there may be more to do.
    fn step(&mut self, content: &mut Vec<u8>, action: &Action<'_>) -> Result<bool, Error> {
        let status = self.records.process(&mut self.incoming[self.start..self.end]);
        let mut discard = status.discard;
        let outcome = match status.state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        content.extend_from_slice(record.payload);
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Ok(true),
                }
            },
            Ok(ConnectionState::EncodeTlsData(encode)) => put(&mut self.outgoing, encode).map(|()| true),
            // The caller sends the bytes in order, so they count as sent.
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                transmit.done();
                Ok(true)
            }
            Ok(ConnectionState::PeerClosed) => {
                self.ended = true;
                Ok(true)
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                self.established = true;
                match action {
                    Action::Nothing => Ok(false),
                    Action::Seal(bytes) => seal(&mut self.outgoing, &mut traffic, bytes).map(|()| false),
                    Action::Close => {
                        // The buffer is larger than any alert.
                        let alert = |place: &mut [u8]| traffic.queue_close_notify(place);
                        let _ = self.outgoing.fill(2 * MAX_RECORD_OVERHEAD, alert);
                        Ok(false)
                    }
                }
            }
            // Early data is not accepted.
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        self.start = self.start.saturating_add(discard).min(self.end);
        outcome
    }

    /// Queues the alert of an error, after the messages before it. The received bytes must still be
    /// there: `rustls` reads them, and would process them once no message is queued.
    fn take_alert(&mut self) {
        while self.records.has_outgoing() {
            let status = self.records.process(&mut self.incoming[self.start..self.end]);
            let Ok(ConnectionState::EncodeTlsData(encode)) = status.state else { return };
            if put(&mut self.outgoing, encode).is_err() {
                // Without the alert the peer sees the end of the stream.
                return;
            }
        }
    }
}

/// Adds a message of the handshake.
fn put<S>(outgoing: &mut Outgoing, mut encode: EncodeTlsData<'_, S>) -> Result<(), Error> {
    let mut room = RECORD_LEN;
    loop {
        match outgoing.fill(room, |place| encode.encode(place)) {
            Ok(_) => return Ok(()),
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > room =>
            {
                room = required_size;
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

/// Adds records.
fn seal<S>(outgoing: &mut Outgoing, traffic: &mut WriteTraffic<'_, S>, bytes: &[u8]) -> Result<(), Error> {
    let mut room = bytes.len() + (bytes.len() / RECORD_LEN + 1) * MAX_RECORD_OVERHEAD;
    loop {
        match outgoing.fill(room, |place| traffic.encrypt(bytes, place)) {
            Ok(_) => return Ok(()),
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > room =>
            {
                room = required_size;
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

#[cfg(test)]
mod pairs;
#[cfg(test)]
mod tests;
