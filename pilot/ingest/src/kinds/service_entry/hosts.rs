//! `hosts` of a ServiceEntry: the names that clients call.
//!
//! In: the list as written, and how its names are resolved. Out: those that can be had.

use crate::{
    at::At,
    values::{parse_dns_name, parse_host},
};
use mesh_model::{Host, Reason, Resolution};

/// Reads the list; what cannot be called is left out.
pub(super) fn parse_hosts(
    hosts: &[String],
    resolution: &Resolution,
    has_endpoints: bool,
    at: &At<'_>,
) -> Vec<Host> {
    if hosts.is_empty() {
        at.error_hint(
            Reason::Required,
            "there are no hosts",
            "write the names that clients call, as in `hosts: [api.example.com]`",
        );
    }
    let mut parsed: Vec<Host> = Vec::with_capacity(hosts.len());
    for (index, text) in hosts.iter().enumerate() {
        let at = at.index(index);
        if text == "*" {
            at.error_hint(
                Reason::InvalidValue,
                "`*` would claim every name there is",
                "write a domain, as in *.example.com",
            );
            continue;
        }
        // A ServiceEntry's hosts are names of the world: `db` is `db`, not a Service of this namespace.
        let host = match text.starts_with('*') {
            true => parse_host(text, &at),
            false => parse_dns_name(text, &at).map(|name| Host::new(&name)),
        };
        let Some(host) = host else { continue };
        let by_name = matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin);
        if host.is_wildcard() && by_name && !has_endpoints {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{host}` cannot be resolved: it is a wildcard"),
                "add `endpoints`, or set `resolution: NONE`",
            );
            continue;
        }
        if parsed.contains(&host) {
            at.warning_hint(Reason::Duplicate, format!("`{host}` is named twice"), "leave one of them out");
            continue;
        }
        if let Some(rest) = text.strip_prefix('*')
            && !rest.starts_with('.')
        {
            at.info_hint(
                Reason::InvalidValue,
                "here this is every name that ends so; Istio warns of it, and matches it in some places only",
                format!("for Istio write *.{}", rest.trim_start_matches('-')),
            );
        }
        parsed.push(host);
    }
    parsed
}
