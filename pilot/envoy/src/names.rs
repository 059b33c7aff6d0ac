//! Names that mean something to Envoy or to the tools that read its configuration. Constants only.

/// Where bytes go that no service claims, when that is allowed.
pub(crate) const PASSTHROUGH_CLUSTER: &str = "PassthroughCluster";

/// Virtual host and route that let unknown hosts through.
pub(crate) const ALLOW_ANY: &str = "allow_any";

/// Virtual host and route that look unknown hosts up.
pub(crate) const ALLOW_ANY_DYNAMIC_DNS: &str = "allow_any_dynamic_dns";

/// Virtual host and route that turn unknown hosts away.
pub(crate) const BLOCK_ALL: &str = "block_all";

pub(crate) const HTTP_CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";
pub(crate) const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
pub(crate) const MONGO_PROXY: &str = "envoy.filters.network.mongo_proxy";
pub(crate) const SNI_DYNAMIC_FORWARD_PROXY: &str = "envoy.filters.network.sni_dynamic_forward_proxy";
pub(crate) const DYNAMIC_FORWARD_PROXY_CLUSTER: &str = "envoy.clusters.dynamic_forward_proxy";

pub(crate) const ORIGINAL_DST: &str = "envoy.filters.listener.original_dst";
pub(crate) const ORIGINAL_SRC: &str = "envoy.filters.listener.original_src";
pub(crate) const TLS_INSPECTOR: &str = "envoy.filters.listener.tls_inspector";
pub(crate) const HTTP_INSPECTOR: &str = "envoy.filters.listener.http_inspector";

pub(crate) const RAW_BUFFER: &str = "envoy.transport_sockets.raw_buffer";
pub(crate) const TLS: &str = "envoy.transport_sockets.tls";
pub(crate) const UPSTREAM_PROXY_PROTOCOL: &str = "envoy.transport_sockets.upstream_proxy_protocol";

pub(crate) const FILE_ACCESS_LOG: &str = "envoy.access_loggers.file";
pub(crate) const HTTP_GRPC_ACCESS_LOG: &str = "envoy.access_loggers.http_grpc";
pub(crate) const TCP_GRPC_ACCESS_LOG: &str = "envoy.access_loggers.tcp_grpc";
pub(crate) const OTLP_ACCESS_LOG: &str = "envoy.access_loggers.open_telemetry";
pub(crate) const PREVIOUS_HOSTS: &str = "envoy.retry_host_predicates.previous_hosts";
pub(crate) const PREVIOUS_PRIORITIES: &str = "envoy.retry_priorities.previous_priorities";

/// Key of `typed_extension_protocol_options` for HTTP.
pub(crate) const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The cluster of the bootstrap that leads to the agent's secrets. Istio's name.
pub(crate) const SDS_CLUSTER: &str = "sds-grpc";

/// The cluster of the bootstrap that leads to the service that takes accesses. Istio's name.
pub(crate) const ACCESS_LOG_CLUSTER: &str = "envoy_accesslog_service";

/// Metadata that says where a resource comes from and what it is about.
pub(crate) const ISTIO_METADATA: &str = "istio";

/// Endpoint metadata that chooses among a cluster's transport sockets.
pub(crate) const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";
