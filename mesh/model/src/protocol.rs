//! Application protocols of ports, and how Istio chooses them (its `protocol selection`).

use serde::Serialize;

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum Protocol {
    Http,
    Http2,
    Grpc,
    GrpcWeb,
    /// TLS that carries HTTP; opaque to the proxy, routed by SNI.
    Https,
    /// TLS that carries anything; routed by SNI.
    Tls,
    Tcp,
    /// Opaque TCP, of which the proxy counts operations.
    Mongo,
    /// Opaque TCP, as in Istio where its filters for these two are off, as they are by default.
    Redis,
    MySql,
    Udp,
    /// Not declared: the proxy finds out (Istio's `Unsupported`).
    Auto,
}

impl Protocol {
    /// From a port's `appProtocol`, name and number, in Istio's order of precedence.
    pub fn select(app_protocol: Option<&str>, name: &str, number: u16, transport: &str) -> Self {
        if transport.eq_ignore_ascii_case("UDP") {
            return Protocol::Udp;
        }
        let declared = match app_protocol {
            Some("kubernetes.io/h2c") => Some(Protocol::Http2),
            Some("kubernetes.io/ws") => Some(Protocol::Http),
            Some("kubernetes.io/wss") => Some(Protocol::Https),
            // As Istio: it stands in for the name, prefix and all, even if it says nothing that is known.
            other => Self::from_port_name(other.unwrap_or(name)),
        };
        declared.unwrap_or(match number {
            // Server-first protocols: sniffing would wait for a client that waits for the server.
            25 | 53 | 3306 | 27017 => Protocol::Tcp,
            _ => Protocol::Auto,
        })
    }

    /// From a port name such as `http` or `grpc-web-api`: the part before the first `-`.
    fn from_port_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("grpc-web") {
            return Some(Protocol::GrpcWeb);
        }
        Self::parse(lower.split('-').next().unwrap_or_default())
    }

    /// From the protocol's own name in any case, as in ServiceEntry's `ports[].protocol`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "http" | "http_proxy" => Protocol::Http,
            "http2" => Protocol::Http2,
            "grpc" => Protocol::Grpc,
            "grpc-web" => Protocol::GrpcWeb,
            "https" => Protocol::Https,
            "tls" => Protocol::Tls,
            "tcp" => Protocol::Tcp,
            "mongo" => Protocol::Mongo,
            "redis" => Protocol::Redis,
            "mysql" => Protocol::MySql,
            "udp" => Protocol::Udp,
            _ => return None,
        })
    }

    /// Plain-text HTTP of any version, which the proxy routes by request.
    pub fn is_http(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb)
    }

    /// HTTP/2 from the first byte (`h2c` prior knowledge).
    pub fn is_http2(self) -> bool {
        matches!(self, Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb)
    }

    /// Declared TLS, routed by SNI.
    pub fn is_tls(self) -> bool {
        matches!(self, Protocol::Https | Protocol::Tls)
    }

    /// What is spoken inside, where the proxy ends TLS.
    pub fn within_tls(self) -> Self {
        match self {
            Protocol::Https => Protocol::Http,
            Protocol::Tls => Protocol::Tcp,
            other => other,
        }
    }

    /// Carried as opaque bytes.
    pub fn is_tcp(self) -> bool {
        matches!(self, Protocol::Tcp | Protocol::Mongo | Protocol::Redis | Protocol::MySql) || self.is_tls()
    }
}
