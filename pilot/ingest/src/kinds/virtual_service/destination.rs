//! Where requests go: `route` of an HTTP route, and the destination of each entry.

use super::headers::parse_headers;
use crate::{
    at::At,
    values::{parse_host, parse_port},
};
use mesh_api::networking::{destination as destination_api, virtual_service::http_route as api};
use mesh_model::{Destination, Problem, Reason, Severity, WeightedDestination};

/// Reads `route`; `None` when no destination is left.
pub fn parse_destinations(
    destinations: Vec<api::HttpRouteDestination>,
    at: &At<'_>,
) -> Option<Vec<WeightedDestination>> {
    // The weight of an only destination does not matter.
    let only = destinations.len() == 1;
    let weighted = destinations.iter().any(|entry| entry.weight.is_some_and(|weight| weight > 0));
    let errors = at.errors();
    let mut all_zero = true;
    let mut parsed = Vec::with_capacity(destinations.len());
    for (index, entry) in destinations.into_iter().enumerate() {
        let at = at.index(index);
        let api::HttpRouteDestination { destination, weight, headers } = entry;
        if weight.is_none() && weighted && !only {
            at.field("weight").warning_hint(
                Reason::Required,
                "beside destinations with a weight, one without gets no requests",
                "write its share, such as weight: 10, or weight: 0 to keep it in reserve",
            );
        }
        let weight = match u32::try_from(weight.unwrap_or(0)) {
            Ok(_) if only => 1,
            Ok(weight) => weight,
            Err(_) => {
                at.field("weight").error_hint(
                    Reason::InvalidValue,
                    format!("{} is negative", weight.unwrap_or(0)),
                    "write shares such as 90 and 10",
                );
                continue;
            }
        };
        let destination = parse_destination(destination, &at.field("destination"));
        let headers = headers.map(|value| parse_headers(value, &at.field("headers"))).unwrap_or_default();
        all_zero &= weight == 0;
        if let Some(destination) = destination
            && weight > 0
        {
            parsed.push(WeightedDestination { destination, weight, headers });
        }
    }
    let sum: u64 = parsed.iter().map(|entry| u64::from(entry.weight)).sum();
    if sum > u64::from(u32::MAX) {
        at.error_hint(
            Reason::InvalidValue,
            format!("the weights add up to {sum}; at most {} is allowed", u32::MAX),
            "write shares such as 90 and 10",
        );
        return None;
    }
    if parsed.len() > 1 && sum != 100 {
        let message = format!("the weights add up to {sum}: each is a share of that, and not percent");
        at.report(Problem::new(Severity::Info, Reason::InvalidValue, at.path(), message));
    }
    if parsed.is_empty() {
        if all_zero && at.errors() == errors {
            at.error_hint(
                Reason::InvalidValue,
                "no destination has a weight, so none gets requests",
                "give each of several destinations a `weight`, such as 90 and 10",
            );
        }
        return None;
    }
    Some(parsed)
}

/// Reads where a request goes.
pub fn parse_destination(destination: destination_api::Destination, at: &At<'_>) -> Option<Destination> {
    let destination_api::Destination { host, subset, port } = destination;
    let at_host = at.field("host");
    if host.is_empty() {
        at_host.error_hint(
            Reason::Required,
            "the destination has no host",
            "write the name of a service, as in `host: reviews`",
        );
        return None;
    }
    // Other wildcards may be hosts of ServiceEntries.
    if host == "*" {
        at_host.error_hint(
            Reason::InvalidValue,
            "`*` is every host there is; requests go to one",
            "write the name of one service, as in `host: reviews`",
        );
        return None;
    }
    let at_port = at.field("port");
    if port.as_ref().is_some_and(|port| port.number.is_none()) {
        at_port.warning_hint(
            Reason::Required,
            "no port is named, so the one that was called is meant; Istio refuses this",
            "write `port: {number: ..}`, or leave `port` out",
        );
    }
    let port = match port.and_then(|port| port.number) {
        Some(number) => Some(parse_port(number, &at_port.field("number"))?),
        None => None,
    };
    let destination =
        Destination { host: parse_host(&host, &at_host)?, subset: subset.unwrap_or_default().into(), port };
    at.refer(&destination);
    Some(destination)
}
