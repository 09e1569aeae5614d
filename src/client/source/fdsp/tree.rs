//! What a tree holds, page by page.

use std::ops::ControlFlow;

use crate::{
    client::{
        error::Fault,
        source::{fdsp::connection::Connection, without_trees},
    },
    protocol::{
        client::{Event, Request},
        error::Code,
        message::{Failure, NameForm, Totals, Tree, TreeEntry},
    },
};

impl Connection {
    /// Hands the entries after `after` to `take`. Returns the totals; `None` if the path is not a directory.
    pub(crate) async fn tree(
        &mut self,
        after: Option<String>,
        mut take: impl FnMut(&TreeEntry) -> Result<(), Fault>,
    ) -> Result<Option<Totals>, Fault> {
        let path = self.fdsp.path().to_owned();
        let request = Request::Tree(Tree {
            path: path.clone(),
            missing: true,
            names: NameForm::Bytes,
            after,
            working: true,
        });
        self.ask(request, |event| {
            match event {
                Event::Tree { page, .. } => {
                    page.entries.iter().try_for_each(&mut take)?;
                    if let Some(totals) = page.totals.filter(|_| !page.more) {
                        return Ok(ControlFlow::Break(Some(totals)));
                    }
                }
                Event::Failed { failure, request } if request != 0 && failure.code == Code::WrongKind => {
                    return Ok(ControlFlow::Break(None));
                }
                Event::Failed { failure, .. } => return Err(refused(&path, &failure)),
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })
        .await
    }
}

/// The server rejects a request about a tree.
pub(super) fn refused(path: &str, failure: &Failure) -> Fault {
    match failure.code {
        Code::Unsupported => without_trees(),
        _ => Fault::refused(path, failure),
    }
}
