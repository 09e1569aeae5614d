//! The reply to a request of version 1: looked up in the served folder, nothing sent yet.

use std::net::IpAddr;

use super::{
    body::{ArchiveBody, Body},
    failures::{busy, failure, out_of_memory},
    files::Wanted,
    hashing::Blocks,
    tree::Walking,
};
use crate::{
    protocol::{
        client::Request,
        error::Code,
        message::{Content, Entries, Failure, Files, Form, Get, List, Meta, Missing, Stat, Tree},
        path::RemotePath,
    },
    server::{
        connection::output::Output,
        limits::{budget::Reservation, permits::Permit},
        shared::Shared,
    },
    storage::{
        self,
        archive::{Planner, Planning},
        page::Page,
        root::{Directory, FileSource, Node},
    },
    text::SafeText,
};

/// The maximum number of entries of a page, so that it fits into a frame.
const MAX_PAGE: usize = 4096;

/// The reply to a request.
pub(crate) enum Reply {
    /// Answers a `stat`.
    Meta(Meta),
    /// A page of a listing, to be read.
    Page(Box<Page>),
    /// Answers a `list`.
    Entries(Entries),
    /// To be announced and sent.
    Content(Box<Answered>),
    /// To be announced and hashed.
    Hashes(Box<(Content, Blocks)>),
    /// To be walked and sent as it is.
    Tree(Box<Walking>),
    /// Files to be sent.
    Files(Box<Wanted>),
    /// To be planned first.
    Archive(Box<Archive>),
}

/// Content to be announced and sent.
pub(crate) struct Answered {
    pub content: Content,
    pub body: Body,
    /// The missing entries of an archive, if requested.
    pub missing: Option<Missing>,
    /// Whether the end is to have the root.
    pub root: bool,
}

/// An archive that is being planned.
pub(crate) struct Archive {
    get: Get,
    meta: Meta,
    planner: Planner,
    permit: Permit,
    memory: Reservation,
}

/// The name of a request and its path, for events.
pub(crate) fn describe(request: &Request) -> (&'static str, &str) {
    match request {
        Request::Stat(Stat { path }) => ("stat", path),
        Request::List(List { path, .. }) => ("list", path),
        Request::Get(Get { path, .. }) => ("get", path),
        Request::Hashes(Get { path, .. }) => ("hashes", path),
        Request::Tree(Tree { path, .. }) => ("tree", path),
        Request::Files(Files { path, .. }) => ("files", path),
    }
}

/// Looks up the path of a request of `peer`. `path` is that path, made safe.
pub(crate) fn reply(
    shared: &Shared,
    peer: IpAddr,
    request: Request,
    path: &SafeText,
) -> Result<Reply, Failure> {
    let (_, text) = describe(&request);
    let remote = RemotePath::parse(text).map_err(|error| failure(Code::NotFound, error, path))?;
    let node = shared.services.open(&remote).map_err(|error| error.failure())?;
    match (request, node) {
        (Request::Stat(_), node) => Ok(Reply::Meta(node.meta())),
        (Request::List(list), Node::Directory(directory)) => {
            page(list, directory, shared.services.terms.limits.page)
        }
        (Request::Get(get), Node::File(source)) if get.form != Form::Zip => file(&get, source, path),
        (Request::Get(get), Node::Directory(directory)) if get.form != Form::File => {
            let permit =
                shared.services.archives.take(peer).ok_or_else(|| busy("makes as many archives", path))?;
            let meta = directory.meta().clone();
            let planner = Planner::new(directory, &meta.name);
            let memory = shared.services.plans.reserve(peer);
            Ok(Reply::Archive(Box::new(Archive { get, meta, planner, permit, memory })))
        }
        (Request::Hashes(get), Node::File(source)) if get.form != Form::Zip => hashes(&get, source, path),
        (Request::Tree(tree), Node::Directory(directory)) => {
            let permit =
                shared.services.archives.take(peer).ok_or_else(|| busy("reads as many folders", path))?;
            let memory = shared.services.plans.reserve(peer);
            let walking = Walking {
                tree: storage::tree::Tree::new(directory, tree.names),
                wanted: tree,
                permit,
                memory,
            };
            Ok(Reply::Tree(Box::new(walking)))
        }
        (Request::Files(files), Node::Directory(directory)) => {
            Ok(Reply::Files(Box::new(Wanted::new(files, storage::tree::Files::new(directory)))))
        }
        (_, Node::File(_)) => Err(failure(Code::WrongKind, "is a file", path)),
        (_, Node::Directory(_)) => Err(failure(Code::WrongKind, "is a directory", path)),
    }
}

fn page(list: List, directory: Directory, most: usize) -> Result<Reply, Failure> {
    let limit = list.limit.map_or(most, |limit| most.min(limit as usize)).clamp(1, MAX_PAGE);
    Page::new(directory, list.after.as_deref(), limit, list.names)
        .map(Reply::Page)
        .map_err(|error| error.failure())
}

fn file(get: &Get, source: FileSource, path: &SafeText) -> Result<Reply, Failure> {
    let content = announcement(get, &source, path)?;
    let body = Body::file(source, get).ok_or_else(|| failure(Code::Range, Code::Range, path))?;
    Ok(Reply::Content(Box::new(Answered { content, body, missing: None, root: get.root })))
}

fn hashes(get: &Get, source: FileSource, path: &SafeText) -> Result<Reply, Failure> {
    let content = Content { skip: 0, ..announcement(get, &source, path)? };
    let blocks = Blocks::new(source, get).ok_or_else(|| failure(Code::Range, Code::Range, path))?;
    Ok(Reply::Hashes(Box::new((content, blocks))))
}

/// The announcement of a range of a file, if the file is the expected one.
fn announcement(get: &Get, source: &FileSource, path: &SafeText) -> Result<Content, Failure> {
    let Meta { name, size, modified, mode, .. } = source.meta().clone();
    let identity = source.identity().to_owned();
    expect(get, &identity, path)?;
    let &Get { first_block, skip, holes, .. } = get;
    let data_bytes = holes.then(|| source.data_bytes());
    Ok(Content {
        form: Form::File,
        name,
        size,
        sources: None,
        modified,
        mode,
        identity,
        first_block,
        skip,
        data_bytes,
    })
}

impl Archive {
    /// A part of the planning.
    pub fn step(self: Box<Self>, path: &SafeText, output: &mut Output) -> Result<Reply, Failure> {
        let Archive { get, meta, planner, permit, mut memory } = *self;
        let plan = match planner.step().map_err(|error| error.failure())? {
            Planning::More(planner) if memory.resize(planner.cost()) => {
                return Ok(Reply::Archive(Box::new(Archive { get, meta, planner, permit, memory })));
            }
            Planning::Done(plan) if memory.resize(plan.cost()) => plan,
            Planning::More(_) | Planning::Done(_) => return Err(out_of_memory(path)),
        };
        expect(&get, plan.identity(), path)?;
        output.incomplete(path, plan.missing());
        let mut sources = plan.sources();
        let missing = (get.missing && !plan.missing().is_none()).then(|| plan.missing().clone());
        if missing.is_none() {
            sources.omitted = sources.omitted.saturating_add(plan.missing().count);
        }
        let content = Content {
            form: Form::Zip,
            name: format!("{}.zip", meta.name),
            size: plan.size(),
            sources: Some(sources),
            modified: meta.modified,
            mode: meta.mode,
            identity: plan.identity().to_owned(),
            first_block: get.first_block,
            skip: get.skip,
            data_bytes: None,
        };
        let body = Body::archive(ArchiveBody::new(plan, permit, memory, &output.shared), &sources, &get)
            .map_err(|error| error.failure())?
            .ok_or_else(|| failure(Code::Range, Code::Range, path))?;
        Ok(Reply::Content(Box::new(Answered { content, body, missing, root: false })))
    }
}

/// Fails if the client expects another identity.
fn expect(get: &Get, identity: &str, path: &SafeText) -> Result<(), Failure> {
    match &get.identity {
        Some(expected) if expected != identity => Err(failure(Code::Changed, Code::Changed, path)),
        _ => Ok(()),
    }
}
