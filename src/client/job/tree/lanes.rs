//! The connections that receive the files of a tree. All take from one list, so that none has to wait while another has something to do.
//! On a short link there is one. On a long link there are two, because the window of one connection may limit it, and more if they help.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{task::block_in_place, time::sleep};

use super::{
    files::FileRequests,
    shared::{Lanes, Shared, lock},
};
use crate::client::{error::Fault, source::Connection, transfer::permit::Permit};

/// How often the number of connections is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Round trip of a long link.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(20);
/// Bytes that are not requested yet, at least, for another connection: it needs several round trips before it receives anything, while the
/// others request what is left.
const MIN_SHARED: u64 = 32 << 20;
/// Time until another connection is tried after one was refused or lost.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// What another connection has to add to the rate for a further one: a sixth.
const GAIN: f64 = 7.0 / 6.0;

/// A connection that receives.
type Lane<'f> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'f>>;

/// Receives until all files are answered.
pub(super) async fn run<'a>(
    lanes: Lanes<'a>,
    shared: &Mutex<Shared<'a>>,
    connection: &mut Connection,
) -> Result<(), Fault> {
    let mut growth = Growth::new(lanes, connection.round_trip());
    let lost = AtomicBool::new(false);
    let first = async {
        let ended = receive(lanes, shared, connection, None).await;
        lost.store(ended.is_err(), Ordering::Relaxed);
        ended
    };
    let mut running: Vec<Lane<'_>> = vec![Box::pin(first)];
    loop {
        while let Some(permit) = growth.another(running.len(), shared) {
            tracing::debug!("{}: a further connection shares the tree", lanes.attempt.events.name());
            running.push(Box::pin(receive_on_another(lanes, shared, permit)));
        }
        let ended = tokio::select! {
            biased;
            ended = first_ended(&mut running) => ended,
            () = sleep(CHECK_INTERVAL), if growth.is_possible => continue,
        };
        match ended {
            Ok(()) => {}
            // The others receive its files.
            Err(fault) if !running.is_empty() && fault.retry_after().is_some() => {
                growth.failed(&fault);
            }
            Err(fault) => return Err(fault),
        }
        if running.is_empty() {
            if lock(shared).todo.is_empty() {
                break;
            }
            // Given back when the others had nothing to do any more.
            running.push(Box::pin(receive_again(lanes, shared)));
        }
    }
    drop(running);
    // The others have connections of their own.
    if lost.into_inner() {
        *connection = lanes.connect().await?;
    }
    Ok(())
}

/// Waits for the first connection that ends.
async fn first_ended(running: &mut Vec<Lane<'_>>) -> Result<(), Fault> {
    poll_fn(|context| {
        // Each is the first one at times: all have one budget.
        running.rotate_left(1);
        for at in 0..running.len() {
            if let Poll::Ready(ended) = running[at].as_mut().poll(context) {
                drop(running.remove(at));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}

/// Receives on a further connection.
async fn receive_on_another<'a>(
    lanes: Lanes<'a>,
    shared: &Mutex<Shared<'a>>,
    permit: Permit,
) -> Result<(), Fault> {
    let mut connection = lanes.connect().await?;
    receive(lanes, shared, &mut connection, Some(&permit)).await?;
    connection.put();
    Ok(())
}

/// Receives what is left.
async fn receive_again<'a>(lanes: Lanes<'a>, shared: &Mutex<Shared<'a>>) -> Result<(), Fault> {
    let mut connection = lanes.connect().await?;
    receive(lanes, shared, &mut connection, None).await?;
    connection.put();
    Ok(())
}

/// Receives until nothing is to do. A lost connection is made again as long as each receives something.
async fn receive<'a>(
    lanes: Lanes<'a>,
    shared: &Mutex<Shared<'a>>,
    connection: &mut Connection,
    permit: Option<&Permit>,
) -> Result<(), Fault> {
    let mut max_bytes = u64::MAX;
    loop {
        let mut requests = FileRequests::new(lanes, shared, permit);
        requests.limit_requests(max_bytes);
        let answered = connection.files(&mut requests).await;
        // What was received before a fault is kept.
        block_in_place(|| requests.give_back());
        let flushed = block_in_place(|| requests.flush());
        let (progressed, transferred) = (requests.has_progressed(), requests.transferred());
        drop(requests);
        match answered {
            Err(fault) if fault.is_lost() && progressed => {
                flushed?;
                tracing::debug!("{}; reconnecting", fault.trouble.message);
                lock(shared).tree.advances += 1;
                // A lost connection loses what was requested: the next requests are smaller.
                max_bytes = transferred / 2;
                *connection = lanes.connect().await?;
            }
            answered => return answered.and(flushed),
        }
    }
}

impl Lanes<'_> {
    /// Connects to the server that has listed the tree.
    async fn connect(&self) -> Result<Connection, Fault> {
        self.attempt.source.connect(Some(self.manifest.origin)).await
    }
}

/// Decides when another connection is opened.
#[derive(Debug)]
struct Growth<'a> {
    lanes: Lanes<'a>,
    /// Whether there may be more than one.
    is_possible: bool,
    round_trip: Duration,
    /// Since when there are this many, and what had been received then.
    since: (Instant, u64),
    /// Bytes a second with one connection less.
    before: Option<f64>,
    /// Until when no other one is opened.
    paused: Option<Instant>,
}

impl<'a> Growth<'a> {
    fn new(lanes: Lanes<'a>, round_trip: Option<Duration>) -> Growth<'a> {
        let round_trip = round_trip.unwrap_or_default();
        let is_possible = lanes.content && round_trip >= LONG_ROUND_TRIP;
        Growth { lanes, is_possible, round_trip, since: (Instant::now(), 0), before: None, paused: None }
    }

    /// The permit of another connection beside those that run, if it would help.
    fn another(&mut self, running: usize, shared: &Mutex<Shared<'_>>) -> Option<Permit> {
        let Lanes { attempt, manifest, .. } = self.lanes;
        let (permit, now) = (attempt.permit.as_ref()?, Instant::now());
        let max = permit.parallel().min(attempt.limits.connections());
        if !self.is_possible || running >= max || self.paused.is_some_and(|until| now < until) {
            return None;
        }
        let (left, received) = {
            let shared = lock(shared);
            let sizes = shared.todo.iter().map(|index| manifest.size(*index));
            (sizes.fold(0, u64::saturating_add), shared.tree.totals.transferred)
        };
        if left < MIN_SHARED {
            return None;
        }
        if running > 1 {
            // The last one needs three round trips until it receives at its full rate.
            let settled = self.round_trip * 4;
            let elapsed = now.duration_since(self.since.0);
            if elapsed < settled {
                self.since.1 = received;
                return None;
            }
            let seconds = (elapsed - settled).as_secs_f64();
            let rate = received.saturating_sub(self.since.1) as f64 / seconds;
            // The time in which another one would be of use.
            if seconds < 0.5 || (left as f64) < rate * (settled.as_secs_f64() + 1.0) {
                return None;
            }
            if self.before.is_some_and(|before| rate < before * GAIN) {
                self.is_possible = false;
                return None;
            }
            self.before = Some(rate);
        }
        let permit = permit.another()?;
        self.since = (now, received);
        Some(permit)
    }

    /// A connection failed.
    fn failed(&mut self, fault: &Fault) {
        tracing::info!(
            "{}: {}; the other connections continue",
            self.lanes.attempt.events.name(),
            fault.trouble.message
        );
        self.paused = Some(Instant::now() + RETRY_INTERVAL);
    }
}
