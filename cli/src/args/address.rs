//! Addresses as flags: istiod's `:15010`, plain `127.0.0.1:15010`, and URLs of endpoints to ask.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

/// Where to listen. As in Go, no host means every address of this machine, and nothing at all means not to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(Option<SocketAddr>);

impl ListenAddress {
    /// The address; `None` when it was given as empty.
    pub fn socket(self) -> Option<SocketAddr> {
        self.0
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let address = match text.strip_prefix(':') {
            Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            None => resolve(text),
        };
        address.map(|address| Self(Some(address))).ok_or_else(|| {
            format!(
                "`{text}` is not an address: write it as in `127.0.0.1:15010`, or `:15010` for all interfaces"
            )
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |address| address.fmt(f))
    }
}

/// Whom to ask, with or without `http://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointAddress(pub SocketAddr);

impl FromStr for EndpointAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let address = resolve(bare).map(Self);
        address.ok_or_else(|| format!("`{text}` is not an address: write it as in `http://127.0.0.1:15014`"))
    }
}

fn resolve(text: &str) -> Option<SocketAddr> {
    let literal = text.parse().ok();
    literal.or_else(|| text.to_socket_addrs().ok()?.find(SocketAddr::is_ipv4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let listen = |text: &str| text.parse::<ListenAddress>().map(|address| address.to_string());
        assert_eq!(listen(":15010"), Ok("0.0.0.0:15010".to_owned()));
        assert_eq!(listen("[::1]:15010"), Ok("[::1]:15010".to_owned()));
        assert_eq!(listen("localhost:1"), Ok("127.0.0.1:1".to_owned()));
        assert_eq!(listen(""), Ok(String::new()));
        assert!(listen("15010").is_err() && listen(":x").is_err());
        let ask = |text: &str| text.parse::<EndpointAddress>().map(|address| address.0.to_string());
        assert_eq!(ask("http://127.0.0.1:15014/"), Ok("127.0.0.1:15014".to_owned()));
        assert!(ask("https://127.0.0.1:15014").is_err());
    }
}
