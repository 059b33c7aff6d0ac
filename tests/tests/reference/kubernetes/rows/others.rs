//! Rows of nodes, namespaces, Secrets, ConfigMaps, and of what Istio's own kinds have besides their fields.

use super::{KUBERNETES, PLACES, Row, envoy, nothing, test};

pub(super) const STARTS: (&str, &str) = ("tests/tests/traffic/changes/started.rs", "replicas_come_and_go");

pub(super) const NODE: &[Row] = &[
    envoy("metadata.labels[topology.kubernetes.io/region]", "The region of its pods.")
        .seen(KUBERNETES, PLACES),
    envoy("metadata.labels[topology.kubernetes.io/zone]", "Their zone.").seen(KUBERNETES, PLACES),
    envoy("metadata.labels[topology.istio.io/subzone]", "Their subzone.")
        .seen(KUBERNETES, "racks_count_within_a_zone"),
];

pub(super) const NAMESPACE: &[Row] = &[
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
    )
    .seen(NETWORKS.0, NETWORKS.1),
];

pub(super) const SECRET: &[Row] = &[
    envoy("data[tls.crt]", "The certificate of a `credentialName`.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[tls.key]", "Its key.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[ca.crt]", "Whose certificates of servers are taken.").seen(CREDENTIALS.0, CREDENTIALS.1),
    envoy("data[ca.crl]", "Which of these have been revoked.").seen(CREDENTIALS.0, NAMES),
    envoy("data[cert]", "As `tls.crt`, before which it comes.").seen(CREDENTIALS.0, NAMES),
    envoy("data[key]", "As `tls.key`.").seen(CREDENTIALS.0, NAMES),
    envoy("data[cacert]", "As `ca.crt`.").seen(CREDENTIALS.0, NAMES),
    envoy("data[crl]", "As `ca.crl`.").seen(CREDENTIALS.0, NAMES),
];

pub(super) const TOLD: (&str, &str) = ("tests/tests/mtls/told.rs", "a_service_may_say_who_else_serves_it");
pub(super) const NETWORKS: (&str, &str) =
    ("tests/tests/secure_traffic/networks.rs", "services_pods_and_namespaces_say_their_networks");
const NAMES: &str = "secrets_have_other_names_and_say_who_is_revoked";
const CREDENTIALS: (&str, &str) =
    ("tests/tests/secure_traffic/credentials.rs", "credentials_are_replaced_withdrawn_and_put_back");

pub(super) const CONFIG_MAP: &[Row] = &[
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
    envoy("data[ca.crt]", "Whose certificates of servers are taken, by a `credentialName`.")
        .seen("tests/tests/secure_traffic/config_maps.rs", "authorities_are_replaced_withdrawn_and_put_back"),
    envoy("data[ca.crl]", "Which of these have been revoked."),
    envoy("data[cacert]", "As `ca.crt`, before which it comes."),
    envoy("data[crl]", "As `ca.crl`."),
];

pub(super) const SERVICE_ENTRY: &[Row] = &[
    envoy(
        "metadata.annotations[networking.istio.io/traffic-distribution]",
        "Near endpoints come first, as `trafficDistribution` of a Service.",
    )
    .seen("tests/tests/traffic/locality.rs", "a_service_may_prefer_what_is_near"),
    envoy(
        "metadata.labels[networking.istio.io/enable-autoallocate-ip]",
        "`false`: it gets no addresses where it has none.",
    )
    .seen("tests/tests/traffic/names.rs", "an_address_that_was_given_is_taken_unless_it_is_refused"),
];

pub(super) const WORKLOAD_ENTRY: &[Row] = &[
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

pub(super) const ANY: &[Row] = &[test(
    "metadata.annotations[galley.istio.io/analyze-suppress]",
    "Codes of messages that nobody wants to hear of it.",
    "`meltemi analyze` and its status do not say them",
    ("pilot/ingest/tests/goldens.rs", "goldens"),
)];
