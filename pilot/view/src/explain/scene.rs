//! Everything one proxy is given, as specs, so that many requests can be asked about.

use super::{
    ClientTarget, Explanation, HostTaken, ObjectAt, Outcome, Request,
    answer::Target,
    authority, connection, destination, opaque,
    path::{self, Made},
    rule,
};
use crate::{
    ANY_NAME, Capture, ListenerKey, Place, PortUse, Proxy, Scope, ScopeKey, derive_host, derive_place, hosts,
    port_listener, route_configuration, scope_clusters, scope_listeners,
    spec::{CatchAll, ClusterSpec, ListenerSpec, TcpSpec, VirtualHostSpec},
};
use mesh_model::{Endpoint, Host, Mesh, ObjectRef, Source, Str};
use std::{collections::BTreeMap, sync::Arc};

/// What a proxy is configured with.
pub struct Scene<'a> {
    mesh: &'a Mesh,
    proxy: &'a Proxy,
    key: ScopeKey,
    located: &'a dyn Fn(&ObjectRef) -> Option<Source>,
    /// By name.
    pub(super) clusters: BTreeMap<Str, ClusterSpec>,
    /// Of clusters that get them from the control plane.
    pub(super) endpoints: BTreeMap<Str, Arc<[Endpoint]>>,
    /// By route configuration.
    virtual_hosts: BTreeMap<Str, Vec<Arc<VirtualHostSpec>>>,
    /// By name.
    pub(super) listeners: BTreeMap<Str, ListenerSpec>,
}

impl<'a> Scene<'a> {
    /// Where the proxy serves as an HTTP proxy, if it does.
    pub(super) fn http_proxy_port(&self) -> Option<u16> {
        Scope::new(self.mesh, &self.key).http_proxy_port()
    }

    /// What `proxy` is configured with; `located` says where objects are written, as far as that is known.
    pub fn new(mesh: &'a Mesh, proxy: &'a Proxy, located: &'a dyn Fn(&ObjectRef) -> Option<Source>) -> Self {
        let key = ScopeKey::of(mesh, proxy);
        let mut scene = Self {
            mesh,
            proxy,
            located,
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            virtual_hosts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            key: key.clone(),
        };
        let (scope, place) = (Scope::new(mesh, &key), Place::of(mesh, proxy));
        let mut ports: BTreeMap<ListenerKey, BTreeMap<Host, Vec<PortUse>>> = BTreeMap::new();
        for host in hosts(mesh) {
            let view = derive_host(&scope, &host);
            scene.clusters.extend(view.clusters.into_iter().map(|spec| (spec.name.clone(), spec)));
            let here = derive_place(&scope, &place, &host);
            scene.clusters.extend(here.clusters.into_iter().map(|spec| (spec.name.clone(), spec)));
            scene.endpoints.extend(here.endpoints.into_iter().map(|spec| (spec.cluster, spec.endpoints)));
            for spec in view.virtual_hosts {
                scene.virtual_hosts.entry(spec.route_configuration.clone()).or_default().push(spec);
            }
            for (key, port_use) in view.ports {
                ports.entry(key).or_default().entry(host.clone()).or_default().push(port_use);
            }
        }
        scene.clusters.extend(scope_clusters(&scope).into_iter().map(|spec| (spec.name.clone(), spec)));
        let shared =
            ports.iter().filter_map(|(key, uses)| port_listener(&scope, key, uses.values().flatten()).0);
        let numbers = ports.keys().filter_map(ListenerKey::port).collect();
        let listeners = scope_listeners(&scope, &numbers).into_iter().chain(shared);
        scene.listeners = listeners.map(|spec| (spec.name.clone(), spec)).collect();
        scene
    }

    pub(super) fn mesh(&self) -> &'a Mesh {
        self.mesh
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::new(self.mesh, &self.key)
    }

    /// The client's.
    pub(super) fn namespace(&self) -> &Str {
        &self.key.namespace
    }

    /// From where the client's connections come.
    pub(super) fn address(&self) -> Option<std::net::IpAddr> {
        self.proxy.addresses.first().copied()
    }

    pub(super) fn capture(&self) -> &Capture {
        &self.key.capture
    }

    pub(super) fn located(&self, object: &ObjectRef) -> ObjectAt {
        ObjectAt { object: object.clone(), source: (self.located)(object) }
    }

    /// What becomes of `request`, and why.
    pub fn explain(&self, request: &Request) -> Explanation {
        let path = if request.scheme == "tcp" { "" } else { &request.path };
        let method = if request.scheme == "http" { format!("{} ", request.method) } else { String::new() };
        let mut explanation = Explanation {
            from: self.proxy.name.clone(),
            request: format!("{method}{}://{}{path}", request.scheme, request.authority),
            listener: None,
            virtual_host: None,
            passed: Vec::new(),
            rule: None,
            aborted: None,
            effects: Vec::new(),
            outcome: Outcome::Closed { why: "the proxy does not listen there".to_owned() },
        };
        match connection::choose(self, request) {
            connection::Way::Nowhere { why } => explanation.outcome = Outcome::Closed { why },
            connection::Way::Opaque { listener, chain, tcp, destination } => {
                explanation.listener = Some(listener);
                let taken = opaque::Taken { chain, tcp, destination };
                opaque::follow(self, &taken, request, &mut explanation);
                explanation.outcome = Outcome::Forwarded(self.opaque(tcp));
            }
            connection::Way::Requests { listener, routes } => {
                explanation.listener = Some(listener);
                self.requests(&routes, request, &mut explanation);
            }
        }
        explanation
    }

    fn opaque(&self, tcp: &TcpSpec) -> Vec<Target> {
        tcp.clusters.iter().map(|cluster| destination::target(self, cluster)).collect()
    }

    /// What becomes of a request once its path is made like others.
    fn requests(&self, routes: &Str, request: &Request, explanation: &mut Explanation) {
        let scope = self.scope();
        let normalization = self.mesh.config().path_normalization;
        match path::make_alike(&request.path, normalization, &scope.settings().connections) {
            Made::Path(path) if path == request.path => self.route(routes, request, explanation),
            Made::Path(path) => {
                explanation.effects.push(format!("its path is taken for {path}"));
                self.route(routes, &Request { path, ..request.clone() }, explanation);
            }
            Made::Elsewhere(location) => {
                explanation.effects.push("a path with escaped slashes is asked for without them".to_owned());
                explanation.outcome = Outcome::Redirected { status: 307, location };
            }
            Made::Refused => {
                let why =
                    "httpPathWithEscapedSlashesAction has paths with escaped slashes refused".to_owned();
                explanation.outcome = Outcome::Answered { status: 400, why };
            }
        }
    }

    fn route(&self, name: &Str, request: &Request, explanation: &mut Explanation) {
        let scope = self.scope();
        let hosts = self.virtual_hosts.get(name).map(Vec::as_slice).unwrap_or_default();
        let inline = hosts.iter().filter(|host| host.domains.iter().any(|domain| &**domain == "*"));
        let configuration = route_configuration(&scope, name, inline.cloned().collect());
        if let Some((host, domain)) =
            authority::choose(hosts.iter(), &request.authority, configuration.ignore_port)
        {
            explanation.virtual_host = Some(HostTaken {
                route_configuration: name.clone(),
                name: host.name.clone(),
                domain: domain.clone(),
                objects: host.origins.iter().map(|object| self.located(object)).collect(),
            });
            rule::follow(self, &scope, host, request, explanation);
            return;
        }
        let nobody = "no service or VirtualService that is seen from here has this host";
        let effect = match &configuration.catch_all {
            CatchAll::AllowAny => Some("outboundTrafficPolicy is ALLOW_ANY".to_owned()),
            CatchAll::LookUp => Some(
                "outboundTrafficPolicy is ALLOW_ANY_DYNAMIC_DNS: the name that the request asks for is looked up"
                    .to_owned(),
            ),
            CatchAll::Via(_) if scope.egress_proxy().is_some() => {
                Some("outboundTrafficPolicy has an egressProxy for what is unknown".to_owned())
            }
            CatchAll::Via(_) => Some(
                "outboundTrafficPolicy is ALLOW_ANY, and the name is all that an HTTP proxy is told".to_owned(),
            ),
            CatchAll::BlockAll | CatchAll::None => None,
        };
        explanation.effects.extend(effect.map(|effect| format!("{nobody}; {effect}")));
        explanation.outcome = match configuration.catch_all {
            CatchAll::AllowAny if matches!(request.destination, Some(ClientTarget::Unix(_))) => {
                Outcome::Answered {
                    status: 503,
                    why: "whoever connects to a socket has said no address to which the request could go"
                        .to_owned(),
                }
            }
            CatchAll::AllowAny => {
                Outcome::Forwarded(vec![destination::unknown(self, "PassthroughCluster".into())])
            }
            CatchAll::LookUp => Outcome::Forwarded(vec![destination::unknown(self, ANY_NAME.into())]),
            CatchAll::Via(cluster) => Outcome::Forwarded(vec![destination::unknown(self, cluster)]),
            CatchAll::BlockAll => Outcome::Answered {
                status: 502,
                why: "no service or VirtualService has this host, and outboundTrafficPolicy is REGISTRY_ONLY"
                    .to_owned(),
            },
            CatchAll::None => {
                Outcome::Answered { status: 404, why: "no virtual host has this authority".to_owned() }
            }
        };
    }
}
