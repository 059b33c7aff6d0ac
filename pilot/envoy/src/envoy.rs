//! Short paths into Envoy's API, so that a message reads as `envoy::cluster::Cluster`. Nothing but names.

pub(crate) use mesh_proto::envoy::config::accesslog::v3 as accesslog;
pub(crate) use mesh_proto::envoy::config::cluster::v3 as cluster;
pub(crate) use mesh_proto::envoy::config::common::matcher::v3 as predicate;
pub(crate) use mesh_proto::envoy::config::core::v3 as core;
pub(crate) use mesh_proto::envoy::config::endpoint::v3 as endpoint;
pub(crate) use mesh_proto::envoy::config::listener::v3 as listener;
pub(crate) use mesh_proto::envoy::config::route::v3 as route;
pub(crate) use mesh_proto::envoy::config::trace::v3 as trace;
pub(crate) use mesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
pub(crate) use mesh_proto::envoy::extensions::filters::network::tcp_proxy::v3 as tcp_proxy;
pub(crate) use mesh_proto::envoy::extensions::transport_sockets::proxy_protocol::v3 as proxy_protocol;
pub(crate) use mesh_proto::envoy::extensions::transport_sockets::raw_buffer::v3 as raw_buffer;
pub(crate) use mesh_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
pub(crate) use mesh_proto::envoy::extensions::upstreams::http::v3 as upstream_http;
pub(crate) use mesh_proto::envoy::r#type::matcher::v3 as matcher;
pub(crate) use mesh_proto::envoy::r#type::tracing::v3 as tracing;
pub(crate) use mesh_proto::envoy::r#type::v3 as kind;
pub(crate) use mesh_proto::google::protobuf as wkt;
