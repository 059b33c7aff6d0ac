//! What a ProxyConfig says of whom the proxy tells of itself and of what passes.
//!
//! In: the fields as written. Out: [`Telemetry`], and what of the fields cannot be used, each with what becomes of it. A service that was to be called
//! by TLS is not told in plaintext instead.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    envoy::{Keepalive, Telemetry, Tls, Tracer, TracerKind, Upstream},
    sds,
};

use super::duration::parse_duration;

/// The fields, among others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Written {
    tracing: Option<Tracing>,
    zipkin_address: String,
    envoy_access_log_service: Option<RemoteService>,
    envoy_metrics_service: Option<RemoteService>,
    envoy_metrics_service_address: String,
    statsd_udp_address: String,
    extra_stat_tags: Vec<String>,
    stats_compression: Option<bool>,
}

/// Of `tracing`, what belongs into a bootstrap; the control plane acts on the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Tracing {
    zipkin: Option<TracedTo>,
    datadog: Option<TracedTo>,
    tls_settings: Option<TlsSettings>,
    lightstep: Option<Value>,
    stackdriver: Option<Value>,
    open_census_agent: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct TracedTo {
    #[serde(default)]
    address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RemoteService {
    address: String,
    tls_settings: Option<TlsSettings>,
    tcp_keepalive: Option<TcpKeepalive>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TcpKeepalive {
    probes: Option<u32>,
    time: Option<String>,
    interval: Option<String>,
}

/// As in a DestinationRule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TlsSettings {
    mode: Mode,
    client_certificate: String,
    private_key: String,
    ca_certificates: String,
    credential_name: String,
    subject_alt_names: Vec<String>,
    sni: String,
    insecure_skip_verify: bool,
    ca_crl: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Mode {
    #[default]
    Disable,
    Simple,
    Mutual,
    IstioMutual,
}

impl Written {
    /// What it says; what cannot be used goes to `told`.
    pub(super) fn parse(self, told: &mut Vec<String>) -> Telemetry {
        let Self {
            tracing,
            zipkin_address,
            envoy_access_log_service,
            envoy_metrics_service,
            envoy_metrics_service_address,
            statsd_udp_address,
            extra_stat_tags,
            stats_compression,
        } = self;
        let metrics = envoy_metrics_service.filter(|service| !service.address.is_empty());
        let older = || RemoteService { address: envoy_metrics_service_address, ..Default::default() };
        let statsd = statsd_udp_address.parse().ok();
        if statsd.is_none() && !statsd_udp_address.is_empty() {
            told.push(format!(
                "PROXY_CONFIG: statsdUdpAddress: `{statsd_udp_address}` is no IP address with a port, and Envoy looks no names up for statsd: \
                 nothing is sent"
            ));
        }
        Telemetry {
            tracer: tracing.unwrap_or_default().parse(zipkin_address, told),
            access_logs: envoy_access_log_service
                .and_then(|service| service.parse("envoyAccessLogService", told)),
            metrics: metrics.unwrap_or_else(older).parse("envoyMetricsService", told),
            statsd,
            tags: extra_stat_tags,
            uncompressed: stats_compression == Some(false),
        }
    }
}

impl Tracing {
    fn parse(self, older: String, told: &mut Vec<String>) -> Option<Tracer> {
        let Self { zipkin, datadog, tls_settings, lightstep, stackdriver, open_census_agent } = self;
        let others = [
            ("lightstep", lightstep.is_some()),
            ("stackdriver", stackdriver.is_some()),
            ("openCensusAgent", open_census_agent.is_some()),
        ];
        for (field, _) in others.into_iter().filter(|(_, set)| *set) {
            told.push(format!(
                "PROXY_CONFIG: tracing.{field} is not supported (NotSupported) and has no effect"
            ));
        }
        let wanted =
            zipkin.map(|to| (TracerKind::Zipkin, to)).or(datadog.map(|to| (TracerKind::Datadog, to)));
        let wanted = wanted.unwrap_or((TracerKind::Zipkin, TracedTo { address: older }));
        let (kind, TracedTo { address }) = Some(wanted).filter(|(_, to)| !to.address.is_empty())?;
        let to = RemoteService { address, tls_settings, tcp_keepalive: None };
        Some(Tracer { kind, to: to.parse("tracing", told)? })
    }
}

impl RemoteService {
    /// `None` when there is none, or it cannot be called as it is to be.
    fn parse(self, field: &str, told: &mut Vec<String>) -> Option<Upstream> {
        let Self { address, tls_settings, tcp_keepalive } = self;
        if address.is_empty() {
            return None;
        }
        let mut no = |problem: String| {
            told.push(format!("PROXY_CONFIG: {field}: {problem}: nothing is told there"));
            None
        };
        let Some(to) = Upstream::at(&address) else {
            return no(format!("`{address}` is not host:port"));
        };
        let keepalive = match tcp_keepalive.map(TcpKeepalive::parse).transpose() {
            Ok(keepalive) => keepalive,
            Err(problem) => return no(problem),
        };
        match tls_settings.map_or(Ok(None), TlsSettings::parse) {
            Ok(tls) => Some(Upstream { tls, keepalive, ..to }),
            Err(problem) => no(problem),
        }
    }
}

impl TcpKeepalive {
    fn parse(self) -> Result<Keepalive, String> {
        let Self { probes, time, interval } = self;
        let seconds = |text: Option<String>| -> Result<Option<u64>, String> {
            let time = text.as_deref().map(parse_duration).transpose()?;
            // Envoy counts whole seconds.
            Ok(time.map(|time| time.as_millis().div_ceil(1000)).and_then(|time| u64::try_from(time).ok()))
        };
        let some = |value: Option<u64>| value.filter(|value| *value > 0);
        Ok(Keepalive {
            probes: probes.filter(|probes| *probes > 0),
            time: some(seconds(time)?),
            interval: some(seconds(interval)?),
        })
    }
}

impl TlsSettings {
    fn parse(self) -> Result<Option<Tls>, String> {
        let Self {
            mode,
            client_certificate,
            private_key,
            ca_certificates,
            credential_name,
            subject_alt_names,
            sni,
            insecure_skip_verify,
            ca_crl,
        } = self;
        let mutual = match mode {
            Mode::Disable => return Ok(None),
            Mode::IstioMutual => {
                let shows = Some(sds::CERTIFICATE.to_owned());
                let trusts = Some(sds::ROOTS.to_owned());
                let server_name = Some(sni).filter(|name| !name.is_empty());
                return Ok(Some(Tls { shows, trusts, names: subject_alt_names, server_name }));
            }
            Mode::Simple => false,
            Mode::Mutual => true,
        };
        if !credential_name.is_empty() {
            return Err("credentialName is not supported (NotSupported): name files instead".to_owned());
        }
        if mutual && (client_certificate.is_empty() || private_key.is_empty()) {
            return Err("MUTUAL needs clientCertificate and privateKey".to_owned());
        }
        let authorities = Some(&*ca_certificates).filter(|file| !file.is_empty()).unwrap_or("system");
        let lists = Some(ca_crl).filter(|file| !file.is_empty()).map(|file| format!("~{file}"));
        let trusts = format!("file-root:{authorities}{}", lists.unwrap_or_default());
        Ok(Some(Tls {
            shows: mutual.then(|| format!("file-cert:{client_certificate}~{private_key}")),
            trusts: (!insecure_skip_verify).then_some(trusts),
            names: subject_alt_names,
            server_name: Some(sni).filter(|name| !name.is_empty()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(written: Value) -> (Telemetry, Vec<String>) {
        let written: Written = serde_json::from_value(written).unwrap();
        let mut told = Vec::new();
        let telemetry = written.parse(&mut told);
        (telemetry, told)
    }

    fn tls(settings: Value) -> (Option<Tls>, Vec<String>) {
        let service = json!({ "address": "[::1]:9001", "tlsSettings": settings });
        let (telemetry, told) = parse(json!({ "envoyMetricsService": service }));
        (telemetry.metrics.and_then(|to| to.tls), told)
    }

    #[test]
    fn every_field_of_tls_counts() {
        let files = json!({
            "mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k", "caCertificates": "/a", "caCrl": "/l",
            "subjectAltNames": ["metrics"], "sni": "metrics.example.com",
        });
        let given = Tls {
            shows: Some("file-cert:/c~/k".to_owned()),
            trusts: Some("file-root:/a~/l".to_owned()),
            names: vec!["metrics".to_owned()],
            server_name: Some("metrics.example.com".to_owned()),
        };
        let system = Tls { trusts: Some("file-root:system".to_owned()), ..Tls::default() };
        let mesh =
            Tls { shows: Some("default".to_owned()), trusts: Some("ROOTCA".to_owned()), ..Tls::default() };
        for (settings, wanted) in [
            (files, given),
            (json!({ "mode": "SIMPLE" }), system),
            (json!({ "mode": "SIMPLE", "insecureSkipVerify": true, "caCertificates": "/a" }), Tls::default()),
            (json!({ "mode": "ISTIO_MUTUAL" }), mesh),
        ] {
            assert_eq!(tls(settings.clone()), (Some(wanted), vec![]), "{settings}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_told_and_never_done_in_plaintext() {
        for (service, part) in [
            (json!({ "address": "metrics" }), "is not host:port"),
            (json!({ "address": "m:1", "tlsSettings": { "mode": "MUTUAL" } }), "MUTUAL needs"),
            (
                json!({ "address": "m:1", "tlsSettings": { "mode": "SIMPLE", "credentialName": "m" } }),
                "credentialName",
            ),
            (json!({ "address": "m:1", "tcpKeepalive": { "time": "soon" } }), "no duration"),
        ] {
            let (telemetry, told) = parse(json!({
                "envoyMetricsService": service,
                "envoyAccessLogService": service,
                "tracing": { "zipkin": { "address": service["address"] }, "tlsSettings": service["tlsSettings"] },
            }));
            assert_eq!((telemetry.metrics, telemetry.access_logs), (None, None), "{service}");
            assert!(told.iter().all(|text| text.contains(part)) && told.len() >= 2, "{told:?}");
        }
        let (telemetry, told) = parse(json!({ "statsdUdpAddress": "statsd:8125" }));
        assert!(telemetry.statsd.is_none() && told[0].contains("statsdUdpAddress"), "{told:?}");
    }

    #[test]
    fn older_names_hold_where_the_newer_are_not_there() {
        let older =
            json!({ "envoyMetricsService": {}, "envoyMetricsServiceAddress": "m:1", "zipkinAddress": "z:2" });
        let (telemetry, told) = parse(older);
        assert_eq!((telemetry.metrics, told), (Upstream::at("m:1"), vec![]));
        assert_eq!(telemetry.tracer.map(|tracer| tracer.to), Upstream::at("z:2"));
    }
}
