//! A folder: read, sorted, and sent as a page or as JSON.

use std::mem;

use super::{Context, Stage, Trouble, archive, json, page::Page};
use crate::{
    protocol::{
        address::encoded,
        message::{Entry, Kind, NameForm},
    },
    server::{
        connection::{
            answer::failures::out_of_memory,
            http::{
                request::{
                    head::Request,
                    target::{Column, Form, Order},
                },
                response::{LAST_CHUNK, Length, Response, Status, push},
            },
        },
        limits::budget::Reservation,
    },
    storage::{
        page::{Page as Names, Paging},
        root::Directory,
    },
};

/// The maximum number of entries of one listing. The next ones are one link away.
const MAX_ENTRIES: usize = 10_000;
/// The same for clients of HTTP/1.0, which get it in one piece.
const MAX_ENTRIES_AT_ONCE: usize = 256;
/// The number of entries that are written in one task, and the bytes after which the next task begins.
const ROWS: usize = 256;
const MAX_ROWS_LEN: usize = 64 * 1024;
/// What an entry takes beside its name, in bytes.
const ENTRY_COST: usize = size_of::<Entry>() + 32;

/// A folder that is being read.
pub(in super::super) struct Reading {
    request: Request,
    names: Box<Names>,
    memory: Reservation,
}

/// Entries that are being sent.
pub(in super::super) struct Listing {
    form: Form,
    entries: std::vec::IntoIter<Entry>,
    /// What follows the entries.
    rest: String,
    is_first: bool,
    _memory: Reservation,
}

/// Begins to answer a request for a folder.
pub(super) fn begin(
    request: Request,
    directory: Directory,
    context: &mut Context<'_>,
) -> Result<Option<Stage>, Trouble> {
    let target = &request.target;
    match target.form {
        Form::Zip | Form::Tar => return archive::begin(request, directory, context),
        Form::Blake3 | Form::Sha256 | Form::Meta4 => {
            return Err(Trouble::refused(Status::BadRequest, format!("{}: is a directory", context.path)));
        }
        // The links of the page are relative to the folder.
        Form::Auto if !target.is_folder => {
            let location =
                format!("./{}/{}", encoded(target.path.name().unwrap_or_default()), target.query());
            let response = Response::new(Status::Found).field("Location", location);
            response.text(context.exchange, "this is a folder: its address ends with '/'", context.output);
            return Ok(None);
        }
        Form::Auto | Form::Json => {}
    }
    let output = &*context.output;
    let mut memory = output.shared.services.plans.reserve(output.peer());
    if !memory.resize(ENTRY_COST) {
        return Err(out_of_memory(context.path).into());
    }
    let most = if context.exchange.is_old { MAX_ENTRIES_AT_ONCE } else { MAX_ENTRIES };
    let names = Names::new(directory, target.after.as_deref(), most, NameForm::Bytes)?;
    Ok(Some(Stage::Reading(Box::new(Reading { request, names, memory }))))
}

impl Reading {
    pub fn step(self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        let Reading { request, names, mut memory } = *self;
        let mut found = match names.step()? {
            Paging::More(names) => {
                return Ok(Some(Stage::Reading(Box::new(Reading { request, names, memory }))));
            }
            Paging::Done(found) => found,
        };
        let cost = found.entries.iter().map(|entry| ENTRY_COST + entry.name.len()).sum();
        if !memory.resize(cost) {
            return Err(out_of_memory(context.path).into());
        }
        let next = found.entries.last().filter(|_| found.more).map(|last| encoded(&last.name));
        let form = request.target.form;
        let response = Response::new(Status::Ok);
        let (response, media_type, first, rest) = if form == Form::Json {
            let next = next.map(|next| format!("<?json&after={next}>; rel=\"next\""));
            let response = response.optional("Link", next);
            (response, "application/json", "[".to_owned(), "\n]\n".to_owned())
        } else {
            sort(&mut found.entries, request.target.order);
            let (first, rest) = Page::new(&request, &found.entries, next, context).render();
            let response = response.field("Content-Security-Policy", super::Style::policy());
            let response = response.optional("Vary", context.vary());
            (response, "text/html; charset=utf-8", first, rest)
        };
        let entries = found.entries.into_iter();
        let mut listing = Listing { form, entries, rest, is_first: true, _memory: memory };
        if context.exchange.is_old {
            // It knows no chunks.
            let rows = listing.rows(MAX_ENTRIES_AT_ONCE, usize::MAX);
            let content = [first, rows, listing.rest].concat();
            response.content(context.exchange, media_type, content.as_bytes(), context.output);
            return Ok(None);
        }
        let response = response.field("Content-Type", media_type).field("Cache-Control", "no-store");
        response.write(context.exchange, Length::Marked, context.output);
        if context.exchange.head_only {
            return Ok(None);
        }
        context.output.body(first.len());
        push(first.as_bytes(), &mut context.output.out);
        Ok(Some(Stage::Listing(Box::new(listing))))
    }
}

impl Listing {
    pub fn step(mut self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        let mut rows = self.rows(ROWS, MAX_ROWS_LEN);
        if self.entries.len() == 0 {
            rows.push_str(&self.rest);
        }
        context.output.body(rows.len());
        let out = &mut context.output.out;
        if self.entries.len() > 0 {
            push(rows.as_bytes(), out);
            return Ok(Some(Stage::Listing(self)));
        }
        push(rows.as_bytes(), out);
        out.push(LAST_CHUNK);
        Ok(None)
    }

    /// The next rows: this many, or up to a length.
    fn rows(&mut self, count: usize, length: usize) -> String {
        let mut rows = String::new();
        for entry in self.entries.by_ref().take(count) {
            if self.form == Form::Json {
                rows.push_str(if mem::take(&mut self.is_first) { "\n" } else { ",\n" });
                rows.push_str(&json::entry(&entry));
            } else {
                rows.push_str(&super::page::row(&entry));
            }
            if rows.len() >= length {
                break;
            }
        }
        rows
    }
}

/// Sorts the entries: folders first, unless by size or time.
fn sort(entries: &mut [Entry], order: Order) {
    match order.column {
        Column::Name => entries.sort_by_key(|entry| entry.kind != Kind::Directory),
        Column::Size => entries.sort_by_key(|entry| entry.size),
        Column::Modified => entries.sort_by_key(|entry| entry.modified),
    }
    if order.is_descending {
        entries.reverse();
    }
}
