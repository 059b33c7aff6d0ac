//! An HTTP route in parts: what was said and what was not, before it is known whether another VirtualService says the rest.

use mesh_model::{
    Cors, Destination, DirectResponse, Duration, Fault, HttpAction, HttpMatch, HttpRoute, Mirror,
    NamespacedName, Percent, Redirect, Retries, Rewrite, RouteHeaders, Str, WeightedDestination,
};

/// What one entry of `http` says.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The fields' own names.
pub struct RouteParts {
    /// Its place in `http`.
    pub index: usize,
    pub name: Str,
    pub matches: Vec<HttpMatch>,
    pub destinations: Vec<WeightedDestination>,
    pub redirect: Option<Redirect>,
    pub direct_response: Option<DirectResponse>,
    pub delegate: Option<NamespacedName>,
    pub rewrite: Option<Rewrite>,
    /// Zero: no limit, and said so.
    pub timeout: Option<Duration>,
    pub retries: Option<Retries>,
    pub fault: Option<Fault>,
    pub mirror: Option<Destination>,
    pub mirror_percent: Option<Percent>,
    pub mirrors: Vec<Mirror>,
    pub cors: Option<Cors>,
    pub headers: Option<RouteHeaders>,
}

impl RouteParts {
    /// The route that the parts make; `None` unless they do exactly one thing with a request.
    pub fn finish(self) -> Option<HttpRoute> {
        let Self {
            index,
            name,
            matches,
            destinations,
            redirect,
            direct_response,
            delegate,
            rewrite,
            timeout,
            retries,
            fault,
            mirror,
            mirror_percent,
            mirrors,
            cors,
            headers,
        } = self;
        let action = match (destinations.is_empty(), redirect, direct_response, delegate) {
            (false, None, None, None) => HttpAction::Route { destinations, rewrite },
            (true, Some(redirect), None, None) => HttpAction::Redirect(redirect),
            (true, None, Some(response), None) => HttpAction::DirectResponse(response),
            _ => return None,
        };
        let percent = mirror_percent.unwrap_or(Percent::ALL);
        let single = mirror.map(|destination| Mirror { destination, percent });
        Some(HttpRoute {
            index,
            delegate: None,
            name,
            matches,
            action,
            timeout: timeout.filter(|value| !value.is_zero()),
            retries,
            fault,
            mirrors: single.into_iter().chain(mirrors).filter(|mirror| !mirror.percent.is_zero()).collect(),
            cors,
            headers: headers.unwrap_or_default(),
        })
    }
}

/// Whether no request gets past a route with these matches.
pub fn take_everything(matches: &[HttpMatch]) -> bool {
    matches.is_empty()
        || matches.iter().any(|condition| {
            let HttpMatch {
                index: _,
                name: _,
                uri,
                ignore_uri_case: _,
                scheme,
                method,
                authority,
                headers,
                claims,
                query,
                port,
                source_labels,
                source_namespace,
                gateways,
                stat_prefix: _,
            } = condition;
            let any_path = match uri {
                None => true,
                Some(uri) => uri.is_every_path(),
            };
            any_path
                && scheme.is_none()
                && method.is_none()
                && authority.is_none()
                && headers.is_empty()
                && claims.is_empty()
                && query.is_empty()
                && port.is_none()
                && source_labels.is_empty()
                && source_namespace.is_none()
                && gateways.is_empty()
        })
}
