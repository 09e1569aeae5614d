//! One page of a directory of a server.

use std::sync::Arc;

use crate::{
    client::{
        error::Fault,
        source::{
            fdsp::{Fdsp, pool::Pool},
            limiter::Limiter,
            observer::Unobserved,
        },
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
    let path = directory.path.as_str().to_owned();
    let request = Request::List(List { path, after, limit: None, names: NameForm::Bytes, working: true });
    // A page is small and the user waits for it: it is not limited.
    let limiter = Arc::new(Limiter::new(None));
    let fdsp = Fdsp::new(directory.clone(), Arc::clone(pool), limiter, Arc::new(Unobserved));
    fdsp.ask(request, |event| match event {
        Event::Entries { entries, .. } => Some(entries),
        _ => None,
    })
    .await
}
