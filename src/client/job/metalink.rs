//! A download whose content is a metalink: what the metalink names is fetched in its place.

use crate::{
    client::{
        api::views::view::TroubleKind,
        error::Fault,
        job::attempt::Attempt,
        metalink::{self, MAX_LEN},
        source::sink::{Flow, Sink, Wanted},
    },
    protocol::message::Form,
    text::units,
};

/// Receives the metalink, and reports the files that it names.
pub(crate) async fn expand(attempt: &Attempt) -> Result<(), Fault> {
    let address = &attempt.new_job().address;
    let mut connection = attempt.source.connect(None).await?;
    let wanted = Wanted { form: Form::File, identity: None, blocks: 0..u64::MAX, skip: 0, digest: false };
    let content = connection.probe(wanted).await?;
    let mut whole = Whole { bytes: Vec::new() };
    if content.size.is_some_and(|size| size > MAX_LEN) {
        return Err(too_large());
    }
    connection.read(&mut whole).await?;
    let files = metalink::read(&whole.bytes).map_err(|error| {
        Fault::never(TroubleKind::Other, format!("{address} is not a metalink that can be used: {error}"))
    })?;
    attempt.events.expanded(files);
    Ok(())
}

fn too_large() -> Fault {
    let message = format!("the metalink is larger than {}", units::bytes(MAX_LEN));
    Fault::never(TroubleKind::Other, message)
}

/// Receives a whole content into memory.
struct Whole {
    bytes: Vec<u8>,
}

impl Sink for Whole {
    fn next(&mut self) -> Option<Wanted> {
        None
    }

    fn data(&mut self, bytes: &[u8]) -> Result<Flow, Fault> {
        if (self.bytes.len() + bytes.len()) as u64 > MAX_LEN {
            return Err(too_large());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(Flow::Continue)
    }

    fn hole(&mut self, length: u64) -> Result<Flow, Fault> {
        let length = length.saturating_add(self.bytes.len() as u64);
        if length > MAX_LEN {
            return Err(too_large());
        }
        self.bytes.resize(length as usize, 0);
        Ok(Flow::Continue)
    }
}
