//! What a bootstrap itself leads to: a service that is looked up by its name, again and again, because it may come later.
//!
//! In: where it is, and how connections to it are secured. Out: a static cluster. Certificates come from the agent, as all others do, so that files
//! may be replaced.

use serde_json::{Value, json};

use super::bootstrap::build_assignment;
use crate::sds;

/// A service that the proxy calls by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS towards it; `None`: plaintext.
    pub tls: Option<Tls>,
    /// Probes of idle connections; `None`: as the system has it.
    pub keepalive: Option<Keepalive>,
}

/// TLS of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The secret that is shown; `None`: nothing is.
    pub shows: Option<String>,
    /// The secret with the authorities that are trusted; `None`: any certificate is taken.
    pub trusts: Option<String>,
    /// Names of which the server's certificate has to have one; empty: it may have any.
    pub names: Vec<String>,
    /// The server name that is asked for.
    pub server_name: Option<String>,
}

/// TCP keepalive, in seconds; `None`: as the system has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Keepalive {
    pub probes: Option<u32>,
    pub time: Option<u64>,
    pub interval: Option<u64>,
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Requests of HTTP/1.1.
    Http1,
    /// gRPC.
    Http2,
}

impl Upstream {
    /// Of an address such as `collector.istio-system:9411`; `None` without a port.
    pub fn at(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, tls: None, keepalive: None })
    }

    /// `host:port`.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, tls: _, keepalive: _ } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Its cluster.
    pub(super) fn cluster(&self, name: &str, speaks: Speaks) -> Value {
        let Self { host, port, tls, keepalive } = self;
        let address = json!({ "socket_address": { "address": host, "port_value": port } });
        let mut cluster = json!({
            "name": name,
            "type": "STRICT_DNS",
            "respect_dns_ttl": true,
            "dns_refresh_rate": "30s",
            "connect_timeout": "1s",
            "load_assignment": build_assignment(name, &address),
        });
        if speaks == Speaks::Http2 {
            cluster["typed_extension_protocol_options"] = json!({
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": { "http2_protocol_options": {} },
                },
            });
        }
        if let Some(Keepalive { probes, time, interval }) = keepalive {
            let values = [
                ("keepalive_probes", probes.map(Value::from)),
                ("keepalive_time", time.map(Value::from)),
                ("keepalive_interval", interval.map(Value::from)),
            ];
            let values = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            let values: serde_json::Map<_, _> = values.collect();
            cluster["upstream_connection_options"] = json!({ "tcp_keepalive": values });
        }
        if let Some(tls) = tls {
            cluster["transport_socket"] = tls.build(speaks);
        }
        cluster
    }
}

impl Tls {
    fn build(&self, speaks: Speaks) -> Value {
        let Self { shows, trusts, names, server_name } = self;
        let mut common = json!({
            "alpn_protocols": match (speaks, shows.as_deref()) {
                // By the first a workload knows that it is the mesh's certificate, where it takes plaintext, too.
                (Speaks::Http1, Some(sds::CERTIFICATE)) => vec!["istio-http/1.1", "http/1.1"],
                (Speaks::Http2, Some(sds::CERTIFICATE)) => vec!["istio-h2", "h2"],
                // As Istio: it is what is spoken where nothing is said.
                (Speaks::Http1, _) => vec![],
                (Speaks::Http2, _) => vec!["h2"],
            },
        });
        if let Some(secret) = shows {
            common["tls_certificate_sds_secret_configs"] = json!([build_secret(secret)]);
        }
        if let Some(secret) = trusts {
            common["combined_validation_context"] = json!({
                "default_validation_context": {
                    "match_typed_subject_alt_names": names.iter().flat_map(|name| build_name(name)).collect::<Vec<_>>(),
                },
                "validation_context_sds_secret_config": build_secret(secret),
            });
        }
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": common,
        });
        if let Some(name) = server_name {
            context["sni"] = json!(name);
        }
        json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
    }
}

/// A name that a certificate has, in either of its forms.
fn build_name(name: &str) -> Vec<Value> {
    let kinds: &[&str] = if name.contains("://") { &["URI"] } else { &["DNS", "URI"] };
    kinds.iter().map(|kind| json!({ "san_type": kind, "matcher": { "exact": name } })).collect()
}

/// From the agent. The proxy does not wait long for what is not there: it has other things to do than to tell of itself.
fn build_secret(name: &str) -> Value {
    json!({
        "name": name,
        "sds_config": {
            "resource_api_version": "V3",
            "initial_fetch_timeout": "1s",
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds-grpc" } }],
            },
        },
    })
}
