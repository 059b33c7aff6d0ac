//! TLS of connections. Mirrors `envoy.extensions.transport_sockets.tls.v3`, as far as it is used.
//!
//! Certificates and roots are named, never part of a spec: the workload's agent hands them to its Envoy over SDS.

use mesh_model::{Pins, Str, TlsLimits, TlsVersion};

/// The secret that is a workload's own certificate and key.
pub const OWN_CERTIFICATE: &str = "default";
/// The secret that is the roots of the mesh.
pub const MESH_ROOTS: &str = "ROOTCA";

/// TLS that a filter chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownstreamTls {
    /// The secrets that clients are shown: of several, the one that a client understands.
    pub certificates: Vec<Str>,
    /// Whose clients' certificates are taken; `None`: clients are not asked for any.
    pub peer: Option<PeerCheck>,
    /// Whether a client has to show one.
    pub requires_peer: bool,
    /// Application protocols that are offered, the preferred one first.
    pub alpn: Vec<Str>,
    /// Versions and ciphers.
    pub limits: TlsLimits,
    /// The highest version.
    pub max_version: TlsVersion,
}

/// TLS towards the endpoints of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamTls {
    /// The secret that servers are shown; `None`: nothing.
    pub certificate: Option<Str>,
    /// Whose certificates are taken; `None`: anybody's.
    pub peer: Option<PeerCheck>,
    /// The name that is asked for (SNI); `None`: the host of each request.
    pub server_name: Option<Str>,
    /// Whether the server's certificate has to be for the host of the request, too.
    pub checks_host: bool,
    /// Application protocols that are asked for.
    pub alpn: Vec<Str>,
    /// Versions and ciphers.
    pub limits: TlsLimits,
}

/// Which certificates of the other side are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerCheck {
    /// The secret with the authorities, of which one must have signed it.
    pub roots: Str,
    /// Names of which it must have one; empty: any name will do.
    pub names: Vec<PeerName>,
    /// Hashes of which it must have one; none: any.
    pub pins: Pins,
}

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerName {
    /// This identity (a URI).
    Identity(Str),
    /// An identity that begins like this.
    IdentityPrefix(Str),
    /// This, whatever kind of name it is.
    Any(Str),
}

/// How a cluster's connections are secured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpstreamSocket {
    /// Not at all.
    #[default]
    Plain,
    /// All of them.
    Tls(UpstreamTls),
    /// Those to endpoints that take mTLS, by their metadata.
    Auto(UpstreamTls),
}

impl UpstreamSocket {
    /// The TLS that is spoken, to whichever endpoints.
    pub fn tls(&self) -> Option<&UpstreamTls> {
        match self {
            UpstreamSocket::Plain => None,
            UpstreamSocket::Tls(tls) | UpstreamSocket::Auto(tls) => Some(tls),
        }
    }
}
