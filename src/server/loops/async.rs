//! Tasks on tokio.
//!
//! ```text
//! accepting task:  accept.await ─▶ spawn ─▶ accept.await ─▶ …
//! each task:       serve to the end, giving way at each await
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
    io::Interest,
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{self, JoinSet},
    time::{sleep, sleep_until, timeout, timeout_at},
};

use super::workers::Workers;
use crate::{
    platform,
    server::{
        accept::{Accepted, Acceptor},
        connection::{Connection, Outcome, Task, Want},
        limits::{LONGEST_PAUSE, READ},
        shared::Shared,
    },
};

/// For how long a task takes turns before it gives way although it could continue. Giving way after each costs half as
/// much again, because the task and its buffers move from core to core.
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
        match turn(&mut connection, &stream, now) {
            Turn::Done => {
                if now.saturating_duration_since(since) < BUSY {
                    continue;
                }
                task::yield_now().await;
            }
            Turn::Wait(interest) => {
                let ready = stream.ready(interest);
                match connection.deadline() {
                    // Whichever of the two it was, the next turn finds out.
                    Some(deadline) => drop(timeout_at(deadline.into(), ready).await),
                    None => drop(ready.await),
                }
            }
            Turn::Pause => {
                // Stopping the server or this connection ends no sleep.
                let longest = Instant::now() + LONGEST_PAUSE;
                let until = connection.deadline().map_or(longest, |at| at.min(longest));
                sleep_until(until.into()).await;
            }
            Turn::Run(task) => run(&mut connection, task, &workers).await,
            Turn::Over => return,
        }
        since = Instant::now();
    }
}

/// Has the workers run a task, and waits for its outcome, or until the connection is to be closed.
async fn run(connection: &mut Connection, task: Task, workers: &Workers<Job>) {
    let (report, mut outcome) = oneshot::channel();
    workers.run(connection.origin(), (task, report));
    loop {
        match timeout(LONGEST_PAUSE, &mut outcome).await {
            Ok(Ok(outcome)) => return connection.done(outcome, Instant::now()),
            Err(_) if !connection.is_cut() => {}
            // The next turn closes the connection.
            Err(_) | Ok(Err(_)) => return,
        }
    }
}

/// The result of a turn.
enum Turn {
    /// Something was done.
    Done,
    /// The socket has to become ready.
    Wait(Interest),
    /// A limit of bandwidth holds it back.
    Pause,
    /// The connection wants this to be run.
    Run(Task),
    /// The connection is over.
    Over,
}

/// Does what the connection wants next, without waiting. Not a part of the task, so that a task that waits has
/// no buffer in it.
fn turn(connection: &mut Connection, stream: &TcpStream, now: Instant) -> Turn {
    connection.timed_out(now);
    let (blocked, interest) = match connection.next(now) {
        Want::Write => {
            let result = stream.try_write(connection.output());
            (connection.after_write(Instant::now(), result), Interest::WRITABLE)
        }
        Want::Read => {
            let mut buffer = [0; READ];
            let result = stream.try_read(&mut buffer);
            (connection.after_read(now, result, &buffer), Interest::READABLE)
        }
        Want::Run(task) => match task.run_cached() {
            Ok(outcome) => {
                connection.done(outcome, Instant::now());
                return Turn::Done;
            }
            Err(task) => return Turn::Run(task),
        },
        Want::Pause => return Turn::Pause,
        Want::Close => return Turn::Over,
    };
    if blocked { Turn::Wait(interest) } else { Turn::Done }
}
