//! In: what the mesh says of whom proxies tell of themselves and of what passes. Out: the same, as agents have it.

use meltemi_agent::{
    TrustBundle,
    envoy::{Keepalive, Telemetry, Tls, Tracer, TracerKind, Upstream},
    sds,
};
use mesh_model::{Authorities, AuthoritySource, Certificate, ClientTls, GivenTls, ProxyStart, Str};

/// Whom the Envoy of a sidecar tells.
pub(super) fn telemetry(start: &ProxyStart) -> Telemetry {
    let remote = |service: &Option<mesh_model::RemoteService>| {
        let mesh_model::RemoteService { address, tls, keepalive } = service.as_ref()?;
        let keepalive = keepalive.as_ref().map(|mesh_model::TcpKeepalive { probes, time, interval }| {
            // Envoy counts whole seconds.
            let seconds = |time: &mesh_model::Duration| time.as_nanos().div_ceil(1_000_000_000);
            Keepalive {
                probes: *probes,
                time: time.as_ref().map(seconds),
                interval: interval.as_ref().map(seconds),
            }
        });
        Some(Upstream { keepalive, ..upstream(address, tls.as_ref())? })
    };
    let tracer = start.tracer.as_ref().and_then(|mesh_model::Tracer { datadog, address, tls }| {
        let kind = if *datadog { TracerKind::Datadog } else { TracerKind::Zipkin };
        Some(Tracer { kind, to: upstream(address, tls.as_ref())? })
    });
    Telemetry {
        tracer,
        access_logs: remote(&start.access_log_service),
        metrics: remote(&start.metrics_service),
        statsd: start.statsd,
        tags: texts(&start.stat_tags),
        uncompressed: start.stats_compression == Some(false),
    }
}

/// Roots that it trusts besides those of the mesh.
pub(super) fn roots(start: &ProxyStart) -> Option<TrustBundle> {
    let bundles = start.roots.iter().filter_map(|pem| TrustBundle::from_pem(pem).ok());
    bundles.reduce(|roots, more| roots.with(&more))
}

fn upstream(address: &str, tls: Option<&ClientTls>) -> Option<Upstream> {
    let tls = match tls {
        None | Some(ClientTls::Disable) => None,
        Some(ClientTls::Mesh { server_name, names }) => Some(Tls {
            shows: Some(sds::CERTIFICATE.to_owned()),
            trusts: Some(sds::ROOTS.to_owned()),
            names: texts(names),
            server_name: server_name.as_ref().map(ToString::to_string),
        }),
        Some(ClientTls::Given(GivenTls { certificate, authorities, names, server_name })) => Some(Tls {
            shows: match certificate {
                None => None,
                Some(Certificate::Files { chain, key }) => Some(format!("file-cert:{chain}~{key}")),
                Some(Certificate::Credential(_)) => return None,
            },
            trusts: match authorities {
                None => None,
                Some(authorities) => Some(trusted(authorities)?),
            },
            names: texts(names),
            server_name: server_name.as_ref().map(ToString::to_string),
        }),
        // Nothing is told there, least of all in plaintext.
        Some(ClientTls::OfGateways | ClientTls::Impossible) => return None,
    };
    Some(Upstream { tls, ..Upstream::at(address)? })
}

/// The secret with these authorities.
fn trusted(authorities: &Authorities) -> Option<String> {
    let Authorities { source, revoked } = authorities;
    let file = match source {
        AuthoritySource::System => "system",
        AuthoritySource::File(file) => file,
        AuthoritySource::Credential(_) | AuthoritySource::ConfigMap(_) => return None,
    };
    let lists = revoked.as_ref().map(|file| format!("~{file}")).unwrap_or_default();
    Some(format!("file-root:{file}{lists}"))
}

fn texts(texts: &[Str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxies of a mesh do as those whose agents are told the same by PROXY_CONFIG.
    #[test]
    fn agents_are_told_what_the_mesh_says() {
        let files = GivenTls {
            certificate: Some(Certificate::Files { chain: "/c".into(), key: "/k".into() }),
            authorities: Some(Authorities {
                source: AuthoritySource::File("/a".into()),
                revoked: Some("/l".into()),
            }),
            names: vec!["metrics".into()],
            server_name: Some("metrics.example.com".into()),
        };
        let mesh = ClientTls::Mesh { server_name: None, names: Vec::new() };
        let service = |tls: ClientTls| mesh_model::RemoteService {
            address: "logs:9001".into(),
            tls: Some(tls),
            keepalive: Some(mesh_model::TcpKeepalive {
                probes: Some(3),
                time: Some(mesh_model::Duration::from_millis(1500)),
                interval: None,
            }),
        };
        let start = ProxyStart {
            metrics_service: Some(service(ClientTls::Given(files))),
            access_log_service: Some(service(mesh)),
            stats_compression: Some(false),
            ..ProxyStart::default()
        };
        let Telemetry { tracer, access_logs, metrics, statsd: _, tags: _, uncompressed } = telemetry(&start);
        assert!(tracer.is_none() && uncompressed);
        let keepalive = Some(Keepalive { probes: Some(3), time: Some(2), interval: None });
        let at = Upstream { keepalive, ..Upstream::at("logs:9001").unwrap() };
        let shown = Tls {
            shows: Some("file-cert:/c~/k".to_owned()),
            trusts: Some("file-root:/a~/l".to_owned()),
            names: vec!["metrics".to_owned()],
            server_name: Some("metrics.example.com".to_owned()),
        };
        assert_eq!(metrics, Some(Upstream { tls: Some(shown), ..at.clone() }));
        let own =
            Tls { shows: Some("default".to_owned()), trusts: Some("ROOTCA".to_owned()), ..Tls::default() };
        assert_eq!(access_logs, Some(Upstream { tls: Some(own), ..at }));
        let impossible =
            ProxyStart { metrics_service: Some(service(ClientTls::Impossible)), ..ProxyStart::default() };
        assert_eq!(telemetry(&impossible).metrics, None, "never in plaintext");
    }
}
