//! CORS: does nothing by itself; routes that have a `corsPolicy` configure it.

use super::Filter;
use crate::envoy::core::RuntimeFractionalPercent;
use crate::value::{boolean, fraction, string_matcher};
use mesh_model::{Cors, Percent, Str};
use mesh_proto::envoy::extensions::filters::http::cors::v3::{Cors as CorsFilter, CorsPolicy};
use mesh_proto::pack;

/// Its name in the chain, and in the configuration of routes.
pub(crate) const NAME: &str = "envoy.filters.http.cors";

pub(super) const FILTER: Filter = Filter { name: NAME, build: |_| Some(pack(&CorsFilter {})) };

/// `corsPolicy` of a route.
pub(crate) fn build_cors(cors: &Cors) -> CorsPolicy {
    let Cors {
        allow_origins,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
        forward_unmatched_preflights,
    } = cors;
    CorsPolicy {
        // The exact `*` is every origin to Envoy, too.
        allow_origin_string_match: allow_origins.iter().filter_map(string_matcher).collect(),
        allow_methods: join(allow_methods),
        allow_headers: join(allow_headers),
        expose_headers: join(expose_headers),
        // A header that counts whole seconds.
        max_age: max_age.map(|age| age.parts().0.to_string()).unwrap_or_default(),
        allow_credentials: allow_credentials.and_then(boolean),
        filter_enabled: Some(RuntimeFractionalPercent {
            default_value: Some(fraction(Percent::ALL)),
            runtime_key: String::new(),
        }),
        forward_not_matching_preflights: boolean(*forward_unmatched_preflights),
        ..Default::default()
    }
}

fn join(names: &[Str]) -> String {
    names.join(",")
}
