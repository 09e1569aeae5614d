//! Whether a server that was unreachable answers again.

use std::{ops::ControlFlow, sync::Arc};

use tokio::net::TcpStream;

use crate::{
    client::{
        api::speak::Speak,
        error::Fault,
        source::{dial, fdsp::pool::Pool, limiter::Limiter},
    },
    protocol::{
        address::Authority,
        client::{Event, Request},
        message::Stat,
    },
};

/// Connects, and waits for any answer; a server of the original programs, which have no request without consequences, only has to
/// accept. The connection stays in the pool for the first job. Returns how many connections the server serves at the same time, if it
/// announced that.
pub(crate) async fn probe(
    pool: &Arc<Pool>,
    authority: &Authority,
    speak: Speak,
) -> Result<Option<u32>, Fault> {
    if speak != Speak::V1 {
        let stream: TcpStream = dial::dial(authority, pool.timeouts().silence).await?;
        drop(stream);
        return Ok(None);
    }
    let mut link = pool.fresh(authority).await?;
    let request = Request::Stat(Stat { path: String::new() });
    let mut parallel = None;
    let answered = |event: Event<'_>| {
        if let Event::Welcome(welcome) = &event {
            parallel = Some(welcome.parallel);
        }
        let is_answer = matches!(event, Event::Meta { .. } | Event::Failed { .. });
        Ok(if is_answer { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    link.ask(&request, &Limiter::new(None), answered).await?;
    pool.put(authority, link);
    Ok(parallel)
}
