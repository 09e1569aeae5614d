//! What a row says about a client, a connection or a blocked address.

use std::{net::IpAddr, time::Duration};

use super::rates::Rates;
use crate::{
    server::{BlockView, ConnectionState, ConnectionView},
    text::units::count,
};

/// Connections of a client that are looked at for what is being sent.
const MAX_PATHS: usize = 32;

/// What a client, a connection or an address does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A connection in this state; of a client that which does most.
    Live(ConnectionState),
    /// The address is blocked.
    Blocked,
}

impl State {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            State::Live(state) => word(state),
            State::Blocked => "blocked",
        }
    }

    /// Whether content is being sent.
    pub fn is_sending(self) -> bool {
        self == State::Live(ConnectionState::Sending)
    }
}

/// The word for what a connection does.
pub fn word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Waiting => "waiting",
        ConnectionState::Handshake => "greeting",
        ConnectionState::Idle => "idle",
        ConnectionState::Planning => "planning",
        ConnectionState::Hashing => "hashing",
        ConnectionState::Sending => "sending",
        ConnectionState::Refused => "refused",
    }
}

/// How much a connection does, for the state of a client with several.
fn rank(state: ConnectionState) -> u8 {
    match state {
        ConnectionState::Refused => 0,
        ConnectionState::Waiting => 1,
        ConnectionState::Handshake => 2,
        ConnectionState::Idle => 3,
        ConnectionState::Planning => 4,
        ConnectionState::Hashing => 5,
        ConnectionState::Sending => 6,
    }
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The address of a client, the port of one of its connections, or a blocked network.
    pub name: String,
    /// Whether it is one of the connections of the client above it.
    pub is_member: bool,
    /// Number of connections; 0 for a blocked address.
    pub connections: usize,
    /// The protocol.
    pub dialect: Option<&'static str>,
    /// What is being sent, or was last sent.
    pub what: String,
    /// What is done now.
    pub state: State,
    /// How much of what is being sent is sent.
    pub progress: Option<(u64, u64)>,
    /// Bytes a second while content is being sent.
    pub rate: Option<f64>,
    /// Content bytes sent on the connections that are open.
    pub sent: u64,
    /// Since the first of the connections, or until the end of the block; `None` if the system does not say.
    pub age: Option<Duration>,
}

impl Row {
    /// Of all connections of a client, oldest first.
    pub fn of_client<'a>(
        address: IpAddr,
        members: impl ExactSizeIterator<Item = &'a ConnectionView> + Clone,
        rates: &Rates,
    ) -> Row {
        let state = members.clone().map(|row| row.state).max_by_key(|state| rank(*state));
        let state = state.unwrap_or(ConnectionState::Handshake);
        let mut progress: Option<(u64, u64)> = None;
        let (mut rate, mut sent) = (None, 0);
        for row in members.clone() {
            sent += row.sent;
            if row.state != ConnectionState::Sending {
                continue;
            }
            if let Some((done, total)) = row.progress {
                let (all_done, all) = progress.unwrap_or_default();
                progress = Some((all_done + done, all + total));
            }
            if let Some(of_row) = rate_of(row, rates) {
                rate = Some(rate.unwrap_or(0.0) + of_row);
            }
        }
        Row {
            name: address.to_string(),
            is_member: false,
            connections: members.len(),
            dialect: members.clone().find_map(|row| row.dialect),
            what: paths(members.clone(), state),
            state: State::Live(state),
            progress,
            rate,
            sent,
            age: members.clone().filter(|row| row.id.is_some()).map(|row| row.age).max(),
        }
    }

    /// Of one connection of a client with several.
    pub fn of_connection(row: &ConnectionView, rates: &Rates) -> Row {
        Row {
            name: format!(":{}", row.peer.port()),
            is_member: true,
            connections: 1,
            dialect: row.dialect,
            what: row.path.to_string(),
            state: State::Live(row.state),
            progress: row.progress.filter(|_| row.state == ConnectionState::Sending),
            rate: rate_of(row, rates),
            sent: row.sent,
            // The system does not report how long a client has been waiting.
            age: row.id.map(|_| row.age),
        }
    }

    /// Of a blocked address.
    pub fn of_block(block: &BlockView) -> Row {
        let what =
            if block.refused == 0 { String::new() } else { format!("{} refused", count(block.refused)) };
        Row {
            name: block.network.to_string(),
            is_member: false,
            connections: 0,
            dialect: None,
            what,
            state: State::Blocked,
            progress: None,
            rate: None,
            sent: 0,
            age: Some(block.left),
        }
    }

    /// How much is sent of what is being sent; below 1 until all of it is.
    pub fn fraction(&self) -> Option<f64> {
        let (done, total) = self.progress?;
        (total > 0).then(|| done as f64 / total as f64)
    }
}

fn rate_of(row: &ConnectionView, rates: &Rates) -> Option<f64> {
    if row.state != ConnectionState::Sending {
        return None;
    }
    rates.rate(row.id?)
}

/// What the connections of a client send: the first path, and how many others there are.
fn paths<'a>(members: impl Iterator<Item = &'a ConnectionView>, state: ConnectionState) -> String {
    let mut paths: Vec<&str> = Vec::new();
    for row in members.filter(|row| row.state == state).take(MAX_PATHS) {
        let path = row.path.as_str();
        if !path.is_empty() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    match paths.as_slice() {
        [] => String::new(),
        [path] => (*path).to_owned(),
        [path, others @ ..] => format!("{path} +{}", others.len()),
    }
}
