//! `mirrors`: who gets copies of requests.

use crate::envoy::core::RuntimeFractionalPercent;
use crate::envoy::route::route_action::RequestMirrorPolicy;
use crate::value::{boolean, fraction};
use pilot_view::spec::MirrorSpec;

/// The mirror policy that the spec describes. Copies keep the `Host` of the request and do not show up in its trace.
pub(super) fn build_mirror(spec: &MirrorSpec) -> RequestMirrorPolicy {
    let MirrorSpec { cluster, percent } = spec;
    RequestMirrorPolicy {
        cluster: cluster.to_string(),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(fraction(*percent)),
            runtime_key: String::new(),
        }),
        trace_sampled: boolean(false),
        // Otherwise the copy's `Host` ends in `-shadow`, which no service knows itself by.
        disable_shadow_host_suffix_append: true,
        ..Default::default()
    }
}
