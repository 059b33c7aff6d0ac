//! Entries of `tls` and `tcp`, and matches in them, that never get a connection, because those before them take all that they ask for.
//!
//! In: routes as they were read. Out: problems. Says only what is certain.

use super::reach::{COMPARED, ForClient, ineffective};
use crate::at::At;
use mesh_model::{Cidr, ConnectionMatch, ConnectionRoute, Reason};

/// Looks at each match of each route of `list`, which is `tls` or `tcp`.
pub fn check_reach(list: &str, routes: &[ConnectionRoute], at_list: &At<'_>) {
    let mut before: Vec<(usize, &ConnectionMatch)> = Vec::new();
    for route in routes {
        let at = at_list.index(route.index);
        let taken_by = |wanted: &ConnectionMatch| {
            before.iter().find(|(_, earlier)| covers(earlier, wanted)).map(|(route, _)| *route)
        };
        let taken: Vec<_> = route.matches.iter().map(|wanted| (wanted, taken_by(wanted))).collect();
        let first = taken.iter().find_map(|(_, by)| *by);
        if let (Some(first), true) = (first, taken.iter().all(|(_, by)| by.is_some())) {
            at.warning_hint(
                Reason::Unreachable,
                format!("{list}[{first}] takes all connections that match this, so none gets here"),
                "move it up, or make its match narrower",
            );
        } else {
            for (wanted, by) in taken {
                let Some(by) = by else { continue };
                let message = format!("{list}[{by}] takes all connections that match this");
                ineffective(&at.field("match").index(wanted.index), message);
            }
        }
        if before.len() < COMPARED {
            before.extend(route.matches.iter().map(|condition| (route.index, condition)));
        }
    }
}

/// Whether `wide` holds for certain for each connection that `narrow` holds for.
fn covers(wide: &ConnectionMatch, narrow: &ConnectionMatch) -> bool {
    let ConnectionMatch {
        index: _,
        sni_hosts,
        subnets,
        source,
        port,
        source_labels,
        source_namespace,
        gateways,
    } = wide;
    // Without ranges it is about where the service is, and with some about elsewhere.
    let places = subnets.is_empty() == narrow.subnets.is_empty()
        && narrow.subnets.iter().all(|other| subnets.iter().any(|range| includes(range, other)));
    places
        && narrow.sni_hosts.iter().all(|name| sni_hosts.iter().any(|host| host.covers(name)))
        && source
            .as_ref()
            .is_none_or(|range| narrow.source.as_ref().is_some_and(|other| includes(range, other)))
        && ForClient { port: *port, source_labels, source_namespace, gateways }.covers(&ForClient {
            port: narrow.port,
            source_labels: &narrow.source_labels,
            source_namespace: &narrow.source_namespace,
            gateways: &narrow.gateways,
        })
}

fn includes(wide: &Cidr, narrow: &Cidr) -> bool {
    wide.length <= narrow.length && wide.contains(narrow.address)
}
