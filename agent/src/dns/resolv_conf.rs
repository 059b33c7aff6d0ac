//! The pod's own resolver settings.
//!
//! In: the text of `/etc/resolv.conf`. Out: whom to ask for names that are not the mesh's, and which domains names are searched in. What
//! does not concern either is passed over, as resolvers do.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Where DNS is spoken.
const PORT: u16 = 53;

/// What a resolver is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Whom it asks, in order.
    pub servers: Vec<SocketAddr>,
    /// The domains that it tries behind names, in order.
    pub search: Vec<String>,
}

impl ResolvConf {
    /// Reads the text of a `resolv.conf`.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines() {
            // A comment may begin anywhere; neither names nor addresses have these characters.
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => parsed.servers.extend(words.next().and_then(server)),
                // The last one counts; `domain` is an older form for one.
                Some("search") => parsed.search = words.map(str::to_owned).collect(),
                Some("domain") => parsed.search = words.take(1).map(str::to_owned).collect(),
                _ => {}
            }
        }
        parsed
    }
}

/// An address, of IPv6 perhaps with the number of the interface behind it.
fn server(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, PORT));
    }
    let (address, scope) = text.split_once('%')?;
    let (address, scope) = (address.parse::<Ipv6Addr>().ok()?, scope.parse().ok()?);
    Some(SocketAddrV6::new(address, PORT, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_file() {
        let text = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
        let parsed = ResolvConf::parse(text);
        assert_eq!(parsed.servers, [SocketAddr::from(([10, 96, 0, 10], 53))]);
        assert_eq!(parsed.search, ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
    }

    #[test]
    fn comments_and_whatever_else_is_there() {
        let text = "# nameserver 1.1.1.1\n; x\ndomain old.test\nnameserver\t::1 # local\nnameserver fe80::1%2\nnameserver nonsense\nsearch a.test\nsearch b.test c.test\nnameserver";
        let parsed = ResolvConf::parse(text);
        let texts: Vec<String> = parsed.servers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["[::1]:53", "[fe80::1%2]:53"]);
        assert_eq!(parsed.search, ["b.test", "c.test"]);
    }
}
