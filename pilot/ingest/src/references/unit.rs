//! The checks, each by what it is about.

use super::{Found, claims, credentials, merged, networks, peers, ports, scope::Scope, selection, spoken};
use mesh_model::{Host, NamespacedName, ObjectRef, ServiceKey, Str};
use std::net::IpAddr;

/// A check. Their order is that in which an object's problems are told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Unit {
    /// What the object refers to.
    References(ObjectRef),
    /// VirtualServices that name the same host.
    Contested(Host),
    /// DestinationRules for the same host.
    Merged(Host),
    /// A VirtualService's matches and hosts.
    VirtualService(NamespacedName),
    /// What a DestinationRule is about.
    DestinationRule(NamespacedName),
    /// What a Sidecar imports.
    Sidecar(NamespacedName),
    /// What selects a namespace's workloads.
    Namespace(Str),
    /// A service's ports and workloads.
    Service(ServiceKey),
    /// A service's endpoints in other networks. Only where there are some.
    Networks(ServiceKey),
    /// Services that ask for the same port of an address.
    Claims(Option<IpAddr>, u16),
}

impl Unit {
    /// Whether a change that concerns it shows in whose change it is, so that nothing has to be remembered. There are as many of
    /// these as services.
    pub(super) fn is_found_by_what_it_is_about(&self) -> bool {
        match self {
            Self::Contested(_) | Self::Merged(_) | Self::Service(_) | Self::Claims(..) => true,
            Self::References(_)
            | Self::VirtualService(_)
            | Self::DestinationRule(_)
            | Self::Sidecar(_)
            | Self::Namespace(_)
            | Self::Networks(_) => false,
        }
    }

    /// Looks. What it is about may be gone: then there is nothing to find.
    pub(super) fn check(&self, scope: &Scope<'_>, found: &mut Found) {
        match self {
            Self::References(object) => {
                for reference in scope.references_of(object) {
                    scope.check_destination(object, reference, found);
                }
            }
            Self::Contested(host) => scope.check_contested_host(host, found),
            Self::Merged(host) => merged::check_merged_rules(scope, host, found),
            Self::VirtualService(name) => {
                let Some(value) = scope.virtual_service(name) else { return };
                scope.check_connection_routes(value, found);
                scope.check_matches(value, found);
                scope.check_authorities(value, found);
                scope.check_clients(value, found);
                scope.check_aliased_hosts(value, found);
                scope.check_wider_hosts(value, found);
            }
            Self::DestinationRule(name) => {
                let Some(value) = scope.rule(name) else { return };
                scope.check_destination_rule(value, found);
                credentials::check_credentials(scope, value, found);
                spoken::check_spoken(scope, value, found);
            }
            Self::Sidecar(name) => {
                let Some(value) = scope.sidecar(name) else { return };
                scope.check_sidecar(value, found);
            }
            Self::Namespace(namespace) => {
                claims::check_default_sidecars(scope, namespace, found);
                claims::check_selecting_sidecars(scope, namespace, found);
                claims::check_selecting_rules(scope, namespace, found);
                peers::check_peer_authentications(scope, namespace, found);
                peers::check_given_tls(scope, namespace, found);
            }
            Self::Service(key) => {
                let Some(service) = scope.service(key) else { return };
                ports::check_protocols(service, found);
                ports::check_nameless(service, found);
                ports::check_shared_workloads(scope, service, found);
                selection::check_selectors(scope, service, found);
                selection::check_visibility(scope, service, found);
            }
            Self::Networks(key) => {
                let Some(service) = scope.service(key) else { return };
                networks::check_networks(scope, service, found);
            }
            Self::Claims(address, port) => ports::check_address(scope, *address, *port, found),
        }
    }
}
