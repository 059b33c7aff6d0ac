//! Filter chains of one listener that take the same connections.

use super::{Findings, Held, Problem};
use crate::envoy::core::CidrRange;
use crate::envoy::listener::{FilterChainMatch, Listener};
use pilot_xds::resource::ResourceType;
use std::collections::BTreeMap;

pub(super) fn check(held: &Held<'_>, found: &mut Findings) {
    for (name, listener) in &held.listeners {
        for problem in duplicates(listener) {
            found.add(ResourceType::Listener, name, problem);
        }
    }
}

/// Envoy unfolds a match into one entry for each combination of its values, and rejects a listener in which an entry
/// occurs twice: so two chains must not even share one combination.
fn duplicates(listener: &Listener) -> Vec<Problem> {
    let mut seen: BTreeMap<Key, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for chain in &listener.filter_chains {
        let matches = chain.filter_chain_match.clone().unwrap_or_default();
        let mut clashed = false;
        for key in keys(&matches) {
            if let Some(other) = seen.insert(key, &chain.name)
                && !clashed
            {
                clashed = true;
                let (chain, other) = (chain.name.clone(), other.to_owned());
                problems.push(Problem::DuplicateChainMatch { chain, other });
            }
        }
    }
    problems
}

/// Destination port, address range, server name, transport, application protocol, the client's address range.
type Key = (Option<u32>, String, String, String, String, String);

fn keys(matches: &FilterChainMatch) -> Vec<Key> {
    let port = matches.destination_port.as_ref().map(|port| port.value);
    let shown = |range: &CidrRange| format!("{}/{:?}", range.address_prefix, range.prefix_len);
    let ranges = or_any(matches.prefix_ranges.iter().map(shown));
    let sources = or_any(matches.source_prefix_ranges.iter().map(shown));
    let servers = or_any(matches.server_names.iter().cloned());
    let protocols = or_any(matches.application_protocols.iter().cloned());
    let mut keys = Vec::new();
    for range in &ranges {
        for server in &servers {
            for protocol in &protocols {
                for source in &sources {
                    let transport = matches.transport_protocol.clone();
                    let (range, server) = (range.clone(), server.clone());
                    keys.push((port, range, server, transport, protocol.clone(), source.clone()));
                }
            }
        }
    }
    keys
}

/// No value at all matches everything, which is a value too.
fn or_any(values: impl Iterator<Item = String>) -> Vec<String> {
    let values: Vec<String> = values.collect();
    if values.is_empty() { vec![String::new()] } else { values }
}
