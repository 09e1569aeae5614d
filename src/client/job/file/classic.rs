//! Receives one content from a server of the original programs: at once, and with nothing to verify it by but its length.

use tokio::task::block_in_place;

use crate::{
    client::{
        api::view::TroubleKind,
        content::Content,
        disk::part::Part,
        error::{Fault, Unfinished},
        job::{attempt::Fetch, file::resume::Memory, placement::Placement},
        source::sink::{Answer, Block, End, Flow, Sink, Wanted},
        transfer::{cancel::Cancel, progress::Progress},
    },
    protocol::{digest::Hash, message::Form},
    text::{SafeText, ShowPath},
};

/// Receives the whole content; afterwards `memory` has its digest.
pub(crate) async fn fetch(
    fetch: &Fetch<'_>,
    placement: &Placement,
    memory: &mut Memory,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    if memory.root.is_some() {
        return Ok(());
    }
    memory.start_over()?;
    fetch.progress.set_unverified(0);
    cancel.unless_set(receive(fetch, placement, memory)).await
}

async fn receive(fetch: &Fetch<'_>, placement: &Placement, memory: &mut Memory) -> Result<(), Fault> {
    let mut connection = fetch.source.connect(None).await?;
    let wanted = Wanted { form: Form::File, identity: None, blocks: 0..u64::MAX, skip: 0, digest: false };
    let content = connection.probe(wanted).await?;
    let size = content.size.unwrap_or(0);
    block_in_place(|| begin(fetch, placement, memory, content))?;
    let Some(place) = &memory.place else { return Ok(()) };
    let (part, progress, transferred) = (&place.part, &**fetch.progress, &mut memory.transferred);
    let mut whole = Whole { part, progress, transferred, hasher: blake3::Hasher::new(), offset: 0, size };
    connection.read(&mut whole).await.map_err(|fault| whole.failed(fault))?;
    memory.root = Some(Hash(*whole.hasher.finalize().as_bytes()));
    Ok(())
}

/// Decides where the content goes, and claims the space.
fn begin(
    fetch: &Fetch<'_>,
    placement: &Placement,
    memory: &mut Memory,
    content: Content,
) -> Result<(), Fault> {
    let name = placement.name_of(&content);
    if memory.place.is_none() {
        memory.place = Some(placement.place(fetch.events, &name, content.size)?);
    }
    // An archive is a file as any other: nothing is known of what is in it.
    let content = memory.source.insert(Content { form: Form::File, ..content }).clone();
    memory.record();
    memory.claim()?;
    if let Some(place) = &memory.place {
        fetch.answered(&place.target, &content);
    }
    Ok(())
}

/// Takes the whole content.
struct Whole<'a> {
    part: &'a Part,
    progress: &'a Progress,
    transferred: &'a mut u64,
    hasher: blake3::Hasher,
    offset: u64,
    size: u64,
}

impl Whole<'_> {
    /// Adds to a fault of the connection where the received bytes are.
    fn failed(&self, mut fault: Fault) -> Fault {
        let of_connection = matches!(fault.trouble.kind, TroubleKind::Connection | TroubleKind::Integrity);
        if of_connection && self.offset < self.size {
            let part = self.part.path();
            let message = format!("{}; what was received is in {}", fault.trouble.message, part.shown());
            fault.trouble.message = SafeText::new(&message);
        }
        fault
    }
}

impl Sink for Whole<'_> {
    fn next(&mut self) -> Option<Wanted> {
        None
    }

    fn begins(&mut self, _answer: &Answer) -> Result<(), Fault> {
        Ok(())
    }

    fn skipped(&mut self, _offset: u64, _length: u64, _give: &mut dyn FnMut(&[u8])) {}

    fn data(&mut self, bytes: &[u8]) -> Result<Flow, Fault> {
        self.hasher.update(bytes);
        self.part.write(bytes, self.offset)?;
        let count = bytes.len() as u64;
        self.offset += count;
        *self.transferred += count;
        self.progress.add_crossed(count);
        self.progress.set_unverified(self.offset);
        Ok(Flow::Continue)
    }

    fn hole(&mut self, _length: u64) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }

    fn block(&mut self, _block: Block) -> Flow {
        Flow::Continue
    }

    fn ends(&mut self, _end: End) {}

    fn quiet(&mut self) {}
}
