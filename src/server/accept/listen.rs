//! Where a server listens, and the address by which it is reached.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{server::api::start_error::StartError, text::SafeText};

/// Clients that may wait to be accepted; the kernel has a limit of its own and takes the smaller one.
const BACKLOG: i32 = 1024;

/// Longest segment for the original clients, without the 12 bytes of the timestamps that are in each: they count each read as
/// 1024 bytes, however short it was, and consider a file complete too early unless all but the last are that long.
const CLASSIC_SEGMENT: u32 = 1024 + 12;

/// Sends segments of 1 KiB from now on, on each connection that is accepted.
pub(crate) fn for_classic(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_mss(CLASSIC_SEGMENT)
}

/// Addresses of this machine that are shown.
const MAX_HOSTS: usize = 8;

/// Listens on the first usable address of `host`.
pub(crate) fn listen(host: &str, port: u16) -> Result<TcpListener, StartError> {
    let host = without_brackets(host);
    let unknown = |error| StartError::Host { host: SafeText::new(host), error };
    let mut last = None;
    for address in (host, port).to_socket_addrs().map_err(unknown)? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(StartError::Listen { address, error }),
        }
    }
    Err(last.unwrap_or_else(|| unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server need not wait for the old connections to time out.
    socket.set_reuse_address(true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The hosts under which clients reach a server that listens on `host`, the most likely one first, and at least
/// one.
pub(crate) fn public_hosts(host: &str, local: SocketAddr) -> (String, Vec<String>) {
    let ip = local.ip().to_canonical();
    if !ip.is_unspecified() {
        return (without_brackets(host).to_owned(), Vec::new());
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!("the addresses of this machine are not known: {error}");
        Vec::new()
    });
    let interfaces = interfaces.iter().filter(|interface| interface.is_oper_up());
    let own = interfaces.map(|interface| (interface.name.as_str(), interface.ip()));
    let mut hosts = reachable(own, outward_address(), ip.is_ipv6()).into_iter();
    let first = hosts.next().unwrap_or_else(|| Ipv4Addr::LOCALHOST.to_string());
    (first, hosts.collect())
}

/// Of the addresses of interfaces those that other machines can reach: that of the default route first, link-local ones
/// only if there are no others. A server that listens on all IPv6 addresses listens on all of IPv4, too.
fn reachable<'a>(
    own: impl Iterator<Item = (&'a str, IpAddr)>,
    outward: Option<IpAddr>,
    ipv6: bool,
) -> Vec<String> {
    let usable = |ip: &IpAddr| !ip.is_loopback() && !ip.is_unspecified() && (ipv6 || ip.is_ipv4());
    let (mut local, mut global): (Vec<_>, Vec<_>) =
        own.filter(|(_, ip)| usable(ip)).partition(|(_, ip)| match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        });
    // A route can lead out from an address that is not listed.
    if let Some(ip) = outward.filter(|ip| usable(ip) && global.iter().all(|(_, other)| other != ip)) {
        global.push(("", ip));
    }
    let found = if global.is_empty() { &mut local } else { &mut global };
    found.sort_by_key(|(_, ip)| (Some(*ip) != outward, ip.is_ipv6()));
    let host = |(name, ip): &(&str, IpAddr)| match ip {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => format!("{ip}%{name}"),
        ip => ip.to_string(),
    };
    found.iter().take(MAX_HOSTS).map(host).collect()
}

/// Removes the brackets of an IPv6 address, which the resolver does not accept.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The address from which this machine reaches others. Connecting a datagram socket finds the
/// route and sends nothing; the peer is one of those that are reserved for documentation.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use crate::server::accept::listen::*;

    #[test]
    fn an_error_for_a_port_in_use_names_the_address() {
        let first = listen("127.0.0.1", 0).unwrap();
        let address = first.local_addr().unwrap();
        match listen("127.0.0.1", address.port()) {
            Err(StartError::Listen { address: reported, .. }) => assert_eq!(reported, address),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_invalid_host_is_an_error() {
        assert!(matches!(listen("not a host", 0), Err(StartError::Host { .. })));
    }

    #[test]
    fn names_and_addresses_of_both_families_are_accepted() {
        listen("localhost", 0).unwrap();
        for host in ["::1", "[::1]"] {
            // Not every machine has IPv6.
            match listen(host, 0) {
                Ok(listener) => assert!(listener.local_addr().unwrap().is_ipv6()),
                Err(error) => assert!(matches!(error, StartError::Listen { .. }), "{host}: {error}"),
            }
        }
    }

    #[test]
    fn an_unspecified_address_is_never_shown() {
        let everywhere: SocketAddr = "0.0.0.0:7878".parse().unwrap();
        assert_ne!(public_hosts("0.0.0.0", everywhere).0, "0.0.0.0");
        let everywhere: SocketAddr = "[::ffff:0.0.0.0]:7878".parse().unwrap();
        assert_ne!(public_hosts("::ffff:0.0.0.0", everywhere).0, "::ffff:0.0.0.0");
        let local: SocketAddr = "127.0.0.1:7878".parse().unwrap();
        assert_eq!(public_hosts("localhost", local), ("localhost".to_owned(), Vec::new()));
    }

    #[test]
    fn every_reachable_address_is_shown() {
        let own = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("eth0", "fe80::7"),
            ("eth0", "2001:db8::7"),
            ("eth1", "198.51.100.7"),
            ("eth0", "192.0.2.7"),
        ];
        let shown = |names: &[&str], outward: Option<&str>, ipv6| {
            let own = own.iter().filter(|(name, _)| names.contains(name));
            let own = own.map(|(name, ip)| (*name, ip.parse().unwrap()));
            reachable(own, outward.map(|ip| ip.parse().unwrap()), ipv6)
        };
        let all = ["lo", "eth0", "eth1"];
        assert_eq!(shown(&all, Some("192.0.2.7"), true), ["192.0.2.7", "198.51.100.7", "2001:db8::7"]);
        assert_eq!(shown(&all, None, false), ["198.51.100.7", "192.0.2.7"], "without a default route");
        assert_eq!(shown(&["lo"], None, true), [""; 0]);
        assert_eq!(shown(&["lo"], Some("192.0.2.9"), true), ["192.0.2.9"]);
        let only_local = [("lo", "::1"), ("eth0", "fe80::7")].map(|(name, ip)| (name, ip.parse().unwrap()));
        assert_eq!(reachable(only_local.into_iter(), None, true), ["fe80::7%eth0"]);
    }
}
