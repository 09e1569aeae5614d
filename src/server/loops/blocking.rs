//! One connection on a blocking socket: what the architectures have in common whose threads wait.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::server::{
    connection::{Connection, Outcome, Task, Want},
    limits::{MAX_PAUSE, READ_LEN},
};

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was done.
    Done,
    /// The client sent and received nothing for the time of the wait, or waited for bandwidth.
    Waited,
    /// The connection is over.
    Over,
}

/// Does what the connection wants next, waiting for its peer until the connection's deadline but
/// no longer than `max_wait`. `run` runs its tasks.
pub(crate) fn step(
    connection: &mut Connection,
    mut stream: &TcpStream,
    max_wait: Duration,
    run: impl FnOnce(Task) -> Outcome,
) -> Step {
    let now = Instant::now();
    connection.timed_out(now);
    let want = connection.next(now);
    let deadline = connection.deadline().map_or(max_wait, |at| at.saturating_duration_since(now));
    // A timeout of zero would mean none. Setting one fails on a broken socket only, as the next call will.
    let timeout = Some(deadline.min(max_wait).max(Duration::from_millis(1)));
    let waited = match want {
        Want::Write => {
            let _ = stream.set_write_timeout(timeout);
            let result = stream.write(connection.output());
            connection.after_write(Instant::now(), result)
        }
        Want::Read => {
            let _ = stream.set_read_timeout(timeout);
            let mut buffer = [0; READ_LEN];
            let result = stream.read(&mut buffer);
            connection.after_read(Instant::now(), result, &buffer)
        }
        Want::Run(task) => {
            connection.done(run(task), Instant::now());
            false
        }
        Want::Pause => {
            // Short, so that stopping the server or this connection need not wait for it.
            thread::sleep(deadline.min(max_wait).min(MAX_PAUSE));
            true
        }
        Want::Close => return Step::Over,
    };
    if waited { Step::Waited } else { Step::Done }
}
