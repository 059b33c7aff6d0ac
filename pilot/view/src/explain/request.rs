//! A request as a client sends it: the URL taken apart as far as routing looks at it.

use mesh_model::Str;
use std::{fmt, net::IpAddr};

/// A request that has not been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `http`, `https`, or `tcp` for a connection without requests.
    pub scheme: String,
    /// `GET`.
    pub method: String,
    /// Host, and the port where the URL names it.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Further headers, names in lower case, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// Where the client connects to; `None`: where its DNS says.
    pub destination: Option<ClientTarget>,
}

/// Where a client connects to, when not to what its DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTarget {
    /// An IP address.
    Ip(IpAddr),
    /// A Unix domain socket of the proxy, by its path; `@` begins an abstract one.
    Unix(Str),
}

impl std::str::FromStr for ClientTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("unix://").filter(|path| path.starts_with(['/', '@']));
        let address = || text.parse().map(Self::Ip).ok();
        path.map(|path| Self::Unix(path.into())).or_else(address).ok_or_else(|| {
            format!("`{text}` is nothing that can be connected to: write an IP address, unix:///path or unix://@name")
        })
    }
}

impl fmt::Display for ClientTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

/// Why a text is no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: write it as in `http://reviews:9080/books?id=1`", self.0)
    }
}

impl std::error::Error for BadUrl {}

impl Request {
    /// A GET of `url`; without a scheme it is plain HTTP.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn get(url: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(&*scheme, "http" | "https" | "tcp") {
            return Err(BadUrl(format!("`{scheme}` is none of http, https and tcp")));
        }
        // What follows `#` never leaves the client.
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = split_port(authority);
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '@') {
            return Err(BadUrl(format!("`{authority}` is no host")));
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(BadUrl(format!("`{authority}` has no valid port")));
        }
        if scheme == "tcp" && port.is_none() {
            return Err(BadUrl("tcp needs a port".to_owned()));
        }
        Ok(Self {
            scheme,
            method: "GET".to_owned(),
            authority: authority.to_owned(),
            path,
            headers: Vec::new(),
            destination: None,
        })
    }

    /// The host without port, brackets of IPv6 removed.
    pub fn host(&self) -> &str {
        let host = split_port(&self.authority).0;
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port that the client connects to.
    pub fn port(&self) -> u16 {
        let named = split_port(&self.authority).1.and_then(|port| port.parse().ok());
        named.unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }

    /// The path without query.
    pub fn path_alone(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// What stands behind `?`, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }

    /// The values of a header, pseudo-headers included, each as it is sent; none when there is none.
    pub fn header<'s>(&'s self, name: &str) -> Vec<&'s str> {
        match name {
            ":method" => vec![&self.method],
            ":authority" | "host" => vec![&self.authority],
            ":scheme" => vec![&self.scheme],
            ":path" => vec![&self.path],
            _ => {
                let values = self.headers.iter().filter(|(known, _)| known == name);
                values.map(|(_, value)| value.as_str()).collect()
            }
        }
    }
}

impl std::str::FromStr for Request {
    type Err = BadUrl;

    fn from_str(url: &str) -> Result<Self, BadUrl> {
        Self::get(url)
    }
}

/// Host and port; the brackets of IPv6 stay.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parts = |url: &str| {
            Request::get(url).map(|request| {
                let parts = (request.host().to_owned(), request.port(), request.path.clone());
                (request.scheme, parts.0, parts.1, parts.2)
            })
        };
        let expect = |scheme: &str, host: &str, port, path: &str| {
            Ok((scheme.to_owned(), host.to_owned(), port, path.to_owned()))
        };
        assert_eq!(parts("http://a.test/x?y=1#z"), expect("http", "a.test", 80, "/x?y=1"));
        assert_eq!(parts("a:9080"), expect("http", "a", 9080, "/"));
        assert_eq!(parts("https://[::1]:8443?q"), expect("https", "::1", 8443, "/?q"));
        assert_eq!(parts("tcp://mongo:27017"), expect("tcp", "mongo", 27017, "/"));
        for bad in ["ftp://a", "http://", "http://a:x", "tcp://a", "http://u@a"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
