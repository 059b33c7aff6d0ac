//! A route configuration as a whole: the virtual hosts that have to be part of it, and what becomes of requests that none of its hosts is for.

use super::{HTTP_PROXY, destination_cluster, egress};
use crate::{
    Scope,
    spec::{CatchAll, RouteConfigurationSpec, VirtualHostSpec},
    well_known::ANY_NAME,
};
use mesh_model::{OutboundPolicy, Str};
use std::sync::Arc;

/// The route configuration `name` of a scope, with the virtual hosts that have to be part of it.
pub fn route_configuration(
    scope: &Scope<'_>,
    name: &Str,
    inline: Vec<Arc<VirtualHostSpec>>,
) -> RouteConfigurationSpec {
    let takes_all = inline.iter().any(|host| host.domains.iter().any(|domain| &**domain == "*"));
    let mut origins: Vec<_> = inline.iter().flat_map(|host| host.origins.iter().cloned()).collect();
    origins.sort();
    origins.dedup();
    RouteConfigurationSpec {
        name: name.clone(),
        catch_all: match scope.outbound_policy() {
            _ if takes_all => CatchAll::None,
            OutboundPolicy::AllowAny => match scope.egress_proxy() {
                Some(proxy) => CatchAll::Via(destination_cluster(proxy)),
                // Whoever asks a proxy has connected to it, not to the host: the name is all there is to go by.
                None if **name == *HTTP_PROXY && scope.stranger_lookup().is_some() => {
                    CatchAll::Via(ANY_NAME.into())
                }
                None => CatchAll::AllowAny,
            },
            OutboundPolicy::AllowAnyDynamicDns => CatchAll::LookUp,
            OutboundPolicy::RegistryOnly => CatchAll::BlockAll,
        },
        // A sniffed port's own route configuration has the one virtual host `*`; there is nothing to add to it.
        vhds: !takes_all || !name.contains(':'),
        attempt_count: !scope.settings().headers.without_attempt_count,
        ignore_port: !egress::tells_by_port(scope, name),
        virtual_hosts: inline,
        origins: origins.into(),
    }
}
