//! Received bytes: TLS is decrypted, the first byte selects the dialect, and the dialect reads the rest.

use std::time::Instant;

use super::state::{Connection, Stage};
use crate::{
    protocol::{frame::outgoing::Outgoing, preamble::TLS_FIRST_BYTE},
    server::{
        connection::{
            dialect::{
                Dialect,
                classic::Classic,
                detection::{Detected, detect},
                refusal::{BLOCKED, Refusal},
                unknown_protocol,
            },
            http::exchange::Http,
            task::Work,
            transport::{Tls, Transport},
            v1::requests::V1,
        },
        limits::MAX_DISCARDED,
    },
};

/// The answer of a server without TLS to a client with TLS: the fatal alert `unexpected_message`.
const UNEXPECTED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 10];

impl Connection {
    /// Takes received bytes; none is the end of the stream.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        self.guarded(|this| this.take(now, bytes));
    }

    fn take(&mut self, now: Instant, bytes: &[u8]) {
        // A socket that we have shut down reads as if the client had closed.
        if bytes.is_empty()
            && let Some(reason) = self.shutdown_reason()
        {
            return self.close(reason);
        }
        match (&mut self.stage, &self.shared.services.terms.tls) {
            (Stage::Lingering { discarded, .. }, _) => {
                *discarded += bytes.len();
                // Closing with unread bytes resets the connection; a client that sends more than this is at fault.
                if bytes.is_empty() || *discarded > MAX_DISCARDED {
                    self.stage = Stage::Closed;
                }
                return;
            }
            (Stage::Closed, _) => return,
            (Stage::Fresh(_), Some(setup))
                if matches!(self.transport, Transport::Plain)
                    && self.first.is_empty()
                    && bytes.first() == Some(&TLS_FIRST_BYTE) =>
            {
                match Tls::new(setup) {
                    Ok(tls) => self.transport = Transport::Tls(Box::new(tls)),
                    Err(reason) => return self.close(reason),
                }
            }
            _ => {}
        }
        let Transport::Tls(tls) = &mut self.transport else { return self.content(now, bytes) };
        if bytes.is_empty() {
            // Our own drain ends the stream, too.
            if tls.has_ended() || !self.shared.lifecycle.accepting() {
                self.content(now, &[]);
            } else if matches!(&self.stage, Stage::Open(work) if work.dialect.ends_without_notice()) {
                self.close("closed by the client");
            } else {
                self.close("closed by the client without an end of TLS, or cut off on the way");
            }
            return;
        }
        match tls.open(bytes) {
            Ok(content) => {
                let ended = tls.has_ended();
                if !content.is_empty() {
                    self.content(now, &content);
                }
                if ended {
                    self.content(now, &[]);
                }
            }
            Err(reason) => {
                // Only an alert of TLS can still be sent.
                if let Some(output) = self.stage.output_mut() {
                    output.out = Outgoing::new();
                }
                self.linger(reason.into(), now);
            }
        }
    }

    /// Takes what the received bytes mean to a dialect; none is the end of the stream.
    fn content(&mut self, now: Instant, bytes: &[u8]) {
        match &mut self.stage {
            Stage::Fresh(_) if !bytes.is_empty() => {
                self.first.extend_from_slice(bytes);
                self.begin(now);
            }
            Stage::Fresh(_) if self.shared.lifecycle.accepting() => self.close("closed by the client"),
            // Not the client: a drain ends the stream to wake us.
            Stage::Fresh(_) => {}
            Stage::Open(work) => {
                if let Err(reason) = work.dialect.received(bytes, &mut work.output, now) {
                    self.linger(reason.into(), now);
                }
            }
            Stage::Running(_) | Stage::Lingering { .. } | Stage::Closed => {}
        }
    }

    /// The first bytes show which protocol the client speaks.
    fn begin(&mut self, now: Instant) {
        let certificate = self.transport.certificate();
        let terms = &self.shared.services.terms;
        // The original programs have no TLS, so a client inside TLS is not one of them.
        let classic = terms.classic.filter(|_| certificate.is_none());
        let detected = detect(&self.first, self.transport.protocol(), classic.is_some());
        if detected == Detected::Undecided {
            return;
        }
        let Stage::Fresh(mut output) = std::mem::replace(&mut self.stage, Stage::Closed) else { return };
        let bytes = std::mem::take(&mut self.first);
        let dialect = match (detected, classic) {
            (Detected::V1, _) => {
                self.entry.set_dialect("v1");
                let lacks_tls = terms.tls.is_some() && certificate.is_none();
                let blocked = self.entry.blocked().map(Refusal::Blocked);
                let refusal = blocked.or(lacks_tls.then_some(Refusal::TlsRequired));
                Dialect::V1(Box::new(V1::new(refusal, self.entry.peer.ip(), certificate)))
            }
            (Detected::Http, _) => {
                self.entry.set_dialect("http");
                Dialect::Http(Box::new(Http::new(
                    self.entry.peer.ip(),
                    certificate.is_some(),
                    self.entry.blocked(),
                )))
            }
            // These dialects have no message for it.
            (Detected::Classic, Some(_)) if self.entry.blocked().is_some() => {
                self.stage = Stage::Fresh(output);
                return self.linger(BLOCKED.into(), now);
            }
            (Detected::Classic, Some(dialect)) => {
                let classic = Box::new(Classic::new(dialect));
                self.entry.set_dialect(classic.name());
                Dialect::Classic(classic)
            }
            (Detected::Tls, _) if terms.tls.is_none() => {
                output.out.push(&UNEXPECTED);
                self.stage = Stage::Fresh(output);
                return self.linger("a client with TLS; this server was started without".into(), now);
            }
            _ => {
                output.out.push(unknown_protocol::sentence(terms.tls.is_some()).as_bytes());
                self.stage = Stage::Fresh(output);
                return self.linger(unknown_protocol::name(&bytes).into(), now);
            }
        };
        self.shared.services.metrics.connection(self.entry.dialect());
        let mut work = Box::new(Work { dialect, output });
        let result = work.dialect.received(&bytes, &mut work.output, now);
        self.stage = Stage::Open(work);
        if let Err(reason) = result {
            self.linger(reason.into(), now);
        }
    }
}
