//! A folder as a zip or a tar: planned, and sent in chunks where its size is not known before. That of a tar always is.

use std::time::Instant;

use super::{
    Context, Stage, Trouble, cut,
    file::{Described, Sending},
    folder_name,
};
use crate::{
    protocol::{
        address::encoded,
        digest::BLOCK_SIZE,
        message::{Get, Meta, Missing},
    },
    server::{
        api::snapshot::ConnectionState,
        connection::{
            answer::{
                body::{ArchiveBody, Body},
                failures::{busy, out_of_memory},
            },
            http::{
                media::Media,
                request::{head::Request, target::Form},
                response::{CHUNK_OVERHEAD, LAST_CHUNK, Length, Status, chunk},
            },
        },
        limits::{MAX_WORK, OUTPUT_TIMEOUT, budget::Reservation, permits::Permit},
    },
    storage::{
        StorageError,
        archive::{Plan, Planner, Planning},
        root::Directory,
    },
};

/// The field that says which entries are missing.
const MISSING_FIELD: &str = "Missing-Entries";
/// The maximum number of paths in it.
const MAX_NAMED: usize = 16;
/// The minimum room for a chunk.
const MIN_CHUNK: usize = 4 * 1024;

/// An archive that is being planned.
pub(in super::super) struct Planned {
    request: Request,
    meta: Meta,
    planner: Planner,
    permit: Permit,
    memory: Reservation,
}

/// An archive that is being sent.
pub(in super::super) struct Streaming {
    body: Body,
}

/// Begins to plan the archive of a folder.
pub(super) fn begin(
    request: Request,
    directory: Directory,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    let output = &*context.output;
    let permit = output.shared.services.archives.take(output.peer());
    let permit = permit.ok_or_else(|| busy("makes as many archives", context.path))?;
    let form = if request.target.form == Form::Tar { "tar" } else { "zip" };
    output.show(&folder_name(&request.target.path, form));
    output.state(ConnectionState::Planning);
    let meta = directory.meta().clone();
    let planner = Planner::new(directory, &meta.name);
    let memory = output.shared.services.plans.reserve(output.peer());
    Ok(Some(Stage::Planning(Box::new(Planned { request, meta, planner, permit, memory }))))
}

impl Planned {
    pub fn step(self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        let Planned { request, meta, planner, permit, mut memory } = *self;
        match planner.step()? {
            Planning::More(planner) if memory.resize(planner.cost()) => {
                Ok(Some(Stage::Planning(Box::new(Planned { request, meta, planner, permit, memory }))))
            }
            Planning::Done(plan) if memory.resize(plan.cost()) => {
                if request.target.form == Form::Tar {
                    // It takes no more work than a file.
                    drop(permit);
                    return respond_with_tar(&request, &meta, plan, memory, context);
                }
                let archive = |plan, context: &Context<'_>| {
                    ArchiveBody::new(plan, permit, memory, &context.output.shared)
                };
                respond(&request, &meta, plan, archive, context)
            }
            Planning::More(_) | Planning::Done(_) => Err(out_of_memory(context.path).into()),
        }
    }
}

/// The head of the response, once the archive is planned.
fn respond(
    request: &Request,
    meta: &Meta,
    plan: Plan,
    archive: impl FnOnce(Plan, &Context<'_>) -> ArchiveBody,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    let size = plan.size();
    if size.is_none() && context.exchange.is_old {
        let sentence = "the size of this archive is not known before it is made: ask for it with HTTP/1.1";
        return Err(Trouble::refused(Status::OtherVersion, sentence));
    }
    context.output.incomplete(context.path, plan.missing());
    let missing_entries = missing_field(plan.missing());
    let name = format!("{}.zip", meta.name);
    let described = Described {
        identity: plan.identity(),
        modified: meta.modified,
        size,
        media: Media::of(&name),
        name: &name,
        is_attachment: true,
        digest: None,
    };
    let Some((range, response)) = described.respond(request, context) else { return Ok(None) };
    let response = response.optional(MISSING_FIELD, missing_entries);
    let sources = plan.sources();
    let get = Get { first_block: range.start / BLOCK_SIZE, skip: range.start % BLOCK_SIZE, ..Get::default() };
    let missing = || Trouble::refused(Status::RangeNotSatisfiable, "the range is after the end");
    let mut body = Body::archive(archive(plan, context), &sources, &get)?.ok_or_else(missing)?;
    let length = size.map(|_| range.end - range.start);
    response.write(context.exchange, length.map_or(Length::Marked, Length::Known), context.output);
    if context.exchange.head_only {
        return Ok(None);
    }
    if !body.must_skip()
        && let Some(permit) = body.permit()
    {
        permit.release();
    }
    if let Some(length) = length {
        return Ok(Some(Stage::Sending(Sending::begin(body, length, context))));
    }
    context.output.begin(context.path.clone(), context.started, None);
    Ok(Some(Stage::Streaming(Box::new(Streaming { body }))))
}

/// The head of the response with a tar, once it is planned.
fn respond_with_tar(
    request: &Request,
    meta: &Meta,
    plan: Plan,
    memory: Reservation,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    context.output.incomplete(context.path, plan.missing());
    let (name, identity) = (format!("{}.tar", meta.name), format!("{}-tar", plan.identity()));
    let described = Described {
        identity: &identity,
        modified: meta.modified,
        size: Some(plan.tar_size()),
        media: Media::of(&name),
        name: &name,
        is_attachment: true,
        digest: None,
    };
    let Some((range, response)) = described.respond(request, context) else { return Ok(None) };
    let response = response.optional(MISSING_FIELD, missing_field(plan.missing()));
    let length = range.end - range.start;
    response.write(context.exchange, Length::Known(length), context.output);
    if context.exchange.head_only {
        return Ok(None);
    }
    let body = Body::tar(plan, range, memory);
    Ok(Some(Stage::Sending(Sending::begin(body, length, context))))
}

/// How many entries are missing in an archive, and the first of them, encoded as in links.
fn missing_field(missing: &Missing) -> Option<String> {
    let paths = missing.entries.iter().map(|entry| encoded(&entry.path).replace(',', "%2C")).take(MAX_NAMED);
    (!missing.is_none()).then(|| format!("{}; {}", missing.count, paths.collect::<Vec<_>>().join(", ")))
}

impl Streaming {
    /// Puts more of the archive into the output. The end mark is sent only if nothing has changed up to the end.
    pub fn step(mut self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        if !self.fill(context).map_err(|error| cut(&error))? {
            return Ok(Some(Stage::Streaming(self)));
        }
        context.output.out.push(LAST_CHUNK);
        context.output.end(true);
        Ok(None)
    }

    /// Returns whether that was the end.
    fn fill(&mut self, context: &mut Context<'_>) -> Result<bool, StorageError> {
        let (body, output) = (&mut self.body, &mut *context.output);
        let (before, until, most) = (body.position(), Instant::now() + OUTPUT_TIMEOUT, output.size());
        while !body.is_over() {
            let room = most.saturating_sub(output.out.len() + CHUNK_OVERHEAD);
            if (room < MIN_CHUNK && !output.out.is_empty()) || body.position() - before >= MAX_WORK {
                return Ok(false);
            }
            let bytes =
                chunk(room, &mut output.out, |buffer| Ok::<_, StorageError>(body.read(buffer)?.bytes))?;
            output.content(bytes, Some(body.progress()));
            if (bytes == 0 && !body.is_over()) || Instant::now() >= until {
                return Ok(false);
            }
        }
        body.check()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_entries_are_counted_and_the_first_ones_named() {
        let mut missing = Missing::default();
        assert_eq!(missing_field(&missing), None);
        missing.add("a b/\u{fc}, c", "permission denied");
        assert_eq!(missing_field(&missing).as_deref(), Some("1; a%20b/%C3%BC%2C%20c"));
        (0..99).for_each(|number| missing.add(&number.to_string(), "permission denied"));
        let field = missing_field(&missing).unwrap_or_default();
        assert!(field.starts_with("100; ") && field.matches(", ").count() == MAX_NAMED - 1, "{field}");
    }
}
