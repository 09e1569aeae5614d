//! Receives one content from a server of the original programs: in one go, and verified by nothing but its length.

use tokio::task::block_in_place;

use crate::{
    client::{
        api::views::view::TroubleKind,
        content::Content,
        disk::part::Part,
        error::{Fault, Unfinished},
        job::{
            attempt::Fetch,
            file::{
                resume::FileResume,
                state::{Known, ResumeState},
            },
            placement::Placement,
        },
        source::sink::{Flow, Sink, Wanted},
        transfer::{cancel::Cancel, progress::Progress},
    },
    protocol::{digest::Hash, message::Form},
    text::{SafeText, ShowPath},
};

/// Receives the whole content; afterwards it is complete.
pub(crate) async fn fetch(
    fetch: &Fetch<'_>,
    placement: &Placement,
    resume: &mut FileResume,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    match resume.state {
        ResumeState::Complete(..) | ResumeState::Identical(..) | ResumeState::Placed(_) => return Ok(()),
        ResumeState::Fresh(_) | ResumeState::Doubtful(_) | ResumeState::Known(_) => resume.start_over()?,
    }
    fetch.progress.set_unverified(0);
    cancel.unless_set(receive(fetch, placement, resume)).await
}

async fn receive(fetch: &Fetch<'_>, placement: &Placement, resume: &mut FileResume) -> Result<(), Fault> {
    let mut connection = fetch.source.connect(None).await?;
    let wanted = Wanted { form: Form::File, identity: None, blocks: 0..u64::MAX, skip: 0, digest: false };
    let content = connection.probe(wanted).await?;
    let size = content.size.unwrap_or(0);
    block_in_place(|| begin(fetch, placement, resume, content))?;
    let Some(place) = resume.state.place() else { return Ok(()) };
    let (part, progress, transferred) = (&place.part, &**fetch.progress, &mut resume.totals.transferred);
    let mut whole = WholeFile { part, progress, transferred, hasher: blake3::Hasher::new(), offset: 0, size };
    connection.read(&mut whole).await.map_err(|fault| whole.failed(fault))?;
    let root = Hash(*whole.hasher.finalize().as_bytes());
    resume.complete(root);
    Ok(())
}

/// Decides where the content is saved, and claims the space.
fn begin(
    fetch: &Fetch<'_>,
    placement: &Placement,
    resume: &mut FileResume,
    content: Content,
) -> Result<(), Fault> {
    let name = placement.name_of(&content);
    let place = match &mut resume.state {
        ResumeState::Fresh(place) => place.take(),
        _ => None,
    };
    let placed = place.map_or_else(|| placement.place(fetch.events, &name, content.size), Ok);
    let place = placed.map_err(|fault| content.describe(fault))?;
    // An archive is a file as any other: nothing is known of what is in it.
    let content = Content { form: Form::File, ..content };
    resume.state = ResumeState::Known(Known::new(content, place));
    resume.record();
    resume.claim()?;
    if let ResumeState::Known(Known { content, place, .. }) = &resume.state {
        fetch.answered(&place.target, content);
    }
    Ok(())
}

/// Writes the whole content.
struct WholeFile<'a> {
    part: &'a Part,
    progress: &'a Progress,
    transferred: &'a mut u64,
    hasher: blake3::Hasher,
    offset: u64,
    size: u64,
}

impl WholeFile<'_> {
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

impl Sink for WholeFile<'_> {
    fn next(&mut self) -> Option<Wanted> {
        None
    }

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
}
