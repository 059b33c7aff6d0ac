//! One route: match, action, and what surrounds them.

use super::action::build_forward;
use super::direct_response::build_direct_response;
use super::headers::{Mutations, build_headers};
use super::matches::build_match;
use super::redirect::build_redirect;
use crate::envoy::route::{Decorator, Route, route};
use crate::envoy::wkt;
use crate::filters::{cors, dynamic_forward_proxy, fault};
use crate::metadata::origin;
use mesh_model::{Cors, Fault};
use mesh_proto::pack;
use pilot_view::spec::{ActionSpec, ForwardSpec, RouteSpec};
use std::collections::BTreeMap;

/// The route that the spec describes.
pub(super) fn build_route(spec: &RouteSpec) -> Route {
    let RouteSpec { name, matches, action, headers, fault, cors, operation, stat_prefix, config } = spec;
    let mut mutations = build_headers(headers);
    if let ActionSpec::Forward(ForwardSpec { clusters, .. }) = action
        && let [only] = &clusters[..]
    {
        // A single destination is not weighed, so there is no other place for its header operations.
        mutations.append(build_headers(&only.headers));
    }
    let authority = mutations.authority.take();
    let looked_up = match action {
        ActionSpec::Forward(ForwardSpec { by_name: true, rewrite, .. }) => {
            let rewritten = rewrite.as_ref().map(|rewrite| rewrite.authority.to_string());
            rewritten.filter(|name| !name.is_empty()).or_else(|| authority.clone())
        }
        ActionSpec::Forward(_) | ActionSpec::Redirect(_) | ActionSpec::DirectResponse(_) => None,
    };
    let Mutations { authority: _, request_add, request_remove, response_add, response_remove } = mutations;
    Route {
        name: name.to_string(),
        r#match: Some(build_match(matches)),
        action: Some(match action {
            ActionSpec::Forward(forward) => route::Action::Route(build_forward(forward, authority)),
            ActionSpec::Redirect(redirect) => route::Action::Redirect(build_redirect(redirect)),
            ActionSpec::DirectResponse(response) => {
                route::Action::DirectResponse(build_direct_response(response))
            }
        }),
        metadata: config.as_ref().map(|config| origin("virtual-service", config)),
        decorator: (!operation.is_empty())
            .then(|| Decorator { operation: operation.to_string(), propagate: None }),
        typed_per_filter_config: build_per_filter(fault.as_ref(), cors.as_ref(), looked_up),
        request_headers_to_add: request_add,
        request_headers_to_remove: request_remove,
        response_headers_to_add: response_add,
        response_headers_to_remove: response_remove,
        stat_prefix: stat_prefix.to_string(),
        ..Default::default()
    }
}

fn build_per_filter(
    fault: Option<&Fault>,
    cors: Option<&Cors>,
    looked_up: Option<String>,
) -> BTreeMap<String, wkt::Any> {
    let fault = fault.and_then(fault::build_fault).map(|fault| (fault::NAME.to_owned(), pack(&fault)));
    let cors = cors.map(|cors| (cors::NAME.to_owned(), pack(&cors::build_cors(cors))));
    let lookup = looked_up.map(|name| {
        let config = dynamic_forward_proxy::build_lookup(name);
        (dynamic_forward_proxy::NAME.to_owned(), pack(&config))
    });
    fault.into_iter().chain(cors).chain(lookup).collect()
}
