//! Clusters of a service's port, one for all endpoints and one for each subset, and their endpoints.

use super::{
    HostView, PlaceView, ServiceContext, cluster_name,
    locality::{localities, prefer},
    networks::reached,
    tls::Connecting,
    usable::{ready, selected, usable},
};
use crate::{
    Capture, Place,
    spec::{
        ClusterDiscovery, ClusterSpec, EndpointsSpec, Preference, ServiceRef, UpstreamProtocol,
        UpstreamSocket,
    },
    stat_name::{Subject, stat_name},
    well_known::pool,
};
use mesh_model::{
    ClientTls, ClusterPolicy, Endpoint, EndpointAddress, Health, LoadBalancer, LoadBalancing, Locality,
    LocalityLb, NETWORK_LABEL, Percent, Protocol, Registry, Resolution, Service, ServicePort, SimpleLb, Str,
    Subset, UpgradePolicy,
};
use std::sync::Arc;

/// Adds those clusters of `port` that are the same wherever clients are, and the names of the others.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    for subset in subsets(context) {
        let draft = Draft::new(context, port, subset);
        let discovery = match draft.origin() {
            Origin::None(discovery) => discovery,
            Origin::ControlPlane => ClusterDiscovery::Eds,
            Origin::Dns | Origin::DnsOfFirst => {
                view.placed.push(draft.name);
                continue;
            }
        };
        view.clusters.push(draft.cluster(discovery));
    }
}

/// Adds what of the clusters of `port` depends on where clients are.
pub fn derive_place(context: &ServiceContext<'_>, place: &Place, port: &ServicePort, view: &mut PlaceView) {
    let all = usable(context, place, port);
    for subset in subsets(context) {
        let draft = Draft::new(context, port, subset);
        let endpoints = || {
            let selected = selected(subset, &all, context.scope.mesh);
            draft.reached(place, if draft.panics() { ready(&selected) } else { selected })
        };
        let refresh = context.scope.mesh.config().dns_refresh_rate;
        let discovery = match draft.origin() {
            Origin::None(_) => continue,
            Origin::ControlPlane => {
                let endpoints = endpoints();
                let preference = draft.preference(place, &endpoints);
                view.endpoints.push(EndpointsSpec { cluster: draft.name, endpoints, preference });
                continue;
            }
            Origin::Dns => match endpoints() {
                none if none.is_empty() => ClusterDiscovery::Nowhere,
                endpoints => {
                    let preference = draft.preference(place, &endpoints);
                    ClusterDiscovery::StrictDns { endpoints, preference, refresh }
                }
            },
            Origin::DnsOfFirst => match endpoints().first() {
                // Envoy takes exactly one name here.
                Some(first) => ClusterDiscovery::LogicalDns { endpoints: Arc::new([first.clone()]), refresh },
                None => ClusterDiscovery::Nowhere,
            },
        };
        view.clusters.push(draft.cluster(discovery));
    }
}

/// The service as a whole, then each subset of it.
fn subsets<'a>(context: &'a ServiceContext<'_>) -> impl Iterator<Item = Option<&'a Subset>> {
    std::iter::once(None).chain(context.rule.into_iter().flat_map(|rule| &rule.subsets).map(Some))
}

/// Where a cluster has its endpoints from.
enum Origin {
    /// It has none, or finds them in each request.
    None(ClusterDiscovery),
    /// They come apart from it.
    ControlPlane,
    /// They are part of it, as names to look up.
    Dns,
    /// The same, but only the first.
    DnsOfFirst,
}

/// A cluster, before it is known what it balances over.
struct Draft<'a> {
    context: &'a ServiceContext<'a>,
    port: &'a ServicePort,
    subset: Str,
    name: Str,
    policy: ClusterPolicy,
}

impl<'a> Draft<'a> {
    fn new(context: &'a ServiceContext<'a>, port: &'a ServicePort, subset: Option<&'a Subset>) -> Self {
        let ServiceContext { scope: _, service, rule } = context;
        let name: Str = subset.map(|subset| subset.name.clone()).unwrap_or_default();
        let policy = rule
            .map(|rule| rule.policy.for_port(subset.map(|subset| &subset.policy), port.number))
            .unwrap_or_default();
        Self { context, port, name: cluster_name(port.number, &name, &service.host), subset: name, policy }
    }

    /// Without redirection nobody asked for an address: what would go there is balanced over the endpoints, or goes to the name.
    fn redirected(&self) -> bool {
        self.context.scope.key.capture == Capture::Redirect
    }

    fn passes_through(&self) -> bool {
        let balancer = self.policy.load_balancer.as_ref();
        balancer.is_some_and(|balancer| balancer.algorithm == LoadBalancing::Simple(SimpleLb::Passthrough))
    }

    fn origin(&self) -> Origin {
        let ServiceContext { scope, service, rule: _ } = self.context;
        match service.resolution {
            Resolution::Passthrough if self.redirected() => {
                // As in Istio. Pods of headless Services are called at the port that clients call, as without any proxy.
                let target = self.port.target.filter(|_| service.registry != Registry::Kubernetes);
                let port = target.filter(|target| *target != self.port.number);
                Origin::None(ClusterDiscovery::OriginalDst { port, sources: Vec::new() })
            }
            // Not to be passed through: nobody but the proxy knows the address.
            Resolution::DynamicDns => {
                Origin::None(scope.lookup().map_or(ClusterDiscovery::Nowhere, ClusterDiscovery::Dynamic))
            }
            _ if self.passes_through() && self.redirected() => {
                Origin::None(ClusterDiscovery::OriginalDst { port: None, sources: Vec::new() })
            }
            Resolution::Passthrough if service.registry == Registry::Kubernetes => Origin::ControlPlane,
            Resolution::Passthrough if service.host.is_wildcard() => Origin::None(ClusterDiscovery::Nowhere),
            Resolution::Passthrough => Origin::None(ClusterDiscovery::StrictDns {
                endpoints: Arc::new([named(service, self.port)]),
                preference: Preference::None,
                refresh: scope.mesh.config().dns_refresh_rate,
            }),
            Resolution::Static => Origin::ControlPlane,
            Resolution::Dns => Origin::Dns,
            Resolution::DnsRoundRobin => Origin::DnsOfFirst,
            Resolution::Alias(_) => Origin::None(ClusterDiscovery::Nowhere),
        }
    }

    /// What the policy, the service or else the mesh says of localities.
    fn locality(&self) -> &LocalityLb {
        let ServiceContext { scope, service, rule: _ } = self.context;
        let balancer = self.policy.load_balancer.as_ref();
        let own = balancer.and_then(|balancer| balancer.locality.as_ref());
        own.or(service.distribution.as_ref()).unwrap_or(&scope.mesh.config().locality)
    }

    /// As in Istio: outlier detection by the mesh's default alone does not make near endpoints come first.
    fn detects_outliers(&self) -> bool {
        self.policy.outlier_detection.is_some()
    }

    /// Whether clients trust no outlier detection any more when too few endpoints are left. Envoy would then send requests to those that are
    /// not ready as well, so as in Istio it does not get to know these.
    fn panics(&self) -> bool {
        let defaults = &self.context.scope.mesh.config().default_policy;
        let detection = self.policy.outlier_detection.as_ref().or(defaults.outlier_detection.as_ref());
        let min_health = detection.and_then(|detection| detection.min_health);
        min_health.is_some_and(|percent| percent > Percent::NONE)
    }

    /// `endpoints` as clients in `place` reach them: those of other networks through the gateways there.
    fn reached(&self, place: &Place, endpoints: Arc<[Endpoint]>) -> Arc<[Endpoint]> {
        let ServiceContext { scope, service, rule: _ } = self.context;
        let config = scope.mesh.config();
        let network = place.labels.get(NETWORK_LABEL).map_or("", |network| &**network);
        reached(config, network, endpoints, |endpoint| match &self.policy.tls {
            _ if !scope.key.has_identity => false,
            Some(ClientTls::Mesh { .. }) => true,
            Some(ClientTls::Given(_) | ClientTls::Disable | ClientTls::Impossible) => false,
            Some(ClientTls::OfGateways) | None => config.auto_mtls && !service.external && endpoint.mtls,
        })
    }

    fn preference(&self, place: &Place, endpoints: &[Endpoint]) -> Preference {
        let cluster = &self.context.scope.mesh.config().cluster;
        prefer(self.locality(), &place.labels, endpoints, cluster, self.detects_outliers())
    }

    fn cluster(self, discovery: ClusterDiscovery) -> ClusterSpec {
        let localities = localities(self.locality(), self.detects_outliers());
        let redirected = self.redirected();
        let Self { context, port, subset, name, policy } = self;
        let ServiceContext { scope, service, rule } = context;
        let ClusterPolicy {
            load_balancer,
            connection_pool,
            outlier_detection,
            proxy_protocol,
            retry_budget,
            tls,
        } = policy;
        let config = scope.mesh.config();
        let defaults = &config.default_policy;
        let LoadBalancer { algorithm: load_balancing, warmup, locality: _ } =
            load_balancer.unwrap_or_default();
        let connection_pool = pool(scope.mesh, connection_pool);
        let outlier_detection = outlier_detection.or_else(|| defaults.outlier_detection.clone());
        let passthrough = load_balancing == LoadBalancing::Simple(SimpleLb::Passthrough);
        let load_balancing =
            if passthrough && !redirected { LoadBalancing::default() } else { load_balancing };
        let upgrades = match connection_pool.http.h2_upgrade {
            UpgradePolicy::Upgrade => true,
            UpgradePolicy::DoNotUpgrade => false,
            UpgradePolicy::Default => config.h2_upgrade,
        };
        let protocol = match port.protocol {
            // Who asks for an upgrade knows that it is HTTP.
            Protocol::Auto
                if connection_pool.http.h2_upgrade == UpgradePolicy::Upgrade
                    && !connection_pool.http.use_client_protocol =>
            {
                UpstreamProtocol::Http2
            }
            Protocol::Auto => UpstreamProtocol::Downstream,
            protocol if protocol.is_http() && connection_pool.http.use_client_protocol => {
                UpstreamProtocol::Downstream
            }
            protocol if protocol.is_http2() => UpstreamProtocol::Http2,
            protocol if protocol.is_http() && upgrades => UpstreamProtocol::Http2,
            protocol if protocol.is_http() => UpstreamProtocol::Http1,
            _ => UpstreamProtocol::Tcp,
        };
        let connecting = Connecting { context, port, subset: &subset, discovery: &discovery, protocol };
        let (discovery, socket) = match connecting.socket(tls.as_ref()) {
            Some(socket) => (discovery, socket),
            None => (ClusterDiscovery::Nowhere, UpstreamSocket::Plain),
        };
        let subject = Subject { service, port, subset: &subset };
        ClusterSpec {
            stat_name: stat_name(&config.outbound_stat_name, subject),
            name,
            discovery,
            protocol,
            load_balancing,
            warmup,
            localities,
            connection_pool,
            outlier_detection,
            retry_budget,
            proxy_protocol,
            socket,
            connect_timeout: config.connect_timeout,
            buffer_limit: scope.settings().connections.cluster_buffer,
            keeps_header_case: scope.settings().headers.keeps_case,
            service: Some(ServiceRef {
                host: service.host.clone(),
                name: service.metadata.object.name.name.clone(),
                namespace: service.namespace().clone(),
                subset,
                external: service.external,
            }),
            config: rule.map(|rule| rule.name.clone()),
            origins: context.origins(),
        }
    }
}

/// The endpoint that is called as the service is.
fn named(service: &Service, port: &ServicePort) -> Endpoint {
    Endpoint {
        address: EndpointAddress::Name(service.host.to_shared()),
        port: port.target.unwrap_or(port.number),
        weight: 1,
        health: Health::Healthy,
        locality: Locality::default(),
        labels: Arc::default(),
        service_account: Str::default(),
        workload: Str::default(),
        namespace: service.namespace().clone(),
        network: Str::default(),
        node: Str::default(),
        hostname: Str::default(),
        mtls: false,
    }
}
