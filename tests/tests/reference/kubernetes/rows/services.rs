//! Rows of Services and their EndpointSlices.

use super::others::{NETWORKS, TOLD};
use super::{DUAL_STACK, ENDPOINTS, KUBERNETES, OWN_PLACES, PLACES, READY, Row, envoy, nothing, told};

const SLICES: &str = "slices_say_who_is_called";
const WHOSE: &str = "slices_say_whose_addresses_they_have";
const REDIRECTED: (&str, &str) =
    ("tests/tests/traffic/redirect.rs", "redirected_traffic_goes_through_both_sidecars");
const CASES: &str = "tests/tests/traffic/cases.rs";
const HEADLESS: (&str, &str) = ("tests/tests/traffic/protocols.rs", "headless");
/// Of nodes and load balancers.
const OUTSIDE: &str = "how nodes and load balancers forward is no business of proxies";

pub(super) const SERVICE: &[Row] = &[
    envoy("metadata.labels[topology.istio.io/network]", "It is the gateway of this network.")
        .seen("tests/tests/secure_traffic/networks.rs", "what_is_in_another_network_is_called_through_its_gateway"),
    envoy("metadata.labels[networking.istio.io/gatewayPort]", "Which of the gateway's ports takes what comes from other networks; 15443 if it is not said.")
        .seen(NETWORKS.0, NETWORKS.1),
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
    envoy("spec.clusterIPs", "Its addresses, of either version of IP.").seen(DUAL_STACK.0, DUAL_STACK.1),
    told("spec.externalIPs", "Other addresses.", "Those of the gateway of a network; of other Services proxies do not listen there, which is told")
        .seen(NETWORKS.0, NETWORKS.1),
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
    envoy("spec.ports[].protocol", "`UDP` is not carried.").seen(ENDPOINTS, "datagrams_are_not_carried"),
    envoy("spec.ports[].targetPort", "Where it leads on a pod, by number or by the name of a container's port; read where nobody makes slices, and by sidecars of what comes in.")
        .seen(CASES, "services"),
    envoy("spec.publishNotReadyAddresses", "Pods that are not ready are called, too; where there are slices, these say so.").seen(KUBERNETES, READY),
    envoy("spec.selector", "The pods and WorkloadEntries that serve it; of pods slices come first.").seen(KUBERNETES, READY),
    envoy("spec.sessionAffinity", "Whether clients stay with a pod."),
    nothing("spec.sessionAffinityConfig", "For how long.", "it belongs to `sessionAffinity`, which has no effect: a DestinationRule's `consistentHash` does that"),
    envoy("spec.trafficDistribution", "Near endpoints come first: `PreferClose`, `PreferSameZone` or `PreferSameNode`.").seen(KUBERNETES, PLACES),
    envoy("spec.type", "`ExternalName`: another name for what `externalName` says; the others are alike.").seen(CASES, "services"),
    envoy("status.loadBalancer.ingress", "The addresses of the gateway of a network; names are not looked up, which is told.")
        .seen(NETWORKS.0, NETWORKS.1),
];

pub(super) const SLICE: &[Row] = &[
    envoy("metadata.labels[kubernetes.io/service-name]", "The Service.").seen(KUBERNETES, SLICES),
    envoy("addressType", "`FQDN`: it is passed over, as by Istio.")
        .seen(ENDPOINTS, "slices_of_names_are_passed_over"),
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
    envoy("endpoints[].conditions.terminating", "It is about to end.")
        .seen(ENDPOINTS, "what_ends_does_not_count_among_those_that_are_not_ready"),
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
    envoy("endpoints[].hostname", "Its own name below that of a headless Service.")
        .seen("agent/tests/proxy/pods.rs", "a_pod_is_called_by_the_name_that_a_slice_gives_it"),
    envoy(
        "endpoints[].nodeName",
        "The node, of which the place is known; for `internalTrafficPolicy: Local`, too.",
    )
    .seen(KUBERNETES, PLACES),
    envoy("endpoints[].targetRef", "The pod: its labels, service account, network and place.")
        .seen(KUBERNETES, WHOSE),
    envoy("endpoints[].zone", "Its zone, where neither pod nor node is known.").seen(ENDPOINTS, OWN_PLACES),
    envoy("ports", "The ports that it has.").seen(KUBERNETES, SLICES),
    nothing("ports[].appProtocol", "What is spoken there.", "the Service says it"),
    envoy("ports[].name", "Which port of the Service it is.").seen(KUBERNETES, SLICES),
    envoy("ports[].port", "Its number on pods.").seen(KUBERNETES, SLICES),
    nothing("ports[].protocol", "How it is carried.", "the Service says it"),
];
