//! One connection at a time.
//!
//! ```text
//! main thread:  accept ─▶ serve to the end ─▶ accept ─▶ serve to the end ─▶ …
//! ```
//!
//! The simplest server there is: no second thread, no readiness, no shared state between connections. While one
//! client is served, the others wait in the kernel's accept queue. What keeps that bearable are the
//! deadlines that every connection has, and one more rule: a client that only keeps its
//! connection open without asking for anything makes room as soon as somebody waits.

use std::{
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    accept::Backoff,
    blocking::{Step, step},
    shared::{Phase, Shared},
};
use crate::platform;

/// How long an idle client may hold up another one.
const COURTESY: Duration = Duration::from_secs(1);

/// Makes the loop.
pub(super) fn prepare(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> io::Result<impl FnOnce() -> io::Result<()> + Send> {
    Ok(move || {
        let mut backoff = Backoff::default();
        while shared.accepting() {
            let accepted = listener.accept().and_then(|(stream, peer)| {
                let stream = Arc::new(stream);
                Ok(shared.admit(&stream, peer)?.map(|connection| (connection, stream)))
            });
            match accepted {
                Ok(accepted) => {
                    backoff.reset();
                    let Some((mut connection, stream)) = accepted else { continue };
                    loop {
                        match step(&mut connection, &stream, COURTESY) {
                            Step::Done => {}
                            Step::Waited if connection.is_idle() && somebody_waits(&shared) => {
                                connection.make_room(Instant::now());
                            }
                            Step::Waited => {}
                            Step::Over => break,
                        }
                    }
                }
                Err(error) => {
                    let delay = backoff.after(&shared, &error);
                    shared.wait_for(Phase::Draining, delay);
                }
            }
        }
        Ok(())
    })
}

fn somebody_waits(shared: &Shared) -> bool {
    platform::waiting_peers(shared.local).is_ok_and(|peers| !peers.is_empty())
}
