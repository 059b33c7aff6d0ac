//! Which virtual host a request means, by Envoy's rules: for clients that ask for one on demand.

use imbl::OrdMap;
use mesh_model::Str;
use pilot_view::spec::VirtualHostSpec;
use std::sync::Arc;

/// The virtual host among `hosts` that takes requests for `authority`: exact names first, then the longest suffix.
pub fn virtual_host<'a>(
    hosts: &'a OrdMap<Str, Arc<VirtualHostSpec>>,
    authority: &str,
) -> Option<&'a Arc<VirtualHostSpec>> {
    let authority = authority.to_ascii_lowercase();
    let bare = without_port(&authority);
    let exact =
        |wanted: &str| hosts.values().find(|host| host.domains.iter().any(|domain| **domain == *wanted));
    exact(&authority).or_else(|| exact(bare)).or_else(|| {
        let suffixes = hosts.values().flat_map(|host| {
            let matching = host.domains.iter().filter_map(|domain| domain.strip_prefix('*'));
            matching
                .filter(|suffix| bare.len() > suffix.len() && bare.ends_with(suffix))
                .map(move |suffix| (suffix.len(), host))
        });
        suffixes.max_by_key(|(length, _)| *length).map(|(_, host)| host)
    })
}

/// `authority` without `:port`; a bare IPv6 address has no port.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
