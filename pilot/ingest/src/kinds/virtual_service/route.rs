//! One entry of `http`.

use super::{
    action::{parse_direct_response, parse_redirect, parse_rewrite},
    condition::parse_match,
    cors::parse_cors,
    destination::{parse_destination, parse_destinations},
    fault::parse_fault,
    headers::{is_authority, parse_headers},
    mirror::{parse_mirror_percent, parse_mirrors},
    parts::RouteParts,
    retries::parse_retries,
};
use crate::{at::At, values::parse_duration};
use mesh_api::networking::virtual_service::{HttpMatchRequest, http_route as api};
use mesh_model::{
    Duration, HeaderMatch, HttpMatch, NamespacedName, PathMatch, Reason, Retries, Rewrite, RouteHeaders,
    StringMatch,
};

/// What may stand in a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The object has hosts: its routes do something, or hand over.
    Root,
    /// The object has none: what its routes leave out may come from the route that hands over to it.
    Delegate,
}

/// Reads a route; `None` when it cannot be used.
pub fn parse_route(route: api::HttpRoute, index: usize, role: Role, at: &At<'_>) -> Option<RouteParts> {
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
    // Everything is read before anything makes it be left out: all that is wrong is said at once.
    let matches = parse_matches(matches, &at.field("match"));
    let forwards = !route.is_empty();
    let actions = [forwards, redirect.is_some(), direct_response.is_some()];
    let acts = does_one_thing(actions, delegate.is_some(), role, at);
    let delegate = read(delegate, |value| parse_delegate(value, &at.field("delegate")));
    let fault = fault.and_then(|fault| parse_fault(fault, &at.field("fault")));
    if redirect.is_some() || direct_response.is_some() {
        let what = if redirect.is_some() { "a redirect" } else { "a direct response" };
        if fault.is_some() {
            at.field("fault").warning_hint(
                Reason::Conflict,
                format!("a fault on {what} delays or replaces it; Istio refuses this"),
                "leave `fault` out",
            );
        }
        if rewrite.is_some() {
            at.field("rewrite").error_hint(
                Reason::Conflict,
                format!("{what} has no request to rewrite"),
                "leave `rewrite` out",
            );
        }
        for (name, set) in [("timeout", timeout.is_some()), ("retries", retries.is_some())] {
            if set {
                let message = format!("{what} sends no request, so this has no effect");
                at.field(name).warning_hint(Reason::Conflict, message, "leave it out");
            }
        }
        let message = format!("{what} sends no request that could be copied");
        if mirror.is_some() {
            at.field("mirror").warning_hint(Reason::Conflict, message.clone(), "leave it out");
        }
        if !mirrors.is_empty() {
            at.field("mirrors").warning_hint(Reason::Conflict, message, "leave it out");
        }
    } else if mirror.is_some() && !mirrors.is_empty() {
        at.field("mirrors").warning_hint(
            Reason::Conflict,
            "both `mirror` and `mirrors` are set, and all of them get copies; Istio refuses this",
            "write all of them in `mirrors`",
        );
    }
    // The other half may be in the VirtualService that hands over, or is handed over to.
    if mirror.is_none() && role == Role::Root && matches!(delegate, Some(None)) {
        let percentages = [
            ("mirrorPercentage", mirror_percentage.is_some()),
            ("mirrorPercent", mirror_percent.is_some()),
            ("mirror_percent", mirror_percent_snake_case.is_some()),
        ];
        for (name, _) in percentages.into_iter().filter(|(_, set)| *set) {
            let hint = match mirrors.is_empty() {
                true => "name who gets the copies, as in `mirror: {host: reviews}`, or leave it out",
                false => "write the percentage of each in `mirrors`, as in `percentage: {value: 50}`",
            };
            at.field(name).warning_hint(Reason::Required, "without `mirror` this has no effect", hint);
        }
    }
    let mirror_percent =
        parse_mirror_percent(mirror_percentage, mirror_percent, mirror_percent_snake_case, at);
    let destinations = match forwards {
        true => parse_destinations(route, &at.field("route")),
        false => Some(Vec::new()),
    };
    let redirect = read(redirect, |value| parse_redirect(value, &at.field("redirect")));
    let direct_response =
        read(direct_response, |value| parse_direct_response(value, &at.field("directResponse")));
    // What can be rewritten depends on what is matched.
    let rewrite = match &matches {
        Some(matches) => read(rewrite, |value| parse_rewrite(value, matches, &at.field("rewrite"))),
        None => None,
    };
    let timeout = timeout.and_then(|value| parse_duration(value, &at.field("timeout")));
    let retries = retries.map(|value| parse_retries(value, &at.field("retries")));
    check_try(timeout, retries.as_ref(), at);
    let mirror = mirror.and_then(|value| parse_destination(value, &at.field("mirror")));
    let mirrors = parse_mirrors(mirrors, &at.field("mirrors"));
    let cors = cors_policy.map(|value| parse_cors(value, &at.field("corsPolicy")));
    let headers = headers.map(|value| parse_headers(value, &at.field("headers")));
    check_authority(&rewrite, &headers, at);
    if role == Role::Delegate || !matches!(delegate, Some(None)) {
        check_patterns(matches.as_deref().unwrap_or_default(), &at.field("match"));
    }
    let parts = RouteParts {
        index,
        name: name.unwrap_or_default().into(),
        matches: matches?,
        destinations: destinations?,
        redirect: redirect?,
        direct_response: direct_response?,
        delegate: delegate?,
        rewrite: rewrite?,
        timeout,
        retries,
        fault,
        mirror,
        mirror_percent,
        mirrors,
        cors,
        headers,
    };
    acts.then_some(parts)
}

/// Envoy does not look at the time of a try that the whole request does not have.
fn check_try(timeout: Option<Duration>, retries: Option<&Retries>, at: &At<'_>) {
    let Some((whole, each)) = timeout.zip(retries.and_then(|retries| retries.per_try_timeout)) else {
        return;
    };
    if !whole.is_zero() && each >= whole {
        at.field("retries").field("perTryTimeout").warning_hint(
            Reason::Unreachable,
            "a try may take no less than the whole request, all tries of it, so this has no effect",
            "write less than `timeout`, or raise that",
        );
    }
}

/// Where a route hands over, or is handed over to, Istio compares no patterns.
fn check_patterns(matches: &[HttpMatch], at: &At<'_>) {
    let is_pattern = |value: &StringMatch| matches!(value, StringMatch::Regex(_));
    for HttpMatch { index, uri, scheme, method, authority, headers, query, .. } in matches {
        let named = [("scheme", scheme), ("method", method), ("authority", authority)];
        let mut found: Vec<&str> = named
            .into_iter()
            .filter(|(_, value)| value.as_ref().is_some_and(is_pattern))
            .map(|(name, _)| name)
            .collect();
        if matches!(uri, Some(PathMatch::Regex(_))) {
            found.push("uri");
        }
        for HeaderMatch { invert, .. } in headers.iter().filter(|header| is_pattern(&header.value)) {
            found.push(if *invert { "withoutHeaders" } else { "headers" });
        }
        if query.iter().any(|(_, value)| is_pattern(value)) {
            found.push("queryParams");
        }
        found.dedup();
        for name in found {
            at.index(*index).field(name).info_hint(
                Reason::InvalidValue,
                "here regular expressions are compared where a VirtualService hands over, too; Istio refuses them",
                "for Istio write `exact` or `prefix`",
            );
        }
    }
}

/// The authority is set in one place.
fn check_authority(rewrite: &Option<Option<Rewrite>>, headers: &Option<RouteHeaders>, at: &At<'_>) {
    let rewritten = rewrite.iter().flatten().any(|rewrite| !rewrite.authority.is_empty());
    let Some(RouteHeaders { request, response: _ }) = headers else { return };
    let written = request.set.iter().chain(&request.add);
    let written = written.filter(|(name, value)| is_authority(name) && !value.is_empty()).count();
    if written + usize::from(rewritten) > 1 {
        let counts = if rewritten { "`rewrite.authority`" } else { "one of them" };
        at.field("headers").field("request").warning_hint(
            Reason::Conflict,
            format!("the authority is set more than once, and {counts} counts; Istio refuses this"),
            "set it once, in `rewrite.authority`",
        );
    }
}

/// Whether the route does exactly one thing with a request, or hands over where it may.
fn does_one_thing(actions: [bool; 3], delegates: bool, role: Role, at: &At<'_>) -> bool {
    let [_, _, answers] = actions;
    match (actions.iter().filter(|set| **set).count(), delegates, role) {
        (_, true, Role::Delegate) => {
            at.field("delegate").error_hint(
                Reason::InvalidValue,
                "a VirtualService without hosts cannot hand over to another one, so this route is left out",
                "name the other one in the VirtualService that hands over to this one",
            );
            return false;
        }
        (0, true, Role::Root) | (0, false, Role::Delegate) | (1, false, _) => {}
        (1, true, Role::Root) if answers => {}
        (0, false, Role::Root) => {
            at.error_hint(
                Reason::Required,
                "the route does nothing",
                "set one of route, redirect, directResponse, delegate",
            );
            return false;
        }
        (_, true, Role::Root) => {
            at.field("delegate").error_hint(
                Reason::Conflict,
                "a route that hands over to another VirtualService cannot have `route` or `redirect`",
                "leave `route` and `redirect` to the VirtualService that it names, or leave `delegate` out",
            );
            return false;
        }
        (_, false, _) => {
            at.error_hint(
                Reason::Conflict,
                "only one of `route`, `redirect` and `directResponse` can be set",
                "leave all but one out; a route of several destinations has weights",
            );
            return false;
        }
    }
    true
}

/// `Some(None)` for nothing, `None` for something without which the route cannot be used.
fn read<T, U>(value: Option<T>, parse: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => parse(value).map(Some),
    }
}

fn parse_delegate(delegate: api::Delegate, at: &At<'_>) -> Option<NamespacedName> {
    let api::Delegate { name, namespace } = delegate;
    let name = name.filter(|name| !name.is_empty());
    if name.is_none() {
        at.field("name").error_hint(
            Reason::Required,
            "the VirtualService to hand over to has no name",
            "write its name, as in `delegate: {name: catalog}`",
        );
    }
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    Some(NamespacedName::new(namespace.as_deref().unwrap_or(at.namespace()), name?))
}

/// The conditions of a route. One that cannot be used is left out; when none is left, neither is the route: it must not
/// become one that takes everything.
fn parse_matches(matches: Vec<HttpMatchRequest>, at: &At<'_>) -> Option<Vec<HttpMatch>> {
    let any = !matches.is_empty();
    let parsed: Vec<_> = matches
        .into_iter()
        .enumerate()
        .filter_map(|(index, condition)| parse_match(condition, index, &at.index(index)))
        .collect();
    if any && parsed.is_empty() { None } else { Some(parsed) }
}
