//! Tests besides the cases that send requests or connections through real Envoys, and the fields that they are about.
//!
//! In: nothing. Out: for a field the test, which exists and whose file says the field's name.

use super::fields::Field;
use std::{collections::HashMap, path::Path};

/// A test.
struct Observed {
    /// From the root of the workspace.
    file: &'static str,
    /// Its name.
    test: &'static str,
    /// The fields, by kind; a `*` at the end stands for all below.
    fields: &'static [(&'static str, &'static [&'static str])],
}

const OBSERVED: &[Observed] = &[
    Observed {
        file: "tests/tests/traffic/connections.rs",
        test: "tcp_goes_by_port_caller_and_weight",
        fields: &[(
            "VirtualService",
            &[
                "tcp",
                "tcp[].match",
                "tcp[].match[].port",
                "tcp[].match[].sourceLabels",
                "tcp[].match[].sourceNamespace",
                "tcp[].match[].sourceSubnet",
                "tcp[].match[].gateways",
                "tcp[].route*",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/connections.rs",
        test: "tls_goes_by_server_name",
        fields: &[(
            "VirtualService",
            &[
                "tls",
                "tls[].match",
                "tls[].match[].port",
                "tls[].match[].sniHosts",
                "tls[].match[].gateways",
                "tls[].route",
                "tls[].route[].destination*",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/connections.rs",
        test: "copies_go_to_the_port_that_is_named",
        fields: &[("VirtualService", &["http[].mirror.port*", "http[].mirrors[].destination.port*"])],
    },
    Observed {
        file: "tests/tests/agreement/opaque.rs",
        test: "mesh",
        fields: &[(
            "VirtualService",
            &[
                "tcp[].match[].destinationSubnets",
                "tls[].match[].destinationSubnets",
                "tls[].match[].sourceLabels",
                "tls[].match[].sourceNamespace",
                "tls[].route[].weight",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/scoping.rs",
        test: "export_to_keeps_routes_in_their_namespace",
        fields: &[("VirtualService", &["exportTo"])],
    },
    Observed {
        file: "tests/tests/traffic/scoping.rs",
        test: "export_to_keeps_a_service_in_its_namespace",
        fields: &[("ServiceEntry", &["exportTo"])],
    },
    Observed {
        file: "tests/tests/traffic/wire.rs",
        test: "the_proxy_protocol_comes_first",
        fields: &[
            ("DestinationRule", &["trafficPolicy.proxyProtocol*"]),
            ("ServiceEntry", &["ports[].targetPort"]),
        ],
    },
    Observed {
        file: "tests/tests/traffic/wire.rs",
        test: "a_tunnel_says_where_it_leads",
        fields: &[("DestinationRule", &["trafficPolicy.tunnel*"])],
    },
    Observed {
        file: "tests/tests/traffic/wire.rs",
        test: "an_endpoint_may_be_a_name_that_is_looked_up",
        fields: &[("ServiceEntry", &["resolution", "endpoints"])],
    },
    Observed {
        file: "tests/tests/traffic/locality.rs",
        test: "what_comes_first_may_be_said_otherwise",
        fields: &[
            (
                "DestinationRule",
                &[
                    "trafficPolicy.loadBalancer.localityLbSetting",
                    "trafficPolicy.loadBalancer.localityLbSetting.enabled",
                    "trafficPolicy.loadBalancer.localityLbSetting.failover*",
                    "trafficPolicy.loadBalancer.localityLbSetting.failoverPriority",
                    "trafficPolicy.loadBalancer.zoneAwareLbSetting.enabled",
                    "trafficPolicy.loadBalancer.zoneAwareLbSetting.failover*",
                    "trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority",
                ],
            ),
            ("WorkloadEntry", &["locality"]),
        ],
    },
    Observed {
        file: "tests/tests/traffic/locality.rs",
        test: "shares_of_places",
        fields: &[("DestinationRule", &["trafficPolicy.loadBalancer.localityLbSetting.distribute*"])],
    },
    Observed {
        file: "tests/tests/traffic/zones.rs",
        test: "zones_keep_what_they_can_bear",
        fields: &[(
            "DestinationRule",
            &[
                "trafficPolicy.loadBalancer.zoneAwareLbSetting",
                "trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/locality.rs",
        test: "a_cookie_that_is_made_has_its_attributes",
        fields: &[(
            "DestinationRule",
            &[
                "trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes*",
                "trafficPolicy.loadBalancer.consistentHash.httpCookie.path",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/locality.rs",
        test: "weights_of_endpoints_count",
        fields: &[("WorkloadEntry", &["weight"])],
    },
    Observed {
        file: "tests/tests/traffic/failover/dead.rs",
        test: "too_few_healthy_replicas_are_not_trusted",
        fields: &[("DestinationRule", &["trafficPolicy.outlierDetection.minHealthPercent"])],
    },
    Observed {
        file: "tests/tests/traffic/failover/dead.rs",
        test: "failures_to_connect_are_counted_apart",
        fields: &[(
            "DestinationRule",
            &[
                "trafficPolicy.outlierDetection.splitExternalLocalOriginErrors",
                "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures",
            ],
        )],
    },
    Observed {
        file: "tests/tests/traffic/locality.rs",
        test: "retries_may_go_to_another_place",
        fields: &[("VirtualService", &["http[].retries.retryRemoteLocalities"])],
    },
    Observed {
        file: "tests/tests/traffic/wire.rs",
        test: "connections_of_bytes_end_when_nothing_passes",
        fields: &[("DestinationRule", &["trafficPolicy.connectionPool.tcp.idleTimeout"])],
    },
    Observed {
        file: "tests/tests/traffic/wire.rs",
        test: "connections_that_are_not_made_are_given_up",
        fields: &[("DestinationRule", &["trafficPolicy.connectionPool.tcp.connectTimeout"])],
    },
    Observed {
        file: "tests/tests/traffic/redirect.yaml",
        test: "redirected_traffic_goes_through_both_sidecars",
        fields: &[
            ("ServiceEntry", &["addresses"]),
            (
                "Sidecar",
                &["egress[].bind", "egress[].captureMode", "ingress[].bind", "ingress[].captureMode"],
            ),
        ],
    },
    Observed {
        file: "tests/tests/traffic/redirect/settings.rs",
        test: "ask_elsewhere",
        fields: &[("MeshConfig", &["inboundTrafficPolicy", "inboundTrafficPolicy.mode", "proxyHttpPort"])],
    },
    Observed {
        file: "tests/tests/settings/visible.rs",
        test: "settings_say_who_sees_what",
        fields: &[(
            "MeshConfig",
            &[
                "defaultDestinationRuleExportTo",
                "defaultServiceExportTo",
                "defaultVirtualServiceExportTo",
                "discoverySelectors",
                "rootNamespace",
                "serviceEntryVisibility",
                "serviceEntryVisibility.applyToSidecars",
                "serviceEntryVisibility.defaultVisibility",
                "serviceEntryVisibility.policies",
                "serviceEntryVisibility.policies[].matchingRules",
                "serviceEntryVisibility.policies[].visibility",
            ],
        )],
    },
    Observed {
        file: "tests/tests/mtls/given.rs",
        test: "certificates_in_files",
        fields: &[(
            "DestinationRule",
            &[
                "trafficPolicy.tls",
                "trafficPolicy.tls.mode",
                "trafficPolicy.tls.clientCertificate",
                "trafficPolicy.tls.privateKey",
                "trafficPolicy.tls.caCertificates",
                "trafficPolicy.tls.caCrl",
                "trafficPolicy.tls.subjectAltNames",
                "trafficPolicy.tls.insecureSkipVerify",
            ],
        )],
    },
    Observed {
        file: "tests/tests/mtls/outside.rs",
        test: "servers_by_name_port_and_subject",
        fields: &[
            ("DestinationRule", &["trafficPolicy.tls.sni", "trafficPolicy.portLevelSettings[].tls"]),
            ("ServiceEntry", &["subjectAltNames"]),
            (
                "MeshConfig",
                &[
                    "tlsDefaults",
                    "tlsDefaults.cipherSuites",
                    "tlsDefaults.ecdhCurves",
                    "tlsDefaults.minProtocolVersion",
                ],
            ),
        ],
    },
    Observed {
        file: "tests/tests/mtls/outside.rs",
        test: "a_workload_entry_says_whose_it_is",
        fields: &[("WorkloadEntry", &["serviceAccount"])],
    },
    Observed {
        file: "tests/tests/secure_traffic/credentials.rs",
        test: "credentials_are_replaced_withdrawn_and_put_back",
        fields: &[("DestinationRule", &["trafficPolicy.tls.credentialName"])],
    },
    Observed {
        file: "tests/tests/traffic/workload_entries.rs",
        test: "requests_go_to_those_that_are_healthy",
        fields: &[
            (
                "ServiceEntry",
                &[
                    "hosts",
                    "location",
                    "ports",
                    "ports[].name",
                    "ports[].number",
                    "ports[].protocol",
                    "workloadSelector*",
                ],
            ),
            ("WorkloadEntry", &["address", "labels", "ports"]),
        ],
    },
    Observed {
        file: "tests/tests/secure_traffic/networks.rs",
        test: "what_is_in_another_network_is_called_through_its_gateway",
        fields: &[("WorkloadEntry", &["network"])],
    },
    Observed {
        file: "tests/tests/traffic/changes/shop.rs",
        test: "sidecar",
        fields: &[(
            "Sidecar",
            &[
                "egress",
                "egress[].hosts",
                "workloadSelector*",
                "outboundTrafficPolicy",
                "outboundTrafficPolicy.mode",
            ],
        )],
    },
    Observed {
        file: "tests/tests/settings/sidecars.rs",
        test: "a_sidecar_has_listeners_of_its_own",
        fields: &[("Sidecar", &["egress[].port", "egress[].port.number", "egress[].port.protocol"])],
    },
    Observed {
        file: "tests/tests/settings/sidecars.rs",
        test: "a_sidecar_says_where_the_workload_is_reached",
        fields: &[(
            "Sidecar",
            &[
                "ingress",
                "ingress[].port",
                "ingress[].port.number",
                "ingress[].port.protocol",
                "ingress[].defaultEndpoint",
            ],
        )],
    },
    Observed {
        file: "tests/tests/settings/sidecars.rs",
        test: "a_sidecar_limits_what_comes_in_and_says_who_lets_out",
        fields: &[(
            "Sidecar",
            &[
                "inboundConnectionPool",
                "ingress[].connectionPool",
                "outboundTrafficPolicy.egressProxy",
                "outboundTrafficPolicy.egressProxy.host",
                "outboundTrafficPolicy.egressProxy.port*",
                "outboundTrafficPolicy.egressProxy.subset",
            ],
        )],
    },
    Observed {
        file: "tests/tests/mtls/ingress.rs",
        test: "clients_outside_the_mesh",
        fields: &[(
            "Sidecar",
            &[
                "ingress[].tls",
                "ingress[].tls.mode",
                "ingress[].tls.serverCertificate",
                "ingress[].tls.privateKey",
                "ingress[].tls.caCertificates",
                "ingress[].tls.caCrl",
                "ingress[].tls.subjectAltNames",
                "ingress[].tls.cipherSuites",
                "ingress[].tls.maxProtocolVersion",
                "ingress[].tls.minProtocolVersion",
                "ingress[].tls.tlsCertificates",
                "ingress[].tls.tlsCertificates[].privateKey",
                "ingress[].tls.tlsCertificates[].serverCertificate",
            ],
        )],
    },
    Observed {
        file: "tests/tests/mtls/identities.rs",
        test: "only_the_meshs_own_are_let_in",
        fields: &[(
            "MeshConfig",
            &[
                "enableAutoMtls",
                "meshMTLS",
                "meshMTLS.cipherSuites",
                "meshMTLS.ecdhCurves",
                "meshMTLS.minProtocolVersion",
                "trustDomain",
                "trustDomainAliases",
            ],
        )],
    },
    Observed {
        file: "tests/tests/mtls/modes.rs",
        test: "modes_by_protocol_and_client",
        fields: &[("PeerAuthentication", &["mtls", "mtls.mode"])],
    },
    Observed {
        file: "tests/tests/mtls/modes.rs",
        test: "levels_from_the_mesh_to_a_port",
        fields: &[(
            "PeerAuthentication",
            &["selector", "selector.matchLabels", "portLevelMtls", "portLevelMtls{}.mode"],
        )],
    },
    Observed {
        file: "tests/tests/settings/main.rs",
        test: "settings_of_the_mesh",
        fields: &[
            ("VirtualService", &["http[].name", "http[].match[].name"]),
            (
                "MeshConfig",
                &[
                    "accessLogEncoding",
                    "accessLogFile",
                    "accessLogFormat",
                    "defaultConfig",
                    "defaultConfig.connectionSettings.httpHeadersWithUnderscoresAction",
                    "defaultHttpRetryPolicy",
                    "defaultProviders",
                    "defaultProviders.accessLogging",
                    "defaultTrafficPolicy",
                    "defaultTrafficPolicy.connectionPool",
                    "extensionProviders",
                    "extensionProviders[].envoyFileAccessLog",
                    "extensionProviders[].envoyFileAccessLog.path",
                    "extensionProviders[].envoyFileAccessLog.logFormat.labels",
                    "extensionProviders[].envoyFileAccessLog.logFormat.text",
                    "extensionProviders[].envoyFileAccessLog.omitEmptyValues",
                    "h2UpgradePolicy",
                    "outboundTrafficPolicy*",
                    "pathNormalization*",
                ],
            ),
        ],
    },
    Observed {
        file: "tests/tests/settings/connections.rs",
        test: "times_of_connections_and_streams",
        fields: &[(
            "MeshConfig",
            &[
                "defaultConfig.connectionSettings",
                "defaultConfig.connectionSettings.httpDrainTimeout",
                "defaultConfig.connectionSettings.httpIdleTimeout",
                "defaultConfig.connectionSettings.httpMaxConnectionDuration",
                "defaultConfig.connectionSettings.httpMaxStreamDuration",
                "defaultConfig.connectionSettings.httpRequestHeadersTimeout",
                "defaultConfig.connectionSettings.httpRequestTimeout",
                "defaultConfig.connectionSettings.httpStreamIdleTimeout",
            ],
        )],
    },
    Observed {
        file: "tests/tests/settings/connections.rs",
        test: "sizes_and_paths",
        fields: &[(
            "MeshConfig",
            &[
                "defaultConfig.connectionSettings.http2InitialConnectionWindowSize",
                "defaultConfig.connectionSettings.http2InitialStreamWindowSize",
                "defaultConfig.connectionSettings.httpMaxConcurrentStreams",
                "defaultConfig.connectionSettings.httpMergeSlashes",
                "defaultConfig.connectionSettings.httpPathWithEscapedSlashesAction",
                "defaultConfig.connectionSettings.profile",
            ],
        )],
    },
    Observed {
        file: "tests/tests/settings/connections.rs",
        test: "connections_that_are_not_made_are_given_up",
        fields: &[("MeshConfig", &["connectTimeout"])],
    },
    Observed {
        file: "tests/tests/settings/places.rs",
        test: "settings_say_who_comes_first",
        fields: &[("MeshConfig", &["localityLbSetting", "zoneAwareLbSetting"])],
    },
    Observed {
        file: "tests/tests/settings/places.rs",
        test: "settings_say_who_is_ejected",
        fields: &[("MeshConfig", &["defaultTrafficPolicy.outlierDetection"])],
    },
    Observed {
        file: "tests/tests/started/spans.rs",
        test: "told_by_every_protocol",
        fields: &[(
            "MeshConfig",
            &[
                "defaultConfig.tracing",
                "defaultConfig.tracing.customTags",
                "defaultConfig.tracing.sampling",
                "defaultProviders.tracing",
                "enableTracing",
                "extensionProviders[].datadog",
                "extensionProviders[].opentelemetry",
                "extensionProviders[].opentelemetry.grpc",
                "extensionProviders[].opentelemetry.http",
                "extensionProviders[].opentelemetry.resourceDetectors",
                "extensionProviders[].skywalking",
                "extensionProviders[].zipkin",
            ],
        )],
    },
    Observed {
        file: "tests/tests/started/spans.rs",
        test: "told_as_asked_for",
        fields: &[(
            "MeshConfig",
            &[
                "defaultConfig.tracing.enableIstioTags",
                "defaultConfig.tracing.maxPathTagLength",
                "extensionProviders[].zipkin.enable64bitTraceId",
                "extensionProviders[].zipkin.headers",
                "extensionProviders[].zipkin.maxTagLength",
                "extensionProviders[].zipkin.path",
                "extensionProviders[].zipkin.traceContextOption",
            ],
        )],
    },
    Observed {
        file: "tests/tests/settings/connections.rs",
        test: "what_connections_may_buffer",
        fields: &[(
            "MeshConfig",
            &["defaultConfig.connectionSettings.listenerPerConnectionBufferLimitBytes"],
        )],
    },
    Observed {
        file: "tests/tests/mtls/logged.rs",
        test: "connections_that_no_chain_takes",
        fields: &[("MeshConfig", &["disableEnvoyListenerLog"])],
    },
    Observed {
        file: "tests/tests/traffic/redirect/settings.rs",
        test: "ask_who_moves",
        fields: &[("MeshConfig", &["dnsRefreshRate"])],
    },
    Observed {
        file: "tests/tests/traffic/redirect/settings.rs",
        test: "ask_silently",
        fields: &[("MeshConfig", &["protocolDetectionTimeout"])],
    },
    Observed {
        file: "tests/tests/traffic/failover/ramp.rs",
        test: "a_new_replica_gets_its_share_by_the_older_name",
        fields: &[("DestinationRule", &["trafficPolicy.loadBalancer.warmupDurationSecs"])],
    },
];

/// Finds tests by fields.
pub struct Finder(HashMap<(&'static str, &'static str), &'static Observed>);

impl Finder {
    /// Makes sure that each test is there and about its fields.
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut fields = HashMap::new();
        for observed in OBSERVED {
            let Observed { file, test, fields: about } = observed;
            // Objects may stand beside a test in a file of their own.
            let code = file.replace(".yaml", ".rs");
            let [text, code] = [file, code.as_str()]
                .map(|file| std::fs::read_to_string(root.join(file)).unwrap_or_default());
            assert!(code.contains(&format!("fn {test}(")), "there is no {test} beside {file}");
            for (kind, paths) in *about {
                for path in *paths {
                    let name = path.trim_end_matches('*').rsplit('.').next().unwrap_or_default();
                    let name = name.trim_end_matches("[]");
                    assert!(text.contains(name), "{file} says nothing of {path}");
                    fields.insert((*kind, *path), observed);
                }
            }
        }
        Self(fields)
    }

    /// The test that observes the field.
    pub fn find(&self, field: &Field) -> Option<String> {
        let meant = |(kind, path): (&str, &str)| {
            kind == field.kind
                && match path.strip_suffix('*') {
                    None => path == field.path,
                    Some(above) => field
                        .path
                        .strip_prefix(above)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
                }
        };
        let found: Vec<_> = self.0.iter().filter(|(place, _)| meant(**place)).collect();
        let (_, Observed { file, test, fields: _ }) = found.iter().max_by_key(|((_, path), _)| path.len())?;
        Some(format!("`{test}` in {file}"))
    }
}
