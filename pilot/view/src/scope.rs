//! Scopes: what outbound configuration depends on besides the mesh; and places: what load assignments depend on besides that.

use crate::{Capture, Families, NodeOptions, Proxy, inbound::own_ports, spec::NameLookup};
use mesh_model::{
    Destination, ExportTo, Host, Labels, Mesh, MeshTracing, NETWORK_LABEL, NamespacedName, OutboundPolicy,
    ProxySettings, Service, Sidecar, SidecarListener, Str, Vip, VirtualService, place_label,
};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Proxies with equal keys have the same outbound configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeKey {
    /// The clients' namespace.
    pub namespace: Str,
    /// Those of the clients' labels by which some rule for their namespace is for them or not.
    pub labels: Labels,
    /// The Sidecar that applies.
    pub sidecar: Option<NamespacedName>,
    /// How traffic gets to the proxies.
    pub capture: Capture,
    /// What the proxies ask of their listeners.
    pub options: Arc<NodeOptions>,
    /// The versions of IP that the clients speak.
    pub families: Families,
    /// Whether the clients' proxies have certificates.
    pub has_identity: bool,
    /// Whether clients are told addresses that the control plane has allocated.
    pub dns_capture: bool,
    /// What the proxies bring along, where that is not what the mesh says.
    pub settings: Option<Arc<ProxySettings>>,
    /// What the workloads are called in traces, where the control plane has to tell their proxies; else empty.
    pub traced_as: Str,
    /// Ports at which the workloads themselves are reached, where their proxies listen on them (capture none).
    pub own_ports: BTreeSet<u16>,
}

impl ScopeKey {
    /// The scope that `proxy` is in.
    pub fn of(mesh: &Mesh, proxy: &Proxy) -> Self {
        Self {
            namespace: proxy.namespace.clone(),
            labels: client_labels(mesh, proxy, mesh.client_label_keys(&proxy.namespace)),
            sidecar: mesh
                .sidecar_for(&proxy.namespace, &proxy.labels)
                .map(|sidecar| sidecar.metadata.object.name.clone()),
            capture: proxy.capture.clone(),
            options: proxy.options.clone(),
            families: proxy.families(),
            has_identity: proxy.has_identity,
            dns_capture: proxy.dns_capture,
            settings: Some(proxy.settings(mesh)).filter(|own| **own != mesh.config().proxy).cloned(),
            traced_as: match &mesh.config().tracing {
                MeshTracing::Provider(provider) if provider.protocol.names_workload() => {
                    // Istio's name for what says nothing of itself.
                    let anonymous = || "istio-proxy".into();
                    Some(&proxy.cluster).filter(|name| !name.is_empty()).cloned().unwrap_or_else(anonymous)
                }
                MeshTracing::Provider(_) | MeshTracing::Bootstrap | MeshTracing::Off => Str::default(),
            },
            own_ports: own_ports(mesh, proxy),
        }
    }
}

/// Where clients are, as far as some rule for their namespace looks at it. Proxies of one scope in equal places have the same endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Those of the clients' labels by which some rule calls endpoints near or far.
    pub labels: Labels,
}

impl Place {
    /// The place that `proxy` is in.
    pub fn of(mesh: &Mesh, proxy: &Proxy) -> Self {
        let mut keys = mesh.place_label_keys(&proxy.namespace);
        if !mesh.config().networks.is_empty() {
            keys.insert(NETWORK_LABEL.into());
        }
        Self { labels: client_labels(mesh, proxy, keys) }
    }
}

fn client_labels(mesh: &Mesh, proxy: &Proxy, keys: BTreeSet<Str>) -> Labels {
    let label = |key: Str| client_label(mesh, proxy, &key).map(|value| (key, value));
    keys.into_iter().filter_map(label).collect()
}

/// A label of a client. Where it runs is told by labels too, and better known than what labels say.
fn client_label(mesh: &Mesh, proxy: &Proxy, key: &str) -> Option<Str> {
    let workload = proxy.workload.as_ref().and_then(|object| mesh.workload(object));
    let node = workload.map(|workload| &workload.node);
    let known = place_label(key, &proxy.locality, &proxy.network, node, &mesh.config().cluster);
    known.or_else(|| proxy.labels.get(key)).cloned()
}

/// A scope over a mesh: the questions that derivation asks.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The scope.
    pub key: &'a ScopeKey,
    sidecar: Option<Arc<Sidecar>>,
    /// What is known already of the ports of VirtualServices, each of which is asked for by all of its hosts.
    pub(crate) routed_ports: RefCell<HashMap<NamespacedName, Arc<BTreeSet<u16>>>>,
}

impl<'a> Scope<'a> {
    /// The scope `key` over `mesh`.
    pub fn new(mesh: &'a Mesh, key: &'a ScopeKey) -> Self {
        let sidecar = key.sidecar.as_ref().and_then(|name| mesh.sidecar(name)).cloned();
        Self { mesh, key, sidecar, routed_ports: RefCell::default() }
    }

    /// Whether clients of this scope see what the object of `namespace` says about `host`.
    pub fn sees(&self, namespace: &str, host: &Host, export_to: &ExportTo) -> bool {
        export_to.includes(&self.key.namespace)
            && self
                .sidecar
                .as_ref()
                .is_none_or(|sidecar| sidecar.imports(&self.key.namespace, namespace, host))
    }

    /// Whether there is a Sidecar that leaves `host` of `namespace` out; without any, all is seen.
    pub fn leaves_out(&self, namespace: &str, host: &Host) -> bool {
        self.sidecar.as_ref().is_none_or(|sidecar| sidecar.leaves_out(&self.key.namespace, namespace, host))
    }

    /// Where clients of this scope call `service`: at its own addresses, or else at those that they are told.
    pub fn vips(&self, service: &Service) -> Vec<Vip> {
        let told = service.allocated.iter().flatten().filter(|_| self.key.dns_capture);
        match service.vips.is_empty() {
            true => told.map(|address| Vip::Ip(*address)).collect(),
            false => service.vips.clone(),
        }
    }

    /// The listeners at which clients call port `port` of the `host` of `namespace`, which they see: `None` is its own addresses.
    pub fn doors(&self, namespace: &str, host: &Host, port: u16) -> Vec<Option<&SidecarListener>> {
        match &self.sidecar {
            Some(sidecar) => sidecar.listeners(&self.key.namespace, namespace, host, port),
            None => vec![None],
        }
    }

    /// The listeners at which clients call port `port` of hosts that only `value` names.
    pub fn doors_of_routes(&self, value: &VirtualService, port: u16) -> Vec<Option<&SidecarListener>> {
        let mut doors = Vec::new();
        for host in &value.hosts {
            let of_host = self.doors(value.metadata.namespace(), host, port).into_iter();
            for door in of_host {
                if !doors.contains(&door) {
                    doors.push(door);
                }
            }
            // Without listeners of its own there is one door for all.
            if !self.has_sidecar() {
                break;
            }
        }
        doors
    }

    /// The listeners that the Sidecar asks for.
    pub fn sidecar_listeners(&self) -> impl Iterator<Item = &SidecarListener> {
        let egress = self.sidecar.iter().flat_map(|sidecar| &sidecar.egress);
        egress.filter_map(|egress| egress.listener.as_ref())
    }

    /// Where traffic for unknown destinations goes instead, when it is let through.
    pub fn egress_proxy(&self) -> Option<&Destination> {
        self.sidecar.as_ref()?.egress_proxy.as_ref()
    }

    /// How proxies of this scope look names up that only requests tell them, if they do.
    pub fn lookup(&self) -> Option<NameLookup> {
        let refresh = self.mesh.config().dns_refresh_rate;
        let looks_up =
            self.mesh.resolves_any_name() || self.outbound_policy() == OutboundPolicy::AllowAnyDynamicDns;
        looks_up.then_some(NameLookup { refresh })
    }

    /// How hosts are looked up that are no service's: by the HTTP proxy, if they may be called and no other proxy takes them, or by all
    /// listeners for requests, where the mesh says so.
    pub fn stranger_lookup(&self) -> Option<NameLookup> {
        let asked = match self.outbound_policy() {
            OutboundPolicy::AllowAny => self.egress_proxy().is_none() && self.http_proxy_port().is_some(),
            OutboundPolicy::AllowAnyDynamicDns => true,
            OutboundPolicy::RegistryOnly => false,
        };
        asked.then_some(NameLookup { refresh: self.mesh.config().dns_refresh_rate })
    }

    /// Whether a Sidecar limits what is seen.
    pub fn has_sidecar(&self) -> bool {
        self.sidecar.is_some()
    }

    /// What the proxies' ProxyConfig says.
    pub fn settings(&self) -> &ProxySettings {
        self.key.settings.as_ref().unwrap_or(&self.mesh.config().proxy)
    }

    /// Where the proxies serve as HTTP proxies: as they say themselves, or the mesh.
    pub fn http_proxy_port(&self) -> Option<u16> {
        self.key.options.http_proxy_port.or(self.mesh.config().http_proxy_port)
    }

    /// What happens to traffic for unknown destinations.
    pub fn outbound_policy(&self) -> OutboundPolicy {
        let own = self.sidecar.as_ref().and_then(|sidecar| sidecar.outbound_policy);
        own.unwrap_or(self.mesh.config().outbound_policy)
    }
}
