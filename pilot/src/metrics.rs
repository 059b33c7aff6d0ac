//! Istio's `pilot_*` metrics, read from where they are counted at each scrape; ours, which Istio has no names for, are `meltemi_*`.
//!
//! In: counters of ingest, the publisher and the xDS server. Out: families with Istio's names, labels and buckets. What each means here is
//! in docs/reference/metrics.md.

mod encode;

use crate::{Counts, Publisher, triggers::Triggers};
use encode::Encode;
use mesh_model::Kind;
use pilot_ingest::{
    defect,
    events::{Cause, Event, Events, Inbound},
};
use pilot_xds::{metrics::Metrics, resource::ResourceType, server::Handles};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt::Error, sync::Arc};

/// All metrics of the traffic control plane.
pub struct PilotMetrics {
    pub(crate) publisher: Publisher,
    pub(crate) xds: Handles,
    pub(crate) events: Arc<Events>,
    pub(crate) triggers: Arc<Triggers>,
}

impl std::fmt::Debug for PilotMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PilotMetrics").finish_non_exhaustive()
    }
}

/// Served types; both forms of route configurations are `rds`.
const TYPES: [(&str, &[ResourceType]); 7] = [
    ("cds", &[ResourceType::Cluster]),
    ("eds", &[ResourceType::Endpoints]),
    ("lds", &[ResourceType::Listener]),
    ("rds", &[ResourceType::Route, ResourceType::InlineRoute]),
    ("vhds", &[ResourceType::VirtualHost]),
    ("nds", &[ResourceType::NameTable]),
    ("sds", &[ResourceType::Secret]),
];

/// Kinds whose rejections Istio also counts under a name of their own.
const REJECTED_BY_NAME: [&str; 4] = ["cds", "eds", "lds", "rds"];

/// Kinds that are configuration to Istio.
const CONFIGURATION: [Kind; 8] = [
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::ServiceEntry,
    Kind::WorkloadEntry,
    Kind::WorkloadGroup,
    Kind::Sidecar,
    Kind::ProxyConfig,
    Kind::PeerAuthentication,
];

/// Kinds in which Istio finds services, and what it calls them there.
const REGISTRY: [(Kind, &str); 5] = [
    (Kind::Service, "Services"),
    (Kind::EndpointSlice, "EndpointSlice"),
    (Kind::Pod, "Pods"),
    (Kind::Node, "Nodes"),
    (Kind::Namespace, "Namespaces"),
];

impl Collector for PilotMetrics {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), Error> {
        let Self { publisher, xds, events, triggers } = self;
        let mut encode = Encode(encoder);
        amounts(&mut encode, publisher.counts(), xds)?;
        edits(&mut encode, events, triggers)?;
        streams(&mut encode, &xds.metrics)
    }
}

/// How much there is now.
fn amounts(encode: &mut Encode<'_>, counts: Counts, xds: &Handles) -> Result<(), Error> {
    let Counts {
        services,
        virtual_services,
        scopes,
        places,
        classes,
        proxies: _,
        encoded,
        without_service,
        disputed,
        taken,
        without_endpoints,
    } = counts;
    let rejected = xds.rejections.report().len();
    let connected = usize::try_from(xds.metrics.connected()).unwrap_or(usize::MAX);
    let gauges = [
        ("pilot_xds", "Proxies connected over xDS", connected),
        ("pilot_services", "Services known", services),
        ("pilot_virt_services", "VirtualServices known", virtual_services),
        ("pilot_no_ip", "Connected proxies whose workload no service sends requests to", without_service),
        (
            "pilot_eds_no_instances",
            "Clusters that connected proxies have, without endpoints",
            without_endpoints,
        ),
        (
            "pilot_conflict_inbound_listener",
            "Connected proxies of which services say that different protocols are spoken on one port",
            disputed,
        ),
        (
            "pilot_conflict_outbound_listener_tcp_over_current_tcp",
            "Addresses and ports on which a service takes no connections, because an older one does",
            taken,
        ),
        ("meltemi_scopes", "Scopes in use: kinds of outbound configuration", scopes),
        ("meltemi_places", "Places in use: where clients run, as far as it matters", places),
        ("meltemi_classes", "Classes in use: kinds of inbound configuration", classes),
        ("meltemi_encoded_resources", "Encoded resources held", encoded),
        ("meltemi_rejected_resources", "Resource versions that proxies reject now", rejected),
    ];
    gauges.into_iter().try_for_each(|(name, help, value)| encode.gauge(name, help, value))
}

/// What comes in, and whom it concerns.
fn edits(encode: &mut Encode<'_>, events: &Events, triggers: &Triggers) -> Result<(), Error> {
    let of = |kind, label| {
        Event::ALL.map(|event| ([("type", label), ("event", event.label())], events.cluster(kind, event)))
    };
    let configuration = CONFIGURATION.iter().flat_map(|kind| of(*kind, kind.as_str()));
    encode.counters("pilot_k8s_cfg_events", "Events of the API server about configuration", configuration)?;
    let registry = REGISTRY.iter().flat_map(|(kind, label)| of(*kind, *label));
    encode.counters("pilot_k8s_reg_events", "Events of the API server about services", registry)?;
    let inbound = Inbound::ALL.map(|what| ([("type", what.label())], events.inbound(what)));
    let help = "Objects that mean something else than before, wherever they come from";
    encode.counters("pilot_inbound_updates", help, inbound)?;
    let help = "Panics that were kept from what they came with: each is a defect of Meltemi";
    encode.counters("meltemi_defects", help, [([], defect::count())])?;
    let triggers = Cause::ALL.map(|cause| ([("type", cause.label())], triggers.of(cause)));
    let help = "Times that a proxy was told something, by what made it so";
    encode.counters("pilot_push_triggers", help, triggers)
}

/// What goes out, and what comes back.
fn streams(encode: &mut Encode<'_>, xds: &Metrics) -> Result<(), Error> {
    let by_type = |count: &dyn Fn(ResourceType) -> u64| {
        TYPES.map(|(label, kinds)| ([("type", label)], kinds.iter().map(|kind| count(*kind)).sum::<u64>()))
    };
    encode.counters("pilot_xds_pushes", "Responses sent", by_type(&|kind| xds.pushes(kind)))?;
    let sizes = TYPES.map(|(label, kinds)| ([("type", label)], kinds.iter().map(|kind| xds.sizes(*kind))));
    encode.histograms("pilot_xds_config_size_bytes", "Bytes of resources in a response", sizes)?;
    let times =
        TYPES.map(|(label, kinds)| ([("type", label)], kinds.iter().map(|kind| xds.push_times(*kind))));
    let help = "Seconds to make a response and to hand it to the connection";
    encode.histograms("pilot_xds_push_time", help, times)?;
    let alone = [
        ("pilot_xds_send_time", "Seconds to hand a response that is made to the connection", xds.send_time()),
        (
            "pilot_proxy_queue_time",
            "Seconds from when a stream is told that there is something new until it gets to it",
            xds.queue_time(),
        ),
        (
            "pilot_proxy_convergence_time",
            "Seconds from a change to its acknowledgement by a proxy",
            xds.convergence(),
        ),
    ];
    for (name, help, observed) in alone {
        encode.histograms(name, help, [([], std::iter::once(observed))])?;
    }
    let rejects = by_type(&|kind| xds.rejects(kind));
    encode.counters("pilot_total_xds_rejects", "Responses that proxies rejected", rejects)?;
    for ([(_, label)], value) in
        rejects.into_iter().filter(|([(_, label)], _)| REJECTED_BY_NAME.contains(label))
    {
        let (name, help) =
            (format!("pilot_xds_{label}_reject"), format!("Responses of type {label} that proxies rejected"));
        encode.counters(&name, &help, [([], value)])?;
    }
    let help = "Requests that answered a response no longer in flight";
    encode.counters("pilot_xds_expired_nonce", help, by_type(&|kind| xds.stale(kind)))?;
    let help = "Bytes of resources sent";
    encode.counters("meltemi_xds_sent_bytes", help, by_type(&|kind| xds.bytes(kind)))?;
    encode.counters("meltemi_xds_refused_streams", "Streams turned away", [([], xds.refused_streams())])?;
    let help = "Times routes no longer waited for a subscription to endpoints";
    encode.counters("meltemi_xds_waits_given_up", help, [([], xds.waits_given_up())])
}
