//! Content by this program's protocol: compares what is here, and asks for what is missing until nothing is.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{announced::Announced, event, origin::Origin, view::TroubleKind},
        content::{Content, blocks::Blocks},
        disk::{
            name::SafeName,
            part::Part,
            target::{Target, claimed_by_another, of_another_download},
        },
        error::{Fault, Verdict},
        job::{
            compare, destination,
            memory::{Memory, Place},
            recall,
            worker::Context,
        },
        source::dial,
        transfer::crew,
    },
    protocol::{
        client::{Event, Request},
        digest::Hash,
        message::{self, Form, Get, Welcome},
    },
    text::SafeText,
    units,
};

/// Lost connections of one download are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Fetches what is missing; afterwards the memory has every block, and the root. Whoever drops it before its end has to
/// [`crew::settle`] what still runs.
pub(crate) async fn fetch(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    recall::recall(context, memory).await?;
    let security = context.new.address.authority.security;
    if memory.source.as_ref().is_some_and(|source| !source.origin.is_possible(security)) {
        // What another server has said of it is worth nothing here.
        memory.proven = false;
    }
    while memory.doubtful || !memory.is_complete() || !holds(context, memory).await? {
        let link = context.pool.link(&context.new.address.authority).await?.works_for(&context.progress);
        if memory.doubtful {
            compare::compare(context, memory, link).await?;
            continue;
        }
        if memory.is_of_another(link.origin()) {
            context.pool.put(&context.new.address.authority, link);
            of_another(context, memory)?;
            continue;
        }
        memory.gets_further();
        match crew::fetch(context, memory, link).await {
            Err(fault) if fault.verdict == Verdict::Again(Duration::ZERO) && memory.gets_further() => {
                reconnecting(context, memory, &fault);
            }
            // What an earlier run left is of another version; that is no fault of this try.
            Err(fault) if memory.recalled && fault.verdict == Verdict::StartOver => {
                changed(context, memory)?;
            }
            fetched => fetched?,
        }
    }
    Ok(())
}

/// The local blocks were proven by another server, which may send the same identity: only this server's hashes show which of them
/// match.
fn of_another(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    let (address, peer) = (&context.new.address, dial::peer(&context.new.address.authority));
    memory.restarts += 1;
    if memory.restarts > context.retries.max(1) {
        let message = format!("{peer} shows another certificate on each connection");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    context.progress.set_here(&Blocks::default(), true);
    if memory.doubt() {
        tracing::info!("{address}: what was received came from another server than {peer}; it is compared");
        return Ok(());
    }
    tracing::warn!("{address}: what was received came from another server than {peer}; it is fetched again");
    block_in_place(|| memory.start_over())
}

/// Compares the digest of what is here with the one that the server knows, if it knows one without reading the content for it. The blocks
/// may have come from several servers, and from this one before it was restarted. If they differ, `false`: the blocks are compared next.
async fn holds(context: &Context, memory: &mut Memory) -> Result<bool, Fault> {
    memory.root = memory.blocks.root();
    if memory.claimed.is_none() && memory.transferred > 0 {
        memory.claimed = claimed(context, memory).await?;
    }
    if memory.claimed.is_none() || memory.claimed == memory.root {
        return Ok(true);
    }
    memory.restarts += 1;
    let (address, peer) = (&context.new.address, dial::peer(&context.new.address.authority));
    if memory.restarts > context.retries.max(1) {
        let message = format!("what was fetched is not what {peer} has, though each block was verified");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    tracing::warn!("{address}: what was fetched is not what {peer} has; the blocks are compared");
    context.progress.set_here(&Blocks::default(), true);
    if !memory.doubt() {
        block_in_place(|| memory.start_over())?;
    }
    Ok(false)
}

/// What the server knows of the digest of a file, without its content.
async fn claimed(context: &Context, memory: &Memory) -> Result<Option<Hash>, Fault> {
    let source = memory.source.as_ref().filter(|source| source.form == Form::File);
    let Some(source) = source else { return Ok(None) };
    let request = Request::Get(Get {
        path: context.new.address.path.as_str().to_owned(),
        form: Form::File,
        blocks: Some(0),
        identity: Some(source.identity.clone()),
        root: true,
        ..Get::default()
    });
    let take = |event: Event<'_>| match event {
        Event::End { end, .. } => Ok(ControlFlow::Break(end.root.as_deref().and_then(Hash::from_hex))),
        Event::Failed { failure, .. } => Err(Fault::refused(context.new.address.path.as_str(), &failure)),
        _ => Ok(ControlFlow::Continue(())),
    };
    let authority = &context.new.address.authority;
    let mut link = context.pool.link(authority).await?.works_for(&context.progress);
    loop {
        match link.ask(&request, &context.limits.bandwidth, take).await {
            // It was closed while it rested: that is no fault of this try.
            Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                link = context.pool.fresh(authority).await?.works_for(&context.progress);
            }
            answered => {
                context.pool.put(authority, link);
                return answered;
            }
        }
    }
}

/// Logs that a connection was lost after it made progress, and that the client reconnects at once.
pub(crate) fn reconnecting(context: &Context, memory: &mut Memory, fault: &Fault) {
    let (count, logged) = &mut memory.reconnected;
    *count += 1;
    if logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
        *logged = Some(Instant::now());
        let (name, here) = (context.events.name(), units::bytes(memory.blocks.received()));
        let times = if *count == 1 { String::new() } else { format!(" ({count} times by now)") };
        tracing::info!("{name}: {}; reconnecting{times}, with {here} received", fault.trouble.message);
    }
}

/// What an earlier run left is of another version.
fn changed(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    let address = &context.new.address;
    // Nothing of it is verified for this version yet.
    context.progress.set_here(&Blocks::default(), true);
    if memory.doubt() {
        tracing::info!(
            "{address} is another version than what was fetched before; what still matches is kept"
        );
        return Ok(());
    }
    let archive = memory.source.as_ref().is_some_and(|source| source.form == Form::Zip);
    if archive {
        tracing::warn!("{address}: the folder has changed; its archive is fetched again");
    }
    block_in_place(|| memory.start_over())
}

impl Context {
    /// What this server said of a content.
    pub(crate) fn source(&self, content: &message::Content, origin: Origin) -> Content {
        Content {
            address: self.new.address.to_string(),
            origin,
            identity: content.identity.clone(),
            form: content.form,
            size: content.size,
            sources: content.sources,
            modified: Some(content.modified),
            data_bytes: content.data_bytes,
        }
    }

    /// The server said how many connections it wants.
    pub(crate) fn welcomed(&self, welcome: &Welcome) {
        if let Some(permit) = &self.permit {
            permit.announced(usize::try_from(welcome.parallel).unwrap_or(usize::MAX));
        }
    }

    /// Tells that the server answered.
    pub(crate) fn answered(&self, target: &Target, content: &message::Content) {
        self.events.answered(Announced {
            name: SafeText::from_bytes(target.name.as_encoded_bytes()),
            target: SafeText::from_path(&target.path()),
            size: content.size,
            total: content.sources.map(|sources| sources.bytes).or(content.size),
            here: self.progress.received(),
            files: None,
        });
    }

    /// A content that cannot have its own name is never renamed in silence.
    pub(crate) fn tell_substitute(&self, target: &Target) {
        if destination::is_substitute(target, &self.new) {
            let name = SafeText::from_bytes(target.name.as_encoded_bytes());
            tracing::warn!("{}: saved as {name}, since it cannot have its own name here", self.new.address);
            self.events.report(event::Event::Changed { id: self.id, name, what: event::Change::Renamed });
        }
    }

    /// Nor are entries of it: their own names, and those that they are saved under.
    pub(crate) fn tell_renamed(&self, names: impl IntoIterator<Item = (SafeText, SafeText)>) {
        for (own, name) in names {
            tracing::warn!("{}: {own} is saved as {name}", self.new.address);
            self.events.report(event::Event::Changed { id: self.id, name, what: event::Change::Renamed });
        }
    }

    /// Decides where a content of this name goes, and opens its `.part`.
    pub(crate) fn place(&self, name: &SafeName, size: Option<u64>) -> Result<Place, Fault> {
        let claim = |path: &std::path::Path| self.claims.claim(path, self.id);
        let target = destination::decide(&self.folders, &self.new, (name, self.names), size, claim)?;
        if target.by_server && Part::is_there(&target.folder, &target.name) {
            return Err(of_another_download(&target.folder.join(&target.folder.part_name(&target.name))));
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
    pub(crate) fn open_part(&self, target: &Target) -> Result<Part, Fault> {
        let part = Part::open(&target.folder, &target.name)?;
        self.claim_part(&part)?;
        Ok(part)
    }

    fn claim_part(&self, part: &Part) -> Result<(), Fault> {
        self.claims.claim_file(part.id()?, self.id).map_err(|_| claimed_by_another(&part.path()))
    }
}

/// Opens what an earlier try left, and tells the readers of the progress.
pub(crate) fn take_up(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    block_in_place(|| {
        // A job that had failed has released its claims.
        if let Some(place) = &memory.place {
            place.target.claim(|path| context.claims.claim(path, context.id))?;
        }
        memory.reopen()?;
        memory.place.as_ref().map_or(Ok(()), |place| context.claim_part(&place.part))
    })?;
    let is_file = memory.source.as_ref().is_none_or(|source| source.form == Form::File);
    context.progress.set_here(&memory.blocks, is_file);
    Ok(())
}
