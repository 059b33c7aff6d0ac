//! Connection managers that trace, one for each protocol that spans are sent by, and with limits of connections.

use super::given::{REVIEWS, chain, http, listener, reviews, routes};
use mesh_model::{
    ConnectionSettings, Duration, EscapedSlashes, Percent, ResourceDetectors, SpanTag, TracingProtocol,
    TracingRequest, Underscores,
};
use pilot_view::spec::{ChainMatch, ListenerSpec, NetworkSpec, RouteSource, TracerSpec, TracingSpec};
use std::{collections::BTreeMap, sync::Arc};

/// A listener for each, on ports from `port`.
pub fn listeners(port: u16) -> Vec<ListenerSpec> {
    let request = TracingRequest {
        path: "/api/v2/spans".into(),
        timeout: Duration::from_secs(5),
        headers: vec![("x-key".into(), "100%%".into())],
    };
    let detectors = ResourceDetectors { environment: true, dynatrace: true };
    let protocols = [
        TracingProtocol::Zipkin { request: request.clone(), short_ids: false, w3c: true },
        TracingProtocol::Datadog,
        TracingProtocol::SkyWalking { token: "secret".into() },
        TracingProtocol::OtlpHttp { request, detectors },
        TracingProtocol::OtlpGrpc {
            timeout: Some(Duration::from_secs(1)),
            metadata: vec![("x-key".into(), "a".into())],
            detectors: ResourceDetectors::default(),
        },
    ];
    let of = |(protocol, port): (TracingProtocol, u16)| {
        let NetworkSpec::Http(mut spec) = http(RouteSource::Inline(Arc::new(routes(vec![reviews()])))) else {
            unreachable!("it is for HTTP")
        };
        spec.tracing = Some(Arc::new(TracingSpec {
            tracer: Some(TracerSpec {
                host: "collector.example.com".into(),
                cluster: REVIEWS.into(),
                protocol: Arc::new(protocol),
                service_name: "reviews.shop".into(),
            }),
            sampling: Percent::whole(1),
            tags: BTreeMap::from([
                ("a".into(), SpanTag::Literal("b".into())),
                ("c".into(), SpanTag::Environment("D".into(), "".into())),
                ("e".into(), SpanTag::Header("x-f".into(), "".into())),
            ]),
            max_path_length: Some(64),
            workload_namespace: Some("shop".into()),
        }));
        spec.connections = Arc::new(connections());
        let name = format!("traced_{port}");
        ListenerSpec {
            buffer_limit: Some(32768),
            ..listener(&name, port, vec![chain(&name, ChainMatch::default(), NetworkSpec::Http(spec))])
        }
    };
    protocols.into_iter().zip(port..).map(of).collect()
}

/// All limits.
fn connections() -> ConnectionSettings {
    let second = Some(Duration::from_secs(1));
    ConnectionSettings {
        listener_buffer: Some(32768),
        cluster_buffer: Some(32768),
        idle_timeout: second,
        max_connection_duration: second,
        drain_timeout: second,
        request_timeout: second,
        request_headers_timeout: second,
        stream_idle_timeout: second,
        max_stream_duration: second,
        max_concurrent_streams: Some(1),
        stream_window: Some(65535),
        connection_window: Some(65535),
        underscores: Underscores::RejectRequest,
        merge_slashes: Some(true),
        escaped_slashes: Some(EscapedSlashes::RejectRequest),
    }
}
