//! Draining a server: it accepts no client, current transfers finish, and then it stops.

use std::{sync::Arc, thread, time::Instant};

use crate::server::{
    api::event::Event,
    limits::DRAIN_INTERVAL,
    shared::{Shared, lifecycle::Phase},
};

/// The stack of its thread, in bytes.
const STACK: usize = 64 * 1024;

/// Stops accepting. Connections that wait for a request read an end of stream, see the phase and send a
/// goodbye. A connection with a transfer is served until its client closes it, or the deadline of the drain has passed.
pub(crate) fn drain(shared: &Arc<Shared>) {
    if !shared.lifecycle.drain() {
        return;
    }
    shared.services.emit(&Event::Draining);
    shared.lifecycle.close_listener();
    let watched = Arc::clone(shared);
    let watchdog =
        thread::Builder::new().name("drain".into()).stack_size(STACK).spawn(move || watch(&watched));
    if let Err(error) = watchdog {
        shared.services.warn(&format!("stopping at once, because a drain could not be started: {error}"));
        shared.stop();
    }
}

/// Wakes connections that wait for a request until the server has stopped, or stops it at the deadline.
fn watch(shared: &Shared) {
    let end = Instant::now() + shared.services.terms.limits.drain;
    loop {
        let now = Instant::now();
        shared.registry.for_each(|entry| entry.interrupt());
        let left = end.saturating_duration_since(now);
        if shared.lifecycle.wait_for(Phase::Stopped, left.min(DRAIN_INTERVAL)) {
            return;
        }
        if left.is_zero() {
            return shared.stop();
        }
    }
}
