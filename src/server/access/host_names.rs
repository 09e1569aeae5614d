//! The hosts that requests may be for. A page of another site can make its own name lead to a server that this browser reaches and others
//! do not (DNS rebinding): then it could read what is served, if the server answered to every name.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
};

/// The names of a server, beside `localhost` and every address.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostNames(Vec<String>);

impl HostNames {
    /// Those of this machine, the one that the server listens on, and those that the operator has named.
    pub fn new(listens_on: &str, named: &[String]) -> HostNames {
        // Where it is not known, there is one name less.
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = machine.trim().to_owned();
        let short = machine.split('.').next().unwrap_or_default().to_owned();
        let names = [format!("{short}.local"), short, machine, listens_on.to_owned()];
        let names = names
            .iter()
            .chain(named)
            .map(|name| normal(name))
            .filter(|name| !matches!(name.as_str(), "" | ".local"));
        HostNames(names.collect())
    }

    /// Whether a request for this host, which may have a port, is for this server. An address cannot be made to lead elsewhere.
    pub fn accepts(&self, host: &str) -> bool {
        let Some((host, _)) = split_port(host) else { return false };
        if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            // A zone is of this machine's.
            return literal.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
        }
        let name = normal(host);
        host.parse::<Ipv4Addr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

/// As names are compared: in lower case, without the dot of the root.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// A host, an IPv6 address in brackets, and the port after it.
pub(crate) fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None if rest.is_empty() => Some((host, None)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_known_names_are_accepted() {
        let names = HostNames::new("Files.Example", &["nas.example.".to_owned()]);
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        for host in [
            "127.0.0.1:7878",
            "192.0.2.1",
            "[::1]:7878",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]:7878",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "files.example:7878",
            "NAS.example",
            machine.trim(),
        ] {
            assert!(names.accepts(host), "{host}");
        }
        for host in [
            "example",
            "127.0.0.1.example",
            "evil.nas.example",
            "localhost.example",
            "1",
            "0x7f.1",
            "[::g]",
            "2130706433",
        ] {
            assert!(!names.accepts(host), "{host}");
        }
    }
}
