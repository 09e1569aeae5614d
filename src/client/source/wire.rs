//! The bytes of one connection: a stream, with or without TLS, a receive buffer that exists only while content is received,
//! and the timeouts.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{io::Interest, net::TcpStream, time::timeout};

use crate::{
    client::{
        api::{content::origin::Origin, views::view::TroubleKind},
        error::Fault,
        source::{
            dial,
            limiter::Limiter,
            secure::{Secure, Secured, secure},
            timeouts::{Timeouts, Watchdog},
        },
        trust::Handshakes,
    },
    platform::reason,
    protocol::{
        address::{Authority, Security},
        message::Credential,
    },
    text::units,
};

/// Bytes of the receive buffer at first: enough for answers and small files.
const MIN_BUFFER_LEN: usize = 64 * 1024;
/// Bytes of it once that was filled: large reads are what makes a receiver fast.
const MAX_BUFFER_LEN: usize = 512 * 1024;
/// The same with TLS, which needs them twice: encrypted and decrypted.
const MAX_SECURE_BUFFER_LEN: usize = 256 * 1024;

/// What a connection is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Bytes were received.
    Received,
    /// It takes bytes again.
    Writable,
    /// The stream has ended.
    Ended,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// Encrypts what is written, and decrypts what is read.
    secure: Option<Box<Secure>>,
    origin: Origin,
    /// Bytes that were received and not used are at `start..end`; without TLS there is room after them.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes to read at once.
    size: usize,
    peer: String,
    watchdog: Watchdog,
    /// When connecting began.
    began: Instant,
    /// Something was received.
    heard: bool,
}

impl Wire {
    /// Connects, and verifies a server with TLS. Also returns the credential to send, if the address has a token.
    pub(crate) async fn open(
        authority: &Authority,
        timeouts: Timeouts,
        handshakes: &Handshakes,
    ) -> Result<(Wire, Option<Credential>), Fault> {
        if authority.token.is_some() && !handshakes.servers.may_have_token(authority) {
            let message = "without TLS others on the network could read the token; use fdsp:// instead of \
                           fdsp+plain://";
            let fault = Fault::never(TroubleKind::Refused, message);
            return Err(fault.or_by(", or add --plain to send it all the same"));
        }
        let (peer, began) = (authority.to_string(), Instant::now());
        let stream = dial::dial(authority, timeouts.silence).await?;
        let (secure, origin, credential) = match authority.security {
            Security::Plain => {
                (None, Origin::plain(&authority.host), authority.token.clone().map(Credential::Token))
            }
            Security::Tls { .. } => {
                let handshake = timeout(timeouts.silence, secure(&stream, authority, handshakes)).await;
                let seconds = timeouts.silence.as_secs_f32();
                let Secured { session, pin, credential } = handshake.map_err(|_| {
                    let message = format!("the TLS handshake with {peer} took longer than {seconds} s");
                    Fault::silent(began, message)
                })??;
                (Some(session), Origin::Certificate(pin), credential)
            }
        };
        let wire = Wire {
            stream,
            heard: secure.is_some(),
            secure,
            origin,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            size: MIN_BUFFER_LEN,
            peer,
            watchdog: Watchdog::new(timeouts),
            began,
        };
        Ok((wire, credential))
    }

    /// The server, for people.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Which server it is.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Bytes that were received and not used.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The first `count` of them were used.
    pub(crate) fn used(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Frees the buffer: nothing is received for a while.
    pub(crate) fn rest(&mut self) {
        if self.start == self.end {
            (self.buffer, self.start, self.end, self.size) = (Vec::new(), 0, 0, MIN_BUFFER_LEN);
            if let Some(secure) = &mut self.secure {
                secure.release();
            }
        }
    }

    /// Writes some of `bytes`; how many.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(secure) = &mut self.secure else { return self.write_raw(bytes).await };
        if let Err(error) = secure.seal(bytes) {
            return Err(self.failed(&error));
        }
        self.flush().await?;
        Ok(bytes.len())
    }

    /// Writes what the connection takes of `bytes` without waiting; how many of them, and whether anything is left to write.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Result<(usize, bool), Fault> {
        let Some(secure) = &mut self.secure else {
            let count = self.try_write_raw(bytes)?;
            return Ok((count, count < bytes.len()));
        };
        if !bytes.is_empty()
            && let Err(error) = secure.seal(bytes)
        {
            return Err(self.failed(&error));
        }
        while let Some(secure) = &self.secure
            && !secure.outgoing().is_empty()
        {
            let count = self.try_write_raw(secure.outgoing())?;
            if count == 0 {
                return Ok((bytes.len(), true));
            }
            if let Some(secure) = &mut self.secure {
                secure.sent(count);
            }
        }
        Ok((bytes.len(), false))
    }

    fn try_write_raw(&self, mut bytes: &[u8]) -> Result<usize, Fault> {
        let length = bytes.len();
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.lost(&error)),
            }
        }
        Ok(length - bytes.len())
    }

    /// Writes the encrypted bytes that wait.
    async fn flush(&mut self) -> Result<(), Fault> {
        while let Some(secure) = &self.secure
            && !secure.outgoing().is_empty()
        {
            let count = self.write_raw(secure.outgoing()).await?;
            if let Some(secure) = &mut self.secure {
                secure.sent(count);
            }
        }
        Ok(())
    }

    async fn write_raw(&self, bytes: &[u8]) -> Result<usize, Fault> {
        loop {
            timeout(self.silence(), self.stream.writable()).await.map_err(|_| self.stalled())?.ok();
            match self.stream.try_write(bytes) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// Something is asked, to which the answer is waited for from now on.
    pub(crate) fn asked(&mut self) {
        self.watchdog.begin();
    }

    /// The server has hashed; see [`Watchdog::hashed`].
    pub(crate) fn hashed(&mut self, budget: &mut Duration) {
        self.watchdog.hashed(budget);
    }

    /// The server says that it works; see [`Watchdog::works`].
    pub(crate) fn works(&mut self, budget: &mut Duration) -> Result<(), Fault> {
        if self.watchdog.works(budget) {
            return Ok(());
        }
        Err(Fault::too_slow(format!(
            "{} only said that it works, for longer than that may take; ask for less",
            self.peer
        ))
        .or_by(", or raise --timeout"))
    }

    /// The server has sent more than that it works.
    pub(crate) fn answered(&mut self) {
        self.watchdog.answered();
    }

    /// The server prepares what it sends next; see [`Watchdog::prepares`].
    pub(crate) fn prepares(&mut self, time: Duration) {
        self.watchdog.prepares(time);
    }

    fn silence(&self) -> Duration {
        self.watchdog.silence()
    }

    /// Waits until it can be read, or with `pending`, until it can be read or written. Also yields now and then while it always can.
    async fn ready(&self, pending: bool) -> Result<bool, Fault> {
        let interest = if pending { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = timeout(self.silence(), self.stream.ready(interest)).await.map_err(|_| self.stalled())?;
        Ok(pending && ready.is_ok_and(|ready| ready.is_writable()))
    }

    /// Reads once, as much as the limit allows; `false` at the end of the stream.
    pub(crate) async fn fill(&mut self, limiter: &Limiter) -> Result<bool, Fault> {
        Ok(self.wait(limiter, false).await? != Readiness::Ended)
    }

    /// Reads once, as much as the limit allows, or with `pending`, returns when something can be written.
    pub(crate) async fn wait(&mut self, limiter: &Limiter, pending: bool) -> Result<Readiness, Fault> {
        if self.secure.is_some() {
            return self.wait_secure(limiter, pending).await;
        }
        limiter.allowed().await;
        let was_full = self.end == self.buffer.len();
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if was_full {
            self.buffer.resize(self.size, 0);
            self.size = MAX_BUFFER_LEN;
        }
        let room = self.end.saturating_add(limiter.quantum()).min(self.buffer.len());
        loop {
            let since = Instant::now();
            if self.ready(pending).await? {
                return Ok(Readiness::Writable);
            }
            match self.stream.try_read(&mut self.buffer[self.end..room]) {
                Ok(count) => {
                    self.end += count;
                    self.heard |= count > 0;
                    limiter.spend(count);
                    return match self.watchdog.took(since, count) {
                        true if count == 0 => Ok(Readiness::Ended),
                        true => Ok(Readiness::Received),
                        false => Err(self.trickles()),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// The same with TLS: reads until there is content.
    async fn wait_secure(&mut self, limiter: &Limiter, pending: bool) -> Result<Readiness, Fault> {
        self.buffer.drain(..self.start);
        (self.start, self.end) = (0, self.buffer.len());
        loop {
            limiter.allowed().await;
            let since = Instant::now();
            if self.ready(pending).await? {
                return Ok(Readiness::Writable);
            }
            let Some(secure) = &mut self.secure else { return Ok(Readiness::Ended) };
            let place = secure.space(self.size);
            let room = place.len().min(limiter.quantum());
            match self.stream.try_read(&mut place[..room]) {
                Ok(0) if secure.has_ended() => return Ok(Readiness::Ended),
                Ok(0) => return Err(self.cut_off()),
                Ok(count) => {
                    if count == self.size {
                        self.size = MAX_SECURE_BUFFER_LEN;
                    }
                    secure.received(count);
                    limiter.spend(count);
                    if !self.watchdog.took(since, count) {
                        return Err(self.trickles());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(self.lost(&error)),
            }
            let (opened, ended) = (secure.open(&mut self.buffer), secure.has_ended());
            // An answer to a change of keys, or an alert.
            let flushed = self.flush().await;
            if let Err(error) = opened {
                return Err(self.failed(&error));
            }
            flushed?;
            let before = std::mem::replace(&mut self.end, self.buffer.len());
            if self.end > before {
                return Ok(Readiness::Received);
            }
            if ended {
                return Ok(Readiness::Ended);
            }
        }
    }

    /// Closes the client's side in order.
    pub(crate) async fn close(&mut self) {
        if let Some(secure) = &mut self.secure {
            secure.close();
        }
        // It closes either way.
        let _ = self.flush().await;
    }

    /// Whether an earlier TLS session was resumed.
    #[cfg(test)]
    pub(crate) fn is_resumed(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| secure.is_resumed())
    }

    /// Makes the system buffer few bytes that the server has not read.
    #[cfg(test)]
    pub(crate) fn set_send_buffer(&self, bytes: usize) {
        socket2::SockRef::from(&self.stream).set_send_buffer_size(bytes).unwrap();
    }

    /// Whether the server has neither sent anything nor closed while the connection was idle.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The connection ended without an answer.
    pub(crate) fn closed(&self, message: impl AsRef<str>) -> Fault {
        if self.heard { Fault::lost(message) } else { Fault::silent(self.began, message) }
    }

    fn lost(&self, error: &io::Error) -> Fault {
        self.closed(format!("the connection to {} was lost: {}", self.peer, reason(error)))
    }

    fn failed(&self, error: &rustls::Error) -> Fault {
        Fault::lost(format!("the connection to {} was lost: TLS failed: {error}", self.peer))
    }

    fn cut_off(&self) -> Fault {
        Fault::lost(format!("the connection to {} was cut off", self.peer))
    }

    fn trickles(&self) -> Fault {
        let Timeouts { speed_limit, speed_time, .. } = self.watchdog.timeouts();
        Fault::too_slow(format!(
            "{} sent less than {} for {} s",
            self.peer,
            units::rate(speed_limit as f64),
            speed_time.as_secs_f32()
        ))
    }

    fn stalled(&self) -> Fault {
        self.closed(format!("{} sent nothing for {} s", self.peer, self.silence().as_secs_f32()))
    }
}
