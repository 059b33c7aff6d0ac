//! Inbound: how requests reach the workload beside the proxy.
//!
//! Depends on the services that select the workload, not on its name or address (unless traffic is not redirected), so
//! that all replicas of a Deployment have equal inbound configuration.

use crate::{
    Capture, Proxy,
    outbound::{opaque_chains, plain_text_http},
    spec::{
        ActionSpec, CatchAll, ChainMatch, ClusterDiscovery, ClusterSpec, Direction, FilterChainSpec,
        ForwardSpec, HttpSpec, Inspectors, ListenerSpec, NetworkSpec, RouteConfigurationSpec, RouteMatchSpec,
        RouteSource, RouteSpec, TcpSpec, UpstreamProtocol, VirtualHostSpec, WeightedCluster,
    },
    stat_name::{Subject, stat_name},
    well_known::{INBOUND_SOURCE, loop_guard, plain_cluster, tcp_to},
};
use mesh_model::{
    EndpointAddress, InboundPolicy, Mesh, Protocol, Registry, Retries, RetryOn, RouteHeaders, Service,
    ServicePort, Str, Workload,
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
    let passthrough = ClusterDiscovery::OriginalDst { port: None, source: Some(INBOUND_SOURCE) };
    let mut clusters: Vec<ClusterSpec> = Vec::with_capacity(ports.len() + 1);
    for InboundPort { target, service, port } in ports.values() {
        let discovery = match &proxy.capture {
            Capture::Redirect => match config.inbound_policy {
                InboundPolicy::Passthrough => passthrough.clone(),
                InboundPolicy::Localhost => {
                    ClusterDiscovery::Static { address: Ipv4Addr::LOCALHOST.into(), port: *target }
                }
            },
            Capture::None { bind: _, application, http_proxy_port: _ } => {
                ClusterDiscovery::Static { address: *application, port: *target }
            }
        };
        let protocol = match port.protocol {
            Protocol::Auto => UpstreamProtocol::Downstream,
            protocol if protocol.is_http2() => UpstreamProtocol::Http2,
            protocol if protocol.is_http() => UpstreamProtocol::Http1,
            _ => UpstreamProtocol::Tcp,
        };
        let cluster = plain_cluster(mesh, &cluster_name(*target), discovery, protocol);
        let subject = Subject { service, port, subset: "" };
        clusters.push(ClusterSpec {
            origins: Arc::new([service.metadata.object.clone()]),
            stat_name: stat_name(&config.inbound_stat_name, subject),
            ..cluster
        });
    }
    let listeners = match &proxy.capture {
        Capture::Redirect => {
            clusters.push(plain_cluster(
                mesh,
                "InboundPassthroughCluster",
                passthrough,
                UpstreamProtocol::Downstream,
            ));
            vec![virtual_inbound(mesh, &ports)]
        }
        Capture::None { bind, application: _, http_proxy_port: _ } => {
            ports.values().map(|port| bound(mesh, *bind, port)).collect()
        }
    };
    Inbound { listeners, clusters }
}

type Ports<'a> = BTreeMap<u16, InboundPort<'a>>;

/// A port of the workload.
struct InboundPort<'a> {
    /// Its number on the workload.
    target: u16,
    /// The service that sends requests to it.
    service: &'a Arc<Service>,
    /// The service's port.
    port: &'a ServicePort,
}

/// The workload's ports that services send requests to; of services that disagree about a port the oldest is right.
fn ports<'a>(mesh: &'a Mesh, proxy: &Proxy) -> Ports<'a> {
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
                ports.entry(target).or_insert(InboundPort { target, service, port });
            }
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

fn virtual_inbound(mesh: &Mesh, ports: &Ports<'_>) -> ListenerSpec {
    let config = mesh.config();
    let mut chains = vec![loop_guard(mesh, "virtualInbound-blackhole", config.inbound_port)];
    for port in ports.values() {
        let matches = ChainMatch { destination_port: Some(port.target), ..ChainMatch::default() };
        chains.extend(port_chains(mesh, &format!("0.0.0.0_{}", port.target), matches, port));
    }
    let catch_all = inbound_http(mesh, "InboundPassthroughCluster", "InboundPassthroughCluster", "", ":0/*");
    chains.push(FilterChainSpec {
        name: "virtualInbound-catchall-http".into(),
        matches: plain_text_http(ChainMatch::default()),
        network: NetworkSpec::Http(catch_all),
    });
    let declared = ports.values().filter(|entry| entry.port.protocol != Protocol::Auto);
    let skip_ports = declared.map(|entry| entry.target).collect();
    ListenerSpec {
        name: "virtualInbound".into(),
        address: Ipv4Addr::UNSPECIFIED.into(),
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
        origins: origins(ports.values().map(|entry| entry.service)),
    }
}

/// A listener of its own for one port, where nothing is redirected.
fn bound(mesh: &Mesh, bind: IpAddr, entry: &InboundPort<'_>) -> ListenerSpec {
    let InboundPort { target, service, port } = entry;
    let name: Str = format!("{bind}_{target}").into();
    let sniffs = port.protocol == Protocol::Auto;
    let config = mesh.config();
    ListenerSpec {
        chains: port_chains(mesh, &name, ChainMatch::default(), entry),
        name,
        address: bind,
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
        origins: origins(std::iter::once(*service)),
    }
}

/// The chains of one port: HTTP, opaque, or both behind a look at the first bytes.
fn port_chains(
    mesh: &Mesh,
    name: &str,
    matches: ChainMatch,
    entry: &InboundPort<'_>,
) -> Vec<FilterChainSpec> {
    let InboundPort { target, service, port } = entry;
    let cluster = cluster_name(*target);
    let operation = format!("{}:{}/*", service.host, port.number);
    let http = || {
        NetworkSpec::Http(inbound_http(
            mesh,
            &format!("inbound_{name};"),
            &cluster,
            &format!("{target}"),
            &operation,
        ))
    };
    let stat_prefix = stat_name(&mesh.config().inbound_stat_name, Subject { service, port, subset: "" });
    let tcp = || {
        let proxy = tcp_to(mesh, &cluster);
        NetworkSpec::Tcp(TcpSpec {
            stat_prefix: stat_prefix.clone().unwrap_or_else(|| proxy.stat_prefix.clone()),
            ..proxy
        })
    };
    let chain = |matches, network| FilterChainSpec { name: name.into(), matches, network };
    if port.protocol.is_http() {
        vec![chain(matches, http())]
    } else if port.protocol == Protocol::Auto {
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
        path_normalization: mesh.config().path_normalization,
        access_log: mesh.config().access_log.clone(),
    }
}

fn origins<'a>(services: impl Iterator<Item = &'a Arc<Service>>) -> crate::spec::Origins {
    let mut origins: Vec<_> = services.map(|service| service.metadata.object.clone()).collect();
    origins.sort();
    origins.dedup();
    origins.into()
}
