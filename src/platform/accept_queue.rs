//! Lists the clients that wait to be accepted, from `/proc/net/tcp` and `/proc/net/tcp6`.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The peers whose connections to the listener at `local` are established but not accepted yet.
///
/// # Errors
/// The kernel's table cannot be read.
pub(crate) fn waiting_peers(local: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    let mut peers = parse(&fs::read_to_string("/proc/net/tcp")?, local);
    // Absent where the kernel has no IPv6.
    if let Ok(table) = fs::read_to_string("/proc/net/tcp6") {
        peers.extend(parse(&table, local));
    }
    Ok(peers)
}

/// The rows of a table whose connection no process holds: established, of our address, and of inode 0.
fn parse(table: &str, local: SocketAddr) -> Vec<SocketAddr> {
    const ESTABLISHED: &str = "01";
    let of_row = |row: &str| {
        let mut fields = row.split_ascii_whitespace().skip(1);
        let own = parse_address(fields.next()?)?;
        let peer = parse_address(fields.next()?)?;
        let waits = fields.next()? == ESTABLISHED && fields.nth(5)? == "0";
        let ours = own.port() == local.port() && (local.ip().is_unspecified() || own.ip() == local.ip());
        (waits && ours).then_some(peer)
    };
    table.lines().filter_map(of_row).collect()
}

/// An address as these tables have it: words of 32 bits in the machine's byte order, in hex; `:`; the
/// port in hex.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, octets) in octets.chunks_exact_mut(4).enumerate() {
                octets.copy_from_slice(&word(8 * index)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

    #[cfg(target_endian = "little")]
    const V4: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1EC6 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 39 1 0 100 0 0 10 0
   1: 0100007F:1EC6 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   2: 0100007F:1EC6 0200007F:9C41 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0 20 4 30 10 -1
   3: 0100007F:9C40 0100007F:1EC6 01 00000000:00000000 00:00000000 00000000     0        0 78 1 0 20 4 30 10 -1
   4: 0100007F:1EC6 0100007F:9C42 06 00000000:00000000 03:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   5: 0100007F:1EC7 0100007F:9C43 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
";
    #[cfg(target_endian = "little")]
    const V6: &str = "\
   0: 00000000000000000000000001000000:1EC6 00000000000000000000000001000000:9C40 01 0:0 00:0 0  0  0 0 1
   1: 0000000000000000FFFF00000100007F:1EC6 0000000000000000FFFF00000100007F:9C44 01 0:0 00:0 0  0  0 0 1
";

    #[cfg(target_endian = "little")]
    #[test]
    fn only_connections_of_this_listener_are_listed() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(parse(V4, address("127.0.0.1:7878")), [address("127.0.0.1:40000")]);
        assert_eq!(parse(V4, address("0.0.0.0:7878")), [address("127.0.0.1:40000")]);
        assert_eq!(parse(V4, address("127.0.0.2:7878")), []);
        assert_eq!(parse(V6, address("[::1]:7878")), [address("[::1]:40000")]);
        assert_eq!(parse(V6, address("[::]:7878")), [address("[::1]:40000"), address("127.0.0.1:40004")]);
    }

    #[test]
    fn a_real_connection_waits_until_it_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        assert_eq!(waiting_peers(local).unwrap(), []);
        let client = TcpStream::connect(local).unwrap();
        assert_eq!(waiting_peers(local).unwrap(), [client.local_addr().unwrap()]);
        let _accepted = listener.accept().unwrap();
        assert_eq!(waiting_peers(local).unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser(table in "\\PC{0,200}(\n[ 0-9A-F:]{0,120}){0,4}") {
            parse(&table, SocketAddr::from(([0, 0, 0, 0], 7878)));
        }
    }
}
