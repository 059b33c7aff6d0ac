//! The rows: what is read of each kind, and what may be taken for something that is.
//!
//! In: nothing. Out: rows. Effects are looked up where they are Envoy's configuration. A test that is named by `seen` fails without the field:
//! `MELTEMI_WITHOUT='KIND PATH' cargo test ...` tries it.

/// A field of an object, or a label or an annotation.
pub struct Row {
    /// Where it stands.
    pub path: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How its effect is known.
    pub how: How,
    /// A test that sends requests: its file, and its name.
    pub seen: Option<(&'static str, &'static str)>,
}

/// How an effect is known.
#[derive(Clone, Copy)]
pub enum How {
    /// A golden is another one without it; what differs at Envoy is looked up.
    Envoy,
    /// A golden is another one without it, and what differs is said here.
    Told(&'static str),
    /// A test shows it: what it does, the file, and the test.
    Test(&'static str, &'static str, &'static str),
    /// It has none, and why.
    Nothing(&'static str),
}

impl Row {
    /// The test sends requests.
    const fn seen(self, file: &'static str, test: &'static str) -> Self {
        Self { seen: Some((file, test)), ..self }
    }
}

const fn envoy(path: &'static str, says: &'static str) -> Row {
    Row { path, says, how: How::Envoy, seen: None }
}

const fn told(path: &'static str, says: &'static str, effect: &'static str) -> Row {
    Row { path, says, how: How::Told(effect), seen: None }
}

const fn test(
    path: &'static str,
    says: &'static str,
    effect: &'static str,
    (file, name): (&'static str, &'static str),
) -> Row {
    Row { path, says, how: How::Test(effect, file, name), seen: None }
}

const fn nothing(path: &'static str, says: &'static str, why: &'static str) -> Row {
    Row { path, says, how: How::Nothing(why), seen: None }
}

const KUBERNETES: &str = "tests/tests/traffic/kubernetes.rs";
const READY: &str = "pods_are_called_when_they_say_that_they_are_ready";
const SLICES: &str = "slices_say_who_is_called";
const WHOSE: &str = "slices_say_whose_addresses_they_have";
const PLACES: &str = "nodes_and_slices_say_where_endpoints_are";
const REDIRECTED: (&str, &str) =
    ("tests/tests/traffic/redirect.rs", "redirected_traffic_goes_through_both_sidecars");
const CASES: &str = "tests/tests/traffic/cases.rs";
const HEADLESS: (&str, &str) = ("tests/tests/traffic/protocols.rs", "headless");

/// By what replicas differ.
const OF_TEMPLATE: &str =
    "pods that differ by it alone are replicas of each other, for proxies that ask for theirs";
/// Of nodes and load balancers.
const OUTSIDE: &str = "how nodes and load balancers forward is no business of proxies";
/// What only injection would do.
const INJECTED: &str = "it is for whoever injects sidecars, which Meltemi does not do yet";

const SERVICE: &[Row] = &[
    envoy("metadata.labels[topology.istio.io/network]", "It is the gateway of this network.")
        .seen("tests/tests/secure_traffic/networks.rs", "what_is_in_another_network_is_called_through_its_gateway"),
    envoy("metadata.labels[networking.istio.io/gatewayPort]", "Which of the gateway's ports takes what comes from other networks; 15443 if it is not said."),
    envoy("metadata.annotations[networking.istio.io/exportTo]", "Namespaces that see it, with commas between: names, `.`, `*` or `~`.")
        .seen(KUBERNETES, "services_are_seen_where_their_annotation_says"),
    envoy("metadata.annotations[networking.istio.io/traffic-distribution]", "As `spec.trafficDistribution`, which comes first.").seen(KUBERNETES, PLACES),
    envoy("metadata.annotations[alpha.istio.io/canonical-serviceaccounts]", "Identities that may serve it besides those of its endpoints.")
        .seen(TOLD.0, TOLD.1),
    envoy("metadata.annotations[alpha.istio.io/kubernetes-serviceaccounts]", "Service accounts of its namespace that may, too.")
        .seen(TOLD.0, TOLD.1),
    nothing("metadata.annotations[networking.istio.io/address-type]", "What the addresses of a Gateway are.", "Meltemi serves no gateways yet"),
    nothing("metadata.annotations[networking.istio.io/service-type]", "The type of a Gateway's Service.", "Meltemi serves no gateways yet"),
    nothing("spec.allocateLoadBalancerNodePorts", "Whether nodes have ports for it.", OUTSIDE),
    envoy("spec.clusterIP", "Its address, where `clusterIPs` says nothing; `None`: clients go to its pods.").seen(HEADLESS.0, HEADLESS.1),
    envoy("spec.clusterIPs", "Its addresses, of either version of IP."),
    told("spec.externalIPs", "Other addresses.", "Those of the gateway of a network; of other Services proxies do not listen there, which is told"),
    envoy("spec.externalName", "The name that it stands for, with `type: ExternalName`.").seen(CASES, "services"),
    nothing("spec.externalTrafficPolicy", "Which nodes take what comes from outside.", OUTSIDE),
    nothing("spec.healthCheckNodePort", "Where load balancers ask nodes.", OUTSIDE),
    envoy("spec.internalTrafficPolicy", "`Local`: only pods on the client's own node are called.").seen(REDIRECTED.0, REDIRECTED.1),
    nothing("spec.ipFamilies", "The versions of IP.", "its addresses say it"),
    nothing("spec.ipFamilyPolicy", "Whether it has both versions of IP.", "its addresses say it"),
    nothing("spec.loadBalancerClass", "Whose load balancer it has.", OUTSIDE),
    nothing("spec.loadBalancerIP", "The address of its load balancer.", OUTSIDE),
    nothing("spec.loadBalancerSourceRanges", "Who gets through its load balancer.", OUTSIDE),
    envoy("spec.ports", "Its ports; of a number that is there for UDP, too, proxies carry the other.")
        .seen(KUBERNETES, READY),
    envoy("spec.ports[].appProtocol", "What is spoken there, whatever the port is called.").seen(KUBERNETES, "a_port_says_what_is_spoken"),
    envoy("spec.ports[].name", "What is spoken there, by what it begins with; ports of slices have the same names.")
        .seen("tests/tests/traffic/protocols.rs", "a_port_named_http2_gets_http2_from_clients_of_either_version"),
    nothing("spec.ports[].nodePort", "The port of nodes that leads there.", OUTSIDE),
    envoy("spec.ports[].port", "Its number.")
        .seen(KUBERNETES, READY),
    envoy("spec.ports[].protocol", "`UDP` is not carried."),
    envoy("spec.ports[].targetPort", "Where it leads on a pod, by number or by the name of a container's port; read where nobody makes slices, and by sidecars of what comes in.")
        .seen(CASES, "services"),
    envoy("spec.publishNotReadyAddresses", "Pods that are not ready are called, too; where there are slices, these say so.").seen(KUBERNETES, READY),
    envoy("spec.selector", "The pods and WorkloadEntries that serve it; of pods slices come first.").seen(KUBERNETES, READY),
    envoy("spec.sessionAffinity", "Whether clients stay with a pod."),
    nothing("spec.sessionAffinityConfig", "For how long.", "it belongs to `sessionAffinity`, which has no effect: a DestinationRule's `consistentHash` does that"),
    envoy("spec.trafficDistribution", "Near endpoints come first: `PreferClose`, `PreferSameZone` or `PreferSameNode`.").seen(KUBERNETES, PLACES),
    envoy("spec.type", "`ExternalName`: another name for what `externalName` says; the others are alike.").seen(CASES, "services"),
    envoy("status.loadBalancer.ingress", "The addresses of the gateway of a network; names are not looked up, which is told."),
];

const SLICE: &[Row] = &[
    envoy("metadata.labels[kubernetes.io/service-name]", "The Service.").seen(KUBERNETES, SLICES),
    envoy("addressType", "`FQDN`: it is passed over, as by Istio."),
    envoy("endpoints", "Who serves it.").seen(KUBERNETES, SLICES),
    envoy("endpoints[].addresses", "Addresses of one pod, of which the first is used, as by Kubernetes.")
        .seen(KUBERNETES, SLICES),
    envoy("endpoints[].conditions", "Whether it takes requests.").seen(KUBERNETES, SLICES),
    envoy("endpoints[].conditions.ready", "It does; yes if it is not said.").seen(KUBERNETES, SLICES),
    nothing(
        "endpoints[].conditions.serving",
        "It answers, if it is not ready.",
        "what ends is not called, whether it answers or not",
    ),
    envoy("endpoints[].conditions.terminating", "It is about to end."),
    nothing(
        "endpoints[].deprecatedTopology",
        "Where it is, in an older version.",
        "`nodeName` and `zone` say it",
    ),
    nothing(
        "endpoints[].hints",
        "For whom it is.",
        "hints choose endpoints for kube-proxy; sidecars choose by locality",
    ),
    envoy("endpoints[].hostname", "Its own name below that of a headless Service."),
    envoy(
        "endpoints[].nodeName",
        "The node, of which the place is known; for `internalTrafficPolicy: Local`, too.",
    )
    .seen(KUBERNETES, PLACES),
    envoy("endpoints[].targetRef", "The pod: its labels, service account, network and place.")
        .seen(KUBERNETES, WHOSE),
    envoy("endpoints[].zone", "Its zone, where neither pod nor node is known."),
    envoy("ports", "The ports that it has.").seen(KUBERNETES, SLICES),
    nothing("ports[].appProtocol", "What is spoken there.", "the Service says it"),
    envoy("ports[].name", "Which port of the Service it is.").seen(KUBERNETES, SLICES),
    envoy("ports[].port", "Its number on pods.").seen(KUBERNETES, SLICES),
    nothing("ports[].protocol", "How it is carried.", "the Service says it"),
];

const POD: &[Row] = &[
    envoy("metadata.labels", "Who selects it, subsets, and what telemetry calls it.").seen(KUBERNETES, READY),
    envoy(
        "metadata.labels[istio-locality]",
        "Where it is, as `region.zone.subzone`, over what its node says.",
    ),
    envoy("metadata.labels[security.istio.io/tlsMode]", "`istio`: its sidecar takes mutual TLS.")
        .seen("tests/tests/mtls/modes.rs", "modes_by_protocol_and_client"),
    envoy("metadata.labels[topology.istio.io/network]", "Its network."),
    nothing(
        "metadata.labels[topology.istio.io/cluster]",
        "Its cluster.",
        "there is one cluster, and the node of a proxy says which",
    ),
    envoy(
        "metadata.labels[service.istio.io/canonical-name]",
        "What telemetry calls its service; before `app.kubernetes.io/name` and `app`.",
    ),
    envoy(
        "metadata.labels[service.istio.io/canonical-revision]",
        "What telemetry calls its version; before `app.kubernetes.io/version` and `version`.",
    ),
    envoy(
        "metadata.labels[service.istio.io/workload-name]",
        "What telemetry calls it, over what its owners are called.",
    ),
    envoy("metadata.labels[app.kubernetes.io/name]", "What telemetry calls its service."),
    envoy("metadata.labels[app.kubernetes.io/version]", "What telemetry calls its version."),
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
    envoy("spec.hostNetwork", "It shares the addresses of its node, and has none of its own."),
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
    envoy("status.podIPs", "All of them."),
    envoy("status.podIPs[].ip", "One of them."),
];

/// What Istio's injector reads; it hands to agents what is theirs.
const INJECTION: &[Row] = &[
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
    nothing("metadata.annotations[sidecar.istio.io/extraStatTags]", "More tags of metrics.", INJECTED),
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
];

const STATS: (&str, &str) = ("agent/tests/proxy/settings.rs", "a_proxy_runs_as_its_settings_say");

const DEPLOYMENT: &[Row] = &[
    test(
        "spec.replicas",
        "How many there are; one if it is not said.",
        "How many workloads run under `meltemi up`",
        STARTS,
    ),
    test("spec.template", "What each is: labels and `spec` as those of a pod.", "What they are", STARTS),
];

const STARTS: (&str, &str) = ("tests/tests/traffic/changes/started.rs", "replicas_come_and_go");

const NODE: &[Row] = &[
    envoy("metadata.labels[topology.kubernetes.io/region]", "The region of its pods.")
        .seen(KUBERNETES, PLACES),
    envoy("metadata.labels[topology.kubernetes.io/zone]", "Their zone.").seen(KUBERNETES, PLACES),
    envoy("metadata.labels[topology.istio.io/subzone]", "Their subzone.")
        .seen(KUBERNETES, "racks_count_within_a_zone"),
];

const NAMESPACE: &[Row] = &[
    nothing(
        "metadata.labels[kubernetes.io/metadata.name]",
        "Its name.",
        "every namespace has it, also where nobody writes it; selectors may name it",
    ),
    nothing(
        "metadata.annotations[topology.istio.io/controlPlaneClusters]",
        "Clusters whose control planes serve it.",
        "there is one cluster",
    ),
    nothing(
        "metadata.annotations[kubernetes.io/ingress.class]",
        "Which controller serves an Ingress.",
        "it has a meaning only on Ingresses, which is told",
    ),
    envoy(
        "metadata.labels",
        "Whether it belongs to the mesh (`discoverySelectors`), and who sees its ServiceEntries (`serviceEntryVisibility`).",
    )
        .seen("tests/tests/settings/visible.rs", "settings_say_who_sees_what"),
    envoy(
        "metadata.labels[topology.istio.io/network]",
        "On the root namespace: the network of the cluster; on others that it has no effect is told.",
    ),
];

const SECRET: &[Row] = &[
    envoy("data[tls.crt]", "The certificate of a `credentialName`.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[tls.key]", "Its key.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[ca.crt]", "Whose certificates of servers are taken.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[ca.crl]", "Which of these have been revoked."),
    envoy("data[cert]", "As `tls.crt`, before which it comes."),
    envoy("data[key]", "As `tls.key`."),
    envoy("data[cacert]", "As `ca.crt`."),
    envoy("data[crl]", "As `ca.crl`."),
];

const TOLD: (&str, &str) = ("tests/tests/mtls/told.rs", "a_service_may_say_who_else_serves_it");
const CREDENTIALS: (&str, &str) =
    ("tests/tests/secure_traffic/credentials.rs", "credentials_are_replaced_withdrawn_and_put_back");

const CONFIG_MAP: &[Row] = &[
    envoy("data[mesh]", "The settings of the mesh: [MeshConfig](api.md#meshconfig).")
        .seen("tests/tests/settings/main.rs", "settings_of_the_mesh"),
    envoy(
        "data[meshNetworks]",
        "Networks, whose endpoints they have, and their gateways: [networks](networks.md).",
    )
    .seen(
        "tests/tests/secure_traffic/networks.rs",
        "what_is_in_another_network_is_called_through_its_gateway",
    ),
];

const SERVICE_ENTRY: &[Row] = &[
    envoy(
        "metadata.annotations[networking.istio.io/traffic-distribution]",
        "Near endpoints come first, as `trafficDistribution` of a Service.",
    )
    .seen("tests/tests/traffic/locality.rs", "a_service_may_prefer_what_is_near"),
    envoy(
        "metadata.labels[networking.istio.io/enable-autoallocate-ip]",
        "`false`: it gets no addresses where it has none.",
    ),
];

const WORKLOAD_ENTRY: &[Row] = &[
    envoy(
        "metadata.annotations[proxy.istio.io/health-checks-enabled]",
        "`true`: the condition `Healthy` of its status says whether it is called.",
    )
    .seen("tests/tests/traffic/workload_entries.rs", "requests_go_to_those_that_are_healthy"),
    envoy("status.conditions", "`Healthy`.")
        .seen("tests/tests/traffic/workload_entries.rs", "requests_go_to_those_that_are_healthy"),
    test(
        "metadata.annotations[istio.io/autoRegistrationGroup]",
        "The WorkloadGroup that it was made by.",
        "Who keeps it: replicas of the control plane",
        REGISTERED,
    ),
    test(
        "metadata.annotations[istio.io/workloadController]",
        "The replica that its workload is connected to.",
        "Who keeps it: replicas of the control plane",
        REGISTERED,
    ),
    test(
        "metadata.annotations[istio.io/connectedAt]",
        "Since when.",
        "Who keeps it: replicas of the control plane",
        REGISTERED,
    ),
    test(
        "metadata.annotations[istio.io/disconnectedAt]",
        "When it was seen last.",
        "When it is forgotten",
        REGISTERED,
    ),
];

const REGISTERED: (&str, &str) =
    ("tests/tests/cluster_status/registration.rs", "workloads_register_themselves");

const ANY: &[Row] = &[test(
    "metadata.annotations[galley.istio.io/analyze-suppress]",
    "Codes of messages that nobody wants to hear of it.",
    "`meltemi analyze` and its status do not say them",
    ("pilot/ingest/tests/goldens.rs", "goldens"),
)];

/// Kinds, what is said of each, and its rows.
pub const KINDS: &[(&str, &str, &[Row])] = &[
    ("Service", "A Service of a file that nobody has given an address gets one.", SERVICE),
    ("EndpointSlice", "Where there are none of a Service in files, its pods are its endpoints.", SLICE),
    ("Pod", "One in a file without an address runs on this machine under `meltemi up`.", POD),
    (
        "Pod: what is for injection",
        "Meltemi injects no sidecars yet. Where Istio's injector does, this is between it and the agent.",
        INJECTION,
    ),
    ("Deployment", "Read from files alone: its replicas run on this machine under `meltemi up`.", DEPLOYMENT),
    ("Node", "Nothing else is read of it.", NODE),
    ("Namespace", "Nothing else is read of it.", NAMESPACE),
    ("Secret", "Read where a `credentialName` names it; `stringData` counts, too.", SECRET),
    ("ConfigMap", "Of the one that is called `istio`, in the root namespace.", CONFIG_MAP),
    ("ServiceEntry", "Besides its [fields](api.md#serviceentry).", SERVICE_ENTRY),
    ("WorkloadEntry", "Besides its [fields](api.md#workloadentry).", WORKLOAD_ENTRY),
    ("Any kind", "Objects of every kind.", ANY),
];
