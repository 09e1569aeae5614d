//! One connection on a non-blocking socket: what the architectures have in common that wait for readiness.

use std::{io, time::Instant};

use crate::server::{
    connection::{Connection, Task, Want},
    limits::READ_LEN,
};

/// The result of a step.
pub(super) enum Step {
    /// Something was done.
    Done,
    /// The socket has to become readable.
    WaitToRead,
    /// The socket has to become writable.
    WaitToWrite,
    /// The connection waits for bandwidth until its deadline, or for a task.
    Pause,
    /// This task may wait for the disk.
    Run(Task),
    /// The connection is over.
    Over,
}

/// Does what the connection wants next, without waiting: of a task only the part whose content is in memory. `read` and `write` are those of the
/// socket.
pub(super) fn step(
    connection: &mut Connection,
    now: Instant,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    write: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> Step {
    connection.timed_out(now);
    match connection.next(now) {
        Want::Write => {
            let result = write(connection.output());
            if connection.after_write(Instant::now(), result) { Step::WaitToWrite } else { Step::Done }
        }
        Want::Read => {
            let mut buffer = [0; READ_LEN];
            let result = read(&mut buffer);
            if connection.after_read(now, result, &buffer) { Step::WaitToRead } else { Step::Done }
        }
        Want::Run(task) => match task.run_cached() {
            Ok(outcome) => {
                connection.done(outcome, Instant::now());
                Step::Done
            }
            Err(task) => Step::Run(task),
        },
        Want::Pause => Step::Pause,
        Want::Close => Step::Over,
    }
}
