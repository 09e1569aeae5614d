//! The server: one connection type, four loops around it, and the registry of what is live.
//!
//! ```text
//!  loops/   single  threads  select  async        four loops that move bytes and run tasks, and nothing else
//!              └───────┴────────┴──────┘
//!  accept/                                        listening, and what all of them do with a new client
//!  connection/                                    the protocol of one connection; no socket, no disk, no clock
//!  shared/                                        what all connections share:
//!     services.rs                                   what is served, and with what
//!     lifecycle.rs                                  running, draining, stopping
//!  registry/                                      the live connections
//!  cache/                                         hashes of blocks, and indexes of archives
//!  limits/                                        timeouts and maxima; how much costly work runs at the same time, and in how much memory
//!  access/  certificate.rs                        which clients may fetch, and how the server authenticates itself
//!  telemetry/                                     for operators: access log, metrics, health
//!  control/                                       starting a server, and commanding one that runs
//!  api/                                           the data for faces: commands, events, snapshots
//! ```
//!
//! [`start()`] makes a [`Server`]; it takes commands and gives [`Snapshot`]s and [`Event`]s.
//!
//! Stopping is the same in every architecture. A *drain* sets the phase, shuts the listener down (which
//! wakes a loop that accepts) and shuts the reading side of every idle connection without a transfer down
//! (which wakes the loop that waits for its next request); running answers are finished first, and a connection with a transfer is
//! served until its client closes it. A *stop* shuts every socket down
//! in both directions.

mod accept;
mod access;
mod api;
mod cache;
mod certificate;
mod connection;
mod control;
mod limits;
mod loops;
mod registry;
mod shared;
mod sync;
mod telemetry;

pub use self::{
    access::Access,
    api::{
        arch::Arch,
        command::Command,
        config::Config,
        event::{ConnectionId, Event, Sink},
        response_header::{ResponseHeader, ResponseHeaderError},
        snapshot::{BlockView, ConnectionState, ConnectionView, LastError, Snapshot},
        start_error::StartError,
        summary::Summary,
        web::WebAccess,
    },
    certificate::{Certificate, CertificateError},
    control::{
        handle::{Handle, Server},
        start::start,
    },
    limits::Limits,
    telemetry::{access_log::AccessLogConfig, line::AccessLogFormat},
};
