//! The listeners of a workload's proxy for what comes in.

use super::{
    chains::{Content, Names, Taken, chains},
    cluster_name, ingress, origins,
    ports::{InboundPort, OfService, Ports},
    requests::{Requests, inbound_http},
};
use crate::{
    Proxy,
    outbound::plain_text_http,
    spec::{
        ChainMatch, Direction, FilterChainSpec, Inspectors, ListenerAddress, ListenerSpec, NetworkSpec,
        Origins, TcpSpec, TracingSpec,
    },
    well_known::{loop_guard, tcp_to},
};
use mesh_model::{AccessLog, Mesh, MtlsMode, ObjectRef, PeerModes, Protocol, Str};
use std::{net::IpAddr, sync::Arc};

/// Where connections go to addresses of the workload at which no service leads to it.
const UNKNOWN: &str = "InboundPassthroughCluster";

/// What the listeners of one proxy depend on.
pub struct Listening<'a> {
    pub mesh: &'a Mesh,
    pub proxy: &'a Proxy,
    /// What PeerAuthentication says.
    pub modes: PeerModes,
    /// What is told of requests.
    pub tracing: Option<Arc<TracingSpec>>,
    /// Who is told of accesses.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Listening<'_> {
    fn taken(&self, mode: MtlsMode) -> Taken {
        Taken::new(self.mesh, mode, self.proxy.has_identity)
    }

    /// What is taken on a port of the workload.
    fn taken_on(&self, port: &InboundPort<'_>) -> Taken {
        match port.given_tls(&self.modes) {
            Some(tls) => Taken::given(self.mesh, tls, self.proxy.has_identity),
            None => self.taken(self.modes.on_port(port.target)),
        }
    }

    /// Those to whom a refusal of the listener is told.
    fn origins<'p>(&self, ports: impl Iterator<Item = &'p InboundPort<'p>>) -> Origins {
        let PeerModes { mode: _, ports: _, by, ports_by } = &self.modes;
        let mut all: Vec<ObjectRef> = ports.flat_map(InboundPort::origins).cloned().collect();
        all.extend(by.iter().chain(ports_by).cloned());
        origins(all.iter())
    }

    /// Bytes to the workload.
    fn tcp_to(&self, cluster: &str) -> TcpSpec {
        TcpSpec { idle_timeout: self.proxy.options.idle_timeout, ..tcp_to(cluster, self.access_log.clone()) }
    }

    /// Takes all that is redirected.
    pub fn virtual_inbound(&self, ports: &Ports<'_>) -> ListenerSpec {
        let Self { mesh, proxy, modes, tracing: _, access_log } = self;
        let (config, families) = (mesh.config(), proxy.families());
        let own = || ports.values().filter(|port| port.own_listener().is_none());
        let mut port_chains =
            vec![loop_guard("virtualInbound-blackhole", config.inbound_port, access_log.clone())];
        let (mut skip_tls, mut skip_http) = (Vec::new(), Vec::new());
        for port in own() {
            let matches = ChainMatch { destination_port: Some(port.target), ..ChainMatch::default() };
            let taken = self.taken_on(port);
            port_chains.extend(self.port_chains(&format!("0.0.0.0_{}", port.target), &matches, port, &taken));
            if port.protocol != Protocol::Auto {
                skip_http.push(port.target);
                if !taken.tells_tls() {
                    skip_tls.push(port.target);
                }
            }
        }
        // What is said of ports that no service leads to.
        for (port, mode) in modes.ports.iter().filter(|(port, _)| !own().any(|own| own.target == **port)) {
            let matches = ChainMatch { destination_port: Some(*port), ..ChainMatch::default() };
            port_chains.extend(self.unknown_chains(&format!("_{port}"), &matches, &self.taken(*mode)));
        }
        let taken = self.taken(modes.mode);
        let mut unknown = self.unknown_chains("", &ChainMatch::default(), &taken);
        // All that is left over, where that is taken as it comes. Otherwise nothing must be left over: it would also be what a port
        // does not take.
        let default_chain = match taken {
            Taken::Plaintext if !proxy.has_identity => {
                unknown.retain(|chain| chain.matches == plain_text_http(ChainMatch::default()));
                Some(FilterChainSpec {
                    name: "virtualInbound".into(),
                    matches: ChainMatch::default(),
                    tls: None,
                    network: NetworkSpec::Tcp(self.tcp_to(UNKNOWN)),
                })
            }
            Taken::Plaintext | Taken::Both(_) | Taken::Mtls(_) | Taken::Given(_) | Taken::Nothing => None,
        };
        port_chains.extend(unknown);
        ListenerSpec {
            name: "virtualInbound".into(),
            address: families.listening(families.any(), config.inbound_port),
            bind_to_port: true,
            use_original_dst: false,
            transparent: proxy.options.transparent,
            exact_balance: proxy.options.balances_inbound,
            direction: Direction::Inbound,
            inspectors: Inspectors {
                original_dst: true,
                original_src: proxy.options.transparent,
                tls: true,
                http: true,
                skip_tls,
                skip_http,
                timeout: config.protocol_detection_timeout,
            },
            chains: port_chains,
            default_chain,
            access_log: access_log.clone(),
            buffer_limit: self.proxy.settings(self.mesh).connections.listener_buffer,
            origins: self.origins(ports.values()),
        }
    }

    /// A listener of its own for one port, where nothing is redirected.
    pub fn bound(&self, bind: IpAddr, entry: &InboundPort<'_>) -> ListenerSpec {
        let InboundPort { target, protocol, service: _, sidecar: _, ingress: _ } = entry;
        let name: Str = format!("{bind}_{target}").into();
        let sniffs = *protocol == Protocol::Auto;
        let config = self.mesh.config();
        let taken = self.taken_on(entry);
        ListenerSpec {
            chains: self.port_chains(&name, &ChainMatch::default(), entry, &taken),
            name,
            address: ListenerAddress::port(bind, *target),
            bind_to_port: true,
            use_original_dst: false,
            transparent: false,
            exact_balance: self.proxy.options.balances_inbound,
            direction: Direction::Inbound,
            inspectors: Inspectors {
                tls: sniffs || taken.tells_tls(),
                http: sniffs,
                timeout: config.protocol_detection_timeout,
                ..Inspectors::default()
            },
            default_chain: None,
            access_log: self.access_log.clone(),
            buffer_limit: self.proxy.settings(self.mesh).connections.listener_buffer,
            origins: self.origins(std::iter::once(entry)),
        }
    }

    /// The chains of one port: HTTP, opaque, or both behind a look at the first bytes.
    fn port_chains(
        &self,
        name: &str,
        matches: &ChainMatch,
        entry: &InboundPort<'_>,
        taken: &Taken,
    ) -> Vec<FilterChainSpec> {
        let InboundPort { target, protocol, service, sidecar, ingress: _ } = entry;
        let limits = ingress::sidecar_pool(entry).map(|pool| &pool.tcp);
        let mesh = self.mesh;
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
            let stat_prefix = format!("inbound_{name};");
            let requests = Requests {
                stat_prefix: &stat_prefix,
                cluster: &cluster,
                port: Some(*target),
                operation: &operation,
                protocol: *protocol,
            };
            NetworkSpec::Http(inbound_http(self, &requests))
        };
        let pattern = &mesh.config().inbound_stat_name;
        let stat_prefix = service.as_ref().and_then(|of| of.stat_name(pattern));
        let tcp = || {
            let proxy = self.tcp_to(&cluster);
            NetworkSpec::Tcp(TcpSpec {
                idle_timeout: limits.and_then(|limits| limits.idle_timeout).or(proxy.idle_timeout),
                max_connection_duration: limits.and_then(|limits| limits.max_connection_duration),
                stat_prefix: stat_prefix.clone().unwrap_or_else(|| proxy.stat_prefix.clone()),
                mongo: *protocol == Protocol::Mongo,
                ..proxy
            })
        };
        let content = match protocol {
            Protocol::Auto => Content::Either { http: http(), tcp: tcp() },
            protocol if protocol.is_http() => Content::Http(http()),
            _ => Content::Tcp(tcp()),
        };
        chains(self.access_log.as_ref(), &Names::of_port(name, &content), matches, &content, taken)
    }

    /// The chains for ports that no service leads to.
    fn unknown_chains(&self, suffix: &str, matches: &ChainMatch, taken: &Taken) -> Vec<FilterChainSpec> {
        let names = Names {
            http: format!("virtualInbound-catchall-http{suffix}").into(),
            tcp: format!("virtualInbound{suffix}").into(),
            tls: format!("virtualInbound{suffix}-tls").into(),
        };
        let content = Content::Either {
            http: NetworkSpec::Http(inbound_http(
                self,
                &Requests {
                    stat_prefix: UNKNOWN,
                    cluster: UNKNOWN,
                    port: None,
                    operation: ":0/*",
                    protocol: Protocol::Auto,
                },
            )),
            tcp: NetworkSpec::Tcp(self.tcp_to(UNKNOWN)),
        };
        chains(self.access_log.as_ref(), &names, matches, &content, taken)
    }
}
