//! Content by a classic dialect: in one go, with nothing to verify it by but its length.

use std::time::Duration;

use tokio::{task::block_in_place, time::timeout};

use crate::{
    client::{
        api::{announced::Announced, origin::Origin, view::TroubleKind},
        content::Content,
        disk::name::SafeName,
        error::Fault,
        job::{memory::Memory, worker::Context},
        source::wire::Wire,
    },
    protocol::{
        address::Security,
        classic::{
            Dialect,
            client::{Client, Ended, Event as Answer},
        },
        digest::Hash,
        message::Form,
        odd_name,
    },
    text::{SafeText, ShowPath},
};

/// How long an original server may take to close after the last byte before that counts as the end.
const CLOSING: Duration = Duration::from_secs(1);

/// Fetches the whole content, from its start; afterwards the memory has its digest.
pub(crate) async fn fetch(context: &mut Context, memory: &mut Memory, dialect: Dialect) -> Result<(), Fault> {
    if memory.root.is_some() {
        return Ok(());
    }
    memory.start_over()?;
    context.progress.set_unverified(0);
    let path = match context.new.address.path.as_str() {
        // What the original programs call their own folder.
        "" => ".",
        path => path,
    };
    if odd_name::is_escaped(path) {
        let path = SafeText::new(path);
        let message = format!("/{path}: a server of the original programs has no names that are not UTF-8");
        return Err(Fault::never(TroubleKind::NotFound, message));
    }
    let client = Client::new(dialect, path)
        .map_err(|error| Fault::never(TroubleKind::NotFound, format!("/{path}: {error}")))?;
    let authority = &context.new.address.authority;
    if authority.security != Security::Plain {
        let message = "the original programs know no TLS; use fdsp+plain:// instead of fdsp://";
        return Err(Fault::never(TroubleKind::Connection, message));
    }
    let (wire, _) = Wire::open(authority, context.pool.timeouts(), context.pool.servers()).await?;
    let mut exchange = Exchange { context, memory, wire, client, hasher: blake3::Hasher::new(), offset: 0 };
    exchange.run(dialect).await
}

/// One exchange.
struct Exchange<'a> {
    context: &'a Context,
    memory: &'a mut Memory,
    wire: Wire,
    client: Client,
    hasher: blake3::Hasher,
    offset: u64,
}

impl Exchange<'_> {
    async fn run(&mut self, dialect: Dialect) -> Result<(), Fault> {
        loop {
            self.flush().await?;
            let came = self.wire.fill(&self.context.limits.bandwidth).await;
            match came {
                Ok(true) => {}
                Ok(false) => return Err(self.ended(None)),
                Err(fault) => return Err(self.ended(Some(fault))),
            }
            if block_in_place(|| self.receive())? {
                self.nothing_more(dialect).await?;
                self.memory.root = Some(Hash(*self.hasher.finalize().as_bytes()));
                return Ok(());
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        while !self.client.outgoing().is_empty() {
            let count = self.wire.write(self.client.outgoing()).await?;
            self.client.sent(count);
        }
        Ok(())
    }

    /// Makes sure that the content ended where its size says. In `classic-select` nothing tells where the size
    /// itself ends, so that one cut short on its way (`10` come as `1` and `0`) would make a short file
    /// pass for a whole one; but then more bytes follow.
    async fn nothing_more(&mut self, dialect: Dialect) -> Result<(), Fault> {
        // An empty content ends before its go-ahead was sent.
        self.flush().await?;
        let more = match dialect {
            _ if !self.wire.unread().is_empty() => true,
            Dialect::Classic => false,
            Dialect::ClassicSelect => {
                matches!(timeout(CLOSING, self.wire.fill(&self.context.limits.bandwidth)).await, Ok(Ok(true)))
            }
        };
        if more {
            let peer = self.wire.peer();
            return Err(Fault::lost(format!("{peer} sent more than the size that it announced")));
        }
        Ok(())
    }

    /// Takes what came; `true` at the end of the content.
    fn receive(&mut self) -> Result<bool, Fault> {
        loop {
            let (used, event) = self
                .client
                .receive(self.wire.unread())
                .map_err(|violation| Fault::violation(self.wire.peer(), &violation))?;
            let idle = used == 0 && event.is_none();
            match event {
                Some(Answer::Data(bytes)) => {
                    self.hasher.update(bytes);
                    let count = bytes.len() as u64;
                    if let Some(place) = &self.memory.place {
                        place.part.write(bytes, self.offset)?;
                    }
                    self.offset += count;
                    self.memory.transferred += count;
                    self.context.progress.add_crossed(count);
                    self.context.progress.set_unverified(self.offset);
                }
                Some(Answer::Header(header)) => {
                    self.begin(&header.file_name, header.file_type == ".zip", header.file_size)?;
                }
                Some(Answer::NotFound) => {
                    let path = &self.context.new.address.path;
                    return Err(Fault::never(
                        TroubleKind::NotFound,
                        format!("{path}: not found on the server"),
                    ));
                }
                Some(Answer::End) => return Ok(true),
                None if idle => return Ok(false),
                None => {}
            }
            self.wire.used(used);
        }
    }

    fn begin(&mut self, announced: &str, zip: bool, size: u64) -> Result<(), Fault> {
        let asked = self.context.new.address.path.name();
        // A directory comes as an archive of its name; only the announcement tells.
        let archive = zip && asked.is_none_or(|asked| announced == format!("{asked}.zip"));
        let name = SafeName::for_content(asked, announced, archive, self.context.names);
        if self.memory.place.is_none() {
            self.memory.place = Some(self.context.place(&name, Some(size))?);
        }
        self.memory.source = Some(Content {
            address: self.context.new.address.to_string(),
            origin: Origin::plain(&self.context.new.address.authority.host),
            identity: String::new(),
            form: Form::File,
            size: Some(size),
            sources: None,
            modified: None,
            data_bytes: None,
        });
        self.memory.record();
        if let Some(permit) = &self.context.permit {
            permit.reached();
        }
        let Some(place) = &self.memory.place else { return Ok(()) };
        place.part.claim(size, None)?;
        self.context.events.answered(Announced {
            name: SafeText::from_bytes(place.target.name.as_encoded_bytes()),
            target: SafeText::from_path(&place.target.path()),
            size: Some(size),
            total: Some(size),
            here: 0,
            files: None,
        });
        Ok(())
    }

    /// Nothing more comes: closed, or (`fault`) lost or silent for too long.
    fn ended(&self, fault: Option<Fault>) -> Fault {
        let peer = self.wire.peer();
        match (self.client.end_of_stream(), fault) {
            (Err(ended @ Ended::Short { received, size }), _) => {
                let kept = self.memory.place.as_ref().map(|place| place.part.path());
                let kept = kept
                    .map(|path| format!("; what was received is in {}", path.shown()))
                    .unwrap_or_default();
                let message = format!("{peer} {ended}{kept}");
                if received == size / 1024 * 1024 {
                    // It would leave out the same bytes each time.
                    Fault::never(TroubleKind::Integrity, message)
                } else {
                    Fault::lost(message)
                }
            }
            (_, Some(fault)) => fault,
            (Err(Ended::WithoutAnswer), None) => {
                Fault::never(TroubleKind::Connection, format!("{peer} {}", Ended::WithoutAnswer))
            }
            (Err(Ended::Handshake), None) => self.wire.closed(format!("{peer} {}", Ended::Handshake)),
            (Ok(()), None) => self.wire.closed(format!("{peer} closed the connection")),
        }
    }
}
