//! Which tests besides the cases send requests or connections through real Envoys, and the fields that they are about.
//!
//! In: nothing. Out: rows. A row is true when its test fails without the field: `MELTEMI_WITHOUT='KIND PATH' cargo test ...` tries it.

use super::Observed;

/// The test stands in a file and is about these fields, by kind; a `*` at the end stands for all below.
const fn by(
    file: &'static str,
    test: &'static str,
    fields: &'static [(&'static str, &'static [&'static str])],
) -> Observed {
    Observed { file, test, written: file, fields }
}

impl Observed {
    /// Objects and requests of the test are in this file.
    const fn with(self, written: &'static str) -> Self {
        Self { written, ..self }
    }
}

pub(super) const OBSERVED: &[Observed] = &[
    by(
        "tests/tests/traffic/connections.rs",
        "tcp_goes_by_port_caller_and_weight",
        &[(
            "VirtualService",
            &[
                "tcp",
                "tcp[].match",
                "tcp[].match[].port",
                "tcp[].match[].sourceLabels",
                "tcp[].match[].sourceNamespace",
                "tcp[].match[].sourceSubnet",
                "tcp[].match[].destinationSubnets",
                "tcp[].match[].gateways",
                "tcp[].route*",
            ],
        )],
    ),
    by(
        "tests/tests/traffic/connections.rs",
        "tls_goes_by_server_name",
        &[(
            "VirtualService",
            &[
                "tls",
                "tls[].match",
                "tls[].match[].port",
                "tls[].match[].sniHosts",
                "tls[].match[].gateways",
                "tls[].match[].destinationSubnets",
                "tls[].match[].sourceLabels",
                "tls[].match[].sourceNamespace",
                "tls[].route",
                "tls[].route[].destination*",
                "tls[].route[].weight",
            ],
        )],
    ),
    by(
        "tests/tests/traffic/connections.rs",
        "copies_go_to_the_port_that_is_named",
        &[("VirtualService", &["http[].mirror.port*", "http[].mirrors[].destination.port*"])],
    ),
    by(
        "tests/tests/traffic/scoping.rs",
        "export_to_keeps_routes_in_their_namespace",
        &[("VirtualService", &["exportTo"])],
    ),
    by(
        "tests/tests/traffic/scoping.rs",
        "export_to_keeps_a_service_in_its_namespace",
        &[("ServiceEntry", &["exportTo"])],
    ),
    by(
        "tests/tests/traffic/wire.rs",
        "the_proxy_protocol_comes_first",
        &[("DestinationRule", &["trafficPolicy.proxyProtocol*"]), ("ServiceEntry", &["ports[].targetPort"])],
    ),
    by(
        "tests/tests/traffic/wire.rs",
        "a_tunnel_says_where_it_leads",
        &[("DestinationRule", &["trafficPolicy.tunnel*"])],
    ),
    by(
        "tests/tests/traffic/wire.rs",
        "an_endpoint_may_be_a_name_that_is_looked_up",
        &[("ServiceEntry", &["resolution", "endpoints"])],
    ),
    by(
        "tests/tests/traffic/locality.rs",
        "what_comes_first_may_be_said_otherwise",
        &[
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
    ),
    by(
        "tests/tests/traffic/locality.rs",
        "shares_of_places",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.localityLbSetting.distribute*"])],
    ),
    by(
        "tests/tests/traffic/zones.rs",
        "zones_keep_what_they_can_bear",
        &[(
            "DestinationRule",
            &[
                "trafficPolicy.loadBalancer.zoneAwareLbSetting",
                "trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize",
            ],
        )],
    ),
    by(
        "tests/tests/traffic/locality.rs",
        "a_cookie_that_is_made_has_its_attributes",
        &[(
            "DestinationRule",
            &[
                "trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes*",
                "trafficPolicy.loadBalancer.consistentHash.httpCookie.path",
            ],
        )],
    ),
    by("tests/tests/traffic/locality.rs", "weights_of_endpoints_count", &[("WorkloadEntry", &["weight"])]),
    by(
        "tests/tests/traffic/failover/dead.rs",
        "a_dead_replica_is_ejected_and_comes_back",
        &[("DestinationRule", &["trafficPolicy.outlierDetection.baseEjectionTime"])],
    ),
    by(
        "tests/tests/traffic/failover/dead.rs",
        "too_few_healthy_replicas_are_not_trusted",
        &[("DestinationRule", &["trafficPolicy.outlierDetection.minHealthPercent"])],
    ),
    by(
        "tests/tests/traffic/failover/dead.rs",
        "failures_to_connect_are_counted_apart",
        &[(
            "DestinationRule",
            &[
                "trafficPolicy.outlierDetection.splitExternalLocalOriginErrors",
                "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures",
            ],
        )],
    ),
    by(
        "tests/tests/traffic/locality.rs",
        "retries_may_go_to_another_place",
        &[("VirtualService", &["http[].retries.retryRemoteLocalities"])],
    ),
    by(
        "tests/tests/traffic/wire.rs",
        "connections_of_bytes_end_when_nothing_passes",
        &[("DestinationRule", &["trafficPolicy.connectionPool.tcp.idleTimeout"])],
    ),
    by(
        "tests/tests/traffic/wire.rs",
        "connections_that_are_not_made_are_given_up",
        &[("DestinationRule", &["trafficPolicy.connectionPool.tcp.connectTimeout"])],
    ),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[
            ("ServiceEntry", &["addresses"]),
            ("Sidecar", &["egress[].captureMode", "ingress[].bind", "ingress[].captureMode"]),
        ],
    )
    .with("tests/tests/traffic/redirect.yaml"),
    by(
        "tests/tests/traffic/sockets.rs",
        "a_proxy_listens_at_sockets_that_a_sidecar_names",
        &[("Sidecar", &["egress[].bind"])],
    ),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("MeshConfig", &["inboundTrafficPolicy", "inboundTrafficPolicy.mode", "proxyHttpPort"])],
    )
    .with("tests/tests/traffic/redirect/settings.rs"),
    by(
        "tests/tests/settings/visible.rs",
        "settings_say_who_sees_what",
        &[(
            "MeshConfig",
            &[
                "defaultDestinationRuleExportTo",
                "defaultServiceExportTo",
                "defaultVirtualServiceExportTo",
                "discoverySelectors",
                "discoverySelectors[].matchLabels",
                "rootNamespace",
                "serviceEntryVisibility",
                "serviceEntryVisibility.applyToSidecars",
                "serviceEntryVisibility.defaultVisibility",
                "serviceEntryVisibility.policies",
                "serviceEntryVisibility.policies[].matchingRules",
                "serviceEntryVisibility.policies[].matchingRules[].namespaceSelector",
                "serviceEntryVisibility.policies[].visibility",
            ],
        )],
    ),
    by(
        "tests/tests/mtls/given.rs",
        "certificates_in_files",
        &[(
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
    ),
    by(
        "tests/tests/mtls/outside.rs",
        "servers_by_name_port_and_subject",
        &[
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
    ),
    by(
        "tests/tests/settings/limits.rs",
        "limits_of_the_mesh_hold_at_servers_and_for_bytes",
        &[("MeshConfig", &["defaultTrafficPolicy.connectionPool"])],
    ),
    by(
        "tests/tests/settings/limits.rs",
        "a_sidecar_ends_connections_of_bytes_that_come_in",
        &[("Sidecar", &["ingress[].connectionPool"])],
    ),
    by(
        "tests/tests/settings/sidecars.rs",
        "services_are_called_at_their_own_ports_elsewhere",
        &[("Sidecar", &["egress[].captureMode"])],
    ),
    by(
        "tests/tests/mtls/strangers.rs",
        "strangers_are_called_by_tls",
        &[(
            "MeshConfig",
            &[
                "outboundTrafficPolicy.tls",
                "outboundTrafficPolicy.tls.mode",
                "outboundTrafficPolicy.tls.caCertificates",
                "outboundTrafficPolicy.tls.insecureSkipVerify",
                "outboundTrafficPolicy.tls.sni",
                "outboundTrafficPolicy.tls.subjectAltNames",
            ],
        )],
    ),
    by(
        "tests/tests/mtls/outside.rs",
        "a_workload_entry_says_whose_it_is",
        &[("WorkloadEntry", &["serviceAccount"])],
    ),
    by(
        "tests/tests/secure_traffic/credentials.rs",
        "credentials_are_replaced_withdrawn_and_put_back",
        &[("DestinationRule", &["trafficPolicy.tls.credentialName"])],
    ),
    by(
        "tests/tests/traffic/workload_entries.rs",
        "requests_go_to_those_that_are_healthy",
        &[
            ("ServiceEntry", &["hosts", "ports", "ports[].name", "ports[].number", "workloadSelector*"]),
            ("WorkloadEntry", &["address", "labels", "ports"]),
        ],
    ),
    by(
        "tests/tests/secure_traffic/networks.rs",
        "what_is_in_another_network_is_called_through_its_gateway",
        &[("WorkloadEntry", &["network"])],
    ),
    by(
        "tests/tests/traffic/scoping.rs",
        "a_sidecar_hides_what_it_does_not_name",
        &[("Sidecar", &["egress", "egress[].hosts", "outboundTrafficPolicy"])],
    )
    .with("tests/tests/traffic/base.yaml"),
    by(
        "tests/tests/traffic/scoping.rs",
        "a_sidecar_is_for_those_that_it_selects",
        &[("Sidecar", &["workloadSelector*"])],
    ),
    by(
        "tests/tests/traffic/protocols.rs",
        "an_entry_says_what_is_spoken",
        &[("ServiceEntry", &["ports[].protocol"])],
    ),
    by(
        "tests/tests/traffic/failover/ramp.rs",
        "a_new_replica_gets_its_share_little_by_little",
        &[(
            "DestinationRule",
            &["trafficPolicy.loadBalancer.warmup", "trafficPolicy.loadBalancer.warmup.duration"],
        )],
    ),
    by(
        "tests/tests/traffic/failover/ramp.rs",
        "a_new_replica_may_have_its_share_from_the_beginning",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.warmup.minimumPercent"])],
    ),
    by(
        "tests/tests/traffic/failover/ramp.rs",
        "a_new_replica_may_get_its_share_sooner",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.warmup.aggression"])],
    ),
    by(
        "tests/tests/traffic/failover/sticky.rs",
        "by_a_cookie_that_the_proxy_makes",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl"])],
    ),
    by(
        "tests/tests/traffic/failover/sticky.rs",
        "by_header_with_maglev",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.consistentHash.maglev"])],
    ),
    by(
        "tests/tests/settings/sidecars.rs",
        "a_sidecar_has_listeners_of_its_own",
        &[("Sidecar", &["egress[].port", "egress[].port.number", "egress[].port.protocol"])],
    ),
    by(
        "tests/tests/settings/sidecars.rs",
        "a_sidecar_says_where_the_workload_is_reached",
        &[(
            "Sidecar",
            &[
                "ingress",
                "ingress[].port",
                "ingress[].port.number",
                "ingress[].port.protocol",
                "ingress[].defaultEndpoint",
            ],
        )],
    ),
    by(
        "tests/tests/settings/sidecars.rs",
        "a_sidecar_limits_what_comes_in_and_says_who_lets_out",
        &[(
            "Sidecar",
            &[
                "inboundConnectionPool",
                "ingress[].connectionPool",
                "outboundTrafficPolicy.mode",
                "outboundTrafficPolicy.egressProxy",
                "outboundTrafficPolicy.egressProxy.host",
                "outboundTrafficPolicy.egressProxy.port*",
                "outboundTrafficPolicy.egressProxy.subset",
            ],
        )],
    ),
    by(
        "tests/tests/mtls/ingress.rs",
        "clients_outside_the_mesh",
        &[(
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
                "ingress[].tls.verifyCertificateSpki",
                "ingress[].tls.verifyCertificateHash",
                "ingress[].tls.tlsCertificates",
                "ingress[].tls.tlsCertificates[].privateKey",
                "ingress[].tls.tlsCertificates[].serverCertificate",
            ],
        )],
    ),
    by(
        "tests/tests/mtls/identities.rs",
        "only_the_meshs_own_are_let_in",
        &[(
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
    ),
    by(
        "tests/tests/mtls/modes.rs",
        "modes_by_protocol_and_client",
        &[("PeerAuthentication", &["mtls", "mtls.mode"])],
    ),
    by(
        "tests/tests/mtls/modes.rs",
        "levels_from_the_mesh_to_a_port",
        &[(
            "PeerAuthentication",
            &["selector", "selector.matchLabels", "portLevelMtls", "portLevelMtls{}.mode"],
        )],
    ),
    by(
        "tests/tests/settings/main.rs",
        "settings_of_the_mesh",
        &[
            ("VirtualService", &["http[].name", "http[].match[].name"]),
            (
                "MeshConfig",
                &[
                    "accessLogEncoding",
                    "accessLogFile",
                    "accessLogFormat",
                    "defaultConfig",
                    "defaultConfig.connectionSettings.httpHeadersWithUnderscoresAction",
                    "defaultConfig.proxyHeaders",
                    "defaultConfig.proxyHeaders.attemptCount",
                    "defaultConfig.proxyHeaders.attemptCount.disabled",
                    "defaultConfig.proxyHeaders.envoyDebugHeaders",
                    "defaultConfig.proxyHeaders.envoyDebugHeaders.disabled",
                    "defaultConfig.proxyHeaders.requestId",
                    "defaultConfig.proxyHeaders.requestId.disabled",
                    "defaultConfig.proxyHeaders.server",
                    "defaultConfig.proxyHeaders.server.value",
                    "defaultHttpRetryPolicy",
                    "defaultHttpRetryPolicy.attempts",
                    "defaultHttpRetryPolicy.retryOn",
                    "defaultProviders",
                    "defaultProviders.accessLogging",
                    "defaultTrafficPolicy",
                    "defaultTrafficPolicy.connectionPool",
                    "extensionProviders",
                    "extensionProviders[].envoyFileAccessLog",
                    "extensionProviders[].envoyFileAccessLog.logFormat",
                    "extensionProviders[].envoyFileAccessLog.path",
                    "extensionProviders[].envoyFileAccessLog.logFormat.labels",
                    "extensionProviders[].envoyFileAccessLog.logFormat.text",
                    "extensionProviders[].envoyFileAccessLog.omitEmptyValues",
                    "h2UpgradePolicy",
                    "outboundTrafficPolicy",
                    "outboundTrafficPolicy.mode",
                    "pathNormalization*",
                ],
            ),
        ],
    ),
    by(
        "tests/tests/settings/connections.rs",
        "times_of_connections_and_streams",
        &[(
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
    ),
    by(
        "tests/tests/settings/connections.rs",
        "sizes_and_paths",
        &[(
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
    ),
    by(
        "tests/tests/settings/connections.rs",
        "connections_that_are_not_made_are_given_up",
        &[("MeshConfig", &["connectTimeout"])],
    ),
    by(
        "tests/tests/settings/places.rs",
        "settings_say_who_comes_first",
        &[("MeshConfig", &["localityLbSetting", "zoneAwareLbSetting"])],
    ),
    by(
        "tests/tests/settings/places.rs",
        "settings_say_who_is_ejected",
        &[("MeshConfig", &["defaultTrafficPolicy.outlierDetection"])],
    ),
    by(
        "tests/tests/started/main.rs",
        "settings_of_the_mesh_start_proxies",
        &[(
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
                "defaultConfig.tracing.customTags{}.header",
                "defaultConfig.tracing.customTags{}.header.name",
                "defaultConfig.tracing.customTags{}.literal",
                "defaultConfig.tracing.customTags{}.literal.value",
                "extensionProviders[].name",
                "extensionProviders[].datadog.port",
                "extensionProviders[].datadog.service",
                "extensionProviders[].opentelemetry.grpc.initialMetadata*",
                "extensionProviders[].opentelemetry.http.headers*",
                "extensionProviders[].opentelemetry.http.path",
                "extensionProviders[].opentelemetry.port",
                "extensionProviders[].opentelemetry.resourceDetectors.environment",
                "extensionProviders[].opentelemetry.resourceDetectors.dynatrace",
                "extensionProviders[].opentelemetry.service",
                "extensionProviders[].skywalking",
                "extensionProviders[].skywalking.accessToken",
                "extensionProviders[].skywalking.port",
                "extensionProviders[].skywalking.service",
                "extensionProviders[].zipkin",
                "extensionProviders[].zipkin.port",
                "extensionProviders[].zipkin.service",
            ],
        )],
    )
    .with("tests/tests/started/spans.rs"),
    by(
        "tests/tests/started/main.rs",
        "settings_of_the_mesh_start_proxies",
        &[(
            "MeshConfig",
            &[
                "defaultConfig.tracing.enableIstioTags",
                "defaultConfig.tracing.maxPathTagLength",
                "extensionProviders[].zipkin.enable64bitTraceId",
                "extensionProviders[].opentelemetry.http.timeout",
                "extensionProviders[].zipkin.headers",
                "extensionProviders[].zipkin.headers[].name",
                "extensionProviders[].zipkin.headers[].value",
                "extensionProviders[].zipkin.maxTagLength",
                "extensionProviders[].zipkin.path",
                "extensionProviders[].zipkin.traceContextOption",
            ],
        )],
    )
    .with("tests/tests/started/spans.rs"),
    by(
        "tests/tests/settings/connections.rs",
        "what_connections_may_buffer",
        &[("MeshConfig", &["defaultConfig.connectionSettings.listenerPerConnectionBufferLimitBytes"])],
    ),
    by(
        "tests/tests/mtls/logged.rs",
        "connections_that_no_chain_takes",
        &[("MeshConfig", &["disableEnvoyListenerLog"])],
    ),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("MeshConfig", &["dnsRefreshRate"])],
    )
    .with("tests/tests/traffic/redirect/settings.rs"),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("MeshConfig", &["protocolDetectionTimeout"])],
    )
    .with("tests/tests/traffic/redirect/settings.rs"),
    by(
        "tests/tests/traffic/failover/ramp.rs",
        "a_new_replica_gets_its_share_by_the_older_name",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.warmupDurationSecs"])],
    ),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("ServiceEntry", &["resolution"])],
    )
    .with("tests/tests/traffic/redirect/meant.rs"),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("DestinationRule", &["trafficPolicy.loadBalancer.simple"])],
    )
    .with("tests/tests/traffic/redirect/meant.rs"),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[
            ("DestinationRule", &["trafficPolicy.connectionPool.tcp.tcpKeepalive*"]),
            ("MeshConfig", &["tcpKeepalive*"]),
        ],
    )
    .with("tests/tests/traffic/redirect/silent.rs"),
    by(
        "tests/tests/traffic/redirect.rs",
        "redirected_traffic_goes_through_both_sidecars",
        &[("MeshConfig", &["proxyListenPort", "proxyInboundListenPort"])],
    )
    .with("tests/tests/traffic/redirect/settings.rs"),
    by(
        "tests/tests/traffic/keepalive.rs",
        "pings_tell_who_is_gone",
        &[("DestinationRule", &["trafficPolicy.connectionPool.http.http2KeepAlive*"])],
    ),
    by(
        "tests/tests/settings/statistics.rs",
        "routes_may_be_counted_apart",
        &[("VirtualService", &["http[].match[].statPrefix"])],
    ),
    by(
        "tests/tests/settings/statistics.rs",
        "clusters_are_counted_as_the_mesh_says",
        &[("MeshConfig", &["inboundClusterStatName", "outboundClusterStatName"])],
    ),
    by(
        "tests/tests/settings/sidecars.rs",
        "the_nearest_sidecar_counts",
        &[("Sidecar", &["workloadSelector*"])],
    ),
    by(
        "tests/tests/settings/written.rs",
        "names_of_headers_and_hosts_are_kept",
        &[(
            "MeshConfig",
            &[
                "defaultConfig.proxyHeaders.preserveHttp1HeaderCase",
                "defaultConfig.proxyHeaders.xForwardedHost*",
            ],
        )],
    ),
    by(
        "tests/tests/settings/retries.rs",
        "settings_say_how_often_and_where_else",
        &[(
            "MeshConfig",
            &[
                "defaultHttpRetryPolicy.backoff",
                "defaultHttpRetryPolicy.perTryTimeout",
                "defaultHttpRetryPolicy.retryIgnorePreviousHosts",
                "defaultHttpRetryPolicy.retryRemoteLocalities",
            ],
        )],
    ),
    by(
        "tests/tests/settings/written.rs",
        "names_of_headers_and_hosts_are_kept",
        &[(
            "MeshConfig",
            &["defaultConfig.proxyHeaders.server.disabled", "defaultConfig.proxyHeaders.xForwardedPort*"],
        )],
    ),
    by(
        "tests/tests/settings/visible.rs",
        "settings_say_who_sees_what",
        &[("MeshConfig", &["discoverySelectors[].matchExpressions*"])],
    ),
    by(
        "tests/tests/settings/connections.rs",
        "what_connections_to_services_may_buffer",
        &[("MeshConfig", &["defaultConfig.connectionSettings.clusterPerConnectionBufferLimitBytes"])],
    ),
    by(
        "tests/tests/mtls/told.rs",
        "the_workload_hears_of_its_client_what_the_mesh_says",
        &[(
            "MeshConfig",
            &[
                "defaultConfig.proxyHeaders.forwardedClientCert",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails.cert",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails.chain",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails.dns",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails.subject",
                "defaultConfig.proxyHeaders.setCurrentClientCertDetails.uri",
            ],
        )],
    ),
    by("tests/tests/mtls/told.rs", "mtls_is_spoken_within_the_mesh", &[("ServiceEntry", &["location"])]),
    by(
        "tests/tests/started/main.rs",
        "settings_of_the_mesh_start_proxies",
        &[(
            "MeshConfig",
            &[
                "defaultConfig.tracing.customTags{}.environment*",
                "defaultConfig.tracing.customTags{}.header.defaultValue",
                "extensionProviders[].datadog.maxTagLength",
                "extensionProviders[].opentelemetry.maxTagLength",
                "extensionProviders[].skywalking.maxTagLength",
            ],
        )],
    )
    .with("tests/tests/started/spans.rs"),
    by(
        "tests/tests/started/main.rs",
        "settings_of_the_mesh_start_proxies",
        &[(
            "MeshConfig",
            &[
                "enableEnvoyAccessLogService",
                "extensionProviders[].envoyHttpAls",
                "extensionProviders[].envoyHttpAls.additionalRequestHeadersToLog",
                "extensionProviders[].envoyHttpAls.additionalResponseHeadersToLog",
                "extensionProviders[].envoyHttpAls.logName",
                "extensionProviders[].envoyHttpAls.port",
                "extensionProviders[].envoyHttpAls.service",
                "extensionProviders[].envoyOtelAls",
                "extensionProviders[].envoyOtelAls.logFormat*",
                "extensionProviders[].envoyOtelAls.port",
                "extensionProviders[].envoyOtelAls.service",
                "extensionProviders[].envoyTcpAls",
                "extensionProviders[].envoyTcpAls.logName",
                "extensionProviders[].envoyTcpAls.port",
                "extensionProviders[].envoyTcpAls.service",
            ],
        )],
    )
    .with("tests/tests/started/accesses.rs"),
];
