//! Connecting to a name that may have several addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    client::{api::views::view::TroubleKind, error::Fault},
    platform::reason,
    protocol::address::Authority,
};

/// Time until the next address is tried while one does not answer (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Time without received bytes before the first TCP keepalive probe.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// Time between two probes. The system decides how many may stay unanswered.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Addresses that are tried, at most.
const MAX_ADDRESSES: usize = 16;

/// Connects within `limit`, resolving included.
pub(crate) async fn dial(authority: &Authority, limit: Duration) -> Result<TcpStream, Fault> {
    let began = Instant::now();
    let deadline = began + limit;
    let began = began.into_std();
    let peer = authority.to_string();
    let unreachable = |message: String| Fault::unreachable(began, message);
    let late = |doing: &str| unreachable(format!("{doing} took longer than {} s", limit.as_secs_f32()));
    let resolved = timeout_at(deadline, lookup_host((authority.host.as_str(), authority.port)))
        .await
        .map_err(|_| late(&format!("looking up {}", authority.host)))?
        .map_err(|error| unknown_host(&authority.host, &error, began))?;
    let (addresses, without_zone): (Vec<_>, Vec<_>) = resolved.partition(|address| !lacks_zone(address));
    if let (true, Some(address)) = (addresses.is_empty(), without_zone.first()) {
        return Err(no_zone(&peer, address.ip()));
    }
    let addresses = interleave(addresses);
    if addresses.is_empty() {
        return Err(Fault::unknown_host(began, format!("{} has no address", authority.host)));
    }
    let stream = timeout_at(deadline, race(addresses))
        .await
        .map_err(|_| late(&format!("connecting to {peer}")))?
        .map_err(|error| unreachable(format!("cannot connect to {peer}: {}", reason(&error))))?;
    // Requests are small and must not wait for each other; a socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
    // Detects that the host is gone even while the server may send nothing for a long time.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    Ok(stream)
}

/// Only the words of the resolver distinguish a wrong name from a resolver that does not answer.
fn unknown_host(host: &str, error: &io::Error, began: std::time::Instant) -> Fault {
    let text = error.to_string();
    let words = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let message = format!("cannot find the host {host}: {}", words.to_lowercase());
    if text.contains("Temporary failure") || text.contains("ry again") {
        return Fault::unreachable(began, message);
    }
    let message = match host.split_once('%') {
        Some((_, zone)) => {
            format!(
                "cannot find the host {host}: this machine has no network interface {zone}; check the name after the '%'"
            )
        }
        None => format!("{message}; check the name"),
    };
    Fault::unknown_host(began, message)
}

/// Whether it is an address of a link, and does not say of which one.
fn lacks_zone(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(address) if address.ip().is_unicast_link_local() && address.scope_id() == 0)
}

fn no_zone(peer: &str, address: IpAddr) -> Fault {
    let message = format!(
        "cannot connect to {peer}: {address} is valid only on one network; add the interface to the address, as in {address}%eth0"
    );
    Fault::never(TroubleKind::Connection, message)
}

/// The families in turn, each in the resolver's order, beginning with the resolver's favourite.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let favourite = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == favourite);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        let (a, b) = (first.next(), second.next());
        if a.is_none() && b.is_none() || mixed.len() >= MAX_ADDRESSES {
            return mixed;
        }
        mixed.extend(a.into_iter().chain(b));
    }
}

/// The first connection that is made; the next address begins when one has failed or had its head start.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut next = Instant::now();
    loop {
        let waiting = addresses.len() > 0;
        tokio::select! {
            () = sleep_until(next), if waiting => {
                if let Some(address) = addresses.next() {
                    attempts.spawn(TcpStream::connect(address));
                }
                next = Instant::now() + ATTEMPT_DELAY;
            }
            ended = attempts.join_next(), if !attempts.is_empty() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => {
                    failure = error;
                    next = Instant::now();
                }
                Some(Err(_)) | None => {}
            },
            else => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{api::views::view::TroubleKind, error::Verdict},
        protocol::address::Security,
    };

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"].map(address).to_vec();
        let mixed = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(address).to_vec();
        assert_eq!(interleave(given), mixed);
        assert_eq!(interleave(Vec::new()), []);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_after_one_is_refused() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = closed.local_addr().unwrap();
        drop(closed);
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = race(vec![refused, open.local_addr().unwrap()]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        let error = race(vec![refused]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_refusal_is_one_sentence() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let authority = Authority::new("127.0.0.1", port, Security::Plain);
        let fault = dial(&authority, Duration::from_secs(5)).await.unwrap_err();
        let said = format!("cannot connect to 127.0.0.1:{port}: connection refused");
        assert_eq!(fault.trouble.message.as_str(), said);
        assert_eq!(fault.trouble.kind, TroubleKind::Connection);
    }

    #[tokio::test]
    async fn an_address_of_a_link_needs_its_interface() {
        let dial = async |host: &str| {
            let authority = Authority::new(host, 1, Security::Plain);
            dial(&authority, Duration::from_secs(5)).await.unwrap_err()
        };
        let fault = dial("fe80::1").await;
        assert_eq!(fault.verdict, Verdict::Never);
        assert!(fault.trouble.message.as_str().ends_with("as in fe80::1%eth0"), "{}", fault.trouble);
        let fault = dial("fe80::1%nope").await;
        assert!(fault.trouble.message.as_str().contains("no network interface nope;"), "{}", fault.trouble);
        assert_eq!(fault.unreachable_since(false), None);
    }

    #[test]
    fn the_message_about_an_unknown_host_says_to_check_the_name() {
        let error = io::Error::other("failed to lookup address information: Name or service not known");
        let fault = unknown_host("nas", &error, std::time::Instant::now());
        let said = "cannot find the host nas: name or service not known; check the name";
        assert_eq!(fault.trouble.message.as_str(), said);
    }
}
