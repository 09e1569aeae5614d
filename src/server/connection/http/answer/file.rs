//! A file, or a range of it, and the parts of archives whose size is known.

use std::{
    convert::Infallible,
    time::{Instant, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Context, Stage, Trouble, cut, digest::Digesting};
use crate::{
    protocol::message::Timestamp,
    server::{
        connection::{
            answer::body::Body,
            http::{
                disposition::disposition,
                media::Media,
                request::{
                    conditions::{Selected, Validators, select},
                    digests::Wanted,
                    head::Request,
                    target::Form,
                },
                response::{Length, Response, Status, http_time},
            },
        },
        limits::{MAX_WORK, OUTPUT_TIMEOUT},
    },
    storage::{StorageError, root::FileSource},
};

/// The maximum size of a file whose digest is computed before it is sent although the client does not ask for it.
const MAX_DIGESTED_LEN: u64 = 16 * 1024 * 1024;
/// The same for one that the client asks for without the content: it would not wait for more than this takes.
const MAX_WANTED_LEN: u64 = 1024 * 1024 * 1024;
/// Where the digest and the metalink of a file are: the first relation is of this server, the second one of RFC 6249.
const LINKS: &str =
    "<?blake3>; rel=\"urn:fdsp:blake3\", <?meta4>; rel=\"describedby\"; type=\"application/metalink4+xml\"";

/// Content of a known length that is being sent.
pub(in super::super) struct Sending {
    body: Body,
    left: u64,
}

/// The head of the response to a request for a file.
pub(super) fn begin(
    request: Request,
    source: FileSource,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    match request.target.form {
        Form::Auto => {}
        Form::Blake3 | Form::Sha256 | Form::Meta4 => return Digesting::begin(request, source, context),
        Form::Json | Form::Zip | Form::Tar => {
            return Err(Trouble::refused(Status::BadRequest, format!("{}: is a file", context.path)));
        }
    }
    if must_digest(&request, &source, context) {
        return Digesting::before_content(request, source, context);
    }
    respond(&request, source, context)
}

/// Whether the digest is computed first: that of a small file always, and that of a large one where its client asks for it and for no
/// content, whose first byte would have to wait.
fn must_digest(request: &Request, source: &FileSource, context: &Context<'_>) -> bool {
    let is_known = context.output.shared.services.digests.sha256(source.identity()).is_some();
    match Wanted::of(&request.fields) {
        _ if is_known => false,
        Wanted::Nothing => false,
        Wanted::IfKnown => source.size() <= MAX_DIGESTED_LEN,
        Wanted::Repr | Wanted::Old => {
            let most = if context.exchange.head_only { MAX_WANTED_LEN } else { MAX_DIGESTED_LEN };
            source.size() <= most
        }
    }
}

/// The head of the response, with the digest if it is known.
pub(super) fn respond(
    request: &Request,
    source: FileSource,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    // A file whose size is not that of its content is found out before something is sent.
    source.check()?;
    let meta = source.meta();
    let described = Described {
        identity: source.identity(),
        modified: meta.modified,
        size: Some(source.size()),
        media: Media::of(&meta.name),
        name: &meta.name,
        is_attachment: false,
        digest: context.output.shared.services.digests.sha256(source.identity()),
    };
    let Some((range, response)) = described.respond(request, context) else { return Ok(None) };
    let response = response.field("Link", LINKS);
    let length = range.end - range.start;
    response.write(context.exchange, Length::Known(length), context.output);
    if context.exchange.head_only {
        return Ok(None);
    }
    context.output.show(context.path);
    let body = Body::bytes(source, range);
    Ok(Some(Stage::Sending(Sending::begin(body, length, context))))
}

/// What a response says of a content.
pub(super) struct Described<'a> {
    /// For the entity tag.
    pub identity: &'a str,
    pub modified: Timestamp,
    /// The size, if it is known: then it has ranges.
    pub size: Option<u64>,
    pub media: Media,
    /// To save it as.
    pub name: &'a str,
    pub is_attachment: bool,
    /// The SHA-256 digest of the whole, if it is known.
    pub digest: Option<[u8; 32]>,
}

impl Described<'_> {
    /// Evaluates the conditions of a request. Returns the bytes to send, `0..0` if the size is not known, and the response without the
    /// length; `None` if there is nothing to send, and the response is written.
    pub fn respond(
        &self,
        request: &Request,
        context: &mut Context<'_>,
    ) -> Option<(std::ops::Range<u64>, Response)> {
        let now = SystemTime::now();
        let tag = format!("\"{}\"", self.identity);
        // No answer is older than its content.
        let modified = http_time(self.modified).map(|modified| modified.min(now));
        // Ranges are defined for GET alone.
        let ranged = self.size.filter(|_| !context.exchange.head_only);
        let selected = select(&request.fields, Validators { tag: &tag, modified, now }, ranged);
        let is_locked = context.output.shared.services.terms.tokens.is_locked();
        let cache = if is_locked { "private, no-cache" } else { "no-cache" };
        let (status, range) = match selected {
            Selected::Whole => (Status::Ok, 0..self.size.unwrap_or(0)),
            Selected::Part(range) => (Status::PartialContent, range),
            Selected::NotModified => {
                let response =
                    Response::new(Status::NotModified).field("ETag", &tag).field("Cache-Control", cache);
                let response = response.optional("Vary", context.vary());
                response.write(context.exchange, Length::Absent, context.output);
                return None;
            }
            Selected::Failed => {
                let response = Response::new(Status::PreconditionFailed).field("ETag", &tag);
                let sentence = "the file is not the one that the request expects";
                response.text(context.exchange, sentence, context.output);
                return None;
            }
            Selected::Unsatisfiable => {
                let range = format!("bytes */{}", self.size.unwrap_or(0));
                let response = Response::new(Status::RangeNotSatisfiable).field("Content-Range", range);
                let response = response.field("ETag", &tag).field("Accept-Ranges", "bytes");
                response.text(context.exchange, "the range is after the end", context.output);
                return None;
            }
        };
        let is_part = status == Status::PartialContent;
        let part = self
            .size
            .filter(|_| is_part)
            .map(|size| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
        let Media { media_type, is_active } = self.media;
        let wanted = Wanted::of(&request.fields);
        let digest = self.digest.map(|digest| STANDARD.encode(digest));
        let repr = digest.as_ref().filter(|_| wanted != Wanted::Nothing);
        let old = digest.as_ref().filter(|_| wanted == Wanted::Old);
        let response = Response::new(status)
            .field("Content-Type", media_type)
            .field("Accept-Ranges", if self.size.is_some() { "bytes" } else { "none" })
            .field("ETag", &tag)
            .optional("Last-Modified", modified.map(httpdate::fmt_http_date))
            .optional("Content-Range", part)
            .optional("Repr-Digest", repr.map(|digest| format!("sha-256=:{digest}:")))
            .optional("Digest", old.map(|digest| format!("SHA-256={digest}")))
            .optional("Content-Security-Policy", is_active.then_some("sandbox; default-src 'none'"))
            .field("Content-Disposition", disposition(self.name, is_active || self.is_attachment))
            .field("Cache-Control", cache)
            .optional("Vary", context.vary());
        Some((range, response))
    }
}

impl Sending {
    /// After the head of the response.
    pub fn begin(body: Body, length: u64, context: &mut Context<'_>) -> Box<Sending> {
        context.output.begin(context.path.clone(), context.started, Some(length));
        Box::new(Sending { body, left: length })
    }

    pub fn must_skip(&self) -> bool {
        self.body.must_skip()
    }

    pub fn sends_file(&self) -> bool {
        self.body.source().is_some()
    }

    pub fn step(mut self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        if self.must_skip() {
            return match self.body.skip(|_| {}) {
                Ok(true) => {
                    if !self.must_skip()
                        && let Some(permit) = self.body.permit()
                    {
                        permit.release();
                    }
                    Ok(Some(Stage::Sending(self)))
                }
                Ok(false) => Err(Trouble::Cut("the archive is shorter than planned".to_owned())),
                Err(error) => Err(cut(&error)),
            };
        }
        self.fill(context).map_err(|error| cut(&error))?;
        if self.left > 0 {
            return Ok(Some(Stage::Sending(self)));
        }
        context.output.end(self.body.is_complete());
        Ok(None)
    }

    /// Puts content into the output. The last bytes are sent after the source was checked again, so that content that has changed
    /// is short.
    fn fill(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        let Sending { body, left } = self;
        let Context { output, path, .. } = context;
        let (before, until, most) = (body.position(), Instant::now() + OUTPUT_TIMEOUT, output.size());
        while *left > 0 && output.out.len() < most && body.position() - before < MAX_WORK {
            let room = (most - output.out.len()).min(usize::try_from(*left).unwrap_or(most));
            let bytes = output.out.fill(room, |buffer| {
                let bytes = body.read(buffer)?.bytes;
                if body.is_over() && (bytes as u64) < *left {
                    return Err(StorageError::Changed { path: (*path).clone() });
                }
                if bytes as u64 == *left {
                    body.check()?;
                }
                Ok(bytes)
            })?;
            output.content(bytes, Some(body.progress()));
            *left -= bytes as u64;
            if bytes == 0 || Instant::now() >= until {
                break;
            }
        }
        Ok(())
    }

    /// The same with content that is in memory, up to the last bytes.
    pub fn fill_cached(&mut self, context: &mut Context<'_>) {
        let Sending { body, left } = self;
        let output = &mut *context.output;
        let most = output.size();
        while *left > 1 && output.out.len() < most && !body.must_skip() {
            // The last byte waits for the check.
            let room = (most - output.out.len()).min(usize::try_from(*left - 1).unwrap_or(most));
            let read = |buffer: &mut [u8]| Ok::<_, Infallible>(body.read_cached(buffer).bytes);
            let Ok(bytes) = output.out.fill(room, read);
            if bytes == 0 {
                break;
            }
            output.content(bytes, Some(body.progress()));
            *left -= bytes as u64;
        }
    }
}
