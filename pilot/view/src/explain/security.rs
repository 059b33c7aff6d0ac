//! How connections to endpoints are secured: what the client does, and what the other side takes.

use crate::spec::{ClusterSpec, MESH_ROOTS, PeerName, UpstreamSocket, UpstreamTls};
use mesh_model::{Endpoint, Mesh, MtlsMode};
use std::collections::BTreeSet;

/// Identities that are listed at most.
const LISTED: usize = 3;

/// Whether mTLS of the mesh is spoken to `endpoint`.
pub fn is_mutual(spec: &ClusterSpec, endpoint: &Endpoint) -> bool {
    match &spec.socket {
        UpstreamSocket::Plain => false,
        UpstreamSocket::Tls(tls) => of_mesh(tls),
        UpstreamSocket::Auto(tls) => endpoint.mtls && of_mesh(tls),
    }
}

fn of_mesh(tls: &UpstreamTls) -> bool {
    tls.peer.as_ref().is_some_and(|peer| *peer.roots == *MESH_ROOTS)
}

/// What the client does.
pub fn client(spec: &ClusterSpec) -> Option<String> {
    let (tls, whom) = match &spec.socket {
        UpstreamSocket::Plain if spec.service.is_none() => return None,
        UpstreamSocket::Plain => return Some("security: plaintext".to_owned()),
        UpstreamSocket::Tls(tls) => (tls, "all connections"),
        UpstreamSocket::Auto(tls) => (tls, "connections to endpoints that take it"),
    };
    let Some(peer) = &tls.peer else {
        return Some(format!("security: TLS on {whom}; any certificate of the server is accepted"));
    };
    let names: Vec<&str> = peer
        .names
        .iter()
        .map(|name| match name {
            PeerName::Identity(name) | PeerName::IdentityPrefix(name) | PeerName::Any(name) => &**name,
        })
        .collect();
    let listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(LISTED);
    let names = match (listed.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; the server must be {listed}"),
        (false, more) => format!("; the server must be {listed} or one of {more} more"),
    };
    let what = if of_mesh(tls) { "mTLS" } else { "TLS" };
    Some(format!("security: {what} on {whom}{names}"))
}

/// What the other side takes, as far as PeerAuthentication says it.
pub fn servers(mesh: &Mesh, spec: &ClusterSpec, endpoints: &[Endpoint]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.workload.is_empty()) {
        let modes = mesh.peer_modes(&endpoint.namespace, &endpoint.labels);
        let Some(by) = modes.said_by(endpoint.port) else { continue };
        let taken = match modes.on_port(endpoint.port) {
            MtlsMode::Strict if is_mutual(spec, endpoint) => "mTLS alone",
            MtlsMode::Strict => "mTLS alone, and this client speaks plaintext: such connections are closed",
            MtlsMode::Permissive => "mTLS and plaintext",
            MtlsMode::Disable if ends_own_tls(mesh, endpoint) => match &spec.socket {
                UpstreamSocket::Tls(tls) if !of_mesh(tls) => "no TLS of the mesh, but that of its Sidecar",
                UpstreamSocket::Plain | UpstreamSocket::Tls(_) | UpstreamSocket::Auto(_) => {
                    "no TLS of the mesh, but that of its Sidecar, which this client does not speak: such connections are closed"
                }
            },
            MtlsMode::Disable => "plaintext alone",
        };
        lines.insert(format!("{by}: port {} of {} takes {taken}", endpoint.port, endpoint.namespace));
    }
    lines
}

/// Whether a Sidecar's `ingress` has TLS of its own for the port.
fn ends_own_tls(mesh: &Mesh, endpoint: &Endpoint) -> bool {
    let sidecar = mesh.sidecar_for(&endpoint.namespace, &endpoint.labels);
    let mut ingress = sidecar.into_iter().flat_map(|sidecar| &sidecar.ingress);
    ingress.any(|ingress| ingress.port.number == endpoint.port && ingress.tls.is_some())
}
