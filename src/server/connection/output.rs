//! The output of a connection, and the record of the answers in it: what was requested, how much of it was written, and how it ended.

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
        limits::{MAX_OUTPUT, budget::Reservation},
        registry::entry::Entry,
        shared::Shared,
        telemetry::record::Record,
    },
    text::SafeText,
};

/// The maximum of the first output of a connection, and of each for a slow client.
const MIN_OUTPUT: usize = MAX_OUTPUT / 8;
/// A client that takes this long to receive an output is slow.
const SLOW_TIMEOUT: Duration = Duration::from_millis(100);

/// The output of a connection.
pub(crate) struct Output {
    /// Bytes to write.
    pub out: Outgoing,
    /// A request was received on this connection.
    pub asked: bool,
    pub shared: Arc<Shared>,
    entry: Arc<Entry>,
    /// The running answer to a request for content.
    running: Option<Delivery>,
    /// Answers whose last bytes are still in `out`.
    ended: Vec<Delivery>,
    /// Content bytes in `out`.
    content: u64,
    /// Bytes received by the client since it was slow; see [`Output::size`].
    fast: usize,
    /// See [`Output::size`].
    size: usize,
    /// For the bytes of `size` above [`MIN_OUTPUT`].
    memory: Reservation,
    /// Length of the output in `out`.
    length: usize,
    /// When writing `out` began.
    offered: Option<Instant>,
    /// The request that is being answered.
    record: Option<Record>,
    /// Requests whose answers are in `out` up to their ends.
    answered: Vec<Record>,
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
    /// Whether it ended before the end of the content.
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
    let reason = SafeText::new(reason);
    entry.set_reported(&reason);
    shared.services.emit(&Event::Failed { id, peer, path: path.clone(), reason });
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
            fast: 0,
            size: MIN_OUTPUT,
            memory,
            length: 0,
            offered: None,
            record: None,
            answered: Vec::new(),
        }
    }

    /// The running answer to a request for content.
    pub fn delivery(&self) -> Option<&Delivery> {
        self.running.as_ref()
    }

    /// The address of the client.
    pub fn peer(&self) -> IpAddr {
        self.entry.peer.ip()
    }

    /// The maximum number of bytes of an output: small at first and for a slow client, [`MAX_OUTPUT`] for one that has received megabytes
    /// quickly. What the kernel buffers for a client, some hundred kilobytes, does not make it a fast one, so that the outputs of a thousand
    /// slow clients take little memory. Large outputs have a budget, so that those of a thousand fast ones do not take more.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writing `out` begins, or continues.
    pub fn offer(&mut self, now: Instant) {
        self.offered.get_or_insert(now);
        self.length = self.length.max(self.out.len());
    }

    /// All of it is written.
    fn taken(&mut self, now: Instant) {
        let took = self.offered.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let length = std::mem::take(&mut self.length);
        if took < SLOW_TIMEOUT {
            self.fast = self.fast.saturating_add(length);
        } else {
            self.fast = 0;
            self.out.release();
        }
        let size = (self.fast / 8).clamp(MIN_OUTPUT, MAX_OUTPUT);
        if size != self.size && self.memory.resize(size - MIN_OUTPUT) {
            self.size = size;
        }
    }

    /// Whether there is a place for this client, once it has shown that it may fetch.
    pub fn has_place(&self) -> bool {
        self.shared.registry.has_place(&self.entry, &self.shared.services.terms.limits)
    }

    /// Takes a place for this client, which has shown that it may fetch. Returns whether there is one.
    pub fn take_place(&self) -> bool {
        self.shared.registry.authenticate(&self.entry, &self.shared.services.terms.limits)
    }

    /// Records that this client is refused because there is no place for it.
    pub fn refuse(&mut self) {
        self.entry.refuse();
        self.shared.services.refuse(self.entry.peer);
    }

    /// A request was received.
    pub fn request(&mut self, what: &'static str, path: &SafeText) {
        self.asked = true;
        let Entry { id, peer, .. } = *self.entry;
        if self.record.is_none() {
            let protocol = if self.entry.dialect() == Some("v1") { "fdsp/1" } else { "classic" };
            self.record(protocol, |record| record.of(what, &format!("/{path}")));
        }
        self.shared.services.emit(&Event::Request { id, peer, what, path: path.clone() });
    }

    /// The client has begun a transfer, with one request or several.
    pub fn transfer(&self) {
        self.entry.set_transferring();
    }

    /// Whether the client has a transfer on this connection.
    pub fn is_transferring(&self) -> bool {
        self.entry.is_transferring()
    }

    /// From now on the kernel sends no small segment before the end.
    pub fn cork(&self) {
        self.entry.cork();
    }

    /// Sets what the connection does, for the dashboard.
    pub fn state(&self, state: ConnectionState) {
        self.entry.set_state(state);
    }

    /// Sets the path of the running answer, for the dashboard.
    pub fn show(&self, path: &SafeText) {
        self.entry.set_path(path);
    }

    /// The content of an answer begins.
    pub fn begin(&mut self, path: SafeText, started: Instant, total: Option<u64>) {
        self.state(ConnectionState::Sending);
        self.running = Some(Delivery { path, started, bytes: 0, total, part: false });
    }

    /// Content was put into `out`. `progress`: the position and the total, if they are known.
    pub fn content(&mut self, bytes: usize, progress: Option<(u64, u64)>) {
        self.body(bytes);
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

    /// Sets the progress of an answer without content.
    pub fn position(&self, position: u64, total: u64) {
        self.entry.set_progress(position, total);
    }

    /// An answer without content has ended.
    pub fn idle(&self) {
        self.entry.clear_progress();
    }

    /// The running answer succeeds once `out` is written. `complete`: it reached the end of the content.
    pub fn end(&mut self, complete: bool) {
        self.ended.extend(self.running.take().map(|running| Delivery { part: !complete, ..running }));
    }

    /// A request was received that is to be recorded; `describe` says what it is.
    pub fn record(&mut self, protocol: &'static str, describe: impl FnOnce(Record) -> Record) {
        self.answered();
        let dialect = self.entry.dialect().unwrap_or("unknown");
        self.record = Some(describe(Record::new(self.entry.peer, dialect, protocol)));
    }

    /// The status of the answer, as HTTP has it.
    pub fn status(&mut self, status: u16) {
        if let Some(record) = &mut self.record {
            record.status = status;
        }
    }

    /// Bytes of an answer without its head were put into `out`.
    pub fn body(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.bytes += bytes as u64;
        }
    }

    /// All of the answer is in `out`.
    pub fn answered(&mut self) {
        self.answered.extend(self.record.take());
    }

    /// Passes on what was recorded of the requests that are answered.
    fn pass_on(&mut self, now: Instant) {
        for mut record in self.answered.drain(..) {
            record.finish(now);
            self.shared.services.record(record);
        }
    }

    /// A request failed.
    pub fn fail(&mut self, path: &SafeText, reason: &str) {
        if let Some(record) = &mut self.record {
            record.error.get_or_insert_with(|| SafeText::new(reason));
        }
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
        self.shared.services.add_sent(self.entry.dialect(), content);
        if self.out.is_empty() {
            self.taken(now);
        }
        self.settle(now);
    }

    /// Reports the answers that are written.
    pub fn settle(&mut self, now: Instant) {
        if self.out.is_empty() && !self.answered.is_empty() {
            self.pass_on(now);
        }
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

    /// The progress of the answer that is being written: ` after N of M bytes`, or nothing.
    pub fn progress(&self) -> String {
        let Some(running) = self.running.as_ref().or(self.ended.last()) else { return String::new() };
        let written = running.bytes.saturating_sub(self.content);
        match running.total {
            Some(total) => format!(" after {written} of {total} bytes"),
            None => format!(" after {written} bytes"),
        }
    }

    /// The running answer fails.
    pub fn give_up(&mut self, reason: &str) {
        if let Some(Delivery { path, .. }) = self.running.take() {
            self.fail(&path, reason);
        }
    }

    /// The connection ends: all answers that are not written fail.
    pub fn abandon(&mut self, reason: &str) {
        if !self.out.is_empty() {
            // The last of them is the one of which most is not written.
            let unwritten = self.out.len() as u64;
            if let Some(last) = self.record.as_mut().or(self.answered.last_mut()) {
                last.bytes = last.bytes.saturating_sub(unwritten);
                last.error.get_or_insert_with(|| SafeText::new(reason));
            }
        }
        self.give_up(reason);
        for Delivery { path, .. } in std::mem::take(&mut self.ended) {
            self.fail(&path, reason);
        }
    }
}

/// However a connection ends, its requests are recorded.
impl Drop for Output {
    fn drop(&mut self) {
        if let Some(record) = &mut self.record
            && record.status == 0
        {
            record.error.get_or_insert_with(|| SafeText::new("the connection ended before the answer"));
        }
        self.answered();
        self.pass_on(Instant::now());
    }
}
