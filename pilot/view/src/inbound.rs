//! Inbound: how requests reach the workload beside the proxy.
//!
//! Depends on the services that select the workload, not on its name or address (unless traffic is not redirected), so
//! that all replicas of a Deployment have equal inbound configuration.

mod ingress;

use crate::{
    Capture, Families, Proxy,
    outbound::{opaque_chains, plain_text_http},
    spec::{
        ActionSpec, CatchAll, ChainMatch, ClusterDiscovery, ClusterSpec, Direction, FilterChainSpec,
        ForwardSpec, HttpSpec, Inspectors, ListenerSpec, NetworkSpec, RouteConfigurationSpec, RouteMatchSpec,
        RouteSource, RouteSpec, TcpSpec, UpstreamProtocol, VirtualHostSpec, WeightedCluster,
    },
    stat_name::{Subject, stat_name},
    well_known::{INBOUND_SOURCE, inbound_sources, loop_guard, plain_cluster, pool, tcp_to},
};
use mesh_model::{
    EndpointAddress, InboundPolicy, LocalPort, Mesh, ObjectRef, Protocol, Registry, Retries, RetryOn,
    RouteHeaders, Service, ServicePort, Sidecar, SidecarIngress, Str, Workload,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// All of a workload's inbound configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Inbound {
    pub listeners: Vec<ListenerSpec>,
    pub clusters: Vec<ClusterSpec>,
}

/// The inbound configuration of `proxy`.
pub fn inbound(mesh: &Mesh, proxy: &Proxy) -> Inbound {
    let config = mesh.config();
    let ports = ports(mesh, proxy);
    let passthrough =
        ClusterDiscovery::OriginalDst { port: None, sources: inbound_sources(proxy.families()) };
    let mut clusters: Vec<ClusterSpec> = Vec::with_capacity(ports.len() + 1);
    for entry in ports.values() {
        let discovery = ingress::discovery(entry, proxy).unwrap_or_else(|| match &proxy.capture {
            Capture::Redirect => match config.inbound_policy {
                InboundPolicy::Passthrough => passthrough.clone(),
                InboundPolicy::Localhost => at(Ipv4Addr::LOCALHOST.into(), entry.target),
            },
            Capture::None { bind: _, application, http_proxy_port: _ } => at(*application, entry.target),
        });
        clusters.push(port_cluster(mesh, proxy, entry, discovery));
    }
    let listeners = match &proxy.capture {
        Capture::Redirect => {
            clusters.push(plain_cluster(
                mesh,
                "InboundPassthroughCluster",
                passthrough,
                UpstreamProtocol::Downstream,
            ));
            let own = ports.values().filter_map(|port| {
                let bind = port.own_listener()?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
                Some(bound(mesh, bind, port))
            });
            std::iter::once(virtual_inbound(mesh, proxy.families(), &ports)).chain(own).collect()
        }
        Capture::None { bind, application: _, http_proxy_port: _ } => {
            let own = |port: &InboundPort<'_>| port.ingress.and_then(|ingress| ingress.listener.bind);
            ports.values().map(|port| bound(mesh, proxy.capture.bind(own(port), *bind), port)).collect()
        }
    };
    Inbound { listeners, clusters }
}

/// Where requests go that came for `entry`.
fn port_cluster(
    mesh: &Mesh,
    proxy: &Proxy,
    entry: &InboundPort<'_>,
    discovery: ClusterDiscovery,
) -> ClusterSpec {
    let protocol = match entry.protocol {
        Protocol::Auto => UpstreamProtocol::Downstream,
        protocol if protocol.is_http2() => UpstreamProtocol::Http2,
        protocol if protocol.is_http() => UpstreamProtocol::Http1,
        _ => UpstreamProtocol::Tcp,
    };
    let pattern = &mesh.config().inbound_stat_name;
    ClusterSpec {
        origins: origins(entry.origins()),
        stat_name: entry.service.as_ref().and_then(|of| of.stat_name(pattern)),
        connection_pool: pool(mesh, ingress::own_pool(mesh, proxy, entry)),
        ..plain_cluster(mesh, &cluster_name(entry.target), discovery, protocol)
    }
}

fn at(address: IpAddr, port: u16) -> ClusterDiscovery {
    ClusterDiscovery::Static { address: EndpointAddress::Ip(address), port, source: None }
}

type Ports<'a> = BTreeMap<u16, InboundPort<'a>>;

/// A port of the workload.
struct InboundPort<'a> {
    /// Its number on the workload.
    target: u16,
    /// What is spoken there.
    protocol: Protocol,
    /// The service that sends requests to it, if there is one.
    service: Option<OfService<'a>>,
    /// What a Sidecar says of it.
    sidecar: Option<&'a Arc<Sidecar>>,
    /// The Sidecar's entry that it is.
    ingress: Option<&'a SidecarIngress>,
}

impl InboundPort<'_> {
    /// The address of a listener of its own, as far as it is known here; `None`: it is part of virtualInbound.
    fn own_listener(&self) -> Option<Option<IpAddr>> {
        let listener = &self.ingress?.listener;
        listener.is_bound.then_some(listener.bind)
    }

    fn origins(&self) -> impl Iterator<Item = &ObjectRef> {
        let service = self.service.iter().map(|of| &of.service.metadata.object);
        service.chain(self.ingress.and(self.sidecar).map(|sidecar| &sidecar.metadata.object))
    }
}

/// A service, and one of its ports.
struct OfService<'a> {
    service: &'a Arc<Service>,
    port: &'a ServicePort,
}

impl OfService<'_> {
    /// What the cluster is called in statistics, where the mesh has a pattern for that.
    fn stat_name(&self, pattern: &str) -> Option<Str> {
        let Self { service, port } = self;
        stat_name(pattern, Subject { service, port, subset: "" })
    }
}

/// The workload's ports that services send requests to; of services that disagree about a port the oldest is right. Where nothing
/// is redirected, also those that its containers declare: when a service moves to one, its clients may know before this proxy does.
fn ports<'a>(mesh: &'a Mesh, proxy: &Proxy) -> Ports<'a> {
    let sidecar = mesh.sidecar_for(&proxy.namespace, &proxy.labels);
    if let Some(sidecar) = sidecar.filter(|sidecar| !sidecar.ingress.is_empty()) {
        return ingress::ports(sidecar);
    }
    let workload = proxy.workload.as_ref().and_then(|object| mesh.workload(object));
    let mut services: Vec<_> = mesh.services_of_namespace(&proxy.namespace).collect();
    services.sort_by_key(|service| service.metadata.precedence());
    let mut ports = Ports::new();
    for service in services {
        let selected = service.selector.as_ref().map(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| proxy.labels.get(key) == Some(value))
        });
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            let target = match selected {
                Some(false) => None,
                Some(true) if !port.target_name.is_empty() => {
                    workload.and_then(|workload| named(workload, &port.target_name))
                }
                // A WorkloadEntry says where it serves the ports of ServiceEntries, by their names.
                Some(true) if service.registry == Registry::External => Some(
                    workload
                        .and_then(|workload| named(workload, &port.name))
                        .unwrap_or(port.target.unwrap_or(port.number)),
                ),
                Some(true) => Some(port.target.unwrap_or(port.number)),
                // Endpoints listed by hand: the one at the proxy's own address.
                None => mesh.endpoints(service).and_then(|endpoints| {
                    let own = |address: &EndpointAddress| matches!(address, EndpointAddress::Ip(ip) if proxy.addresses.contains(ip));
                    endpoints.on_port(port.number).iter().find(|endpoint| own(&endpoint.address)).map(|endpoint| endpoint.port)
                }),
            };
            if let Some(target) = target {
                let of = OfService { service, port };
                let entry = InboundPort {
                    target,
                    protocol: port.protocol,
                    service: Some(of),
                    sidecar,
                    ingress: None,
                };
                ports.entry(target).or_insert(entry);
            }
        }
    }
    let local = workload.and_then(|workload| workload.local.as_ref());
    if let (Capture::None { .. }, Some(local)) = (&proxy.capture, local) {
        for LocalPort { number, protocol } in local.ports.iter().filter(|port| port.protocol != Protocol::Udp)
        {
            let entry =
                InboundPort { target: *number, protocol: *protocol, service: None, sidecar, ingress: None };
            ports.entry(*number).or_insert(entry);
        }
    }
    ports
}

/// The port of `workload` that has this name.
fn named(workload: &Workload, wanted: &str) -> Option<u16> {
    workload.named_ports.iter().find(|(name, _)| **name == *wanted).map(|(_, number)| *number)
}

/// The ports on which a proxy that redirects nothing listens for its workload.
pub fn own_ports(mesh: &Mesh, proxy: &Proxy) -> BTreeSet<u16> {
    match proxy.capture {
        Capture::Redirect => BTreeSet::new(),
        Capture::None { .. } => ports(mesh, proxy).into_keys().collect(),
    }
}

fn cluster_name(target: u16) -> Str {
    format!("inbound|{target}||").into()
}

fn virtual_inbound(mesh: &Mesh, families: Families, ports: &Ports<'_>) -> ListenerSpec {
    let config = mesh.config();
    let mut chains = vec![loop_guard(mesh, "virtualInbound-blackhole", config.inbound_port)];
    for port in ports.values().filter(|port| port.own_listener().is_none()) {
        let matches = ChainMatch { destination_port: Some(port.target), ..ChainMatch::default() };
        chains.extend(port_chains(mesh, &format!("0.0.0.0_{}", port.target), matches, port));
    }
    let catch_all = inbound_http(mesh, "InboundPassthroughCluster", "InboundPassthroughCluster", "", ":0/*");
    chains.push(FilterChainSpec {
        name: "virtualInbound-catchall-http".into(),
        matches: plain_text_http(ChainMatch::default()),
        network: NetworkSpec::Http(catch_all),
    });
    let declared =
        ports.values().filter(|entry| entry.own_listener().is_none() && entry.protocol != Protocol::Auto);
    let skip_ports = declared.map(|entry| entry.target).collect();
    ListenerSpec {
        name: "virtualInbound".into(),
        address: families.any(),
        additional: families.beside(families.any()),
        port: config.inbound_port,
        bind_to_port: true,
        use_original_dst: false,
        direction: Direction::Inbound,
        inspectors: Inspectors {
            original_dst: true,
            tls: true,
            http: true,
            skip_ports,
            timeout: config.protocol_detection_timeout,
        },
        chains,
        default_chain: Some(FilterChainSpec {
            name: "virtualInbound".into(),
            matches: ChainMatch::default(),
            network: NetworkSpec::Tcp(tcp_to(mesh, "InboundPassthroughCluster")),
        }),
        access_log: config.access_log.clone(),
        origins: origins(ports.values().flat_map(InboundPort::origins)),
    }
}

/// A listener of its own for one port, where nothing is redirected.
fn bound(mesh: &Mesh, bind: IpAddr, entry: &InboundPort<'_>) -> ListenerSpec {
    let InboundPort { target, protocol, service: _, sidecar: _, ingress: _ } = entry;
    let name: Str = format!("{bind}_{target}").into();
    let sniffs = *protocol == Protocol::Auto;
    let config = mesh.config();
    ListenerSpec {
        chains: port_chains(mesh, &name, ChainMatch::default(), entry),
        name,
        address: bind,
        additional: Vec::new(),
        port: *target,
        bind_to_port: true,
        use_original_dst: false,
        direction: Direction::Inbound,
        inspectors: Inspectors {
            tls: sniffs,
            http: sniffs,
            timeout: config.protocol_detection_timeout,
            ..Inspectors::default()
        },
        default_chain: None,
        access_log: config.access_log.clone(),
        origins: origins(entry.origins()),
    }
}

/// The chains of one port: HTTP, opaque, or both behind a look at the first bytes.
fn port_chains(
    mesh: &Mesh,
    name: &str,
    matches: ChainMatch,
    entry: &InboundPort<'_>,
) -> Vec<FilterChainSpec> {
    let InboundPort { target, protocol, service, sidecar, ingress: _ } = entry;
    let cluster = cluster_name(*target);
    let operation = match service {
        Some(OfService { service, port }) => format!("{}:{}/*", service.host, port.number),
        // As Istio: it belongs to no host, but spans are to be told apart.
        None => match sidecar.map(|sidecar| &sidecar.metadata.object.name) {
            Some(name) => format!("{}.{}:{target}/*", name.name, name.namespace),
            None => format!(":{target}/*"),
        },
    };
    let http = || {
        NetworkSpec::Http(inbound_http(
            mesh,
            &format!("inbound_{name};"),
            &cluster,
            &format!("{target}"),
            &operation,
        ))
    };
    let pattern = &mesh.config().inbound_stat_name;
    let stat_prefix = service.as_ref().and_then(|of| of.stat_name(pattern));
    let tcp = || {
        let proxy = tcp_to(mesh, &cluster);
        NetworkSpec::Tcp(TcpSpec {
            stat_prefix: stat_prefix.clone().unwrap_or_else(|| proxy.stat_prefix.clone()),
            ..proxy
        })
    };
    let chain = |matches, network| FilterChainSpec { name: name.into(), matches, network };
    if protocol.is_http() {
        vec![chain(matches, http())]
    } else if *protocol == Protocol::Auto {
        let mut chains = vec![chain(plain_text_http(matches.clone()), http())];
        chains.extend(opaque_chains(name, &matches, &tcp(), true));
        chains
    } else {
        vec![chain(matches, tcp())]
    }
}

/// Every request to `cluster`. Tried again only when the connection was reset before the request was sent, as Istio does.
fn inbound_http(mesh: &Mesh, stat_prefix: &str, cluster: &str, port: &str, operation: &str) -> HttpSpec {
    let route = RouteSpec {
        name: "default".into(),
        matches: RouteMatchSpec::default(),
        action: ActionSpec::Forward(ForwardSpec {
            clusters: vec![WeightedCluster {
                cluster: cluster.into(),
                weight: 1,
                headers: RouteHeaders::default(),
            }],
            timeout: None,
            retries: Some(Retries {
                on: RetryOn { conditions: "reset-before-request".into(), status_codes: vec![] },
                ignore_previous_hosts: false,
                ..Retries::default()
            }),
            rewrite: None,
            hash: vec![],
            mirrors: vec![],
            by_name: false,
        }),
        headers: RouteHeaders::default(),
        fault: None,
        cors: None,
        operation: operation.into(),
        stat_prefix: "".into(),
        config: None,
    };
    let virtual_host = VirtualHostSpec {
        route_configuration: cluster.into(),
        name: format!("inbound|http|{}", if port.is_empty() { "0" } else { port }).into(),
        domains: vec!["*".into()],
        routes: vec![route],
        origins: Arc::new([]),
    };
    let routes = RouteConfigurationSpec {
        name: cluster.into(),
        virtual_hosts: vec![Arc::new(virtual_host)],
        catch_all: CatchAll::None,
        vhds: false,
        ignore_port: true,
        origins: Arc::new([]),
    };
    HttpSpec {
        stat_prefix: stat_prefix.into(),
        direction: Direction::Inbound,
        routes: RouteSource::Inline(Arc::new(routes)),
        lookup: None,
        path_normalization: mesh.config().path_normalization,
        access_log: mesh.config().access_log.clone(),
    }
}

fn origins<'a>(objects: impl Iterator<Item = &'a ObjectRef>) -> crate::spec::Origins {
    let mut origins: Vec<_> = objects.cloned().collect();
    origins.sort();
    origins.dedup();
    origins.into()
}
