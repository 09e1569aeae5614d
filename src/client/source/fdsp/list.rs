//! One page of a directory of a server.

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    client::{
        error::{Fault, Verdict},
        source::{fdsp::pool::Pool, limiter::Limiter},
    },
    protocol::{
        address::Address,
        client::{Event, Request},
        message::{Entries, List, NameForm},
    },
};

/// Requests the entries after a name.
pub(crate) async fn list(
    pool: &Arc<Pool>,
    directory: &Address,
    after: Option<String>,
) -> Result<Entries, Fault> {
    let (authority, path) = (&directory.authority, directory.path.as_str());
    let request = Request::List(List {
        path: path.to_owned(),
        after,
        limit: None,
        names: NameForm::Bytes,
        working: true,
    });
    // A page is small and the user waits for it: it is not limited.
    let limiter = Limiter::new(None);
    let mut link = pool.link(authority).await?;
    loop {
        let take = |event: Event<'_>| match event {
            Event::Entries { entries, .. } => Ok(ControlFlow::Break(entries)),
            Event::Failed { failure, .. } => Err(Fault::refused(path, &failure)),
            _ => Ok(ControlFlow::Continue(())),
        };
        let answer = link.ask(&request, &limiter, take).await;
        match answer {
            Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                link = pool.fresh(authority).await?;
            }
            answer => {
                pool.put(authority, link);
                return answer;
            }
        }
    }
}
