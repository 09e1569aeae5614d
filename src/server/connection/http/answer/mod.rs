//! Answers: what a path has in the requested form, from the head of the response to its last byte.

mod archive;
mod digest;
mod file;
mod folder;
mod json;
mod metalink;
mod page;

use std::time::Instant;

pub(super) use self::page::{Style, entrance};
use self::{
    archive::{Planned, Streaming},
    digest::Digesting,
    file::Sending,
    folder::{Listing, Reading},
};
use super::{
    request::head::Request,
    response::{Exchange, Response, Status},
};
use crate::{
    protocol::{message::Failure, path::RemotePath},
    server::connection::output::Output,
    storage::{StorageError, root::Node},
    text::SafeText,
};

/// What all parts of an answer need.
pub(super) struct Context<'a> {
    pub path: &'a SafeText,
    pub exchange: Exchange,
    /// When the request was received.
    pub started: Instant,
    /// Whether the connection has TLS.
    pub is_secure: bool,
    pub output: &'a mut Output,
}

impl Context<'_> {
    /// The fields of requests on which the answer depends.
    fn vary(&self) -> Option<&'static str> {
        self.output.shared.services.terms.tokens.is_locked().then_some("Authorization, Cookie")
    }
}

/// An answer that takes more than one task.
pub(super) enum Stage {
    /// Bytes of a known number are being sent.
    Sending(Box<Sending>),
    /// An archive is being planned.
    Planning(Box<Planned>),
    /// An archive of unknown size is being sent.
    Streaming(Box<Streaming>),
    /// A folder is being read.
    Reading(Box<Reading>),
    /// The entries of a folder are being sent.
    Listing(Box<Listing>),
    /// A file is being hashed.
    Digesting(Box<Digesting>),
}

/// Why an answer fails.
pub(super) enum Trouble {
    /// Nothing was sent: the response says why.
    Refused {
        status: Status,
        message: String,
        /// Seconds after which the client may try again.
        retry_after: Option<u32>,
    },
    /// The head was sent: the connection is closed, so that no client takes what was sent for the whole.
    Cut(String),
}

impl Trouble {
    fn refused(status: Status, message: impl Into<String>) -> Trouble {
        Trouble::Refused { status, message: message.into(), retry_after: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        let status = Status::of(failure.code);
        Trouble::Refused { status, message: failure.message, retry_after: failure.retry_after }
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Trouble {
        error.failure().into()
    }
}

/// The failure of content whose head was sent.
fn cut(error: &StorageError) -> Trouble {
    Trouble::Cut(error.to_string())
}

impl Trouble {
    /// Why, for the log.
    pub fn message(&self) -> &str {
        match self {
            Trouble::Refused { message, .. } | Trouble::Cut(message) => message,
        }
    }

    /// Writes the response to a request that is refused.
    pub fn respond(self, exchange: Exchange, output: &mut Output) {
        let Trouble::Refused { status, message, retry_after } = self else { return };
        let response = Response::new(status).optional("Retry-After", retry_after);
        response.text(exchange, &message, output);
    }
}

/// Opens what a request asks for and writes the head of the response, or begins the work before it. `None`: that was all.
pub(super) fn begin(request: Request, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
    let node = context.output.shared.services.open(&request.target.path)?;
    match node {
        Node::File(_) if request.target.is_folder => Err(StorageError::NotFound(context.path.clone()).into()),
        Node::File(source) => file::begin(request, source, context),
        Node::Directory(directory) => folder::begin(request, directory, context),
    }
}

impl Stage {
    /// Does a part of the work, and puts what there is into the output. `None` if the answer has ended.
    pub fn step(self, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        match self {
            Stage::Sending(sending) => sending.step(context),
            Stage::Planning(planned) => planned.step(context),
            Stage::Streaming(streaming) => streaming.step(context),
            Stage::Reading(reading) => reading.step(context),
            Stage::Listing(listing) => listing.step(context),
            Stage::Digesting(digesting) => digesting.step(context),
        }
    }

    /// Puts content that is in memory into the output, without waiting for the disk.
    pub fn fill_cached(&mut self, context: &mut Context<'_>) {
        if let Stage::Sending(sending) = self {
            sending.fill_cached(context);
        }
    }

    /// Whether it is long work of which nothing is sent before it is done.
    pub fn is_preparing(&self) -> bool {
        match self {
            Stage::Planning(_) | Stage::Reading(_) | Stage::Digesting(_) => true,
            Stage::Sending(sending) => sending.must_skip(),
            Stage::Streaming(_) | Stage::Listing(_) => false,
        }
    }

    /// Whether a file is being sent as it is.
    pub fn sends_file(&self) -> bool {
        matches!(self, Stage::Sending(sending) if sending.sends_file())
    }
}

/// The name of a folder for events and for the dashboard. The served folder itself has no name.
fn folder_name(path: &RemotePath, form: &str) -> SafeText {
    SafeText::new(&format!("{} ({form})", if path.is_root() { "/" } else { path.as_str() }))
}
