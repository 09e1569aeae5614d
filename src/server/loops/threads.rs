//! A thread for each connection.
//!
//! ```text
//! main thread:  accept ─▶ spawn ─▶ accept ─▶ spawn ─▶ …
//! each thread:  serve to the end
//! ```
//!
//! Every thread is as simple as the single-threaded server and waits in its own system calls; the kernel is
//! the scheduler. The cost is a stack for each client, so their number is limited: a client over
//! the limit gets a thread as well, one of a few, but only to receive "busy". Since the kernel schedules threads and not clients, work that takes
//! processor time passes a [`Gate`], at which origins take turns.

use std::{io, net::TcpListener, sync::Arc, thread, time::Duration};

use super::{
    blocking::{Step, step},
    gate::Gate,
};
use crate::server::{
    accept::{Accepted, Acceptor},
    connection::{Connection, Outcome, Task},
    limits::origin::Origin,
    shared::{Shared, lifecycle::Phase},
};

/// Bytes of a thread's stack; the read buffer is the largest thing on it.
const STACK: usize = 256 * 1024;

/// The longest wait in a system call. No other connection needs the thread.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Makes the loop.
pub(crate) fn prepare(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    Ok(move || {
        let mut acceptor = Acceptor::new(Arc::clone(&shared));
        let gate = Arc::new(Gate::new());
        while acceptor.is_open() {
            let accepted = acceptor.accept(listener.accept(), |connection, stream| {
                let gate = Arc::clone(&gate);
                // If no thread can be started, the closure is dropped and the connection with it.
                let thread = thread::Builder::new().name("connection".into()).stack_size(STACK);
                thread.spawn(move || serve(connection, &stream, &gate))
            });
            if let Accepted::Failed(delay) = accepted {
                shared.lifecycle.wait_for(Phase::Draining, delay);
            }
        }
        drop(listener);
        shared.registry.wait_until_empty();
        Ok(())
    })
}

fn serve(mut connection: Connection, stream: &std::net::TcpStream, gate: &Gate) {
    let origin = connection.origin();
    while step(&mut connection, stream, MAX_WAIT, |task| run(task, origin, gate)) != Step::Over {}
}

/// Runs a task in place. Only sending files does not wait at the gate: hundreds of threads that list, hash and compress would leave the
/// threads that send little of the processors.
fn run(task: Task, origin: Origin, gate: &Gate) -> Outcome {
    if task.sends_files() { task.run() } else { gate.pass(origin, || task.run()) }
}
