//! A thread for each connection.
//!
//! ```text
//! main thread:  accept ─▶ spawn ─▶ accept ─▶ spawn ─▶ …
//! each thread:  serve to the end
//! ```
//!
//! Every thread is as simple as the single-threaded server and waits in its own system calls; the kernel is
//! the scheduler. The price is a stack for each client, so their number is capped: a client over
//! the cap gets a thread as well, one of a few, but only to be told "busy".

use std::{io, net::TcpListener, sync::Arc, thread, time::Duration};

use super::{
    accept::Backoff,
    blocking::{Step, step},
    connection::{Outcome, Task},
    gate::Gate,
    origin::Origin,
    shared::{Phase, Shared},
};

/// Bytes of a thread's stack; the read buffer is the largest thing on it.
const STACK: usize = 256 * 1024;

/// Nobody else waits for this thread.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Makes the loop.
pub(super) fn prepare(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    Ok(move || {
        let mut backoff = Backoff::default();
        let gate = Arc::new(Gate::new());
        while shared.accepting() {
            let accepted = listener.accept().and_then(|(stream, peer)| {
                let stream = Arc::new(stream);
                let Some(mut connection) = shared.admit(&stream, peer) else { return Ok(()) };
                let (origin, gate) = (connection.origin(), Arc::clone(&gate));
                let serve = move || {
                    while step(&mut connection, &stream, PATIENCE, |task| run(task, origin, &gate))
                        != Step::Over
                    {}
                };
                // If there is no thread to be had, the closure is dropped and the connection with it.
                thread::Builder::new().name("connection".into()).stack_size(STACK).spawn(serve)?;
                Ok(())
            });
            match accepted {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    let delay = backoff.after(&shared, &error);
                    shared.wait_for(Phase::Draining, delay);
                }
            }
        }
        drop(listener);
        shared.registry.wait_until_empty();
        Ok(())
    })
}

/// Runs a task in place. Only sending files does not wait at the gate: hundreds of threads that list, hash and compress would leave the
/// threads that send little of the processors.
fn run(task: Task, origin: Origin, gate: &Gate) -> Outcome {
    if task.sends_files() { task.run() } else { gate.pass(origin, || task.run()) }
}
