//! Listener filters: what looks at a connection before a chain is chosen.

use crate::envoy::listener::listener_filter_chain_match_predicate::{MatchSet, Rule};
use crate::envoy::listener::{
    Listener, ListenerFilter, ListenerFilterChainMatchPredicate as Predicate, listener_filter,
};
use crate::envoy::{kind, wkt};
use crate::names::{HTTP_INSPECTOR, ORIGINAL_DST, ORIGINAL_SRC, TLS_INSPECTOR};
use crate::value::{duration, uint32};
use mesh_proto::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use mesh_proto::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use mesh_proto::envoy::extensions::filters::listener::original_src::v3::OriginalSrc;
use mesh_proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use mesh_proto::pack;
use pilot_view::spec::Inspectors;

/// What is read of a connection at first: enough for most client hellos, and a quarter of a page for each connection
/// that never sends one.
const INITIAL_READ: u32 = 512;

/// The mark of connections by which the kernel knows that answers belong to the proxy, as Istio's rules for TPROXY have it.
const REDIRECTED: u32 = 1337;

/// Applies the listener filters, in the order in which they depend on each other.
pub(super) fn apply_inspectors(inspectors: &Inspectors, listener: &mut Listener) {
    let Inspectors { original_dst, original_src, tls, http, skip_tls, skip_http, timeout } = inspectors;
    if *original_dst {
        listener.listener_filters.push(filter(ORIGINAL_DST, pack(&OriginalDst {}), None));
    }
    if *original_src {
        let config = OriginalSrc { mark: REDIRECTED, ..Default::default() };
        listener.listener_filters.push(filter(ORIGINAL_SRC, pack(&config), None));
    }
    if *tls {
        let config = TlsInspector { initial_read_buffer_size: uint32(INITIAL_READ), ..Default::default() };
        listener.listener_filters.push(filter(TLS_INSPECTOR, pack(&config), on_ports(skip_tls)));
    }
    if *http {
        listener.listener_filters.push(filter(HTTP_INSPECTOR, pack(&HttpInspector {}), on_ports(skip_http)));
    }
    if *tls || *http {
        listener.listener_filters_timeout = Some(duration(*timeout));
        // A client that waits for the server to speak first is no reason to hang up.
        listener.continue_on_listener_filters_timeout = true;
    }
}

fn filter(name: &str, config: wkt::Any, disabled: Option<Predicate>) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        filter_disabled: disabled,
        config_type: Some(listener_filter::ConfigType::TypedConfig(config)),
    }
}

/// True on these destination ports; `None` when there are none. Envoy wants at least two rules in an `or`.
fn on_ports(ports: &[u16]) -> Option<Predicate> {
    let mut ranges = ranges(ports).into_iter().map(|range| predicate(Rule::DestinationPortRange(range)));
    let first = ranges.next()?;
    let mut rules: Vec<_> = ranges.collect();
    if rules.is_empty() {
        return Some(first);
    }
    rules.insert(0, first);
    Some(predicate(Rule::OrMatch(MatchSet { rules })))
}

fn predicate(rule: Rule) -> Predicate {
    Predicate { rule: Some(rule) }
}

/// Sorted ports as half-open ranges, neighbours joined: a connection is compared with each.
fn ranges(ports: &[u16]) -> Vec<kind::Int32Range> {
    let mut ranges: Vec<kind::Int32Range> = Vec::new();
    for port in ports.iter().map(|port| i32::from(*port)) {
        match ranges.last_mut() {
            Some(range) if (range.start..range.end).contains(&port) => {}
            Some(range) if range.end == port => range.end += 1,
            _ => ranges.push(kind::Int32Range { start: port, end: port + 1 }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ports_are_one_range() {
        let ranges: Vec<_> =
            ranges(&[80, 81, 81, 82, 443]).into_iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(ranges, [(80, 83), (443, 444)]);
    }

    #[test]
    fn one_range_needs_no_or() {
        assert!(on_ports(&[]).is_none());
        assert!(matches!(on_ports(&[80, 81]).unwrap().rule, Some(Rule::DestinationPortRange(_))));
        assert!(matches!(on_ports(&[80, 90]).unwrap().rule, Some(Rule::OrMatch(_))));
    }
}
