//! One turn of output and the accounts of what is in it: who asked for what, how much of it went out, and
//! what became of it.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    protocol::{
        frame::outgoing::Outgoing,
        message::{Failure, Missing},
    },
    server::{
        api::{event::Event, snapshot::ConnectionState},
        limits::{TURN, budget::Reservation},
        registry::entry::Entry,
        shared::Shared,
    },
    text::SafeText,
};

/// The first turn of a connection, and those of a slow one.
const LEAST_TURN: usize = TURN / 8;
/// A turn that takes this long makes a peer a slow one.
const SLOW: Duration = Duration::from_millis(100);

/// The output of a connection and its accounts.
pub(crate) struct Output {
    /// Bytes to write.
    pub out: Outgoing,
    /// A request has come on this connection.
    pub asked: bool,
    pub shared: Arc<Shared>,
    entry: Arc<Entry>,
    /// The answer in work.
    running: Option<Delivery>,
    /// Answers whose last bytes are still in `out`.
    ended: Vec<Delivery>,
    /// Content bytes in `out`.
    content: u64,
    /// Bytes taken by the peer since it was slow last; see [`Output::size`].
    brisk: usize,
    /// See [`Output::size`].
    size: usize,
    /// For what `size` is above [`LEAST_TURN`].
    memory: Reservation,
    /// Length of the turn in `out`.
    length: usize,
    /// When what is in `out` was first to be written.
    offered: Option<Instant>,
}

/// The answer to a request for content, for the log.
#[derive(Clone)]
pub(crate) struct Delivery {
    path: SafeText,
    started: Instant,
    /// Content bytes produced.
    bytes: u64,
    /// Content bytes that there will be, if known.
    total: Option<u64>,
    /// Whether it ended before the content's end.
    part: bool,
}

impl Delivery {
    /// Reports that it failed: its connection ends while a task has the output.
    pub fn fail(&self, shared: &Shared, entry: &Entry, reason: &str) {
        report_failure(shared, entry, &self.path, reason);
    }
}

fn report_failure(shared: &Shared, entry: &Entry, path: &SafeText, reason: &str) {
    let Entry { id, peer, .. } = *entry;
    shared.services.emit(&Event::Failed { id, peer, path: path.clone(), reason: SafeText::new(reason) });
}

impl Output {
    /// Of a connection that begins.
    pub fn new(shared: Arc<Shared>, entry: Arc<Entry>) -> Output {
        let memory = shared.services.outputs.reserve(entry.peer.ip());
        Output {
            out: Outgoing::new(),
            asked: false,
            shared,
            entry,
            running: None,
            ended: Vec::new(),
            content: 0,
            brisk: 0,
            size: LEAST_TURN,
            memory,
            length: 0,
            offered: None,
        }
    }

    /// The answer in work.
    pub fn delivery(&self) -> Option<&Delivery> {
        self.running.as_ref()
    }

    /// Who the other side is.
    pub fn peer(&self) -> IpAddr {
        self.entry.peer.ip()
    }

    /// Bytes to put into one turn at most: few at first and for a peer that takes its time over them, [`TURN`] for one
    /// that has taken megabytes briskly. What a kernel takes in place of the peer, some hundred kilobytes, is not
    /// enough for a large output, so that a thousand slow peers make little wait in memory. There is a budget for large turns, so
    /// that a thousand brisk ones do not either.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The peer is to take what is in `out`.
    pub fn offer(&mut self, now: Instant) {
        self.offered.get_or_insert(now);
        self.length = self.length.max(self.out.len());
    }

    /// The peer has taken it.
    fn taken(&mut self, now: Instant) {
        let took = self.offered.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let length = std::mem::take(&mut self.length);
        if took < SLOW {
            self.brisk = self.brisk.saturating_add(length);
        } else {
            self.brisk = 0;
            self.out.release();
        }
        let size = (self.brisk / 8).clamp(LEAST_TURN, TURN);
        if size != self.size && self.memory.resize(size - LEAST_TURN) {
            self.size = size;
        }
    }

    /// Whether there is a place for this client, once it has shown that it may fetch.
    pub fn has_place(&self) -> bool {
        self.shared.registry.has_place(&self.entry, &self.shared.services.limits)
    }

    /// Takes a place for this client, which has shown that it may fetch. Returns whether there is one.
    pub fn take_place(&self) -> bool {
        self.shared.registry.authenticate(&self.entry, &self.shared.services.limits)
    }

    /// Records that this client is refused because there is no place for it.
    pub fn refuse(&mut self) {
        self.entry.refuse();
        self.shared.services.refuse(self.entry.peer);
    }

    /// A request came.
    pub fn request(&mut self, what: &'static str, path: &SafeText) {
        self.asked = true;
        let Entry { id, peer, .. } = *self.entry;
        self.shared.services.emit(&Event::Request { id, peer, what, path: path.clone() });
    }

    /// The client makes a transfer, with one request or several.
    pub fn transfer(&self) {
        self.entry.set_transferring();
    }

    /// Whether the client makes a transfer on this connection.
    pub fn is_transferring(&self) -> bool {
        self.entry.is_transferring()
    }

    /// From now on the kernel sends no small segment before the end.
    pub fn cork(&self) {
        self.entry.cork();
    }

    /// What the connection does, for the dashboard.
    pub fn state(&self, state: ConnectionState) {
        self.entry.set_state(state);
    }

    /// The path of the answer in work, for the dashboard.
    pub fn show(&self, path: &SafeText) {
        self.entry.set_path(path);
    }

    /// The content of an answer begins.
    pub fn begin(&mut self, path: SafeText, started: Instant, total: Option<u64>) {
        self.state(ConnectionState::Sending);
        self.running = Some(Delivery { path, started, bytes: 0, total, part: false });
    }

    /// Content was put into `out`; how far the answer is with that, if that is known.
    pub fn content(&mut self, bytes: usize, progress: Option<(u64, u64)>) {
        self.content += bytes as u64;
        if let Some(running) = &mut self.running {
            running.bytes += bytes as u64;
        }
        match progress {
            Some((position, total)) => self.entry.set_progress(position, total),
            None => self.entry.clear_progress(),
        }
    }

    /// Whether content waits to be written.
    pub fn has_content(&self) -> bool {
        self.content > 0
    }

    /// How far an answer is that has no content.
    pub fn position(&self, position: u64, total: u64) {
        self.entry.set_progress(position, total);
    }

    /// An answer without content has ended.
    pub fn idle(&self) {
        self.entry.clear_progress();
    }

    /// The answer in work has ended well, once `out` is written. `complete`: it reached the content's end.
    pub fn end(&mut self, complete: bool) {
        self.ended.extend(self.running.take().map(|running| Delivery { part: !complete, ..running }));
    }

    /// A request failed.
    pub fn fail(&mut self, path: &SafeText, reason: &str) {
        self.running = None;
        self.entry.clear_progress();
        report_failure(&self.shared, &self.entry, path, reason);
    }

    /// One of many files is not sent, or not to its end.
    pub fn missed(&mut self, failure: &Failure) {
        let path = SafeText::new(failure.path.as_deref().unwrap_or_default());
        report_failure(&self.shared, &self.entry, &path, &failure.message);
    }

    /// A folder is sent without some of its entries.
    pub fn incomplete(&mut self, path: &SafeText, missing: &Missing) {
        if !missing.is_none() {
            let Entry { id, peer, .. } = *self.entry;
            self.shared.services.emit(&Event::Incomplete {
                id,
                peer,
                path: path.clone(),
                missing: missing.clone(),
            });
        }
    }

    /// The first `count` bytes of `out` were written.
    pub fn wrote(&mut self, count: usize, now: Instant) {
        self.out.sent(count);
        // Which of the bytes were content is known only when all are written, and near enough before.
        let content = if self.out.is_empty() { self.content } else { self.content.min(count as u64) };
        self.content -= content;
        self.entry.add_sent(content);
        self.shared.services.add_sent(content);
        if self.out.is_empty() {
            self.taken(now);
        }
        self.settle(now);
    }

    /// Reports the answers that are written.
    pub fn settle(&mut self, now: Instant) {
        if self.out.is_empty() && !self.ended.is_empty() {
            if self.running.is_none() {
                self.entry.clear_progress();
            }
            let Entry { id, peer, .. } = *self.entry;
            for Delivery { path, started, bytes, part, .. } in std::mem::take(&mut self.ended) {
                let seconds = now.saturating_duration_since(started).as_secs_f64();
                if !part {
                    self.shared.services.add_served();
                }
                self.shared.services.emit(&Event::Sent { id, peer, path, bytes, seconds, part });
            }
        }
    }

    /// How far the answer is that is being written: ` after N of M bytes`, or nothing.
    pub fn progress(&self) -> String {
        let Some(running) = self.running.as_ref().or(self.ended.last()) else { return String::new() };
        let written = running.bytes.saturating_sub(self.content);
        match running.total {
            Some(total) => format!(" after {written} of {total} bytes"),
            None => format!(" after {written} bytes"),
        }
    }

    /// The answer in work will not come to its end.
    pub fn give_up(&mut self, reason: &str) {
        if let Some(Delivery { path, .. }) = self.running.take() {
            self.fail(&path, reason);
        }
    }

    /// The connection ends: answers that are not written will never be.
    pub fn abandon(&mut self, reason: &str) {
        self.give_up(reason);
        for Delivery { path, .. } in std::mem::take(&mut self.ended) {
            self.fail(&path, reason);
        }
    }
}
