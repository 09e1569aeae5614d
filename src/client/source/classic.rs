//! Servers of the original programs as a source: the whole content at once, with nothing to verify it by but its length.

use std::{sync::Arc, time::Duration};

use tokio::{task::block_in_place, time::timeout};

use super::{fdsp::pool::Pool, limiter::Limiter, observer::Observer, sink::Sink, wire::Wire};
use crate::{
    client::{
        api::{content::origin::Origin, views::view::TroubleKind},
        content::Content,
        error::Fault,
    },
    protocol::{
        address::{Address, Authority, Security},
        classic::{
            Dialect, Header,
            client::{Client, Ended, Event},
        },
        message::Form,
        path::{PathError, odd_name},
    },
    text::SafeText,
};

/// How long an original server may take to close after the last byte before that counts as the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A path of a server, and what its connections work with.
#[derive(Clone, Debug)]
pub(crate) struct Classic {
    address: Address,
    dialect: Dialect,
    pool: Arc<Pool>,
    limiter: Arc<Limiter>,
    observer: Arc<dyn Observer>,
}

impl Classic {
    pub(crate) fn new(
        address: Address,
        dialect: Dialect,
        pool: Arc<Pool>,
        limiter: Arc<Limiter>,
        observer: Arc<dyn Observer>,
    ) -> Classic {
        Classic { address, dialect, pool, limiter, observer }
    }

    /// A path below this one.
    pub(super) fn join(&self, path: &str) -> Result<Classic, PathError> {
        Ok(Classic { address: self.address.join(path)?, ..self.clone() })
    }

    /// The server.
    pub(crate) fn server(&self) -> &Authority {
        &self.address.authority
    }

    /// Connects. The content is requested at once.
    pub(super) async fn connect(&self) -> Result<Exchange, Fault> {
        let path = match self.address.path.as_str() {
            // The original programs' name of their own folder.
            "" => ".",
            path => path,
        };
        if odd_name::is_escaped(path) {
            let path = SafeText::new(path);
            let message =
                format!("/{path}: a server of the original programs has no names that are not UTF-8");
            return Err(Fault::never(TroubleKind::NotFound, message));
        }
        let client = Client::new(self.dialect, path)
            .map_err(|error| Fault::never(TroubleKind::NotFound, format!("/{path}: {error}")))?;
        if self.server().security != Security::Plain {
            let message = "the original programs know no TLS; use fdsp+plain:// instead of fdsp://";
            return Err(Fault::never(TroubleKind::Connection, message));
        }
        let (wire, _) = Wire::open(self.server(), self.pool.timeouts(), self.pool.handshakes()).await?;
        Ok(Exchange { classic: self.clone(), wire, client })
    }
}

/// A connection that receives a content.
#[derive(Debug)]
pub(crate) struct Exchange {
    classic: Classic,
    wire: Wire,
    client: Client,
}

impl Exchange {
    /// The server, which has proven nothing.
    pub(super) fn origin(&self) -> Origin {
        self.wire.origin()
    }

    /// Waits for what the server says of the content.
    pub(super) async fn probe(&mut self) -> Result<Content, Fault> {
        loop {
            let (used, event) = self.receive()?;
            let content = match event {
                Some(Event::Header(header)) => Some(self.classic.described(&header)),
                Some(Event::NotFound) => {
                    let path = &self.classic.address.path;
                    return Err(Fault::never(
                        TroubleKind::NotFound,
                        format!("{path}: not found on the server"),
                    ));
                }
                Some(Event::Data(_) | Event::End) => {
                    return Err(Fault::never(TroubleKind::Other, "the header is received already"));
                }
                None => None,
            };
            self.wire.used(used);
            match content {
                Some(content) => return Ok(content),
                None if used == 0 => self.fill().await?,
                None => {}
            }
        }
    }

    /// Receives the whole content.
    pub(super) async fn read(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        while !block_in_place(|| self.take(sink))? {
            self.fill().await?;
        }
        self.nothing_more().await
    }

    /// Hands what was received to the sink; `true` at the end of the content.
    fn take(&mut self, sink: &mut impl Sink) -> Result<bool, Fault> {
        loop {
            let (used, event) = self.receive()?;
            let idle = used == 0 && event.is_none();
            match event {
                Some(Event::Data(bytes)) => drop(sink.data(bytes)?),
                Some(Event::End) => return Ok(true),
                _ if idle => return Ok(false),
                _ => {}
            }
            self.wire.used(used);
        }
    }

    fn receive(&mut self) -> Result<(usize, Option<Event<'_>>), Fault> {
        let Exchange { client, wire, .. } = self;
        client.receive(wire.unread()).map_err(|violation| Fault::violation(wire.peer(), &violation))
    }

    /// Sends what is to be sent, and receives something.
    async fn fill(&mut self) -> Result<(), Fault> {
        self.flush().await?;
        match self.wire.fill(&self.classic.limiter).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ended(None)),
            Err(fault) => Err(self.ended(Some(fault))),
        }
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        while !self.client.outgoing().is_empty() {
            let count = self.wire.write(self.client.outgoing()).await?;
            self.client.sent(count);
        }
        Ok(())
    }

    /// Makes sure that the content ended where its size says. In `classic-select` nothing marks the end of the size itself: of a size that
    /// was cut (`10` received as `1` and `0`) a short file would count as complete, but then more bytes follow.
    async fn nothing_more(&mut self) -> Result<(), Fault> {
        // An empty content ends before its acknowledgement was sent.
        self.flush().await?;
        let more = match self.classic.dialect {
            _ if !self.wire.unread().is_empty() => true,
            Dialect::Classic => false,
            Dialect::ClassicSelect => {
                matches!(timeout(CLOSE_TIMEOUT, self.wire.fill(&self.classic.limiter)).await, Ok(Ok(true)))
            }
        };
        if more {
            let peer = self.wire.peer();
            return Err(Fault::lost(format!("{peer} sent more than the size that it announced")));
        }
        Ok(())
    }

    /// Nothing more is received: the connection is closed, or (`fault`) lost or silent for too long.
    fn ended(&self, fault: Option<Fault>) -> Fault {
        let peer = self.wire.peer();
        match (self.client.end_of_stream(), fault) {
            (Err(ended @ Ended::Short { received, size }), _) => {
                let message = format!("{peer} {ended}");
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

impl Classic {
    fn described(&self, header: &Header) -> Content {
        self.observer.reached();
        let address = &self.address;
        // A directory is received as an archive with its name; only the announcement says so.
        let is_archive = |asked: &str| header.file_name == format!("{asked}.zip");
        let archive = header.file_type == ".zip" && address.path.name().is_none_or(is_archive);
        Content {
            address: address.to_string(),
            name: header.file_name.clone(),
            origin: Origin::plain(&address.authority.host),
            identity: String::new(),
            form: if archive { Form::Zip } else { Form::File },
            size: Some(header.file_size),
            sources: None,
            modified: None,
            data_bytes: None,
            access: crate::client::content::Access::default(),
            digest: None,
            is_metalink: false,
        }
    }
}
