//! What of a ProxyConfig whoever starts a proxy makes its bootstrap and its command line of.
//!
//! In: the fields as written. Out: [`ProxyStart`]. What Envoy or an agent would not start with stops here.

use super::later;
use crate::{
    at::At,
    kinds::traffic_policy::{parse_keepalive, parse_tls},
    values::parse_positive_duration,
};
use mesh_api::{
    Duration as ApiDuration,
    networking::traffic_policy::{ClientTlsSettings, connection_pool::TcpKeepalive},
};
use mesh_model::{ClientTls, Duration, ProxyStart, Reason, RemoteService, ServiceName, Str, Tracer};
use mesh_pki::TrustBundle;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;

/// The fields, among others.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// A service that takes accesses, with `enableEnvoyAccessLogService`.
    envoy_access_log_service: Option<Remote>,
    /// A service that takes metrics.
    envoy_metrics_service: Option<Remote>,
    /// The older form of `envoyMetricsService`.
    envoy_metrics_service_address: Option<String>,
    /// A statsd that takes metrics, as `IP:port`.
    statsd_udp_address: Option<String>,
    /// More tags of metrics.
    #[serde(default)]
    extra_stat_tags: Vec<String>,
    /// Metrics are sent compressed to whoever takes that.
    stats_compression: Option<bool>,
    /// How often logs are written into their files.
    file_flush_interval: Option<ApiDuration>,
    /// How much of a log is written before that.
    file_flush_min_size_kb: Option<i64>,
    /// The older form of `tracing.zipkin`.
    zipkin_address: Option<String>,
    /// What spans call the service.
    tracing_service_name: Option<TracingServiceName>,
    /// More roots that the proxy trusts.
    #[serde(default)]
    ca_certificates_pem: Vec<String>,
}

/// A service that a proxy calls by itself.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Remote {
    /// Where it is, as `host:port`.
    address: Option<String>,
    /// TLS towards it.
    tls_settings: Option<ClientTlsSettings>,
    /// Keepalive of connections to it.
    tcp_keepalive: Option<TcpKeepalive>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum TracingServiceName {
    AppLabelAndNamespace,
    CanonicalNameOnly,
    CanonicalNameAndNamespace,
}

/// Longer ones make no regular expression that Envoy takes.
const LONGEST_TAG: usize = 256;

/// Reads the fields; `tracer` is that of the newer form.
pub fn parse(written: Written, tracer: Option<Tracer>, at: &At<'_>) -> ProxyStart {
    let set = written.names();
    for name in set {
        later::report_injected(&at.field(name));
    }
    let Written {
        envoy_access_log_service,
        envoy_metrics_service,
        envoy_metrics_service_address,
        statsd_udp_address,
        extra_stat_tags,
        stats_compression,
        file_flush_interval,
        file_flush_min_size_kb,
        zipkin_address,
        tracing_service_name,
        ca_certificates_pem,
    } = written;
    let remote = |service: Option<Remote>, name: &str| parse_remote(service?, &at.field(name));
    let older = |address: Option<String>, name: &str| {
        address.filter(|text| !text.is_empty()).and_then(|text| parse_address(text, &at.field(name)))
    };
    let metrics = envoy_metrics_service.filter(Remote::names_one);
    let metrics_service = match metrics {
        Some(service) => parse_remote(service, &at.field("envoyMetricsService")),
        None => older(envoy_metrics_service_address, "envoyMetricsServiceAddress")
            .map(|address| RemoteService { address, tls: None, keepalive: None }),
    };
    let zipkin =
        || Some(Tracer { datadog: false, address: older(zipkin_address, "zipkinAddress")?, tls: None });
    ProxyStart {
        tracer: tracer.or_else(zipkin),
        access_log_service: remote(envoy_access_log_service, "envoyAccessLogService"),
        metrics_service,
        statsd: statsd_udp_address.and_then(|text| parse_statsd(&text, &at.field("statsdUdpAddress"))),
        stat_tags: parse_tags(extra_stat_tags, &at.field("extraStatTags")),
        stats_compression,
        flush_interval: file_flush_interval
            .and_then(|value| parse_interval(value, &at.field("fileFlushInterval"))),
        flush_size: file_flush_min_size_kb.and_then(|size| parse_size(size, &at.field("fileFlushMinSizeKb"))),
        service_name: tracing_service_name.map(|name| match name {
            TracingServiceName::AppLabelAndNamespace => ServiceName::AppLabelAndNamespace,
            TracingServiceName::CanonicalNameOnly => ServiceName::CanonicalNameOnly,
            TracingServiceName::CanonicalNameAndNamespace => ServiceName::CanonicalNameAndNamespace,
        }),
        roots: parse_roots(ca_certificates_pem, &at.field("caCertificatesPem")),
        ..ProxyStart::default()
    }
}

impl Written {
    /// Those that are set.
    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let Self {
            envoy_access_log_service,
            envoy_metrics_service,
            envoy_metrics_service_address,
            statsd_udp_address,
            extra_stat_tags,
            stats_compression,
            file_flush_interval,
            file_flush_min_size_kb,
            zipkin_address,
            tracing_service_name,
            ca_certificates_pem,
        } = self;
        let all = [
            ("envoyAccessLogService", envoy_access_log_service.is_some()),
            ("envoyMetricsService", envoy_metrics_service.is_some()),
            ("envoyMetricsServiceAddress", envoy_metrics_service_address.is_some()),
            ("statsdUdpAddress", statsd_udp_address.is_some()),
            ("extraStatTags", !extra_stat_tags.is_empty()),
            ("statsCompression", stats_compression.is_some()),
            ("fileFlushInterval", file_flush_interval.is_some()),
            ("fileFlushMinSizeKb", file_flush_min_size_kb.is_some()),
            ("zipkinAddress", zipkin_address.is_some()),
            ("tracingServiceName", tracing_service_name.is_some()),
            ("caCertificatesPem", !ca_certificates_pem.is_empty()),
        ];
        all.into_iter().filter(|(_, set)| *set).map(|(name, _)| name)
    }
}

impl Remote {
    fn names_one(&self) -> bool {
        self.address.as_ref().is_some_and(|address| !address.is_empty())
    }
}

/// `None` when there is none, or it cannot be called as it is to be: plaintext would be what nobody has asked for.
fn parse_remote(service: Remote, at: &At<'_>) -> Option<RemoteService> {
    let Remote { address, tls_settings, tcp_keepalive } = service;
    let address = address.filter(|address| !address.is_empty())?;
    let tls = parse_client_tls(tls_settings, &at.field("tlsSettings"));
    let keepalive = tcp_keepalive.map(|block| parse_keepalive(block, &at.field("tcpKeepalive")));
    Some(RemoteService { address: parse_address(address, &at.field("address"))?, tls: tls?, keepalive })
}

/// TLS towards what a bootstrap names; the inner `None` is plaintext.
#[allow(clippy::option_option, reason = "that nothing is sent is not that it is sent in plaintext")]
pub fn parse_client_tls(settings: Option<ClientTlsSettings>, at: &At<'_>) -> Option<Option<ClientTls>> {
    let Some(settings) = settings else { return Some(None) };
    if settings.credential_name.as_ref().is_some_and(|name| !name.is_empty()) {
        at.field("credentialName").error_hint(
            Reason::NotSupported,
            "a bootstrap has no Secrets, so nothing is told there",
            "mount the Secret and name its files",
        );
        return None;
    }
    match parse_tls(settings, true, at) {
        ClientTls::Disable => Some(None),
        tls @ (ClientTls::Mesh { .. } | ClientTls::Given(_)) => Some(Some(tls)),
        ClientTls::OfGateways | ClientTls::Impossible => None,
    }
}

fn parse_address(address: String, at: &At<'_>) -> Option<Str> {
    let port = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    if port.is_none_or(|(host, port)| host.is_empty() || port == 0) {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{address}` is no host with a port, so nothing is told there"),
            "write host:port",
        );
        return None;
    }
    Some(address.into())
}

fn parse_statsd(text: &str, at: &At<'_>) -> Option<SocketAddr> {
    if text.is_empty() {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no IP address with a port, and Envoy looks no names up for statsd: nothing is sent"),
            "write one such as 10.0.0.5:8125",
        );
    }
    address
}

fn parse_tags(tags: Vec<String>, at: &At<'_>) -> Vec<Str> {
    let fits = |(index, tag): &(usize, String)| {
        let fits = tag.len() <= LONGEST_TAG;
        if !fits {
            at.index(*index).error_hint(
                Reason::InvalidValue,
                format!("a tag of {} bytes is too long for Envoy; it is left out", tag.len()),
                format!("write one of up to {LONGEST_TAG}"),
            );
        }
        fits && !tag.is_empty()
    };
    tags.into_iter().enumerate().filter(fits).map(|(_, tag)| tag.into()).collect()
}

/// Envoy takes milliseconds, in 32 bits.
fn parse_interval(value: ApiDuration, at: &At<'_>) -> Option<Duration> {
    let interval = parse_positive_duration(value, at)?;
    let most = Duration::from_millis(u64::from(u32::MAX));
    if interval > most {
        at.error_hint(
            Reason::InvalidValue,
            "this is longer than Envoy can wait; logs are written each second",
            "write one such as 10s",
        );
        return None;
    }
    Some(interval)
}

fn parse_size(size: i64, at: &At<'_>) -> Option<u32> {
    // Zero is Istio's way to say nothing.
    if size == 0 {
        return None;
    }
    let size = u32::try_from(size).ok();
    if size.is_none() {
        at.error_hint(Reason::InvalidValue, "Envoy has no such size", "write KiB, such as 64");
    }
    size
}

fn parse_roots(roots: Vec<String>, at: &At<'_>) -> Vec<Str> {
    let good = |(index, pem): &(usize, String)| match TrustBundle::from_pem(pem) {
        Ok(_) => true,
        Err(error) => {
            at.index(*index).error_hint(
                Reason::InvalidValue,
                format!("{error}; it is left out"),
                "write certificates of authorities, in PEM",
            );
            false
        }
    };
    roots.into_iter().enumerate().filter(good).map(|(_, pem)| pem.into()).collect()
}
