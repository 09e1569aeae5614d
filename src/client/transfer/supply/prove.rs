//! Shows that a mirror has the same content: by an equal digest of all of it, or by an equal size and blocks that are received from the mirror
//! and compared with those that are local.

use std::collections::BTreeMap;

use super::{mirror::Mirror, supplier::Supplier};
use crate::{
    client::{
        api::{content::checksum::Checksum, views::view::TroubleKind},
        content::{Access, Content, blocks::Blocks},
        error::Fault,
        source::sink::{Answer, Block, Flow, Sink, Wanted},
    },
    net::tls,
    protocol::{digest::Hash, message::Form},
    text::units,
};

/// What a mirror must have.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The content, as another source announces it.
    pub(crate) content: Content,
    /// A digest of all of it that the user or a metalink has given.
    pub(crate) digest: Option<Checksum>,
    /// Blocks to compare, with their chaining values. At least one.
    sample: Sample,
}

/// Some of the blocks that are local. There is at least one.
#[derive(Clone, Debug)]
pub(crate) struct Sample(BTreeMap<u64, Hash>);

impl Sample {
    /// The last block and one at random; `None` if no block is local. `is_shown`: whether a block is not known to be wrong, as far as digests
    /// can show that.
    pub(crate) fn of(blocks: &Blocks, is_shown: impl Fn(u64) -> bool) -> Result<Option<Sample>, Fault> {
        let verified: Vec<_> = blocks.verified().filter(|(index, _)| is_shown(*index)).collect();
        let Some(last) = verified.last() else { return Ok(None) };
        let random = tls::random().map_err(|error| Fault::never(TroubleKind::Other, error.to_string()))?;
        let number = random.iter().take(8).fold(0, |number: usize, byte| number << 8 | usize::from(*byte));
        let number = number % verified.len();
        Ok(Some(Sample([*last, verified[number]].into())))
    }
}

impl Expected {
    /// The content of another source, of which this sample is local.
    pub(crate) fn new(content: &Content, digest: Option<&Checksum>, sample: Sample) -> Expected {
        Expected { content: content.clone(), digest: digest.cloned(), sample }
    }

    /// Whether an announced content can be the same. Returns whether its digest shows that it is.
    fn is_announced_by(&self, content: &Content) -> Result<bool, Fault> {
        if content.form != Form::File {
            return Err(another("it is a folder"));
        }
        let size = |size: Option<u64>| {
            size.map_or_else(|| "of unknown size".to_owned(), |size| units::count(size) + " bytes")
        };
        if content.size.is_none() || content.size != self.content.size {
            let message = format!("it is {}, not {}", size(content.size), size(self.content.size));
            return Err(another(&message));
        }
        if content.access == Access::Sequential {
            let message = "it cannot send parts that are shown to be of one version";
            return Err(Fault::never(TroubleKind::Other, message));
        }
        let Some(announced) = &content.digest else { return Ok(false) };
        let known = [self.digest.as_ref(), self.content.digest.as_ref()];
        let mut known =
            known.into_iter().flatten().filter(|known| known.has_algorithm_of(announced)).peekable();
        let is_known = known.peek().is_some();
        match known.find(|known| *known != announced) {
            Some(known) => Err(another(&format!("it announces the digest {announced}, not {known}"))),
            None => Ok(is_known),
        }
    }
}

/// The mirror has another content.
fn another(how: &str) -> Fault {
    Fault::never(TroubleKind::Integrity, format!("another content: {how}"))
}

/// Requests of a mirror what it has, and compares it.
///
/// # Errors
/// It has another content, which is final; or it could not be reached.
pub(crate) async fn prove(mirror: Mirror, expected: &Expected) -> Result<Supplier, Fault> {
    let mut connection = mirror.source.connect(None).await?;
    let mut left = expected.sample.0.clone();
    let Some((index, _)) = left.first_key_value().map(|(index, hash)| (*index, *hash)) else {
        return Err(another("nothing of it can be compared"));
    };
    let content = connection.probe(block(index, None)).await?;
    if expected.is_announced_by(&content)? {
        return Ok(Supplier::proven(mirror, content));
    }
    left.remove(&index);
    let more = left.keys().copied().collect();
    let mut comparison =
        Comparison { expected: &expected.sample, content: &content, more, same: 0, differs: None };
    connection.read(&mut comparison).await?;
    let Comparison { same, differs, .. } = comparison;
    match differs {
        Some(index) => Err(another(&format!("block {index} differs"))),
        None if same < expected.sample.0.len() => Err(Fault::lost("it has ended before the end of a block")),
        None => {
            connection.put();
            Ok(Supplier::proven(mirror, content))
        }
    }
}

fn block(index: u64, identity: Option<String>) -> Wanted {
    Wanted { form: Form::File, identity, blocks: index..index + 1, skip: 0, digest: false }
}

/// Compares the blocks that a mirror sends.
struct Comparison<'a> {
    expected: &'a Sample,
    content: &'a Content,
    /// Blocks that are not requested yet.
    more: Vec<u64>,
    /// How many blocks were the same.
    same: usize,
    differs: Option<u64>,
}

impl Sink for Comparison<'_> {
    fn next(&mut self) -> Option<Wanted> {
        let index = self.more.pop()?;
        self.differs.is_none().then(|| block(index, Some(self.content.identity.clone())))
    }

    fn begins(&mut self, answer: &Answer) -> Result<(), Fault> {
        match self.content.is_same_as(&answer.identity, answer.size) {
            true => Ok(()),
            false => Err(another("it changes from one answer to the next")),
        }
    }

    fn data(&mut self, _bytes: &[u8]) -> Result<Flow, Fault> {
        Ok(if self.differs.is_none() { Flow::Continue } else { Flow::Stop })
    }

    fn hole(&mut self, _length: u64) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }

    fn block(&mut self, block: Block) -> Flow {
        let found = block.verified.map(|verified| verified.digest().chaining);
        if found.is_some() && found.as_ref() == self.expected.0.get(&block.index) {
            self.same += 1;
            return Flow::Continue;
        }
        self.differs = Some(block.index);
        Flow::Stop
    }
}
