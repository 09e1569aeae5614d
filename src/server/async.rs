//! Tasks on tokio.
//!
//! ```text
//! accepting task:  accept.await ─▶ spawn ─▶ accept.await ─▶ …
//! each task:       serve to the end, giving way at each await
//! ```
//!
//! Each task reads as plainly as a thread, but waiting costs no stack: a task that waits is a small object on
//! the heap, and a handful of worker threads, one for each core, run those that can go on. The runtime
//! keeps readiness and timers; what `select.rs` does by hand is inside of it.

use std::{
    io,
    net::TcpListener as StdListener,
    num::NonZero,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::{self, JoinSet},
    time::{sleep, sleep_until, timeout_at},
};

use super::{
    accept::Backoff,
    connection::{Connection, Want},
    limits::{LONGEST_PAUSE, READ},
    memory,
    shared::Shared,
};
use crate::platform;

/// For how long a task takes turns before it gives way although it could go on. Giving way after each costs half as
/// much again, because the task and its buffers move from core to core.
const BUSY: Duration = Duration::from_millis(1);

/// How long a thread takes to begin, at the most.
const BEGINNING: Duration = Duration::from_secs(1);

/// Makes the loop, with a runtime of its own.
pub(super) fn prepare(
    shared: Arc<Shared>,
    listener: StdListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    let runtime = runtime()?;
    listener.set_nonblocking(true)?;
    Ok(move || runtime.block_on(accept(shared, listener)))
}

/// A runtime with a worker thread for each core; where address space is limited, for each for which there is a heap.
fn runtime() -> io::Result<Runtime> {
    // One is for the thread that accepts.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = memory::threads_with_heaps(cores + 1).saturating_sub(1);
    if workers == 0 {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    platform::check_threads(workers + 1)?;
    let (runs, has_begun) = mpsc::channel();
    let tell = move || {
        let _ = runs.send(());
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name("async").worker_threads(workers).on_thread_start(tell);
    let runtime = builder.build()?;
    // They have their heaps before there are connections that could take the room.
    (0..workers).all(|_| has_begun.recv_timeout(BEGINNING).is_ok());
    Ok(runtime)
}

async fn accept(shared: Arc<Shared>, listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut backoff = Backoff::default();
    let mut tasks = JoinSet::new();
    while shared.accepting() {
        let accepted = listener.accept().await.and_then(|(stream, peer)| {
            let stream = Arc::new(stream);
            Ok(shared.admit(&stream, peer)?.map(|connection| serve(connection, stream)))
        });
        match accepted {
            Ok(accepted) => {
                backoff.reset();
                accepted.map(|serving| tasks.spawn(serving));
            }
            Err(error) => sleep(backoff.after(&shared, &error)).await,
        }
        while tasks.try_join_next().is_some() {}
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn serve(mut connection: Connection, stream: Arc<TcpStream>) {
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
            Turn::Over => return,
        }
        since = Instant::now();
    }
}

/// What came of a turn.
enum Turn {
    /// Something was done.
    Done,
    /// The socket has to become ready.
    Wait(Interest),
    /// A limit of bandwidth holds it back.
    Pause,
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
        Want::Run(task) => {
            connection.done(task.run(), Instant::now());
            return Turn::Done;
        }
        Want::Pause => return Turn::Pause,
        Want::Close => return Turn::Over,
    };
    if blocked { Turn::Wait(interest) } else { Turn::Done }
}
