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
    Note {
        kind: "WorkloadGroup",
        path: "probe*",
        effect: "How the agent asks the workload, as `readinessProbe` of its settings, where `istioctl x workload entry configure` copies it; \
                 what it finds is the health of the WorkloadEntry",
        file: "agent/tests/proxy/machine.rs",
        test: "a_machine_registers_itself_and_says_how_it_is",
    },
    Note {
        kind: "MeshConfig",
        path: "defaultConfig.tracing.zipkin",
        effect: "Proxies are started with this tracer",
        file: "tests/tests/started/main.rs",
        test: "settings_of_the_mesh_start_proxies",
    },
    Note {
        kind: "MeshConfig",
        path: "defaultConfig.connectionSettings.globalDownstreamConnectionLimit",
        effect: "How many connections the Envoys of `meltemi up` take, and those whose agent is told so by PROXY_CONFIG",
        file: "tests/tests/started/main.rs",
        test: "settings_of_the_mesh_start_proxies",
    },
    Note {
        kind: "MeshConfig",
        path: "caCertificates",
        effect: "Workloads get these roots with their certificates",
        file: "cli/tests/secure.rs",
        test: "mesh_settings_say_who_workloads_are_and_what_ends_soon_is_told",
    },
];

/// What proxies are started with.
const fn started(kind: &'static str, path: &'static str, effect: &'static str) -> Note {
    let (file, test) = ("tests/tests/started/main.rs", "proxies_are_started_as_proxy_configs_say");
    Note { kind, path, effect, file, test }
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
