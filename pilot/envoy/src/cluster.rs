//! Clusters. In: a [`ClusterSpec`]. Out: `envoy.config.cluster.v3.Cluster`.
//!
//! Blocks are applied one after another, each by the file of its name; none reads what another wrote, except that a
//! cluster to the original destination has no load balancer to configure.

mod connection_pool;
mod discovery;
mod load_balancer;
mod metadata;
mod outlier_detection;
mod protocol;
mod proxy_protocol;

use crate::envoy::cluster::Cluster;
use crate::envoy::wkt;
use crate::tls::apply_upstream_socket;
use crate::value::{duration, uint32};
use mesh_model::Duration;
use pilot_view::spec::{ClusterSpec, MESH_ROOTS, PeerCheck, UpstreamProtocol, UpstreamSocket};

/// Metadata of clusters over whose connections by mTLS it depends on the request what is spoken.
pub(crate) const ALPN_METADATA: &str = "meltemi.alpn";
/// The field that says it, and what it says.
pub(crate) const ALPN_BY_REQUEST: &str = "by_request";
pub(crate) const ALPN_YES: &str = "yes";

/// The cluster that the spec describes.
pub fn build_cluster(spec: &ClusterSpec) -> Cluster {
    let ClusterSpec {
        name,
        stat_name,
        discovery,
        protocol,
        load_balancing,
        warmup,
        localities,
        connection_pool,
        outlier_detection,
        retry_budget,
        proxy_protocol,
        socket,
        connect_timeout,
        buffer_limit,
        keeps_header_case: _, // Of HTTP/1, with the protocol.
        service,
        config,
        origins: _, // Not part of the message.
    } = spec;
    let mut cluster = Cluster {
        name: name.to_string(),
        alt_stat_name: alt_stat_name(name, stat_name.as_deref()),
        connect_timeout: build_connect_timeout(connection_pool.tcp.connect_timeout, *connect_timeout),
        metadata: metadata::build_metadata(
            service.as_ref(),
            config.as_ref(),
            asks_by_request(*protocol, socket),
        ),
        per_connection_buffer_limit_bytes: buffer_limit.and_then(uint32),
        ..Default::default()
    };
    discovery::apply_discovery(discovery, &mut cluster);
    load_balancer::apply_load_balancing(load_balancing, warmup.as_ref(), &mut cluster);
    connection_pool::apply_connection_pool(connection_pool, retry_budget.as_ref(), &mut cluster);
    outlier_detection::apply_outlier_detection(outlier_detection.as_ref(), *localities, &mut cluster);
    let error_codes = outlier_detection.as_ref().map_or(&[][..], |detection| &detection.error_codes);
    protocol::apply_protocol(spec, error_codes, &mut cluster);
    apply_upstream_socket(socket, &mut cluster);
    proxy_protocol::apply_proxy_protocol(*proxy_protocol, &mut cluster);
    cluster
}

/// Whether ALPN has to tell the other side's proxy what is spoken, request by request.
fn asks_by_request(protocol: UpstreamProtocol, socket: &UpstreamSocket) -> bool {
    let of_mesh = |peer: &PeerCheck| *peer.roots == *MESH_ROOTS;
    let mutual = socket.tls().and_then(|tls| tls.peer.as_ref()).is_some_and(of_mesh);
    protocol == UpstreamProtocol::Downstream && mutual
}

/// The pool's own or the mesh's. Envoy refuses zero, and has a default of its own.
fn build_connect_timeout(own: Option<Duration>, mesh: Duration) -> Option<wkt::Duration> {
    own.into_iter().chain([mesh]).find(|timeout| !timeout.is_zero()).map(duration)
}

/// The name in statistics. A name with dots ends in `;`, by which Envoy's tag extraction knows where it stops.
fn alt_stat_name(name: &str, other: Option<&str>) -> String {
    match other {
        Some(other) => format!("{other};"),
        None if name.contains('|') => format!("{name};"),
        None => String::new(),
    }
}
