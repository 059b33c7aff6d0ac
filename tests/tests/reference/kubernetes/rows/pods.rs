//! Rows of pods and what makes them, and of what is between an injector and agents.

use super::others::{NETWORKS, STARTS};
use super::{DUAL_STACK, ENDPOINTS, KUBERNETES, OWN_PLACES, PLACES, READY, Row, envoy, nothing, test};

/// By what replicas differ.
const OF_TEMPLATE: &str =
    "pods that differ by it alone are replicas of each other, for proxies that ask for theirs";
/// By what is logged of requests.
const CALLED: (&str, &str) =
    ("tests/tests/settings/telemetry.rs", "labels_say_what_whoever_answers_is_called");
/// What only injection would do.
const INJECTED: &str = "it is for whoever injects sidecars, which Meltemi does not do yet";

pub(super) const POD: &[Row] = &[
    envoy("metadata.labels", "Who selects it, subsets, and what telemetry calls it.").seen(KUBERNETES, READY),
    envoy(
        "metadata.labels[topology.istio.io/locality]",
        "Where it is, as `region.zone.subzone`, over what its node says.",
    )
    .seen(ENDPOINTS, OWN_PLACES),
    envoy("metadata.labels[istio-locality]", "The same, where the other is not there.")
        .seen(ENDPOINTS, OWN_PLACES),
    envoy("metadata.labels[security.istio.io/tlsMode]", "`istio`: its sidecar takes mutual TLS.")
        .seen("tests/tests/mtls/modes.rs", "modes_by_protocol_and_client"),
    envoy("metadata.labels[istio.io/draining]", "It is about to go: no more requests come.")
        .seen("tests/tests/traffic/failover/dead.rs", "a_replica_that_is_labelled_so_gets_nothing_more"),
    envoy("metadata.labels[topology.istio.io/network]", "Its network.").seen(NETWORKS.0, NETWORKS.1),
    nothing(
        "metadata.labels[topology.istio.io/cluster]",
        "Its cluster.",
        "there is one cluster, and the node of a proxy says which",
    ),
    envoy(
        "metadata.labels[service.istio.io/canonical-name]",
        "What telemetry calls its service; before `app.kubernetes.io/name` and `app`.",
    )
    .seen(CALLED.0, CALLED.1),
    envoy(
        "metadata.labels[service.istio.io/canonical-revision]",
        "What telemetry calls its version; before `app.kubernetes.io/version` and `version`.",
    )
    .seen(CALLED.0, CALLED.1),
    envoy(
        "metadata.labels[service.istio.io/workload-name]",
        "What telemetry calls it, over what its owners are called.",
    )
    .seen(CALLED.0, CALLED.1),
    envoy("metadata.labels[app.kubernetes.io/name]", "What telemetry calls its service.")
        .seen(CALLED.0, CALLED.1),
    envoy("metadata.labels[app.kubernetes.io/version]", "What telemetry calls its version.")
        .seen(CALLED.0, CALLED.1),
    nothing(
        "metadata.labels[topology.istio.io/subzone]",
        "Its subzone.",
        "`istio-locality` says it, or its node",
    ),
    nothing(
        "metadata.labels[kubernetes.io/hostname]",
        "Its node.",
        "`spec.nodeName` says it, also where `failoverPriority` names this label",
    ),
    nothing(
        "metadata.labels[statefulset.kubernetes.io/pod-name]",
        "Its name, of a StatefulSet.",
        OF_TEMPLATE,
    ),
    nothing("metadata.labels[apps.kubernetes.io/pod-index]", "Its number.", OF_TEMPLATE),
    nothing(
        "metadata.labels[batch.kubernetes.io/job-completion-index]",
        "Its number, of a Job.",
        OF_TEMPLATE,
    ),
    envoy("spec.nodeName", "Its node.").seen(KUBERNETES, PLACES),
    nothing(
        "spec.hostNetwork",
        "It shares the addresses of its node.",
        "it is called at its addresses like any other, and known by its name",
    ),
    envoy("spec.serviceAccountName", "Who it is; `default` if it is not said.")
        .seen("tests/tests/mtls/identities.rs", "only_the_meshs_own_are_let_in"),
    envoy("spec.containers", "What runs in it: their ports, and how they are asked.").seen(KUBERNETES, READY),
    envoy("spec.containers[].ports", "Ports that Services may name.").seen(KUBERNETES, READY),
    envoy("spec.containers[].ports[].name", "The name, as `targetPort` of a Service.")
        .seen(KUBERNETES, READY),
    envoy("spec.containers[].ports[].containerPort", "The number.").seen(KUBERNETES, READY),
    nothing(
        "spec.containers[].ports[].protocol",
        "How it is carried.",
        "Services say it; what runs under `meltemi up` does not listen for UDP",
    ),
    test(
        "spec.containers[].readinessProbe",
        "When it is ready.",
        "Whether a workload of `meltemi up` is called; in a cluster the kubelet asks",
        ("tests/tests/traffic/changes/started.rs", "probes_decide"),
    ),
    envoy("status.conditions", "`Ready`: it is called, where nobody makes slices.").seen(KUBERNETES, READY),
    envoy("status.phase", "`Succeeded` and `Failed`: it is no workload any more.").seen(KUBERNETES, READY),
    envoy("status.podIP", "Its first address.").seen(KUBERNETES, READY),
    envoy("status.podIPs", "All of them.").seen(DUAL_STACK.0, DUAL_STACK.1),
    envoy("status.podIPs[].ip", "One of them.").seen(DUAL_STACK.0, DUAL_STACK.1),
];

/// What Istio's injector reads; it hands to agents what is theirs.
pub(super) const INJECTION: &[Row] = &[
    nothing("metadata.labels[sidecar.istio.io/inject]", "Whether it gets a sidecar.", INJECTED),
    nothing(
        "metadata.labels[istio.io/rev]",
        "The revision of the control plane that serves it.",
        "there is one control plane, and a flag of its agents says where",
    ),
    nothing(
        "metadata.labels[istio.io/dataplane-mode]",
        "How its traffic is captured without a sidecar.",
        "meshes without sidecars are not served",
    ),
    nothing("metadata.annotations[sidecar.istio.io/agentLogLevel]", "The agent's log level.", INJECTED),
    nothing(
        "metadata.annotations[sidecar.istio.io/bootstrapOverride]",
        "A ConfigMap with a bootstrap.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/componentLogLevel]",
        "Log levels of parts of Envoy.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/controlPlaneAuthPolicy]",
        "How the proxy calls the control plane.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/discoveryAddress]",
        "Where the control plane is.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/enableCoreDump]",
        "Whether Envoy leaves a core dump.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/interceptionMode]",
        "How connections are captured.",
        INJECTED,
    ),
    nothing("metadata.annotations[sidecar.istio.io/logLevel]", "Envoy's log level.", INJECTED),
    nothing(
        "metadata.annotations[sidecar.istio.io/nativeSidecar]",
        "Whether the proxy is an init container that stays.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/proxyCPU]",
        "What the proxy asks for of processors.",
        INJECTED,
    ),
    nothing("metadata.annotations[sidecar.istio.io/proxyCPULimit]", "What it may take.", INJECTED),
    nothing("metadata.annotations[sidecar.istio.io/proxyImage]", "The proxy's image.", INJECTED),
    nothing("metadata.annotations[sidecar.istio.io/proxyImageType]", "The kind of that image.", INJECTED),
    nothing(
        "metadata.annotations[sidecar.istio.io/proxyMemory]",
        "What the proxy asks for of memory.",
        INJECTED,
    ),
    nothing("metadata.annotations[sidecar.istio.io/proxyMemoryLimit]", "What it may take.", INJECTED),
    nothing(
        "metadata.annotations[sidecar.istio.io/rewriteAppHTTPProbers]",
        "Whether the agent is asked in place of the application.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/statsCompression]",
        "Metrics are sent compressed.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[sidecar.istio.io/statsHistogramBuckets]",
        "Buckets of histograms.",
        INJECTED,
    ),
    nothing("metadata.annotations[sidecar.istio.io/status]", "What injection did.", INJECTED),
    nothing("metadata.annotations[sidecar.istio.io/userVolume]", "More volumes.", INJECTED),
    nothing("metadata.annotations[sidecar.istio.io/userVolumeMount]", "Where they are mounted.", INJECTED),
    nothing(
        "metadata.annotations[status.sidecar.istio.io/port]",
        "Where the agent is asked whether the proxy is ready.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[readiness.status.sidecar.istio.io/applicationPorts]",
        "Ports that the application listens on.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[readiness.status.sidecar.istio.io/failureThreshold]",
        "How many failures count.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[readiness.status.sidecar.istio.io/initialDelaySeconds]",
        "When the proxy is asked first.",
        INJECTED,
    ),
    nothing("metadata.annotations[readiness.status.sidecar.istio.io/periodSeconds]", "How often.", INJECTED),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/excludeInboundPorts]",
        "Ports whose connections do not go to the proxy.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/excludeInterfaces]",
        "Interfaces, likewise.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/excludeOutboundIPRanges]",
        "Addresses, likewise.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/excludeOutboundPorts]",
        "Ports of others, likewise.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/includeInboundPorts]",
        "Ports whose connections go to the proxy.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/includeOutboundIPRanges]",
        "Addresses, likewise.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/includeOutboundPorts]",
        "Ports of others, likewise.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[traffic.sidecar.istio.io/kubevirtInterfaces]",
        "Interfaces of virtual machines.",
        INJECTED,
    ),
    nothing(
        "metadata.annotations[proxy.istio.io/config]",
        "Settings of its proxy, over those of the mesh.",
        INJECTED,
    ),
    nothing("metadata.annotations[proxy.istio.io/overrides]", "What the pod had before.", INJECTED),
    nothing(
        "metadata.annotations[prometheus.istio.io/merge-metrics]",
        "Whether the agent serves the application's metrics, too.",
        INJECTED,
    ),
    nothing("metadata.annotations[inject.istio.io/templates]", "What is injected.", INJECTED),
    test(
        "metadata.annotations[sidecar.istio.io/statsInclusionPrefixes]",
        "Metrics that Envoy keeps, by what their names begin with.",
        "The agent, which reads the annotations of its pod: `stats_config` of the bootstrap",
        STATS,
    ),
    test(
        "metadata.annotations[sidecar.istio.io/statsInclusionSuffixes]",
        "The same, by what they end with.",
        "As above",
        STATS,
    ),
    test(
        "metadata.annotations[sidecar.istio.io/statsInclusionRegexps]",
        "The same, by regular expressions.",
        "As above",
        STATS,
    ),
    test(
        "metadata.annotations[sidecar.istio.io/extraStatTags]",
        "More tags of metrics, besides those of `extraStatTags` in the settings.",
        "The agent, which reads the annotations of its pod: `stats_tags` of the bootstrap",
        TAGS,
    ),
];

const STATS: (&str, &str) = ("agent/tests/proxy/settings.rs", "a_proxy_runs_as_its_settings_say");
const TAGS: (&str, &str) = ("agent/tests/proxy/telling.rs", "a_proxy_tells_whom_its_settings_say");

pub(super) const DEPLOYMENT: &[Row] = &[
    test(
        "spec.replicas",
        "How many there are; one if it is not said.",
        "How many workloads run under `meltemi up`",
        STARTS,
    ),
    test("spec.template", "What each is: labels and `spec` as those of a pod.", "What they are", STARTS),
];
