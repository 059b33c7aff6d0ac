//! Fields whose effect is not in what Envoy is sent, or not in the answer of a single proxy: what they do, and the test.

/// A field that no golden can show, and what does.
pub struct Note {
    /// The kind.
    pub kind: &'static str,
    /// The field; a `*` at the end stands for all below.
    pub path: &'static str,
    /// What it does.
    pub effect: &'static str,
    /// The file of the test, from the root of the workspace; empty: the golden that was found.
    pub file: &'static str,
    /// The test in it.
    pub test: &'static str,
}

/// All of them.
pub const NOTES: &[Note] = &[
    nothing("Sidecar", "egress[].port.targetPort", "Nothing, as in Istio, which has it for other kinds"),
    nothing("Sidecar", "ingress[].port.targetPort", "Nothing, as in Istio, which has it for other kinds"),
    nothing("Sidecar", "egress[].port.name", "Nothing: it is for readers"),
    nothing("Sidecar", "ingress[].port.name", "Nothing: it is for readers"),
    nothing(
        "MeshConfig",
        "extensionProviders[].zipkin.timeout",
        "Nothing: Envoy gives collectors of Zipkin five seconds; whoever writes another time is told",
    ),
    nothing(
        "MeshConfig",
        "extensionProviders[].opentelemetry.grpc.timeout",
        "Nothing: Envoy waits for collectors that it calls by gRPC as long as they take; whoever writes a time is told",
    ),
    nothing(
        "MeshConfig",
        "outboundTrafficPolicy.tls.credentialName",
        "None: credentials are of one namespace. No request is sent to hosts that nobody knows then, and whoever writes it is told so",
    ),
    started("ProxyConfig", "selector", "Whose proxies are started so"),
    started("ProxyConfig", "selector.matchLabels", "Whose proxies are started so"),
    started(
        "ProxyConfig",
        "concurrency",
        "Worker threads of the Envoys of `meltemi up`; in a cluster it waits for sidecar injection",
    ),
    started(
        "ProxyConfig",
        "environmentVariables",
        "Environment of the Envoys of `meltemi up`, and metadata of their nodes; in a cluster it waits for sidecar injection",
    ),
    registered("metadata*", "In the WorkloadEntries of workloads that register themselves"),
    registered("template*", "In the WorkloadEntries of workloads that register themselves"),
    probe("probe", MACHINE),
    probe("probe.httpGet", MACHINE),
    probe("probe.httpGet.host", MACHINE),
    probe("probe.httpGet.port", MACHINE),
    probe("probe.exec*", ("agent/src/health.rs", "a_command_says_how_it_is_and_only_differences_are_told")),
    probe("probe*", ("agent/src/health/written.rs", "every_field_counts")),
    started_by_mesh("defaultConfig.tracing.zipkin*", "Proxies are started with this tracer"),
    started_by_mesh("defaultConfig.tracing.datadog*", "Proxies are started with this tracer"),
    started_by_mesh(
        "defaultConfig.connectionSettings.globalDownstreamConnectionLimit",
        "How many connections the Envoys of `meltemi up` take, and those whose agent is told so by PROXY_CONFIG",
    ),
    started_by_mesh(
        "defaultConfig.concurrency",
        "Worker threads of the Envoys of `meltemi up`, and of those whose agent is told so by PROXY_CONFIG",
    ),
    started_by_mesh(
        "defaultConfig.proxyMetadata",
        "Environment of the Envoys of `meltemi up`, and of those whose agent is told so by PROXY_CONFIG; metadata of their nodes",
    ),
    started_by_mesh(
        "defaultConfig.envoyAccessLogService",
        "Proxies are started with this service, where `enableEnvoyAccessLogService` sends accesses",
    ),
    started_by_mesh("defaultConfig.envoyAccessLogService.address", "Where accesses go"),
    without_secrets("defaultConfig.envoyAccessLogService.tlsSettings.credentialName"),
    telling(
        "defaultConfig.envoyAccessLogService.tlsSettings",
        "TLS towards that service, by the agent's secrets",
    ),
    telling("defaultConfig.envoyAccessLogService.tlsSettings.mode", "TLS towards that service"),
    secrets("defaultConfig.envoyAccessLogService.tlsSettings*", "TLS towards that service"),
    telling("defaultConfig.envoyAccessLogService.tcpKeepalive*", "Keepalive of connections to that service"),
    started_by_mesh(
        "defaultConfig.envoyMetricsService",
        "`stats_sinks` of the bootstrap: proxies are started with this service",
    ),
    started_by_mesh("defaultConfig.envoyMetricsService.address", "Where metrics go"),
    without_secrets("defaultConfig.envoyMetricsService.tlsSettings.credentialName"),
    telling(
        "defaultConfig.envoyMetricsService.tlsSettings",
        "TLS towards that service, by the agent's secrets",
    ),
    telling("defaultConfig.envoyMetricsService.tlsSettings.mode", "TLS towards that service"),
    secrets("defaultConfig.envoyMetricsService.tlsSettings*", "TLS towards that service"),
    telling("defaultConfig.envoyMetricsService.tcpKeepalive*", "Keepalive of connections to that service"),
    started_by_mesh(
        "defaultConfig.envoyMetricsServiceAddress",
        "As `envoyMetricsService.address`, which wins",
    ),
    started_by_mesh(
        "defaultConfig.statsdUdpAddress",
        "`stats_sinks` of the bootstrap: proxies send this statsd their metrics",
    ),
    started_by_mesh(
        "defaultConfig.extraStatTags",
        "`stats_tags` of the bootstrap, for `TAG.=.VALUE;.` in names of metrics",
    ),
    started_by_mesh("defaultConfig.fileFlushInterval", "Envoy's `--file-flush-interval-msec`"),
    telling("defaultConfig.fileFlushMinSizeKb", "Envoy's `--file-flush-min-size-kb`"),
    telling(
        "defaultConfig.statsCompression",
        "Whoever asks for metrics gets them by brotli, gzip or zstd, if it takes one of these; `false`: as they are",
    ),
    started_by_mesh("defaultConfig.zipkinAddress", "As `tracing.zipkin.address`, which wins"),
    started_by_mesh(
        "defaultConfig.tracingServiceName",
        "`node.cluster` of the bootstrap, where no `serviceCluster` says it",
    ),
    without_secrets("defaultConfig.tracing.tlsSettings.credentialName"),
    telling(
        "defaultConfig.tracing.tlsSettings",
        "TLS towards the tracer that proxies are started with, by the agent's secrets",
    ),
    telling("defaultConfig.tracing.tlsSettings.mode", "TLS towards the tracer that proxies are started with"),
    secrets("defaultConfig.tracing.tlsSettings*", "TLS towards the tracer that proxies are started with"),
    telling(
        "defaultConfig.caCertificatesPem",
        "Envoy trusts these roots besides those that come with its certificate",
    ),
    agent(
        "defaultConfig.binaryPath",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: the Envoy that it runs, unless its flag `--envoy` names one",
    ),
    agent(
        "defaultConfig.configPath",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: the directory of its sockets, of Envoy's bootstrap, and of what is kept for a restart",
    ),
    agent(
        "defaultConfig.discoveryAddress",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: where it asks for configuration, and for certificates where `CA_ADDR` says nothing",
    ),
    agent(
        "defaultConfig.drainDuration",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: Envoy's `--drain-time-s`",
    ),
    agent(
        "defaultConfig.proxyAdminPort",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: the port of Envoy's administration",
    ),
    agent(
        "defaultConfig.proxyStatsMatcher",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: `stats_config.stats_matcher` of Envoy's bootstrap, beside what is always kept",
    ),
    agent(
        "defaultConfig.runtimeValues",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: `layered_runtime` of Envoy's bootstrap",
    ),
    agent(
        "defaultConfig.serviceCluster",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: `node.cluster` of Envoy's bootstrap",
    ),
    agent(
        "defaultConfig.statusPort",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: the port on which it says whether the proxy is ready",
    ),
    agent(
        "defaultConfig.terminationDrainDuration",
        "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: how long clients have to go when the pod ends",
    ),
    Note {
        kind: "MeshConfig",
        path: "defaultConfig.readinessProbe",
        effect: "**No effect** by itself, which is told. In `PROXY_CONFIG` of an agent: how it asks the workload; what it finds is the health \
                 of the WorkloadEntry",
        file: MACHINE.0,
        test: MACHINE.1,
    },
    nothing(
        "MeshConfig",
        "defaultConfig.proxyHeaders.metadataExchangeHeaders",
        "Nothing: that they are sent within the mesh only holds, because no proxy sends them",
    ),
    nothing(
        "MeshConfig",
        "defaultConfig.proxyHeaders.metadataExchangeHeaders.mode",
        "Nothing: that they are sent within the mesh only holds, because no proxy sends them",
    ),
    roots("caCertificates"),
    roots("caCertificates[].pem"),
    Note {
        kind: "MeshConfig",
        path: "caCertificates[].certSigners",
        effect: "The certificate authority takes the roots for those of these signers of the Kubernetes API",
        file: "pilot/ingest/src/mesh_identity.rs",
        test: "what_is_said_of_identity_is_read_and_the_rest_is_not_looked_at",
    },
];

/// What proxies are started with.
const fn started(kind: &'static str, path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("tests/tests/started/main.rs", "proxies_are_started_as_proxy_configs_say");
    Note { kind, path, effect, file, test }
}

/// What proxies are started with because the mesh says so.
const fn started_by_mesh(path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("tests/tests/started/main.rs", "settings_of_the_mesh_start_proxies");
    Note { kind: "MeshConfig", path, effect, file, test }
}

/// What agents do, and the control plane does not.
const fn agent(path: &'static str, does: &'static str) -> Note {
    let (file, test) = ("agent/tests/proxy/settings.rs", "a_proxy_runs_as_its_settings_say");
    Note { kind: "MeshConfig", path, effect: does, file, test }
}

/// TLS of what a bootstrap itself leads to.
const fn secrets(path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("agent/src/environment/telemetry.rs", "every_field_of_tls_counts");
    Note { kind: "MeshConfig", path, effect, file, test }
}

/// Secrets, which a bootstrap does not have.
const fn without_secrets(path: &'static str) -> Note {
    let effect =
        "None: a bootstrap has no Secrets. Nothing is told there then, and whoever writes it is told so";
    let (file, test) =
        ("agent/src/environment/telemetry.rs", "what_cannot_be_done_is_told_and_never_done_in_plaintext");
    Note { kind: "MeshConfig", path, effect, file, test }
}

/// Whom proxies tell.
const fn telling(path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("agent/tests/proxy/telling.rs", "a_proxy_tells_whom_its_settings_say");
    Note { kind: "MeshConfig", path, effect, file, test }
}

/// Roots of the mesh.
const fn roots(path: &'static str) -> Note {
    let (file, test) =
        ("cli/tests/secure.rs", "mesh_settings_say_who_workloads_are_and_what_ends_soon_is_told");
    Note { kind: "MeshConfig", path, effect: "Workloads get these roots with their certificates", file, test }
}

/// An agent that asks a real workload.
const MACHINE: (&str, &str) =
    ("agent/tests/proxy/machine.rs", "a_machine_registers_itself_and_says_how_it_is");

/// How agents ask workloads.
const fn probe(path: &'static str, (file, test): (&'static str, &'static str)) -> Note {
    let effect = "How the agent asks the workload, as `readinessProbe` of its settings, where `istioctl x workload entry configure` copies it; \
                  what it finds is the health of the WorkloadEntry";
    Note { kind: "WorkloadGroup", path, effect, file, test }
}

/// What the entries of workloads that register themselves say.
const fn registered(path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("tests/tests/cluster_status/registration.rs", "workloads_register_themselves");
    Note { kind: "WorkloadGroup", path, effect, file, test }
}

/// A field that has no effect, and need not have one.
const fn nothing(kind: &'static str, path: &'static str, effect: &'static str) -> Note {
    Note { kind, path, effect, file: "", test: "" }
}
