//! One entry of `http`.

use super::{
    action::{parse_direct_response, parse_redirect, parse_rewrite},
    condition::parse_match,
    fault::parse_fault,
    headers::parse_headers,
    retries::parse_retries,
};
use crate::{
    at::At,
    values::{parse_duration, parse_host, parse_port},
};
use mesh_api::networking::{destination as destination_api, virtual_service::http_route as api};
use mesh_model::{Destination, HttpAction, HttpMatch, HttpRoute, Reason, WeightedDestination};

/// Reads a route; `None` when it cannot be used.
pub fn parse_route(route: api::HttpRoute, at: &At<'_>) -> Option<HttpRoute> {
    let api::HttpRoute {
        name,
        matches,
        route,
        redirect,
        direct_response,
        delegate,
        rewrite,
        timeout,
        retries,
        fault,
        mirror,
        mirrors,
        mirror_percent,
        mirror_percent_snake_case,
        mirror_percentage,
        cors_policy,
        headers,
    } = route;
    at.not_supported("mirror", mirror.is_some());
    at.not_supported("mirrors", !mirrors.is_empty());
    at.not_supported("mirrorPercent", mirror_percent.is_some());
    at.not_supported("mirror_percent", mirror_percent_snake_case.is_some());
    at.not_supported("mirrorPercentage", mirror_percentage.is_some());
    at.not_supported("corsPolicy", cors_policy.is_some());
    if delegate.is_some() {
        at.field("delegate").error(
            Reason::NotSupported,
            "Meltemi does not read routes from other VirtualServices yet, so this route is left out",
        );
        return None;
    }
    let matches = parse_matches(matches, &at.field("match"))?;
    let fault = fault.and_then(|fault| parse_fault(fault, &at.field("fault")));
    let action = match (route.is_empty(), redirect, direct_response) {
        (false, None, None) => {
            let destinations = parse_destinations(route, &at.field("route"))?;
            let rewrite = match rewrite {
                Some(rewrite) => Some(parse_rewrite(rewrite, &matches, &at.field("rewrite"))?),
                None => None,
            };
            HttpAction::Route { destinations, rewrite }
        }
        (true, Some(redirect), None) => {
            if rewrite.is_some() {
                at.field("rewrite").error(Reason::Conflict, "a redirect has no request to rewrite");
            }
            if fault.is_some() {
                at.field("fault")
                    .warning(Reason::Conflict, "a fault on a redirect delays or replaces the redirect");
            }
            HttpAction::Redirect(parse_redirect(redirect, &at.field("redirect"))?)
        }
        (true, None, Some(response)) => {
            if rewrite.is_some() {
                at.field("rewrite").error(Reason::Conflict, "a direct response has no request to rewrite");
            }
            HttpAction::DirectResponse(parse_direct_response(response, &at.field("directResponse"))?)
        }
        (true, None, None) => {
            at.error_hint(
                Reason::Required,
                "the route does nothing",
                "set one of route, redirect, directResponse",
            );
            return None;
        }
        (_, _, _) => {
            at.error(Reason::Conflict, "only one of `route`, `redirect` and `directResponse` can be set");
            return None;
        }
    };
    Some(HttpRoute {
        name: name.unwrap_or_default().into(),
        matches,
        action,
        timeout: timeout
            .and_then(|value| parse_duration(value, &at.field("timeout")))
            .filter(|value| !value.is_zero()),
        retries: retries.map(|value| parse_retries(value, &at.field("retries"))),
        fault,
        headers: headers.map(|value| parse_headers(value, &at.field("headers"))).unwrap_or_default(),
    })
}

/// The conditions of a route. One that cannot be used is left out; when none is left, neither is the route: it must not
/// become one that takes everything.
fn parse_matches(
    matches: Vec<mesh_api::networking::virtual_service::HttpMatchRequest>,
    at: &At<'_>,
) -> Option<Vec<HttpMatch>> {
    let any = !matches.is_empty();
    let parsed: Vec<_> = matches
        .into_iter()
        .enumerate()
        .filter_map(|(index, condition)| parse_match(condition, &at.index(index)))
        .collect();
    if any && parsed.is_empty() { None } else { Some(parsed) }
}

/// Whether no request gets past `route`.
pub fn takes_everything(route: &HttpRoute) -> bool {
    route.matches.is_empty()
        || route.matches.iter().any(|condition| {
            let HttpMatch {
                name: _,
                uri,
                ignore_uri_case: _,
                scheme,
                method,
                authority,
                headers,
                query,
                port,
                source_labels,
                source_namespace,
                gateways,
                stat_prefix: _,
            } = condition;
            let any_path = match uri {
                None => true,
                Some(mesh_model::PathMatch::Prefix(prefix)) => &**prefix == "/",
                Some(_) => false,
            };
            any_path
                && scheme.is_none()
                && method.is_none()
                && authority.is_none()
                && headers.is_empty()
                && query.is_empty()
                && port.is_none()
                && source_labels.is_empty()
                && source_namespace.is_none()
                && gateways.is_empty()
        })
}

fn parse_destinations(
    destinations: Vec<api::HttpRouteDestination>,
    at: &At<'_>,
) -> Option<Vec<WeightedDestination>> {
    // The weight of an only destination does not matter.
    let only = destinations.len() == 1;
    let errors = at.errors();
    let mut all_zero = true;
    let mut parsed = Vec::with_capacity(destinations.len());
    for (index, entry) in destinations.into_iter().enumerate() {
        let at = at.index(index);
        let api::HttpRouteDestination { destination, weight, headers } = entry;
        let weight = match u32::try_from(weight.unwrap_or(0)) {
            Ok(_) if only => 1,
            Ok(weight) => weight,
            Err(_) => {
                at.field("weight").error(
                    Reason::InvalidValue,
                    format!("{} is negative; weights are shares such as 90 and 10", weight.unwrap_or(0)),
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
        at.error(
            Reason::InvalidValue,
            format!("the weights add up to {sum}; at most {} is allowed", u32::MAX),
        );
        return None;
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
        at_host.error(Reason::Required, "the destination has no host");
        return None;
    }
    if host.starts_with('*') {
        at_host.error(Reason::InvalidValue, format!("`{host}` is a wildcard; requests go to one host"));
        return None;
    }
    let at_port = at.field("port");
    let port = match port.and_then(|port| port.number) {
        Some(number) => Some(parse_port(number, &at_port.field("number"))?),
        None => None,
    };
    let destination =
        Destination { host: parse_host(&host, &at_host)?, subset: subset.unwrap_or_default().into(), port };
    at.refer(&destination);
    Some(destination)
}
