//! Content by this program's protocol: compares what is here, and asks for what is missing until nothing is.

use tokio::task::block_in_place;

use crate::{
    protocol::message::{Content, Form, Welcome},
    text::SafeText,
};

use super::{
    Event, compare, crew,
    memory::{Memory, Place, Source},
    name::SafeName,
    part::Part,
    place::{self, Target},
    queue::Announced,
    recall,
    retry::{Fault, Verdict},
    worker::Context,
};

/// Fetches what is missing; afterwards the memory has every block, and the root. Whoever drops it before its end has to
/// [`crew::settle`] what still runs.
pub(super) async fn fetch(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    recall::recall(context, memory).await?;
    while memory.doubtful || !memory.is_complete() {
        let link = context.pool.link(&context.new.address.authority).await?;
        if memory.doubtful {
            compare::compare(context, memory, link).await?;
            continue;
        }
        match crew::fetch(context, memory, link).await {
            // What an earlier run left is of another version; that is no fault of this try.
            Err(fault) if memory.recalled && fault.verdict == Verdict::StartOver => {
                changed(context, memory)?;
            }
            fetched => fetched?,
        }
    }
    memory.root = memory.blocks.root();
    Ok(())
}

/// What an earlier run left is of another version.
fn changed(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    let address = &context.new.address;
    // Nothing of it is verified for this version yet.
    context.progress.set_verified(0);
    context.progress.set_position(0);
    if memory.doubt() {
        tracing::info!(
            "{address} is another version than what was fetched before; what still matches is kept"
        );
        return Ok(());
    }
    let archive = memory.source.as_ref().is_some_and(|source| source.form == Form::Zip);
    if archive {
        tracing::warn!("{address}: the folder is not what it was; its archive is fetched anew");
    }
    block_in_place(|| memory.start_over())
}

impl Context {
    /// What the server said of a content.
    pub(super) fn source(&self, content: &Content) -> Source {
        Source {
            address: self.new.address.to_string(),
            identity: content.identity.clone(),
            form: content.form,
            size: content.size,
            sources: content.sources,
            modified: Some(content.modified),
            data_bytes: content.data_bytes,
        }
    }

    /// The server said how many connections it wants.
    pub(super) fn welcomed(&self, welcome: &Welcome) {
        if let Some(slot) = &self.slot {
            slot.learned(usize::try_from(welcome.parallel).unwrap_or(usize::MAX));
        }
    }

    /// Tells that the server answered.
    pub(super) fn answered(&self, target: &Target, content: &Content) {
        self.board.answered(
            self.id,
            Announced {
                name: SafeText::from_bytes(target.name.as_encoded_bytes()),
                target: SafeText::from_path(&target.path()),
                size: content.size,
                total: content.sources.map(|sources| sources.bytes).or(content.size),
                here: self.progress.verified(),
                files: None,
            },
        );
    }

    /// A content that cannot have its own name is never renamed in silence.
    pub(super) fn tell_substitute(&self, target: &Target) {
        if place::is_substitute(target, &self.new) {
            let name = SafeText::from_bytes(target.name.as_encoded_bytes());
            tracing::warn!("{}: saved as {name}, since it cannot have its own name here", self.new.address);
            self.board.tell(Event::Changed { id: self.id, name, what: "renamed" });
        }
    }

    /// Decides where a content of this name goes, and opens its `.part`.
    pub(super) fn place(&self, name: &SafeName, size: Option<u64>) -> Result<Place, Fault> {
        let claim = |path: &std::path::Path| self.board.claim(path, self.id);
        let target = place::decide(&self.board.folders, &self.new, name, size, claim)?;
        if target.by_server && Part::is_there(&target.folder, &target.name) {
            return Err(place::not_ours(&target.folder.join(&target.folder.part_name(&target.name))));
        }
        self.tell_substitute(&target);
        let mut part = self.open_part(&target)?;
        if part.is_of_another_version() {
            part.set_aside()?;
            part = self.open_part(&target)?;
        }
        part.clear()?;
        Ok(Place { target, part })
    }

    /// Opens the `.part` of a target for this job alone.
    pub(super) fn open_part(&self, target: &Target) -> Result<Part, Fault> {
        let part = Part::open(&target.folder, &target.name)?;
        self.claim_part(&part)?;
        Ok(part)
    }

    fn claim_part(&self, part: &Part) -> Result<(), Fault> {
        self.board.claim_file(part.id()?, self.id).map_err(|_| place::taken(&part.path()))
    }
}

/// Opens what an earlier try left, and tells the readers of the progress.
pub(super) fn take_up(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    block_in_place(|| {
        // A job that had failed has given up its claims.
        if let Some(place) = &memory.place {
            place::take(&place.target, |path| context.board.claim(path, context.id))?;
        }
        memory.reopen()?;
        memory.place.as_ref().map_or(Ok(()), |place| context.claim_part(&place.part))
    })?;
    let verified = memory.blocks.bytes();
    context.progress.set_verified(verified);
    if memory.source.as_ref().is_none_or(|source| source.form == Form::File) {
        context.progress.set_position(verified);
    }
    Ok(())
}
