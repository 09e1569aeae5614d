//! Tasks on tokio.
//!
//! ```text
//! accepting task:  accept.await ─▶ spawn ─▶ accept.await ─▶ …
//! each task:       serve to the end, yielding at each await
//! ```
//!
//! Each task of the runtime reads as plainly as a thread, but waiting costs no stack: a task that waits is a small object on
//! the heap, and a handful of threads, one for each core, run the ready ones. The runtime
//! keeps readiness and timers; what `select.rs` does by hand is inside of it. Files have no readiness here either: content that is in
//! memory is read at once, and everything else is awaited from the [`Workers`].

use std::{
    io,
    net::TcpListener as StdListener,
    num::NonZero,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{self, JoinSet},
    time::{sleep, sleep_until, timeout, timeout_at},
};

use super::{
    nonblocking::{Step, step},
    workers::Workers,
};
use crate::{
    platform,
    server::{
        accept::{Accepted, Acceptor},
        connection::{Connection, Outcome, Task},
        limits::MAX_PAUSE,
        shared::Shared,
    },
};

/// How long a task takes steps before it yields although it could continue. Yielding after each step takes half as much time again,
/// because the task and its buffers move from core to core.
const BUSY: Duration = Duration::from_millis(1);

/// A task, and where its outcome goes.
type Job = (Task, oneshot::Sender<Outcome>);

/// Makes the loop, with a runtime of its own.
pub(crate) fn prepare(
    shared: Arc<Shared>,
    listener: StdListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    let runtime = runtime()?;
    let workers = Workers::start(|(task, report): Job| {
        // It fails if the connection is closed already.
        let _ = report.send(task.run());
    })?;
    listener.set_nonblocking(true)?;
    Ok(move || runtime.block_on(accept(shared, listener, Arc::new(workers))))
}

/// A runtime with a thread for each processor.
fn runtime() -> io::Result<Runtime> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    // The runtime panics where the system gives it no threads.
    platform::check_threads(threads + 1)?;
    Builder::new_multi_thread().enable_all().thread_name("async").worker_threads(threads).build()
}

async fn accept(shared: Arc<Shared>, listener: StdListener, workers: Arc<Workers<Job>>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut acceptor = Acceptor::new(shared);
    let mut tasks = JoinSet::new();
    while acceptor.is_open() {
        let accepted = acceptor.accept(listener.accept().await, |connection, stream| {
            Ok(tasks.spawn(serve(connection, stream, Arc::clone(&workers))))
        });
        if let Accepted::Failed(delay) = accepted {
            sleep(delay).await;
        }
        while tasks.try_join_next().is_some() {}
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn serve(mut connection: Connection, stream: Arc<TcpStream>, workers: Arc<Workers<Job>>) {
    let mut since = Instant::now();
    loop {
        let now = Instant::now();
        match step(&mut connection, now, |buffer| stream.try_read(buffer), |bytes| stream.try_write(bytes)) {
            Step::Done => {
                if now.saturating_duration_since(since) < BUSY {
                    continue;
                }
                task::yield_now().await;
            }
            Step::WaitToRead => wait(&connection, stream.readable()).await,
            Step::WaitToWrite => wait(&connection, stream.writable()).await,
            Step::Pause => {
                // Stopping the server or this connection ends no sleep.
                let longest = Instant::now() + MAX_PAUSE;
                let until = connection.deadline().map_or(longest, |at| at.min(longest));
                sleep_until(until.into()).await;
            }
            Step::Run(task) => run(&mut connection, task, &workers).await,
            Step::Over => return,
        }
        since = Instant::now();
    }
}

/// Waits until the socket is ready, or until the connection's deadline. The next step finds out which of the two it was.
async fn wait(connection: &Connection, ready: impl Future<Output = io::Result<()>>) {
    match connection.deadline() {
        Some(deadline) => drop(timeout_at(deadline.into(), ready).await),
        None => drop(ready.await),
    }
}

/// Has the workers run a task, and waits for its outcome, or until the connection is to be closed.
async fn run(connection: &mut Connection, task: Task, workers: &Workers<Job>) {
    let (report, mut outcome) = oneshot::channel();
    workers.run(connection.origin(), (task, report));
    loop {
        match timeout(MAX_PAUSE, &mut outcome).await {
            Ok(Ok(outcome)) => return connection.done(outcome, Instant::now()),
            Err(_) if !connection.must_close() => {}
            // The next step closes the connection.
            Err(_) | Ok(Err(_)) => return,
        }
    }
}
