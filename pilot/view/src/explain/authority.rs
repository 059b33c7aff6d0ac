//! Which virtual host a request means, by Envoy's rules.

use super::request::split_port;
use crate::spec::VirtualHostSpec;
use mesh_model::Str;
use std::sync::Arc;

/// The virtual host among `hosts` that takes requests for `authority`, and the domain by which it does: the exact name, otherwise
/// the longest suffix, otherwise `*`.
pub fn choose<'h>(
    hosts: impl Iterator<Item = &'h Arc<VirtualHostSpec>>,
    authority: &str,
    ignore_port: bool,
) -> Option<(&'h Arc<VirtualHostSpec>, &'h Str)> {
    let authority = authority.to_ascii_lowercase();
    let wanted = if ignore_port { split_port(&authority).0 } else { &authority };
    let rank = |domain: &str| match domain.strip_prefix('*') {
        None => (domain == wanted).then_some(usize::MAX),
        Some("") => Some(0),
        Some(suffix) => (wanted.len() > suffix.len() && wanted.ends_with(suffix)).then_some(suffix.len()),
    };
    let domains = hosts.flat_map(|host| host.domains.iter().map(move |domain| (host, domain)));
    let ranked = domains.filter_map(|(host, domain)| Some((rank(domain)?, host, domain)));
    ranked.max_by_key(|(rank, _, _)| *rank).map(|(_, host, domain)| (host, domain))
}
