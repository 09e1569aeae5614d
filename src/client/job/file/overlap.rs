//! Compares some of what is local with what the server has now, where the server sends nothing that shows its version, or what is local is
//! from another address: before anything is added, the last block and one at random are received again.

use crate::{
    client::{
        content::Content,
        error::{Fault, Unfinished},
        job::{
            attempt::Fetch,
            file::{
                resume::FileResume,
                state::{Known, ResumeState},
            },
        },
        source::{
            Connection,
            sink::{Answer, Block, Flow, Sink, Wanted},
        },
        transfer::cancel::Cancel,
    },
    net::tls,
    protocol::{digest::Hash, message::Form},
};

/// Compares, if the source has no validator. Returns whether the content can be resumed; otherwise it starts over.
pub(crate) async fn compare(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    connection: &mut Connection,
    cancel: &Cancel,
) -> Result<bool, Unfinished> {
    let ResumeState::Known(known) = &mut resume.state else { return Ok(true) };
    // A validator says nothing about another address.
    let is_of_another = !known.content.is_from(fetch.address);
    let is_proof = !is_of_another || fetch.source.has_hashes();
    if is_proof && fetch.source.has_validator(&known.content) {
        return Ok(true);
    }
    // Of a block that is not complete there is no digest to compare.
    known.blocks.set_begun(Default::default());
    let is_same = match chosen(known)? {
        chosen if chosen.is_empty() => true,
        chosen => {
            let mut overlap = Overlap { content: known.content.clone(), chosen, asked: 0, is_same: true };
            cancel.unless_set(connection.read(&mut overlap)).await?;
            overlap.is_same
        }
    };
    if is_same {
        if is_of_another {
            known.content.address = fetch.address.to_string();
        }
        return Ok(true);
    }
    let address = fetch.address;
    if resume.totals.restart(fetch.retries) {
        return Err(Fault::changed(format!("{address} changes during each attempt")).into());
    }
    tracing::warn!(
        "{address} is another version than what was received before; it is fetched again from its beginning"
    );
    resume.set_aside()?;
    fetch.progress.set_local(&crate::client::content::blocks::Blocks::default(), true);
    Ok(false)
}

/// The last verified block and one at random, with their chaining values.
fn chosen(known: &Known) -> Result<Vec<(u64, Hash)>, Fault> {
    let verified: Vec<_> = known.blocks.verified().collect();
    let random = tls::random().map_err(|error| {
        Fault::never(crate::client::api::views::view::TroubleKind::Other, error.to_string())
    })?;
    let number = random.iter().take(8).fold(0, |number: usize, byte| number << 8 | usize::from(*byte));
    let last = verified.last().copied();
    let other = last.and_then(|_| verified.get(number % verified.len()).copied());
    let mut chosen: Vec<_> = last.into_iter().chain(other).collect();
    chosen.dedup();
    Ok(chosen)
}

/// Receives the chosen blocks.
struct Overlap {
    content: Content,
    chosen: Vec<(u64, Hash)>,
    /// How many of them were requested.
    asked: usize,
    is_same: bool,
}

impl Sink for Overlap {
    fn next(&mut self) -> Option<Wanted> {
        let (index, _) = *self.chosen.get(self.asked)?;
        self.asked += 1;
        let identity = Some(self.content.identity.clone());
        Some(Wanted { form: Form::File, identity, blocks: index..index + 1, skip: 0, digest: false })
    }

    fn begins(&mut self, answer: &Answer) -> Result<(), Fault> {
        self.is_same &= self.content.is_same_as(&answer.identity, answer.size);
        Ok(())
    }

    fn data(&mut self, _bytes: &[u8]) -> Result<Flow, Fault> {
        Ok(if self.is_same { Flow::Continue } else { Flow::Stop })
    }

    fn hole(&mut self, _length: u64) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }

    fn block(&mut self, block: Block) -> Flow {
        let found = block.verified.map(|verified| (verified.index(), verified.digest().chaining));
        self.is_same &= found.is_some_and(|found| self.chosen.contains(&found));
        if self.is_same { Flow::Continue } else { Flow::Stop }
    }
}
