//! One page of a directory of a server.

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    client::{
        api::view::Trouble,
        error::{Fault, Verdict},
        source::{fdsp::pool::Pool, limiter::Limiter},
    },
    protocol::{
        address::Authority,
        client::{Event, Request},
        message::{Entries, List, NameForm},
        path::RemotePath,
    },
};

/// Requests the entries after a name.
pub(crate) async fn list(
    pool: &Arc<Pool>,
    authority: &Authority,
    path: &RemotePath,
    after: Option<String>,
) -> Result<Entries, Trouble> {
    let request = Request::List(List {
        path: path.as_str().to_owned(),
        after,
        limit: None,
        names: NameForm::Bytes,
        working: true,
    });
    // A page is small and the user waits for it: it is not limited.
    let limiter = Limiter::new(None);
    let ask = async {
        let mut link = pool.link(authority).await?;
        loop {
            let take = |event: Event<'_>| match event {
                Event::Entries { entries, .. } => Ok(ControlFlow::Break(entries)),
                Event::Failed { failure, .. } => Err(Fault::refused(path.as_str(), &failure)),
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
    };
    ask.await.map_err(|fault: Fault| fault.trouble)
}
